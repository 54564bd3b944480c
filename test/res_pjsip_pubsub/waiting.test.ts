import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore } from '../../core/store.ts'
import { Watched } from '../../core/watch.ts'
import res_pjsip_watcherinfo_body_generator from '../../res_pjsip_pubsub/res_pjsip_watcherinfo_body_generator.ts'
import { ROWS } from '../../res_pjsip_pubsub/storage/row.ts'
import type { Authorization, SubHandling } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { openWatchers, STATUS_OF, type WatcherRow } from '../../res_pjsip_pubsub/watchers/watcher-row.ts'
import { later } from '../support/core.ts'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps } from '../support/lamps.ts'
import { until } from '../support/tools.ts'
import { readWatcherInfo } from '../support/watcher-table.ts'

class GuardedLamps extends Lamps {
  readonly reqAuth = true
}

describe('watchers that wait (RFC 3857 4.7.1)', () => {
  let directory: string
  let made: LampOffice
  let decision: Watched<Authorization>

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-waiting-'))
  })

  afterEach(async () => {
    await made.office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const said = (handling: SubHandling): Authorization => ({ handling, view: undefined, why: 'the test' })

  async function begin(
    handling: SubHandling = 'confirm',
    options: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    decision = new Watched(said(handling))
    made = await lampOffice({
      lamps: new GuardedLamps(),
      endpoints: { 100: {}, 200: {} },
      storePath: join(directory, 'w.db'),
      options,
    })
    await made.office.load(res_pjsip_watcherinfo_body_generator)
    made.pubsub.authorizer({ authorize: () => decision })
  }

  async function watch(more = {}): Promise<FakeTransaction> {
    const tx = await made.sip.subscribe('200', more)
    await settled()
    return tx
  }

  async function own(): Promise<FakeTransaction> {
    const tx = await made.sip.subscribe('200', {
      From: '<sip:200@pbx.example>;tag=o',
      Event: 'lamp.winfo',
      Contact: '<sip:200@192.0.2.2>',
    })
    await settled()
    return tx
  }

  async function seen(owner: FakeTransaction): Promise<string[]> {
    await settled()
    const { watchers } = await readWatcherInfo(owner.dialog.last.text)
    return watchers.map(({ id, status, event }) => `${ids.get(id) ?? id} ${status} ${event}`)
  }
  /** Names for ids. */
  const ids = new Map<string, string>()

  async function named(owner: FakeTransaction, name: string): Promise<void> {
    const { watchers } = await readWatcherInfo(owner.dialog.last.text)
    for (const { id } of watchers) ids.set(id, name)
  }

  async function rows(): Promise<WatcherRow[]> {
    await made.office.store.flush()
    const other = await openStore({ path: join(directory, 'w.db'), synchronous: 'off', log: new Log().logger('other') })
    const found: WatcherRow[] = []
    await (await openWatchers(other, 'watchers')).load((page) => void found.push(...page))
    await other.close()
    return found
  }
  /** The statuses in active_watchers. */
  async function subscribed(): Promise<number[]> {
    await made.office.store.flush()
    const table = await made.office.store.table({ ...ROWS, name: 'active_watchers' })
    return (await table.select({})).map(({ status }) => status)
  }
  const statuses = async (): Promise<number[]> => (await rows()).map(({ status }) => status)

  it('are those whose subscription ended before it was decided on, until it is', async () => {
    await begin()
    const tx = await watch()
    const owner = await own()
    await named(owner, 'a')
    expect(await seen(owner)).to.deep.equal(['a pending subscribe'])
    await made.sip.again(tx, { Expires: '0' })
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    expect([...made.pubsub.subscriptions]).to.have.length(1)
    decision.set(said('allow'))
    expect(await seen(owner)).to.deep.equal(['a terminated approved'])
    expect(await statuses()).to.deep.equal([])
  })

  it('are told as rejected where they are', async () => {
    await begin()
    await made.sip.again(await watch(), { Expires: '0' })
    const owner = await own()
    await named(owner, 'a')
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    decision.set(said('block'))
    expect(await seen(owner)).to.deep.equal(['a terminated rejected'])
  })

  it('go on as the same watcher when they subscribe anew', async () => {
    await begin()
    const owner = await own()
    const tx = await watch()
    await named(owner, 'a')
    await made.sip.again(tx, { Expires: '0' })
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    await watch()
    expect(await seen(owner)).to.deep.equal(['a pending subscribe'])
    decision.set(said('allow'))
    expect(await seen(owner)).to.deep.equal(['a active approved'])
  })

  it('are given up after waiting_time', async () => {
    await begin('confirm', { waiting_time: '1' })
    const owner = await own()
    const tx = await watch()
    await named(owner, 'a')
    await made.sip.again(tx, { Expires: '0' })
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    await until('it to be given up', async () => (await seen(owner))[0] === 'a terminated giveup')
    expect(await statuses()).to.deep.equal([])
  })

  it('are a hundred of one endpoint, the last ones, whatever it writes into From', async () => {
    await begin()
    const owner = await own()
    for (let n = 0; n < 150; n++) await watch({ From: `<sip:100@host${n}>;tag=f${n}`, Expires: '0' })
    const names = (await rows()).map(({ watcher_domain }) => watcher_domain)
    expect(names).to.have.length(100)
    expect(names).to.include('host149').and.to.not.include('host0')
    const { watchers } = await readWatcherInfo(owner.dialog.last.text)
    expect(watchers.filter(({ status }) => status === 'waiting').length).to.be.most(100)
    await watch({ From: '<sip:100@host100>;tag=again', Expires: '0' })
    expect(await rows()).to.have.length(100)
    decision.set(said('allow'))
    await settled()
    expect(await rows()).to.deep.equal([])
  })

  it('are known to nobody when their time is over, so that a row which another server left goes', async () => {
    await begin()
    const tx = await watch()
    await made.sip.again(tx, { Expires: '0' })
    const [row] = await rows()
    if (!row) throw new Error('nobody waits')
    decision.set(said('allow'))
    expect(await statuses()).to.deep.equal([])
    const table = await openWatchers(made.office.store, 'watchers')
    table.put({ ...row, inserted_time: 1 })
    expect(await statuses()).to.deep.equal([STATUS_OF.waiting])
    expect(await made.office.run('presence cleanup')).to.include('1 watchers')
    expect(await statuses()).to.deep.equal([])
  })

  it('are decided on by what was said last where nobody can say at a reload', async () => {
    decision = new Watched(said('confirm'))
    made = await lampOffice({ lamps: new GuardedLamps(), storePath: join(directory, 'w.db') })
    let canSay = true
    made.pubsub.authorizer({ authorize: () => (canSay ? decision : undefined) })
    await made.sip.again(await watch(), { Expires: '0' })
    expect(await statuses()).to.deep.equal([STATUS_OF.waiting])
    canSay = false
    const { endpoints } = made.office.core
    endpoints.replace({ ...endpoints.files })
    await settled()
    decision.set(said('allow'))
    expect(await statuses()).to.deep.equal([])
  })

  it('are none where waiting_time is 0', async () => {
    await begin('confirm', { waiting_time: '0' })
    const owner = await own()
    const tx = await watch()
    await named(owner, 'a')
    await made.sip.again(tx, { Expires: '0' })
    expect(await seen(owner)).to.deep.equal(['a terminated timeout'])
  })

  it('have a row with Kamailio’s columns, as all watchers who need leave', async () => {
    await begin('allow')
    const tx = await watch()
    const [row, ...more] = await rows()
    expect(more).to.deep.equal([])
    expect(row).to.deep.include({
      presentity_uri: 'sip:200@pbx.example',
      watcher_username: '100',
      watcher_domain: 'pbx.example',
      event: 'lamp',
      status: 1,
    })
    expect(await subscribed()).to.deep.equal([1])
    decision.set(said('confirm'))
    expect(await statuses()).to.deep.equal([2])
    expect(await subscribed(), 'in active_watchers').to.deep.equal([2])
    await made.sip.again(tx, { Expires: '0' })
    expect(await statuses()).to.deep.equal([4])
  })

  it('share a row where they are phones of one watcher, and lose it with the last', async () => {
    await begin('allow')
    const [first, second] = [await watch(), await watch({ Contact: '<sip:100@192.0.2.77>' })]
    expect(await statuses()).to.deep.equal([1])
    await made.sip.again(first, { Expires: '0' })
    await settled()
    expect(await statuses()).to.deep.equal([1])
    await made.sip.again(second, { Expires: '0' })
    await settled()
    expect(await statuses()).to.deep.equal([])
  })

  it('lose their rows where their module is unloaded and does not come back', async () => {
    for (const handling of ['allow', 'confirm'] as const) {
      await begin(handling, { unload_grace: '1' })
      await watch()
      expect(await statuses()).to.deep.equal([STATUS_OF[handling === 'allow' ? 'active' : 'pending']])
      await made.office.loader.unload('res_test_lamp')
      await until('end of the subscription', () => [...made.pubsub.subscriptions].length === 0)
      expect(await statuses()).to.deep.equal([])
      if (handling === 'allow') await made.office.close()
    }
  })

  it('are kept over a restart, and so is that a pending one expired meanwhile', async () => {
    await begin()
    await made.sip.again(await watch(), { Expires: '0' })
    await watch({ From: '<sip:200@pbx.example>;tag=p', Expires: '60' })
    expect(await statuses()).to.have.members([2, 4])
    await made.office.close()
    // Its time is over while nobody is there to see it.
    await later(60_000, () => begin())
    expect(await statuses()).to.have.length(2)
    const owner = await own()
    expect((await seen(owner)).map((line) => line.replace(/^\w+ /, ''))).to.deep.equal([
      'waiting timeout',
      'waiting timeout',
    ])
    decision.set(said('allow'))
    expect((await seen(owner)).map((line) => line.replace(/^\w+ /, ''))).to.deep.equal([
      'terminated approved',
      'terminated approved',
    ])
    expect(await statuses()).to.deep.equal([])
  })

  it('do not come of an orderly end of the server', async () => {
    await begin()
    await watch()
    await made.office.close()
    await begin()
    expect(await statuses()).to.deep.equal([2])
    const owner = await own()
    expect((await seen(owner)).map((line) => line.replace(/^\w+ /, ''))).to.deep.equal(['pending subscribe'])
  })

  it('and nobody is told more after a restart than before, though rules come late', async () => {
    await begin()
    await watch()
    await made.office.close()
    decision = new Watched(said('confirm'))
    made = await lampOffice({ lamps: new GuardedLamps(), endpoints: { 100: {} }, storePath: join(directory, 'w.db') })
    await pause(300)
    const [dialog] = made.sip.dialogs.values()
    expect(dialog?.notifies).to.have.length(0)
    made.pubsub.authorizer({ authorize: () => decision })
    await until('the NOTIFY after the start', () => (dialog?.notifies.length ?? 0) > 0)
    expect(dialog?.last.state).to.match(/^pending/)
    expect(dialog?.last.text).to.equal('')
  })

  it('and share their row then, too, where they are phones of one watcher', async () => {
    await begin()
    const [first, second] = [await watch(), await watch({ Contact: '<sip:100@192.0.2.77>' })]
    await made.office.close()
    made = await lampOffice({
      lamps: new GuardedLamps(),
      endpoints: { 100: {}, 200: {} },
      storePath: join(directory, 'w.db'),
      options: { waiting_time: '0' },
    })
    made.pubsub.authorizer({ authorize: () => decision })
    await until('both', () => [...made.pubsub.subscriptions].every(({ state }) => state === 'pending'))
    for (const tx of [second, first]) {
      expect(await statuses()).to.deep.equal([STATUS_OF.pending])
      await made.sip.again(tx, { Expires: '0' })
      await settled()
    }
    expect(await statuses()).to.deep.equal([])
  })

  it('and are pending to everybody from the start on, though rules come late', async () => {
    await begin()
    const tx = await watch()
    await made.office.close()
    made = await lampOffice({
      lamps: new GuardedLamps(),
      endpoints: { 100: {}, 200: {} },
      storePath: join(directory, 'w.db'),
    })
    await made.office.load(res_pjsip_watcherinfo_body_generator)
    const owner = await own()
    await named(owner, 'a')
    expect(await seen(owner)).to.deep.equal(['a pending subscribe'])
    expect((await made.sip.again(tx)).status).to.equal(200)
    await settled()
    const [dialog] = made.sip.dialogs.values()
    expect(dialog?.last.state).to.match(/^pending/)
    expect(await subscribed()).to.have.members([1, 2])
    await made.sip.again(tx, { Expires: '0' }, 3)
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    expect(await statuses()).to.deep.equal([4])
  })

  it('and are decided on after a restart though their endpoint is known later than the rules', async () => {
    await begin()
    const { endpoints } = made.office.core.endpoints.files
    await made.sip.again(await watch(), { Expires: '0' })
    await made.office.close()
    made = await lampOffice({ lamps: new GuardedLamps(), endpoints: { 200: {} }, storePath: join(directory, 'w.db') })
    await made.office.load(res_pjsip_watcherinfo_body_generator)
    made.pubsub.authorizer({ authorize: () => decision })
    const owner = await own()
    await named(owner, 'a')
    expect(await seen(owner)).to.deep.equal(['a waiting timeout'])
    made.office.core.endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => endpoints.get(id),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    decision.set(said('allow'))
    expect(await seen(owner)).to.deep.equal(['a terminated approved'])
    expect(await statuses()).to.deep.equal([])
  })

  it('and so are those whose endpoint a reload brings back', async () => {
    await begin()
    const { files } = made.office.core.endpoints
    await made.sip.again(await watch(), { Expires: '0' })
    await made.office.close()
    made = await lampOffice({ lamps: new GuardedLamps(), endpoints: { 200: {} }, storePath: join(directory, 'w.db') })
    made.pubsub.authorizer({ authorize: () => decision })
    decision.set(said('allow'))
    made.office.core.endpoints.replace(files)
    await settled()
    expect(await statuses()).to.deep.equal([])
  })
})
