/** CSeq is never used again, although a start does not write the rows: the count beside them, in all modes and files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { openStore, type Store } from '../../core/store.ts'
import { StoreUnavailable } from '../../core/store-contract.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { CachedStorage } from '../../res_pjsip_pubsub/storage/cached.ts'
import { Reserves } from '../../res_pjsip_pubsub/storage/reserves.ts'
import { BLOCK } from '../../res_pjsip_pubsub/storage/storage.ts'
import type { StoredRow } from '../../res_pjsip_pubsub/storage/stored-row.ts'
import { Subscriptions } from '../../res_pjsip_pubsub/subscriptions.ts'
import type { FakeDialog } from '../support/fake-sip.ts'
import type { LampOffice } from '../support/lamp-office.ts'
import { XML } from '../support/lamps.ts'
import { ServerBuilder, STORAGE_MODES } from '../support/storage-modes.ts'
import { until } from '../support/tools.ts'

interface Used {
  readonly cseq: number
  readonly version: number
}

describe('storage of subscriptions: numbers reserved beside the rows', function () {
  this.timeout(60_000)
  let directory: string
  const builders: ServerBuilder[] = []
  const stores: Store[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-reserves-'))
  })
  afterEach(async () => {
    for (const builder of builders.splice(0)) await builder.close()
    for (const store of stores.splice(0)) await store.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const builderOf = (wanted: number): ServerBuilder => {
    const mode = STORAGE_MODES.find((one) => one.mode === wanted)
    if (!mode) throw new Error(`there is no mode ${wanted}`)
    const builder = new ServerBuilder(directory, mode)
    builders.push(builder)
    return builder
  }
  const storeAt = async (path: string): Promise<Store> => {
    const store = await openStore({ path, synchronous: 'off', log: new Log().logger('store') })
    stores.push(store)
    return store
  }
  const cachedIn = (store: Store): Promise<CachedStorage> =>
    CachedStorage.open(false, {
      store,
      settings: () => defaultsOf(pubsubOptions),
      subscriptions: new Subscriptions(() => undefined),
      log: new Log().logger('storage'),
      now: Date.now,
      sip: {},
      stopping: () => false,
      lost: () => undefined,
    })
  const lastOf = ({ last }: FakeDialog): Used => ({
    cseq: last.cseq,
    version: Number(/version="(\d+)"/.exec(last.text)?.[1]),
  })
  /** Of the one that subscribed to 200. */
  const dialogOf = ({ sip }: LampOffice): FakeDialog | undefined =>
    [...sip.dialogs.values()].find(({ localUri }) => localUri.includes('200'))
  /** What the one subscription has used, once it was told of this light. */
  const used = async (made: LampOffice, builder: ServerBuilder, light: string): Promise<Used> => {
    builder.lamps.set('200', light)
    const dialog = await until('the dialog', () => dialogOf(made))
    await until(`that it is ${light}`, () => dialog.notifies.at(-1)?.text.includes(`>${light}<`))
    expect(dialog.notifies.map(({ cseq }) => cseq)).to.deep.equal(
      dialog.notifies.map((_, at) => (dialog.notifies[0]?.cseq ?? 0) + at),
    )
    return lastOf(dialog)
  }
  const highest = (numbers: readonly Used[]): Used => ({
    cseq: Math.max(...numbers.map(({ cseq }) => cseq)),
    version: Math.max(...numbers.map(({ version }) => version)),
  })
  const begun = async (mode: number): Promise<[ServerBuilder, LampOffice]> => {
    const builder = builderOf(mode)
    const made = await builder.begin()
    await made.sip.subscribe('200', { Accept: XML, Expires: '3600' })
    return [builder, made]
  }

  for (const modes of [
    [2, 2, 2, 2],
    [1, 1, 2, 1],
    [2, 2, 3, 3, 2],
    [3, 2, 2, 3, 1],
  ])
    it(`go up over kills, from one mode to the next: ${modes.join()}`, async () => {
      const numbers: Used[] = []
      for (const [at, mode] of modes.entries()) {
        const builder = builderOf(mode)
        const made = await builder.begin()
        if (at === 0) await made.sip.subscribe('200', { Accept: XML, Expires: '3600' })
        const now = await used(made, builder, `light${at}`)
        const first = dialogOf(made)?.notifies[0]?.cseq ?? 0
        if (at > 0) expect(first).to.be.above(highest(numbers).cseq)
        if (at > 0) expect(now.version).to.be.above(highest(numbers).version)
        numbers.push(now)
        await made.office.store.flush()
        await builder.end(made, 'kill')
        await builder.endLeases()
      }
    })

  it('are on disk before the first NOTIFY, and no row was written', async () => {
    const [builder, first] = await begun(2)
    await used(first, builder, 'a')
    await first.office.store.flush()
    await builder.end(first, 'kill')
    const before = await builder.query('SELECT local_cseq, version, reserved_before FROM active_watchers')
    const second = await builder.begin()
    expect(dialogOf(second)?.notifies).to.have.length(0)
    expect(await builder.query('SELECT * FROM presence_reserves')).to.deep.equal([
      { table_name: 'active_watchers', count: 2 * BLOCK },
    ])
    await used(second, builder, 'b')
    expect(await builder.query('SELECT local_cseq, version, reserved_before FROM active_watchers')).to.deep.equal(
      before,
    )
    expect(before).to.deep.equal([{ local_cseq: 1000, version: 1000, reserved_before: BLOCK }])
  })

  it('leave no gap after an orderly end', async () => {
    for (const mode of [2, 1, 2]) {
      const [builder, first] = await begun(mode)
      const before = await used(first, builder, 'a')
      await builder.end(first, 'close')
      const second = await builder.begin()
      expect((await used(second, builder, 'a')).cseq).to.equal(before.cseq + 1)
      await builder.end(second, 'close')
      await builder.query('DELETE FROM active_watchers')
    }
  })

  for (const mode of [2, 3])
    it(`are those of the rows in a file of an earlier version (subs_db_mode = ${mode})`, async () => {
      const [builder, first] = await begun(2)
      const before = await used(first, builder, 'a')
      await first.office.store.flush()
      await builder.end(first, 'kill')
      await builder.query('ALTER TABLE active_watchers DROP COLUMN reserved_before')
      await builder.query('DROP TABLE presence_reserves')
      const other = builderOf(mode)
      const second = await other.begin()
      const now = await used(second, other, 'b')
      expect(now.cseq)
        .to.be.above(before.cseq + BLOCK / 2)
        .and.below(before.cseq + 2 * BLOCK)
      expect(now.version).to.be.above(before.version)
      expect(await builder.query('SELECT 1 FROM active_watchers')).to.have.length(1)
    })

  it('cover what an earlier version has written to the file meanwhile', async () => {
    const [builder, first] = await begun(2)
    await first.office.store.flush()
    await builder.end(first, 'kill')
    // It knows neither the column nor the count.
    await builder.query('UPDATE active_watchers SET local_cseq = 7000, version = 7000')
    const second = await builder.begin()
    expect((await used(second, builder, 'b')).cseq).to.be.above(7000)
    await second.office.store.flush()
    await builder.end(second, 'kill')
    const third = await builder.begin()
    expect((await used(third, builder, 'c')).cseq).to.be.above(7000 + BLOCK)
  })

  it('are kept in each row again where the count was lost', async () => {
    const numbers: Used[] = []
    const [builder, first] = await begun(2)
    numbers.push(await used(first, builder, 'a'))
    await first.office.store.flush()
    await builder.end(first, 'kill')
    await builder.query('UPDATE active_watchers SET reserved_before = 9000')
    await builder.query('DELETE FROM presence_reserves')
    for (const light of ['b', 'c']) {
      const made = await builder.begin()
      numbers.push(await used(made, builder, light))
      const first = dialogOf(made)?.notifies[0]?.cseq
      expect(first).to.be.above(numbers.at(-2)?.cseq ?? 0)
      await made.office.store.flush()
      await builder.end(made, 'kill')
    }
  })

  it('are whole where somebody wrote half a number', async () => {
    const [builder, first] = await begun(2)
    const before = await used(first, builder, 'a')
    await first.office.store.flush()
    await builder.end(first, 'kill')
    await builder.query('UPDATE active_watchers SET reserved_before = 0.5')
    const second = await builder.begin()
    const { cseq } = await used(second, builder, 'b')
    expect(Number.isInteger(cseq)).to.equal(true)
    expect(cseq).to.be.above(before.cseq)
  })

  it('go along into a new file where the old one is damaged', async () => {
    const [builder, first] = await begun(2)
    await first.office.store.flush()
    await builder.end(first, 'kill')
    const second = await builder.begin()
    await used(second, builder, 'a')
    await builder.query('PRAGMA wal_checkpoint(TRUNCATE)')
    writeFileSync(builder.path, Buffer.alloc(4096, 0x41), { flag: 'r+' })
    await second.sip.subscribe('201', { Expires: '3600' })
    await until('that it is seen', () => second.office.logged.join().includes('is damaged'))
    await until('both rows', async () => {
      const rows = await builder.query('SELECT 1 FROM active_watchers').catch(() => [])
      return rows.length === 2
    })
    const before = await used(second, builder, 'b')
    await second.office.store.flush()
    await builder.end(second, 'kill')
    const third = await builder.begin()
    expect(await builder.query('SELECT count FROM presence_reserves')).to.deep.equal([{ count: 3 * BLOCK }])
    expect((await used(third, builder, 'c')).cseq).to.be.above(before.cseq)
  })

  it('are not there where the disk refuses at a start: each row has to be written, and says so', async () => {
    const [builder, first] = await begun(2)
    const before = await used(first, builder, 'a')
    await first.office.store.flush()
    await builder.end(first, 'kill')
    const store = await storeAt(builder.path)
    const storage = await cachedIn(store)
    const unlock = await builder.lock()
    const rows: StoredRow[] = []
    expect(await storage.load((row) => rows.push(row))).to.equal(0)
    await unlock()
    expect(rows).to.have.length(1)
    expect(rows[0]?.reserved).to.equal(rows[0]?.local_cseq)
    expect(rows[0]?.local_cseq).to.be.above(before.cseq)
    expect(store.writable).to.equal(false)
  })

  it('are not known where the file cannot be read: nothing is restored then, and the count stays', async () => {
    const store = await storeAt(join(directory, 'presence.db'))
    const known = await Reserves.open(store, 'active_watchers')
    expect([known.known, known.count]).to.deep.equal([true, 0])
    expect(await known.raise(BLOCK)).to.equal(true)
    const unreadable: Store = Object.create(store, {
      table: {
        value: async (definition: { readonly name: string }) => {
          if (definition.name === 'presence_reserves')
            return { select: () => Promise.reject(new StoreUnavailable('not now')) }
          return { scan: () => Promise.reject(new Error('it must not be read')) }
        },
      },
      adopt: { value: async () => 0 },
    })
    const reserves = await Reserves.open(unreadable, 'active_watchers')
    expect([reserves.known, reserves.count]).to.deep.equal([false, 0])
    const storage = await cachedIn(unreadable)
    const rows: StoredRow[] = []
    expect(await storage.load((row) => rows.push(row))).to.equal(0)
    expect(rows).to.deep.equal([])
    expect((await Reserves.open(store, 'active_watchers')).count).to.equal(BLOCK)
  })
})
