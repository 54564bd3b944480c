/** What a list that is watched for a long time keeps. */
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { type Watchable, Watched } from '../../core/watch.ts'
import { Body } from '../../res_pjsip_pubsub/body.ts'
import type { ListPlan } from '../../res_pjsip_pubsub/lists/plan.ts'
import { ListSource } from '../../res_pjsip_pubsub/lists/source.ts'
import { ALLOWED } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { collectGarbage } from '../support/garbage.ts'

const planOf = (...names: string[]): ListPlan => ({
  name: 'floor',
  fullState: false,
  showsNames: false,
  items: names.map((resource) => ({ resource, mayBeMissing: false })),
})

function listOf(plan: () => ListPlan, find: (resource: string) => Watchable<unknown>): ListSource {
  return new ListSource(plan(), {
    facts: { entries: undefined },
    plan,
    nameKey: (name) => name,
    batch: () => 0,
    compat: () => 'rfc',
    isPublished: () => false,
    firstVersion: 0,
    watched: () => undefined,
    servedAs: () => undefined,
    find,
    authorize: () => new Watched(ALLOWED),
    isNoNews: () => false,
    watching: () => undefined,
    hidesMissing: false,
    log: new Log('error').logger('lists'),
  })
}

describe('a resource list that is watched', () => {
  it('has Content-IDs with an IPv6 address in brackets (RFC 2045 7, RFC 5322 3.6.4)', async () => {
    const list = listOf(
      () => planOf('200'),
      () => new Watched<unknown>('off'),
    )
    await list.look()
    list.attach({ value: () => undefined })
    const address = { localUri: 'sip:floor@[2001:db8::1]:5070', dialogId: 'd', userAgent: '' }
    const rendering = {
      stamp: {},
      isOver: false,
      isPolite: false,
      displayName: () => '',
      body: () => new Body('text/plain', 'off', undefined),
    }
    const sent = list.body(address, rendering, Number.POSITIVE_INFINITY).content(0)
    const { contentType } = sent
    const content = String(sent.content)
    const ids = [...content.matchAll(/^Content-ID: <(.*)>\r$/gm)].map(([, id = '']) => id)
    expect(ids).to.have.length(2)
    for (const id of ids) expect(id).to.match(/^[0-9a-f]+@\[2001:db8::1\]$/)
    expect(contentType).to.include(`start="<${ids[0]}>"`)
    expect(content).to.include(`cid="${ids[1]}"`)
  })

  it('keeps nothing of what reloads took out of it', async () => {
    let plan = planOf('200', '201')
    const found = new Map<string, WeakRef<Watchable<unknown>>>()
    const list = listOf(
      () => plan,
      (resource) => {
        const source = new Watched<unknown>('off')
        found.set(resource, new WeakRef(source))
        return source
      },
    )
    await list.look()
    list.attach({ value: () => undefined })
    for (const other of ['202', '203', '204']) {
      plan = planOf('200', other)
      await list.revise()
    }
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    collectGarbage()
    expect([...found].filter(([, source]) => source.deref()).map(([name]) => name)).to.deep.equal(['200', '204'])
    expect(list.resources).to.deep.equal(['200', '204'])
  })
})
