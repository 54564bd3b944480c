/** What a list that is watched for a long time keeps. */
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { type Watchable, Watched } from '../../core/watch.ts'
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

describe('a resource list that is watched', () => {
  it('keeps nothing of what reloads took out of it', async () => {
    let plan = planOf('200', '201')
    const found = new Map<string, WeakRef<Watchable<unknown>>>()
    const list = new ListSource(plan, {
      facts: { entries: undefined },
      plan: () => plan,
      nameKey: (name) => name,
      batch: () => 0,
      compat: () => 'rfc',
      firstVersion: 0,
      watched: () => undefined,
      servedAs: () => undefined,
      find: (resource) => {
        const source = new Watched<unknown>('off')
        found.set(resource, new WeakRef(source))
        return source
      },
      authorize: () => new Watched(ALLOWED),
      isNoNews: () => false,
      watching: () => undefined,
      hidesMissing: false,
      log: new Log('error').logger('lists'),
    })
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
