import { expect } from 'chai'
import * as fc from 'fast-check'
import type { Endpoint } from '../../core/endpoints.ts'
import { Watched } from '../../core/watch.ts'
import { parseXml } from '../../core/xml.ts'
import res_pjsip_watcherinfo_body_generator, {
  watcherInfo,
} from '../../res_pjsip_pubsub/res_pjsip_watcherinfo_body_generator.ts'
import type { Authorization, SubHandling } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import type { FakeNotify, FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps } from '../support/lamps.ts'
import { ASK, resourceLists } from '../support/list-office.ts'
import { ListClient } from '../support/list-reader.ts'
import { until } from '../support/tools.ts'
import { addressing, readWatcherInfo, type SeenWatcher, WatcherTable } from '../support/watcher-table.ts'

class GuardedLamps extends Lamps {
  readonly reqAuth = true
}

describe('watcher information (RFC 3857, 3858)', () => {
  let made: LampOffice
  /** By endpoint. */
  let decisions: Map<string, Watched<Authorization>>

  beforeEach(async () => {
    decisions = new Map()
    made = await lampOffice({
      lamps: new GuardedLamps(),
      endpoints: { 100: {}, 101: {}, 200: {}, door: { aors: ['201'] }, boss: {} },
      options: { winfo_admins: 'boss' },
    })
    await made.office.load(res_pjsip_watcherinfo_body_generator)
    made.pubsub.authorizer({
      authorize: ({ endpoint }) => {
        const found = decisions.get(endpoint.id) ?? new Watched<Authorization>(decision('allow'))
        decisions.set(endpoint.id, found)
        return found
      },
    })
  })

  afterEach(() => made.office.close())

  const decision = (handling: SubHandling): Authorization => ({ handling, view: undefined, why: 'the test' })

  function decide(endpoint: string, handling: SubHandling): void {
    const found = decisions.get(endpoint)
    if (found) found.set(decision(handling))
    else decisions.set(endpoint, new Watched(decision(handling)))
  }

  async function subscribe(user: string, resource: string, event = 'lamp', more = {}): Promise<FakeTransaction> {
    const from = `"Phone ${user}" <sip:${user}@pbx.example>;tag=${user}`
    const tx = await made.sip.subscribe(resource, {
      From: from,
      Event: event,
      Contact: `<sip:${user}@192.0.2.9:${5000 + Number.parseInt(user, 10) || 5999}>`,
      ...more,
    })
    await settled()
    return tx
  }

  const read = (notify: FakeNotify): Promise<SeenWatcher> => readWatcherInfo(notify.text)
  const shown = ({ watchers }: SeenWatcher): string[] =>
    watchers.map(({ uri, status, event }) => `${uri} ${status} ${event}`)

  it('is deactivated by a reload after which there is none', async () => {
    made.office.file('pubsub.conf', { winfo_admins: 'boss', unload_grace: '1' })
    await made.office.loader.reload('res_pjsip_pubsub')
    const tx = await subscribe('200', '200', 'lamp.winfo')
    const { endpoints } = made.office.core
    made.office.general({ compat: 'asterisk' })
    endpoints.replace({ ...endpoints.files })
    await until('its end', () => tx.dialog.last.state.startsWith('terminated'))
  })

  describe('of an endpoint that only a server knows', () => {
    let now: Partial<Endpoint>

    beforeEach(() => {
      const [values] = made.office.core.endpoints.files.endpoints.values()
      if (!values) throw new Error('no endpoint')
      now = { aors: ['201'] }
      made.office.core.endpoints.addSource({
        name: 'pbx1',
        endpoint: async (id) => (id === '300' ? { ...values, id, ...now } : undefined),
        aor: async () => undefined,
        auth: async () => undefined,
      })
    })

    it('is told no more from the refresh on that finds it no owner any more', async () => {
      const tx = await subscribe('300', '201', 'lamp.winfo')
      expect(tx.status).to.equal(200)
      now = { aors: ['202'] }
      await made.sip.again(tx)
      await until('its end', () => tx.dialog.last.state === 'terminated;reason=rejected')
    })

    it('is over with the refresh that it may not send any more', async () => {
      const tx = await subscribe('300', '201')
      expect(tx.status).to.equal(200)
      now = { allow_subscribe: false }
      expect((await made.sip.again(tx)).status).to.equal(603)
      await until('its end', () => tx.dialog.last.state === 'terminated;reason=rejected')
    })
  })

  it('is offered for every package, and named in Allow-Events', async () => {
    expect(made.pubsub.events).to.deep.equal(['lamp', 'lamp.winfo'])
    const refused = await subscribe('100', '200', 'nothing.winfo')
    expect(refused.status).to.equal(489)
    expect(refused.header('Allow-Events')).to.equal('lamp, lamp.winfo')
    await made.office.loader.unload('res_pjsip_watcherinfo_body_generator')
    expect(made.pubsub.events).to.deep.equal(['lamp'])
    expect((await subscribe('200', '200', 'lamp.winfo')).status).to.equal(489)
  })

  it('is not there under compat=asterisk, which has none', async () => {
    made.office.general({ compat: 'asterisk' })
    expect(made.pubsub.events).to.deep.equal(['lamp'])
    expect((await subscribe('200', '200', 'lamp.winfo')).status).to.equal(489)
  })

  it('is for the owner by its name or an AOR, and for the administrator', async () => {
    const statuses = []
    for (const [user, resource] of [
      ['200', '200'],
      ['door', '201'],
      ['boss', '200'],
      ['100', '200'],
      ['door', '200'],
    ] as const)
      statuses.push((await subscribe(user, resource, 'lamp.winfo')).status)
    expect(statuses).to.deep.equal([200, 200, 200, 403, 403])
  })

  it('ends with the reload after which its watcher is neither owner nor administrator', async () => {
    const { office } = made
    const [boss, door, owner] = [
      await subscribe('boss', '200', 'lamp.winfo'),
      await subscribe('door', '201', 'lamp.winfo'),
      await subscribe('200', '200', 'lamp.winfo'),
    ]
    office.file('pubsub.conf', {})
    await office.loader.reload('res_pjsip_pubsub')
    const { files } = office.core.endpoints
    const endpoints = new Map([...files.endpoints].map(([id, endpoint]) => [id, { ...endpoint, aors: [] }]))
    office.core.endpoints.replace({ ...files, endpoints })
    await settled()
    const rejected = 'terminated;reason=rejected'
    for (const { dialog } of [boss, door]) expect([dialog.last.state, dialog.last.text]).to.deep.equal([rejected, ''])
    expect(owner.dialog.notifies).to.have.length(1)
    await subscribe('100', '200')
    await settled()
    expect(owner.dialog.last.state).to.match(/^active/)
    expect([boss.dialog.notifies.length, owner.dialog.notifies.length]).to.deep.equal([2, 2])
  })

  it('in a list: what may be seen no more ends there, and the rest stays', async () => {
    const { office } = made
    const body = resourceLists(['sip:200@pbx.example'], ['sip:201@pbx.example'])
    const headers = {
      ...ASK,
      From: '<sip:door@pbx.example>;tag=d',
      Event: 'lamp.winfo',
      Accept: 'multipart/related, application/rlmi+xml, application/watcherinfo+xml',
      Require: 'recipient-list-subscribe',
      'Content-Type': 'application/resource-lists+xml',
    }
    office.file('pubsub.conf', { winfo_admins: 'door' })
    await office.loader.reload('res_pjsip_pubsub')
    const { dialog } = await made.sip.receive('SUBSCRIBE', 'sip:rls@pbx.example', headers, undefined, body)
    await settled(8)
    const reader = new ListClient()
    const states = (): unknown[] => {
      const { body: last } = dialog.last
      if (!last) return [dialog.last.state]
      return reader
        .take(last.contentType, String(last.content))
        .entries.map(({ uri, instance }) => [uri, instance?.state])
    }
    expect(states()).to.deep.equal([
      ['sip:200@pbx.example', 'active'],
      ['sip:201@pbx.example', 'active'],
    ])
    office.file('pubsub.conf', {})
    await office.loader.reload('res_pjsip_pubsub')
    await settled(8)
    expect(dialog.last.state).to.match(/^active/)
    expect(states()).to.deep.equal([['sip:200@pbx.example', 'terminated']])
  })

  it('tells who watches: first all, then what is new', async () => {
    const watcher = await subscribe('100', '200')
    const owner = await subscribe('200', '200', 'lamp.winfo')
    const first = await read(owner.dialog.last)
    expect(owner.dialog.last.body?.contentType).to.equal('application/watcherinfo+xml')
    expect(first).to.deep.include({ version: 0, state: 'full', package: 'lamp', resource: 'sip:200@pbx.example' })
    expect(first.watchers).to.have.length(1)
    expect(first.watchers[0]).to.deep.include({
      uri: 'sip:100@pbx.example',
      status: 'active',
      event: 'subscribe',
    })
    const other = await subscribe('101', '200')
    await settled()
    const second = await read(owner.dialog.last)
    expect(second).to.deep.include({ version: 1, state: 'partial' })
    expect(shown(second)).to.deep.equal(['sip:101@pbx.example active subscribe'])
    await made.sip.again(watcher, { Expires: '0' })
    await settled()
    const third = await read(owner.dialog.last)
    expect(third).to.deep.include({ version: 2, state: 'partial' })
    expect(shown(third)).to.deep.equal(['sip:100@pbx.example terminated timeout'])
    expect(third.watchers[0]?.id).to.equal(first.watchers[0]?.id)
    await made.sip.again(owner)
    await settled()
    const refreshed = await read(owner.dialog.last)
    expect(refreshed).to.deep.include({ version: 3, state: 'full' })
    expect(shown(refreshed)).to.deep.equal(['sip:101@pbx.example active subscribe'])
    expect(other.status).to.equal(200)
  })

  it('tells nothing where nothing changed, and nothing of other resources and events', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    const watcher = await subscribe('100', '201')
    await made.sip.again(watcher)
    made.lamps.set('200', 'on')
    await settled()
    expect(owner.dialog.notifies).to.have.length(1)
  })

  it('tells each state and its event', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    decide('100', 'confirm')
    decide('101', 'block')
    await subscribe('100', '200')
    await settled()
    await subscribe('101', '200')
    await settled()
    decide('100', 'allow')
    await settled()
    decide('100', 'block')
    await settled()
    const told = await Promise.all(owner.dialog.notifies.slice(1).map(read))
    expect(told.flatMap(shown)).to.deep.equal([
      'sip:100@pbx.example pending subscribe',
      'sip:101@pbx.example terminated rejected',
      'sip:100@pbx.example active approved',
      'sip:100@pbx.example terminated rejected',
    ])
  })

  it('sends the whole list after a NOTIFY that failed: there must be no gap', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    made.sip.autoAnswer = undefined
    await subscribe('100', '200')
    await settled()
    owner.dialog.last.answer(500)
    made.sip.autoAnswer = 200
    await subscribe('101', '200')
    await made.sip.again(owner)
    await settled()
    const again = await read(owner.dialog.last)
    expect(again.state).to.equal('full')
    expect(again.watchers).to.have.length(2)
  })

  it('has the entity-tag of the whole list in a part of it, too (RFC 5839)', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    await subscribe('100', '200')
    await settled()
    const part = owner.dialog.last
    expect((await read(part)).state).to.equal('partial')
    const tag = part.header('SIP-ETag')
    expect(tag).to.match(/^[0-9a-f]{20}$/)
    expect((await made.sip.again(owner, { 'Suppress-If-Match': tag })).status).to.equal(204)
    await subscribe('101', '200')
    await settled()
    expect((await made.sip.again(owner, { 'Suppress-If-Match': tag })).status).to.equal(200)
  })

  it('begins with the whole list where its watcher had that already (RFC 5839)', async () => {
    await subscribe('100', '200')
    const before = await subscribe('200', '200', 'lamp.winfo')
    const has = { 'Suppress-If-Match': before.dialog.last.header('SIP-ETag') ?? '', Contact: '<sip:200@192.0.2.8>' }
    const owner = await subscribe('200', '200', 'lamp.winfo', has)
    expect(owner.dialog.notifies.map(({ text }) => text)).to.deep.equal([''])
    await subscribe('101', '200')
    await settled()
    const first = await read(owner.dialog.last)
    expect([first.state, first.version, first.watchers.length]).to.deep.equal(['full', 0, 2])
    await subscribe('boss', '200')
    await settled()
    expect((await read(owner.dialog.last)).state).to.equal('partial')
  })

  it('ends with the whole list', async () => {
    await subscribe('100', '200')
    const owner = await subscribe('200', '200', 'lamp.winfo')
    await made.sip.again(owner, { Expires: '0' })
    await settled()
    expect(owner.dialog.last.state).to.equal('terminated;reason=timeout')
    expect((await read(owner.dialog.last)).state).to.equal('full')
    const fetched = await subscribe('200', '200', 'lamp.winfo', { Expires: '0' })
    expect(shown(await read(fetched.dialog.last))).to.deep.equal(['sip:100@pbx.example active subscribe'])
  })

  it('can be applied to itself, once', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    const above = await subscribe('boss', '200', 'lamp.winfo.winfo')
    const seen = await read(above.dialog.last)
    expect(seen.package).to.equal('lamp.winfo')
    expect(shown(seen)).to.deep.equal(['sip:200@pbx.example active subscribe'])
    expect(owner.status).to.equal(200)
    expect((await subscribe('boss', '200', 'lamp.winfo.winfo.winfo')).status).to.equal(489)
  })

  it('goes and comes back with the package it is about', async () => {
    const owner = await subscribe('200', '200', 'lamp.winfo')
    await made.office.loader.unload('res_test_lamp')
    expect([...made.pubsub.subscriptions].map(({ state }) => state)).to.deep.equal(['pending'])
    await made.office.loader.load('res_test_lamp')
    await until('the package to be found', () =>
      [...made.pubsub.subscriptions].every(({ state }) => state === 'active'),
    )
    await subscribe('100', '200')
    await settled()
    expect(shown(await read(owner.dialog.last))).to.deep.equal(['sip:100@pbx.example active subscribe'])
  })

  it('property: the partial documents of any run add up to the full one', async () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('subscribe', 'end', 'refresh', 'decide', 'fail', 'pass', 'settle', 'ask'),
        who: fc.constantFrom('100', '101', '102', '103'),
        how: fc.constantFrom<SubHandling>('allow', 'confirm', 'block', 'polite-block'),
      }),
      { maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (run) => {
        const here = await lampOffice({
          lamps: new GuardedLamps(),
          endpoints: { 100: {}, 101: {}, 102: {}, 103: {}, 200: {} },
          options: { notify_retry_interval: '10', notify_retries: '0' },
        })
        try {
          await here.office.load(res_pjsip_watcherinfo_body_generator)
          const handling = new Map(['100', '101', '102', '103'].map((id) => [id, new Watched(decision('allow'))]))
          here.pubsub.authorizer({
            authorize: ({ endpoint }) => handling.get(endpoint.id) ?? new Watched(decision('allow')),
          })
          const owner = await here.sip.subscribe('200', {
            From: '<sip:200@pbx.example>;tag=o',
            Event: 'lamp.winfo',
            Contact: '<sip:200@192.0.2.200>',
          })
          const table = new WatcherTable()
          let at = 0
          const take = async (): Promise<void> => {
            for (const notify of owner.dialog.notifies.slice(at))
              if (notify.landed && !failed.has(notify)) await table.take(notify.text)
            at = owner.dialog.notifies.length
          }
          const failed = new Set<FakeNotify>()
          const mine = new Map<string, FakeTransaction>()
          let failing = false
          for (const { what, who, how } of run) {
            const had = mine.get(who)
            here.sip.autoAnswer = 200
            if (what === 'subscribe') {
              const tx = await here.sip.subscribe('200', {
                From: `<sip:${who}@pbx.example>;tag=${who}`,
                Contact: `<sip:${who}@192.0.2.${who}>`,
              })
              if (tx.status === 200) mine.set(who, tx)
            } else if (what === 'end' && had) await here.sip.again(had, { Expires: '0' })
            else if (what === 'refresh' && had) await here.sip.again(had)
            else if (what === 'decide') handling.get(who)?.set(decision(how))
            else if (what === 'fail') failing = true
            else if (what === 'pass') failing = false
            else if (what === 'ask') await here.sip.again(owner)
            if (what !== 'settle') continue
            here.sip.autoAnswer = failing ? 500 : 200
            const before = owner.dialog.notifies.length
            await settled()
            if (failing) for (const notify of owner.dialog.notifies.slice(before)) failed.add(notify)
            await take()
          }
          here.sip.autoAnswer = 200
          await settled()
          await here.sip.again(owner)
          await settled()
          // All but the last, which is the whole list.
          const whole = owner.dialog.last
          for (const notify of owner.dialog.notifies.slice(at, -1))
            if (!failed.has(notify)) await table.take(notify.text)
          if (failed.size === 0) {
            const expected = new WatcherTable()
            await expected.take(whole.text)
            expect(table.rows).to.deep.equal(expected.rows)
          }
          await table.take(whole.text)
          expect(table.gaps, 'gaps in the versions of what arrived').to.equal(0)
        } finally {
          await here.office.close()
        }
      }),
      { numRuns: 60 },
    )
  })

  it('makes documents that can be read, whatever names and URIs hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (uri, displayName) => {
        const entry = { id: 'a', uri, displayName, status: 'active', event: 'subscribe', change: 1 } as const
        const info = { package: 'x', change: 2, watchers: [entry], ended: [], endedAfter: 0 }
        const { text, versionAt } = watcherInfo.print(watcherInfo.generate(info, addressing('sip:r@a')))
        parseXml(text)
        expect(text.slice(0, versionAt)).to.match(/version="$/)
      }),
      { numRuns: 100 },
    )
  })

  it('gives the whole list to who has missed more than is remembered', () => {
    const info = { package: 'x', change: 90, watchers: [], ended: [], endedAfter: 50 }
    const doc = watcherInfo.partial?.(info, { ...info, change: 40 }, addressing('sip:r@a'))
    expect(doc?.attributes.get('state')).to.equal('full')
    expect(watcherInfo.partial?.(info, { ...info, change: 60 }, addressing('sip:r@a'))).to.equal(undefined)
  })
})
