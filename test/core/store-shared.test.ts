import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import sqlite3 from 'sqlite3'
import { Log } from '../../core/log.ts'
import { openStore, type Store, type TableDefinition } from '../../core/store.ts'
import { StoreUnavailable } from '../../core/store-contract.ts'
import { until } from '../support/tools.ts'

interface Lamp {
  readonly name: string
  readonly watchers: number
  readonly note: string | null
}
const lamps: TableDefinition<Lamp> = {
  name: 'lamps',
  key: 'name',
  columns: { name: 'text', watchers: 'integer', note: 'text' },
  serial: 'id',
  version: 5,
  indexes: [['watchers', 'note']],
}

describe('store: shared, and read by others', () => {
  let directory: string
  let path: string
  const logged: string[] = []
  const open: Store[] = []

  const openAt = async (at = path): Promise<Store> => {
    const log = new Log()
    log.addSink((line) => logged.push(line.message))
    const store = await openStore({ path: at, synchronous: 'off', log: log.logger('store') })
    open.push(store)
    return store
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-store-'))
    path = join(directory, 'shared.db')
    logged.length = 0
  })
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close()
    rmSync(directory, { recursive: true })
  })

  it('numbers rows, keeps the number over changes, and enters the version of the table', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    table.put({ name: 'a', watchers: 1, note: null })
    table.put({ name: 'b', watchers: 1, note: null })
    expect(await store.durable()).to.equal(true)
    table.put({ name: 'a', watchers: 2, note: 'newer' })
    expect(await store.durable()).to.equal(true)
    expect(await query(path, 'SELECT id, name, watchers FROM lamps ORDER BY id')).to.deep.equal([
      { id: 1, name: 'a', watchers: 2 },
      { id: 2, name: 'b', watchers: 1 },
    ])
    expect(await query(path, 'SELECT table_name, table_version FROM version')).to.deep.equal([
      { table_name: 'lamps', table_version: 5 },
    ])
  })

  it('writes a column that lasts once, and drops the indexes that are not asked for any more', async () => {
    const indexes = async (): Promise<unknown[]> =>
      (await query(path, "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name")).map((row) => row['name'])
    const before = await openAt()
    await before.table(lamps)
    await query(path, 'CREATE INDEX lamps_of_others ON lamps (note)')
    expect(await indexes()).to.include.members(['lamps_by_name', 'lamps_by_watchers_note'])
    const store = await openAt()
    const table = await store.table({ ...lamps, indexes: [], lasting: ['note'] })
    expect(await indexes()).to.include.members(['lamps_by_name', 'lamps_of_others'])
    expect(await indexes()).not.to.include('lamps_by_watchers_note')
    table.put({ name: 'a', watchers: 1, note: 'first' })
    await store.flush()
    table.put({ name: 'a', watchers: 2, note: 'second' })
    await store.flush()
    expect(await query(path, 'SELECT * FROM lamps')).to.deep.equal([{ id: 1, name: 'a', watchers: 2, note: 'first' }])
    table.delete('a')
    await store.flush()
    table.put({ name: 'a', watchers: 3, note: 'third' })
    await store.flush()
    expect(await query(path, 'SELECT note FROM lamps')).to.deep.equal([{ note: 'third' }])
    await store.table({ ...lamps, rows: () => [] })
    expect(await indexes()).to.include('lamps_by_watchers_note')
  })

  it('finds rows by another column than before, of which others have written two', async () => {
    const before = await openAt()
    const table = await before.table(lamps)
    for (const [name, note] of Object.entries({ a: 'x', b: 'y', c: 'y', d: null, e: null }))
      table.put({ name, watchers: 1, note })
    await before.close()
    const store = await openAt()
    const byNote = await store.table({ ...lamps, key: 'note' })
    byNote.put({ name: 'f', watchers: 2, note: 'x' })
    await store.flush()
    expect(await query(path, 'SELECT id, name, note FROM lamps ORDER BY id')).to.deep.equal([
      { id: 1, name: 'f', note: 'x' },
      { id: 3, name: 'c', note: 'y' },
      { id: 4, name: 'd', note: null },
      { id: 5, name: 'e', note: null },
    ])
    const unique = await query(path, "SELECT name FROM pragma_index_list('lamps') WHERE [unique]")
    expect(unique).to.deep.equal([{ name: 'lamps_by_note' }])
  })

  it('makes a table anew whose indexes somebody has given another name with it', async () => {
    const before = await openAt()
    const table = await before.table({ ...lamps, indexes: [['watchers']] })
    table.put({ name: 'a', watchers: 1, note: null })
    await before.close()
    await query(path, 'ALTER TABLE lamps RENAME TO lamps_of_yesterday')
    const store = await openAt()
    const anew = await store.table({ ...lamps, indexes: [['watchers']] })
    anew.put({ name: 'a', watchers: 2, note: null })
    anew.put({ name: 'b', watchers: 2, note: null })
    expect(await store.durable()).to.equal(true)
    expect(await query(path, 'SELECT watchers FROM lamps ORDER BY name')).to.deep.equal([
      { watchers: 2 },
      { watchers: 2 },
    ])
    expect(await query(path, 'SELECT watchers FROM lamps_of_yesterday')).to.deep.equal([{ watchers: 1 }])
  })

  it('makes a row when it is written, and says when it is on disk', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    const told: string[] = []
    let watchers = 0
    const later = (name: string, there = true) => ({
      make: () => {
        told.push(`make ${name}`)
        return there ? { name, watchers, note: null } : undefined
      },
      written: () => void told.push(`written ${name}`),
    })
    // Locked before anything waits: nothing is tried by itself meanwhile.
    const other = new sqlite3.Database(path)
    await new Promise((resolve) => {
      other.run('BEGIN IMMEDIATE', resolve)
    })
    for (watchers = 1; watchers < 5; watchers++) table.putLater('a', later('a'))
    table.putLater('b', later('b', false))
    table.putLater('c', later('c'))
    table.delete('c')
    expect(await store.durable()).to.equal(false)
    expect(told).to.deep.equal(['make a', 'make b'])
    await new Promise((resolve) => {
      other.close(resolve)
    })
    watchers = 9
    await until('the row', () => told.includes('written a'))
    expect(told.filter((line) => line === 'written a')).to.have.length(1)
    expect(await query(path, 'SELECT name, watchers FROM lamps')).to.deep.equal([{ name: 'a', watchers: 9 }])
  }).timeout(60_000)

  it('carries nothing of a column that says the same in each row', async () => {
    const store = await openAt()
    const table = await store.table({ ...lamps, same: { note: "nobody's" } })
    table.put({ name: 'a', watchers: 1, note: 'not asked' })
    await store.flush()
    await query(path, "UPDATE lamps SET note = 'another' WHERE name = 'a'")
    table.put({ name: 'a', watchers: 2, note: null })
    await store.flush()
    expect(await query(path, 'SELECT * FROM lamps')).to.deep.equal([
      { id: 1, name: 'a', watchers: 2, note: "nobody's" },
    ])
  })

  it('writes thousands in one transaction, deletes among them', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    table.put({ name: 'gone', watchers: 0, note: null })
    await store.flush()
    for (let i = 0; i < 3000; i++) table.put({ name: `lamp ${i}`, watchers: i, note: null })
    table.delete('gone')
    const seen = new Set<unknown>()
    const watching = new AbortController()
    const watch = (async () => {
      while (!watching.signal.aborted)
        seen.add((await query(path, 'SELECT count(*) AS count FROM lamps'))[0]?.['count'])
    })()
    expect(await store.durable()).to.equal(true)
    watching.abort()
    await watch
    expect([...seen]).to.satisfy((counts: unknown[]) => counts.every((count) => count === 1 || count === 3000))
    expect(await query(path, 'SELECT count(*) AS count FROM lamps')).to.deep.equal([{ count: 3000 }])
  })

  it('takes a table that others made, with rows that lack the key', async () => {
    await query(path, 'CREATE TABLE lamps (id INTEGER PRIMARY KEY NOT NULL, watchers INTEGER NOT NULL)')
    const many = 'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199) SELECT i FROM n'
    await query(path, `INSERT INTO lamps (watchers) ${many}`)
    const table = await (await openAt()).table(lamps)
    table.put({ name: 'ours', watchers: 7, note: null })
    const found = await table.select({ watchers: 7 })
    expect(found.map(({ name }) => name)).to.deep.equal([null, 'ours'])
    let rows = 0
    await table.load((page) => (rows += page.length))
    expect(rows).to.equal(1201)
  })

  it('reads some columns of many rows in pages', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    for (let i = 1; i <= 25; i++) table.put({ name: `lamp "${i}" \u00e4`, watchers: i, note: null })
    await store.flush()
    await query(path, "INSERT INTO lamps (watchers, note) VALUES (7, 'of others')")
    await query(path, "UPDATE lamps SET note = x'00ff' WHERE watchers = 3")
    for (const [most, sizes] of [
      [10, [10, 10, 5]],
      [25, [25]],
      [5, [5, 5, 5, 5, 5]],
    ] as const) {
      const pages: number[] = []
      const read: (readonly unknown[])[] = []
      await table.scan(['name', 'watchers', 'note'], (rows) => read.push(...rows) && pages.push(rows.length), most)
      expect(pages).to.deep.equal(sizes)
      expect(read).to.deep.equal(Array.from({ length: 25 }, (_, i) => [`lamp "${i + 1}" \u00e4`, i + 1, null]))
    }
  })

  it('reads fields of what is JSON in a column, and the text of what is not', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    const notes = ['{"a":"\\u00e4\\"","b":{"c":[1,true]},"d":null}', '[1]', '"a"', '{"a"', '', null]
    for (const [watchers, note] of notes.entries()) table.put({ name: `l${watchers}`, watchers, note })
    await store.flush()
    await query(path, "INSERT INTO lamps (name, watchers, note) VALUES ('l6', 6, x'7b7d')")
    const read: unknown[] = []
    const columns = ['name', { column: 'note', fields: ['a', 'b', 'd', '"x\''] }] as const
    await table.scan(columns, (rows) => read.push(...rows), 3)
    const none = [null, null, null, null]
    expect(read).to.deep.equal([
      ['l0', ['\u00e4"', { c: [1, true] }, null, null]],
      ['l1', none],
      ['l2', none],
      ['l3', '{"a"'],
      ['l4', ''],
      ['l5', null],
      ['l6', null],
    ])
  })

  it('finds rows by what they hold, what waits included', async () => {
    const table = await (await openAt()).table(lamps)
    for (let i = 0; i < 10; i++) table.put({ name: `l${i}`, watchers: i % 3, note: i > 5 ? 'late' : null })
    const names = (rows: readonly Lamp[]): string => rows.map(({ name }) => name).join()
    expect(names(await table.select({ watchers: 1, note: null }))).to.equal('l1,l4')
    expect(names(await table.select({ note: 'late' }, ['watchers', 0]))).to.equal('l7,l8')
    expect(await table.select({ name: "'; DROP TABLE lamps" })).to.deep.equal([])
  })

  it('writes soon what another one asks for soon, and the rest when there is time', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    table.put({ name: 'later', watchers: 1, note: null }, 60_000)
    await pause(50)
    expect(await query(path, 'SELECT name FROM lamps')).to.deep.equal([])
    table.put({ name: 'soon', watchers: 1, note: null })
    await until('both', async () => (await query(path, 'SELECT name FROM lamps')).length === 2)
  })

  it('lets nobody in between what is read and what is written', async () => {
    const stores = [await openAt(), await openAt()]
    const tables = await Promise.all(stores.map((store) => store.table(lamps)))
    tables[0]?.put({ name: 'count', watchers: 0, note: null })
    await stores[0]?.flush()
    const increments = Array.from({ length: 60 }, async (_, i) => {
      const table = tables[i % 2]
      if (!table) return
      await stores[i % 2]?.atomically(async (at) => {
        const [row] = await at.select(table, { name: 'count' })
        if (row) at.put(table, { ...row, watchers: row.watchers + 1 })
      })
    })
    await Promise.all(increments)
    expect((await tables[1]?.select({ name: 'count' }))?.[0]?.watchers).to.equal(60)
  })

  it('changes nothing where the work throws, and keeps what waited', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    table.put({ name: 'waiting', watchers: 1, note: null })
    const failed = await store
      .atomically(async (at) => {
        expect(await at.select(table, { name: 'waiting' })).to.have.length(1)
        at.put(table, { name: 'undone', watchers: 1, note: null })
        throw new Error('no')
      })
      .catch((error: unknown) => error)
    expect(failed).to.be.instanceOf(Error).and.not.instanceOf(StoreUnavailable)
    await store.flush()
    expect((await table.select({})).map(({ name }) => name)).to.deep.equal(['waiting'])
  })

  it('tells what other processes write, and not what it writes itself', async () => {
    const [one, other] = [await openAt(), await openAt()]
    const mine = await one.table(lamps)
    const theirs = await other.table(lamps)
    let told = 0
    const stop = one.onForeignChange(5, () => told++)
    await pause(30)
    mine.put({ name: 'mine', watchers: 1, note: null })
    await one.flush()
    await pause(30)
    expect(told).to.equal(0)
    theirs.put({ name: 'theirs', watchers: 1, note: null })
    await other.flush()
    await until('word of it', () => told > 0)
    void stop()
  })

  it('goes on in the file that another process began anew', async () => {
    const one = await openAt()
    const held: Lamp[] = [{ name: 'held', watchers: 1, note: null }]
    const mine = await one.table({ ...lamps, rows: () => held })
    mine.put({ name: 'held', watchers: 1, note: null })
    await one.flush()
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.aside${suffix}`)
    const other = await openAt()
    await other.table(lamps)
    mine.put({ name: 'new', watchers: 1, note: null })
    await one.durable()
    const names = async (): Promise<unknown[]> => (await query(path, 'SELECT name FROM lamps')).map(({ name }) => name)
    await until('both rows', async () => (await names()).length === 2)
    expect(await names()).to.have.members(['held', 'new'])
  })

  it('moves the rows of an older table and drops it, once', async () => {
    const old = { name: 'old_lamps', key: 'title', columns: { title: 'text', lit: 'integer' } } as const
    const store = await openAt()
    await query(path, 'CREATE TABLE old_lamps (title text)')
    await query(path, "INSERT INTO old_lamps VALUES ('a'), ('b'), ('unreadable')")
    const table = await store.table(lamps)
    const convert = ({ title }: { title: string }): Lamp | undefined =>
      title === 'unreadable' ? undefined : { name: title, watchers: 0, note: null }
    expect(await store.adopt<{ title: string; lit: number }, Lamp>(old, table, convert)).to.equal(2)
    expect(await store.adopt<{ title: string; lit: number }, Lamp>(old, table, convert)).to.equal(0)
    expect((await table.select({})).map(({ name }) => name)).to.deep.equal(['a', 'b'])
    expect(await query(path, "SELECT name FROM sqlite_master WHERE name = 'old_lamps'")).to.deep.equal([])
  })

  it('opens another file beside its own', async () => {
    const store = await openAt()
    const other = await store.beside('other.db')
    open.push(other)
    await other.table(lamps)
    expect(existsSync(join(directory, 'other.db'))).to.equal(true)
  })

  it('says where what was put is not on disk, and that it can be written again', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    const blocker = await openAt()
    const theirs = await blocker.table(lamps)
    let release: (() => void) | undefined
    const blocked = blocker.atomically(async (at) => {
      at.put(theirs, { name: 'theirs', watchers: 1, note: null })
      await new Promise<void>((resolve) => {
        release = resolve
      })
    })
    await until('the lock', () => release)
    table.put({ name: 'mine', watchers: 1, note: null })
    // A file that stays locked is waited for two seconds.
    expect(await store.durable()).to.equal(false)
    expect(store.writable).to.equal(false)
    release?.()
    await blocked
    expect(await store.durable()).to.equal(true)
    expect(store.writable).to.equal(true)
    expect(logged.join()).to.include('can be written again')
  })

  it('refuses many that are locked out before long, not one after the other', async () => {
    const store = await openAt()
    const table = await store.table(lamps)
    const other = new sqlite3.Database(path)
    await new Promise((resolve) => {
      other.run('BEGIN IMMEDIATE', resolve)
    })
    try {
      const put = (name: string): Promise<unknown> =>
        store.atomically(async (at) => at.put(table, { name, watchers: 1, note: null }))
      const all = Array.from({ length: 12 }, (_, number) => put(`lamp ${number}`).catch((error: unknown) => error))
      const refused = await until('all', () => Promise.race([Promise.all(all), pause(10, undefined)]), 10_000)
      expect(refused.every((error) => error instanceof StoreUnavailable)).to.equal(true)
    } finally {
      await new Promise((resolve) => {
        other.close(resolve)
      })
    }
    await store.atomically(async (at) => at.put(table, { name: 'after it', watchers: 1, note: null }))
  })

  it('refuses a path that is no file', async () => {
    writeFileSync(join(directory, 'file'), '')
    const failed = await openAt(join(directory, 'file', 'x.db')).catch((error: unknown) => error)
    expect(failed).to.be.instanceOf(Error)
  })
})

/** What SQLite itself has, beside the store. */
async function query(path: string, sql: string): Promise<Record<string, unknown>[]> {
  const database = new sqlite3.Database(path)
  try {
    return await new Promise<Record<string, unknown>[]>((resolve, reject) => {
      database.all<Record<string, unknown>>(sql, (error, found) => (error ? reject(error) : resolve(found)))
    })
  } finally {
    await new Promise<void>((resolve) => {
      database.close(() => resolve())
    })
  }
}
