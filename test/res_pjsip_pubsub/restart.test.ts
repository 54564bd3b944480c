import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import sqlite3 from 'sqlite3'
import { ROWS } from '../../res_pjsip_pubsub/storage/row.ts'
import { later } from '../support/core.ts'
import type { FakeDialog, FakeSip, FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps, maker, XML } from '../support/lamps.ts'
import { until } from '../support/tools.ts'

describe('subscription: over a restart', () => {
  let directory: string
  let lamps: Lamps
  const open: LampOffice[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-pubsub-'))
    lamps = new Lamps()
  })

  afterEach(async () => {
    for (const made of open.splice(0)) await made.office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function begin(settings: Parameters<typeof lampOffice>[0] = {}): Promise<LampOffice> {
    const made = await lampOffice({ storePath: join(directory, 'lamps.db'), lamps, ...settings })
    open.push(made)
    return made
  }

  async function end({ office }: LampOffice, how: 'close' | 'kill'): Promise<void> {
    open.splice(0)
    await office[how]()
  }

  const dialogsOf = (sip: FakeSip): FakeDialog[] => [...sip.dialogs.values()]
  const versionOf = (text: string): number => Number(/version="(\d+)"/.exec(text)?.[1])
  const inDialog = (tx: FakeTransaction, made: LampOffice): FakeDialog => {
    const found = dialogsOf(made.sip).find((dialog) => dialog.callId === tx.request.callId)
    if (!found) throw new Error('its dialog is gone')
    return found
  }

  for (const how of ['close', 'kill'] as const) {
    it(`sends each phone one NOTIFY with the state now, in its old dialog, numbers higher than before (${how})`, async () => {
      const first = await begin()
      const tx = await first.sip.subscribe('200', { Accept: XML, Event: 'lamp;id=3' })
      const other = await first.sip.subscribe('201')
      await settled()
      for (const light of ['a', 'b', 'c']) {
        lamps.set('200', light)
        await settled()
      }
      await first.office.store.flush()
      const before = tx.dialog.last
      await end(first, how)
      expect(before.text).to.include('>c<')
      expect(tx.dialog.notifies).to.have.length(4)

      lamps.set('200', 'd')
      const second = await begin()
      const dialog = inDialog(tx, second)
      await until('a NOTIFY to each', () => dialogsOf(second.sip).every((one) => one.notifies.length > 0))
      await settled()
      expect(dialog.notifies).to.have.length(1)
      expect(dialog.last.cseq).to.be.above(before.cseq)
      expect(versionOf(dialog.last.text)).to.be.above(versionOf(before.text))
      expect(dialog.last.text).to.include('>d<').and.include('sip:200@pbx.example')
      expect(dialog.last.header('Event')).to.equal('lamp;id=3')
      expect(dialog.last.state).to.match(/^active;expires=(600|599|598)$/)
      expect(inDialog(other, second).notifies.map((notify) => notify.text)).to.deep.equal(['off'])
      expect(lamps.asked.at(-1)?.request).to.equal(undefined)
      expect(lamps.asked.at(-1)?.uri).to.equal('sip:100@pbx.example')
    })
  }

  it('never goes back, however many NOTIFYs there were', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200', { Accept: XML })
    await settled()
    for (let light = 0; light < 175; light++) {
      lamps.set('200', String(light))
      await settled(2)
      if (light % 25 === 0) await first.office.store.flush()
    }
    await settled()
    const before = tx.dialog.last
    expect(before.cseq).to.equal(176)
    await end(first, 'kill')
    const second = await begin()
    const dialog = inDialog(tx, second)
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    expect(dialog.last.cseq).to.be.above(176)
    expect(versionOf(dialog.last.text)).to.be.above(versionOf(before.text))
  })

  it('never goes back over many kills, each right after the first NOTIFY', async () => {
    let made = await begin()
    const tx = await made.sip.subscribe('200', { Accept: XML })
    await settled()
    let { last } = tx.dialog
    for (let round = 0; round < 4; round++) {
      await made.office.store.flush()
      await end(made, 'kill')
      made = await begin()
      const dialog = inDialog(tx, made)
      await until('a NOTIFY', () => dialog.notifies.length > 0)
      expect(dialog.last.cseq).to.be.above(last.cseq)
      expect(versionOf(dialog.last.text)).to.be.above(versionOf(last.text))
      last = dialog.last
    }
  })

  it('has new numbers reserved on disk before the first NOTIFY after a start', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    await settled()
    await first.office.store.flush()
    await end(first, 'kill')
    const second = await begin()
    const dialog = inDialog(tx, second)
    expect(dialog.notifies).to.have.length(0)
    await second.office.store.flush()
    const count = '(SELECT count FROM presence_reserves) - reserved_before'
    const reserved = await query(
      join(directory, 'lamps.db'),
      `SELECT local_cseq + ${count} AS cseq FROM active_watchers`,
    )
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    expect(reserved['cseq']).to.be.above(dialog.last.cseq + 40)
  })

  it('forgets one that ends although its final NOTIFY has to wait', async () => {
    const first = await begin()
    first.sip.autoAnswer = undefined
    const tx = await first.sip.subscribe('200')
    await settled()
    await first.sip.again(tx, { Expires: '0' })
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    await first.office.store.flush()
    await end(first, 'kill')
    expect(dialogsOf((await begin()).sip)).to.deep.equal([])
  })

  it('goes on without a gap after an orderly end', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200', { Accept: XML })
    await until('the first NOTIFY', () => tx.dialog.notifies.length === 1)
    await end(first, 'close')
    const second = await begin()
    await until('a NOTIFY', () => inDialog(tx, second).notifies.length > 0)
    expect(inDialog(tx, second).last.cseq).to.equal(2)
  })

  it('takes refreshes in the old dialog at once', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    await first.office.store.flush()
    await end(first, 'kill')
    const second = await begin()
    const refresh = await second.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: '2 SUBSCRIBE',
      Expires: '0',
    })
    expect(refresh.status).to.equal(200)
    await settled()
    expect(refresh.dialog.last.state).to.equal('terminated;reason=timeout')
  })

  it('brings nothing back that ended', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    const gone = await first.sip.subscribe('201')
    await first.sip.subscribe('201', { Expires: '0' })
    await settled()
    await first.sip.again(tx, { Expires: '0' })
    first.sip.autoAnswer = 481
    lamps.set('201', 'on')
    await settled()
    expect(gone.dialog.disposed).to.equal(true)
    await first.office.store.flush()
    await end(first, 'kill')
    const second = await begin()
    expect(dialogsOf(second.sip)).to.deep.equal([])
  })

  it('drops what expired a day ago', async () => {
    const first = await begin()
    await first.sip.subscribe('200', { Expires: '60' })
    await first.office.store.flush()
    await end(first, 'kill')
    const second = await later(86_460_000, () => begin({ options: { restore_spread: '0' } }))
    await settled()
    expect(dialogsOf(second.sip)).to.deep.equal([])
    expect(second.office.logged.join('\n')).to.include('0 subscriptions restored, 1 had expired')
  })

  it('goes on for as long as was granted, by the clock that was set meanwhile', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    await settled()
    await later(7_200_000, async () => {
      await first.sip.again(tx)
      await end(first, 'close')
      const second = await begin()
      await until('a NOTIFY', () => inDialog(tx, second).notifies.length > 0)
      expect(inDialog(tx, second).last.state).to.match(/^active;expires=(600|59\d)$/)
    })
  })

  it('grants no more than max_expires where the clock is behind', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200', { Expires: '60' })
    await settled()
    await end(first, 'close')
    await later(-86_400_000, async () => {
      const second = await begin({ options: { max_expires: '1000', default_expires: '1000' } })
      await until('a NOTIFY', () => inDialog(tx, second).notifies.length > 0)
      expect(inDialog(tx, second).last.state).to.match(/^active;expires=(1000|99\d)$/)
    })
  })

  it('looks for an extension that is not there yet, and finds it', async () => {
    const lamp = new Lamps()
    const first = await begin({ lamps: lamp })
    const tx = await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    lamp.instead = { found: 'unavailable' }
    const second = await begin({ lamps: lamp })
    await until('the question', () => lamp.asked.length > 1)
    expect(inDialog(tx, second).notifies).to.have.length(0)
    lamp.instead = undefined
    await until('a NOTIFY', () => inDialog(tx, second).notifies.length > 0)
    expect(inDialog(tx, second).last.text).to.equal('off')
  })

  for (const [found, state] of [
    [undefined, 'terminated;reason=noresource'],
    ['unavailable', 'terminated;reason=probation;retry-after=10'],
    [{ status: 403 }, 'terminated;reason=rejected'],
  ] as const) {
    it(`gives up after restore_patience: ${state}`, async () => {
      const first = await begin()
      await first.sip.subscribe('200')
      await settled()
      await end(first, 'close')
      lamps.instead = { found }
      const second = await begin({ options: { restore_patience: '0' } })
      // It may be over before the start is.
      const [dialog] = second.sip.allDialogs
      await until('the end', () => dialog?.disposed)
      expect(dialog?.notifies.map((notify) => notify.state)).to.deep.equal([state])
    })
  }

  it('drops the row of an endpoint that does not come back', async () => {
    const first = await begin()
    await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin({ endpoints: { 101: {} }, options: { restore_patience: '0' } })
    expect(dialogsOf(second.sip)).to.deep.equal([])
    await settled()
    expect(second.office.logged.join('\n')).to.include('endpoint 100 is not there any more')
    await second.office.store.flush()
    await end(second, 'close')
    expect(dialogsOf((await begin()).sip)).to.deep.equal([])
  })

  it('ends what an endpoint watches that may not subscribe any more', async () => {
    const first = await begin()
    await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin({ endpoints: { 100: { allow_subscribe: false } } })
    const [dialog] = second.sip.allDialogs
    await until('a NOTIFY', () => (dialog?.notifies.length ?? 0) > 0)
    expect(dialog?.last.state).to.equal('terminated;reason=rejected')
    await until('its end', () => [...second.pubsub.subscriptions].length === 0)
  })

  it('asks for an endpoint that another source knows', async () => {
    const first = await begin()
    const endpoint = first.office.core.endpoints.files.endpoints.get('100')
    await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin({ endpoints: { 101: {} } })
    second.office.core.endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => (id === '100' ? endpoint : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    await until('a NOTIFY', () => (dialogsOf(second.sip)[0]?.notifies.length ?? 0) > 0)
    expect(dialogsOf(second.sip)[0]?.last.text).to.equal('off')
  })

  it('takes the refresh of a phone that only another source knows, and that was not found yet', async () => {
    const first = await begin()
    const endpoint = first.office.core.endpoints.files.endpoints.get('100')
    const tx = await first.sip.subscribe('200')
    await end(first, 'close')
    const second = await begin({ endpoints: { 101: {} } })
    second.office.core.endpoints.addSource({
      name: 'pbx1',
      // It is back by the time that the phone asks for something.
      endpoint: async (id, isClaim) => (id === '100' && isClaim === true ? endpoint : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    const refresh = await second.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: `${tx.request.cseq.number + 1} SUBSCRIBE`,
      Event: 'lamp',
    })
    expect(refresh.status).to.equal(200)
    await until('a NOTIFY', () => dialogsOf(second.sip)[0]?.notifies.at(-1)?.text === 'off')
  })

  it('asks a phone that subscribed anew meanwhile whether it knows the old one', async () => {
    const first = await begin()
    const { endpoints } = first.office.core.endpoints.files
    await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin({ endpoints: { 101: {} } })
    const all = second.office.core.endpoints
    all.replace({ ...all.files, endpoints })
    const anew = await second.sip.subscribe('200')
    expect(anew.status).to.equal(200)
    await settled()
    second.sip.autoAnswer = 481
    // The next question for the endpoint comes a second after the first.
    await until('the old one', () => second.sip.wire.filter((line) => line.startsWith('NOTIFY')).length === 2)
    expect(dialogsOf(second.sip)).to.deep.equal([anew.dialog])
  })

  it('waits for a lost connection to come back', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin()
    const dialog = inDialog(tx, second)
    dialog.reachable = false
    await until('its state', () => second.office.metric('pubsub.subscriptions.active') === 1)
    await settled()
    expect(dialog.notifies).to.have.length(0)
    const refresh = await second.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': tx.request.callId,
      From: tx.request.from.text,
      To: `<sip:200@pbx.example>;tag=${dialog.localTag}`,
      CSeq: '2 SUBSCRIBE',
    })
    expect(refresh.status).to.equal(200)
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    await settled()
    expect(dialog.notifies).to.have.length(1)
  })

  it('waits for all that makes a body before the one NOTIFY', async () => {
    const first = await begin()
    const tx = await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin()
    await pause(20)
    second.pubsub.bodySupplement(maker)
    const dialog = inDialog(tx, second)
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    await settled()
    expect(dialog.notifies.map((notify) => notify.text)).to.deep.equal(['off by Edison'])
  })

  it('spreads the NOTIFYs', async () => {
    const first = await begin({ options: { replace_same_contact: 'no' } })
    for (let phone = 0; phone < 60; phone++) await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const second = await begin({ options: { restore_spread: '1' } })
    const sent = (): number => dialogsOf(second.sip).filter((dialog) => dialog.notifies.length > 0).length
    const some = await until('some', () => sent() || undefined)
    expect(some).to.be.below(60)
    await until('all', () => sent() === 60)
    expect(dialogsOf(second.sip).every((dialog) => dialog.notifies.length === 1)).to.equal(true)
  })

  it('tells who expired while its endpoint was not known yet, when that is', async () => {
    const first = await begin()
    const { endpoints } = first.office.core.endpoints.files
    await first.sip.subscribe('200', { Expires: '60' })
    await settled()
    await end(first, 'close')
    const second = await later(60_000, () => begin({ endpoints: { 101: {} }, options: { restore_spread: '0' } }))
    await settled()
    expect(second.sip.allDialogs).to.deep.equal([])
    const all = second.office.core.endpoints
    await later(60_000, async () => {
      all.replace({ ...all.files, endpoints })
      await until('its end', () => second.sip.allDialogs[0]?.disposed)
    })
    expect(second.sip.wire).to.have.length(1)
    expect(second.sip.allDialogs[0]?.last.state).to.equal('terminated;reason=timeout')
  })

  it('drops rows that cannot be read, says so, and takes the others', async () => {
    const first = await begin()
    await first.sip.subscribe('200')
    await settled()
    await end(first, 'close')
    const damaged = await begin()
    await until('a NOTIFY', () => (dialogsOf(damaged.sip)[0]?.notifies.length ?? 0) > 0)
    await end(damaged, 'kill')
    await spoil(join(directory, 'lamps.db'))
    const second = await begin()
    expect(second.office.logged.join('\n')).to.include('1 stored subscriptions could not be read')
    expect(second.office.logged.join('\n')).to.include('the stored dialog of lamp of 200 for 100 cannot be read')
    expect(dialogsOf(second.sip)).to.have.length(1)
  })

  it('goes on where it was when res_pjsip_pubsub is unloaded and loaded again', async () => {
    const made = await begin()
    const tx = await made.sip.subscribe('200', { Accept: XML })
    await settled()
    await made.office.loader.restart('res_pjsip_pubsub')
    const dialog = inDialog(tx, made)
    await until('a NOTIFY', () => dialog.notifies.length > 0)
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    expect(dialog.notifies.map(({ text, cseq }) => [text, cseq])).to.deep.equal([
      ['<lamp version="1" entity="sip:200@pbx.example">off</lamp>', 2],
    ])
  })
})

/** The first row that SQLite itself has, beside the store. */
async function query(path: string, sql: string): Promise<Record<string, unknown>> {
  const database = new sqlite3.Database(path)
  const row = await new Promise<Record<string, unknown>>((resolve, reject) => {
    database.get<Record<string, unknown>>(sql, (error, found) => (error ? reject(error) : resolve(found ?? {})))
  })
  await new Promise<void>((resolve, reject) => {
    database.close((error) => (error ? reject(error) : resolve()))
  })
  return row
}

/** One row with a column that is no text, one whose dialog is no record, beside the good one. */
async function spoil(path: string): Promise<void> {
  const names = Object.keys(ROWS.columns)
  const row = (id: string, instead: Readonly<Record<string, string>>): string => {
    const own: Readonly<Record<string, string>> = { dialog_id: `'${id}'`, to_tag: `'${id}'`, ...instead }
    const columns = names.map((name) => own[name] ?? name)
    return `INSERT INTO active_watchers (${names.join()}) SELECT ${columns.join()} FROM active_watchers WHERE dialog_id NOT IN ('x', 'y')`
  }
  await query(path, row('x', { event: 'NULL' }))
  await query(path, row('y', { dialog: `'{"callId":1}'` }))
}
