/** `subs_db_mode = 3`: the owner is at one server, its watchers at another. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Watched } from '../../core/watch.ts'
import res_pjsip_watcherinfo_body_generator from '../../res_pjsip_pubsub/res_pjsip_watcherinfo_body_generator.ts'
import type { Authorization, SubHandling } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice } from '../support/lamp-office.ts'
import { Lamps } from '../support/lamps.ts'
import { until } from '../support/tools.ts'
import { WatcherTable } from '../support/watcher-table.ts'

class GuardedLamps extends Lamps {
  readonly reqAuth = true
}

describe('watchers at other servers', function () {
  this.timeout(60_000)
  let directory: string
  let one: LampOffice
  let other: LampOffice
  let table: WatcherTable
  let owner: FakeTransaction
  let read: number

  const said = (handling: SubHandling): Authorization => ({ handling, view: undefined, why: 'the test' })
  const decision = new Watched(said('allow'))

  async function begin(): Promise<LampOffice> {
    const made = await lampOffice({
      lamps: new GuardedLamps(),
      endpoints: { 100: {}, 200: {} },
      storePath: join(directory, 'presence.db'),
      options: { subs_db_mode: '3', notifier_processes: '0', notifier_poll_rate: '100' },
    })
    await made.office.load(res_pjsip_watcherinfo_body_generator)
    made.pubsub.authorizer({ authorize: () => decision })
    return made
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-foreign-'))
    decision.set(said('allow'))
    one = await begin()
    other = await begin()
    table = new WatcherTable()
    read = 0
    owner = await one.sip.subscribe('200', {
      From: '<sip:200@pbx.example>;tag=o',
      Event: 'lamp.winfo',
      Contact: '<sip:200@192.0.2.2>',
    })
  })

  afterEach(async () => {
    await one.office.close()
    await other.office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** The owner asks for the list in a dialog of its own. */
  async function watchAnew(): Promise<void> {
    owner = await one.sip.subscribe('200', {
      From: '<sip:200@pbx.example>;tag=anew',
      Event: 'lamp.winfo',
      Contact: '<sip:200@192.0.2.2>',
    })
    table = new WatcherTable()
    read = 0
  }

  /** What the owner has been told, without the ids. */
  async function told(): Promise<string[]> {
    for (const notify of owner.dialog.notifies.slice(read)) await table.take(notify.text)
    read = owner.dialog.notifies.length
    return [...table.rows.values()]
  }
  const shows = (...lines: readonly string[]): Promise<unknown> =>
    until(lines.join(', ') || 'nobody', async () => (await told()).join(', ') === lines.join(', '))

  it('come, are decided on, and go', async () => {
    await shows()
    const tx = await other.sip.subscribe('200')
    await shows('sip:100@pbx.example active subscribe')
    decision.set(said('confirm'))
    await shows('sip:100@pbx.example pending subscribe')
    decision.set(said('allow'))
    await shows('sip:100@pbx.example active approved')
    await other.sip.again(tx, { Expires: '0' })
    await shows()
    expect(table.gaps).to.equal(0)
  })

  it('are in the list of who asks later', async () => {
    await other.sip.subscribe('200')
    await shows('sip:100@pbx.example active subscribe')
    await one.sip.again(owner, { Expires: '0' })
    await watchAnew()
    await shows('sip:100@pbx.example active subscribe')
  })

  it('are there for who only asks, and in the first list of who goes on', async () => {
    await other.sip.subscribe('200')
    await shows('sip:100@pbx.example active subscribe')
    await one.sip.again(owner, { Expires: '0' })
    for (const [tag, expires] of [
      ['o2', '0'],
      ['o3', '600'],
    ]) {
      const asked = await one.sip.subscribe('200', {
        From: `<sip:200@pbx.example>;tag=${tag}`,
        Event: 'lamp.winfo',
        Expires: expires ?? '',
        Contact: '<sip:200@192.0.2.2>',
      })
      await until('its list', () => asked.dialog.notifies.length > 0)
      expect(asked.dialog.notifies[0]?.text).to.include('sip:100@pbx.example')
    }
  })

  it('stay the same when another server takes their subscription over', async () => {
    const tx = await other.sip.subscribe('200')
    await shows('sip:100@pbx.example active subscribe')
    const [id] = table.rows.keys()
    const refresh = await one.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: `${tx.request.cseq.number + 1} SUBSCRIBE`,
    })
    expect(refresh.status).to.equal(200)
    await until('that the first lets go', () => [...other.pubsub.subscriptions].length === 0)
    await shows('sip:100@pbx.example active subscribe')
    expect([...table.rows.keys()]).to.deep.equal([id])
    await one.sip.again(refresh, { Expires: '0' })
    await shows()
  })

  it('wait at any of them', async () => {
    decision.set(said('confirm'))
    const tx = await other.sip.subscribe('200')
    await shows('sip:100@pbx.example pending subscribe')
    const [id] = table.rows.keys()
    await other.sip.again(tx, { Expires: '0' })
    await shows('sip:100@pbx.example waiting timeout')
    expect([...table.rows.keys()]).to.deep.equal([id])
    decision.set(said('allow'))
    await shows()
  })

  it('wait no more where they subscribe anew at another one than the one that was started meanwhile', async () => {
    decision.set(said('confirm'))
    const tx = await other.sip.subscribe('200')
    await other.sip.again(tx, { Expires: '0' })
    await shows('sip:100@pbx.example waiting timeout')
    await one.office.close()
    one = await begin()
    await watchAnew()
    await shows('sip:100@pbx.example waiting timeout')
    await other.sip.subscribe('200', { From: '<sip:100@pbx.example>;tag=again', 'Call-ID': 'again' })
    await shows('sip:100@pbx.example pending subscribe')
  })

  it('that wait are decided on where the server is gone at which they do', async () => {
    decision.set(said('confirm'))
    const tx = await other.sip.subscribe('200')
    await other.sip.again(tx, { Expires: '0' })
    await shows('sip:100@pbx.example waiting timeout')
    await other.office.close()
    decision.set(said('allow'))
    await shows()
  })
})
