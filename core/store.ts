/**
 * The store: SQLite tables that modules declare, written behind the packet path. The only file that imports sqlite3.
 *
 *     const lamps = await store.table(definition)
 *     lamps.put(row)                        // soon, in one transaction with whatever else waits
 *     lamps.putLater(name, { make, written })  // as put; the row is made when it is written
 *     await store.durable()                 // true: on disk; nobody has to wait for it who does not want to
 *     await store.atomically(async (at) => at.put(lamps, changed(await at.select(lamps, { name }))))
 *
 * put and delete only note the newest row of each key. What cannot be written stays noted and is tried again, so a full
 * disk costs nothing but persistence. A damaged file is set aside under another name, never deleted, and a new one is
 * begun from what the modules hold. Several processes may have one file open (WAL).
 */
import sqlite3 from 'sqlite3'
import type { Store, StoreSettings } from './store-contract.ts'
import { SqliteStore } from './store-sqlite.ts'
import type { Cell, Database } from './store-tables.ts'

export type { ColumnType, RowOf, Store, Table, TableDefinition } from './store-contract.ts'

/** Milliseconds that SQLite waits for another process to finish its transaction. */
const BUSY = 2000
/** Pages of the log that are gathered before they go to the file: one that was written often goes there once. */
const CHECKPOINT = 4000
/** Openings at the same moment, of a file that is not there yet, get in each other's way. */
const OPENINGS = 10

export async function openStore(settings: StoreSettings): Promise<Store> {
  const store = new SqliteStore(settings, openDatabase, openStore)
  await store.open()
  return store
}

async function openDatabase(settings: StoreSettings): Promise<Database> {
  for (let opening = 1; ; opening++) {
    try {
      return await openOnce(settings)
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY'
      if (!busy || opening === OPENINGS) throw error
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 20 * opening)
    })
  }
}

async function openOnce({ path, synchronous }: StoreSettings): Promise<Database> {
  const handle = await new Promise<sqlite3.Database>((resolve, reject) => {
    const opening: sqlite3.Database = new sqlite3.Database(path, (error) => (error ? reject(error) : resolve(opening)))
  })
  const prepared = new Map<string, Promise<sqlite3.Statement>>()
  const statement = (sql: string): Promise<sqlite3.Statement> => {
    let made = prepared.get(sql)
    if (!made) {
      prepared.set(sql, (made = prepare(handle, sql)))
      // A table that is not there may be there the next time.
      made.catch(() => prepared.delete(sql))
    }
    return made
  }
  const database: Database = {
    run: (sql, parameters = []) =>
      new Promise((resolve, reject) =>
        handle.run(sql, parameters, (error: Error | null) => (error ? reject(error) : resolve())),
      ),
    all: (sql, parameters = []) =>
      new Promise((resolve, reject) =>
        handle.all<Record<string, Cell>>(sql, parameters, (error, rows) => (error ? reject(error) : resolve(rows))),
      ),
    async write(sql, rows) {
      const made = await statement(sql)
      await new Promise<void>((resolve, reject) =>
        made.run(rows, (error: Error | null) => {
          if (!error) return resolve()
          // One that another process kept from beginning counts as begun, and no transaction would end before it.
          made.reset(() => reject(error))
        }),
      )
    },
    async close() {
      for (const made of prepared.values()) (await made.catch(() => undefined))?.finalize()
      prepared.clear()
      await new Promise<void>((resolve, reject) => handle.close((error) => (error ? reject(error) : resolve())))
    },
  }
  try {
    handle.configure('busyTimeout', BUSY)
    await database.run('PRAGMA journal_mode = WAL')
    await database.run(`PRAGMA synchronous = ${synchronous}`)
    await database.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT}`)
    const check = await database.all('PRAGMA quick_check(1)')
    if (check[0]?.['quick_check'] !== 'ok')
      throw Object.assign(new Error(String(check[0]?.['quick_check'])), { code: 'SQLITE_CORRUPT' })
    return database
  } catch (error) {
    await database.close().catch(() => undefined)
    throw error
  }
}

function prepare(handle: sqlite3.Database, sql: string): Promise<sqlite3.Statement> {
  return new Promise((resolve, reject) => {
    const made: sqlite3.Statement = handle.prepare(sql, (error: Error | null) =>
      error ? reject(error) : resolve(made),
    )
  })
}
