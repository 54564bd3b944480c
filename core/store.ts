/**
 * The store: SQLite tables that modules declare, written behind the packet path. This file and store-lock.ts import sqlite3.
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
import { setTimeout as pause } from 'node:timers/promises'
import sqlite3 from 'sqlite3'
import { reasonOf } from './log.ts'
import type { Store, StoreSettings } from './store-contract.ts'
import { lockStore } from './store-lock.ts'
import type { LogState } from './store-log.ts'
import { SqliteStore } from './store-sqlite.ts'
import { type Cell, type Database, isOfDisk } from './store-tables.ts'

export type { ColumnType, Store, Table, TableDefinition } from './store-contract.ts'

/** Milliseconds that SQLite waits for another process to finish its transaction. */
const BUSY = 2000
/** Milliseconds that it waits for each of those who read and write the log, while nobody else may write. */
const LOG_BUSY = 20
/** What the log keeps of the disk when a burst is over. */
const LOG_BYTES = 64 * 2 ** 20
/** The same while the file is opened: who waits for a start is to hear why. */
const OPENING_BUSY = 1000
/** How long a file is waited for that another process has locked; openings at the same moment get in each other's way, too. */
const OPENING_MOST = 20_000

export async function openStore(settings: StoreSettings): Promise<Store> {
  const { path, hold } = settings
  const unlock = hold && path !== ':memory:' ? await lockStore(path, hold) : undefined
  let isFirst = true
  const database = (of: StoreSettings): Promise<Database> => {
    // Later ones are tried again as it is, and others wait for them.
    const most = isFirst ? OPENING_MOST : 0
    const mayBeAlone = isFirst && hold === 'alone'
    isFirst = false
    const opened = openDatabase(of, most)
    return mayBeAlone ? opened.catch((error: unknown) => openAlone(of, error)) : opened
  }
  const store = new SqliteStore(settings, { database, store: openStore, closed: unlock })
  try {
    await store.open()
    return store
  } catch (error) {
    await unlock?.()
    throw error
  }
}

/** Waits so many milliseconds for another process that has it locked, and says so where that takes longer than a transaction. */
async function openDatabase(settings: StoreSettings, most: number): Promise<Database> {
  const began = performance.now()
  let isSaid = false
  for (let opening = 1; ; opening++) {
    try {
      return await openOnce(settings)
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY'
      const waited = performance.now() - began
      if (!busy || waited >= most) throw error
      if (waited >= OPENING_BUSY && !isSaid) {
        isSaid = true
        settings.log.warning(
          `the store ${settings.path} is locked by another process, as sqlite3 or a backup; it is waited for, ${most / 1000} s at most`,
        )
      }
    }
    await pause(Math.min(20 * opening, 200))
  }
}

/**
 * What several processes share of a file that is open is a file, too (`PATH-shm`), which a full disk has no room for.
 * Without it the rows can be read all the same, and whoever is subscribed stays so.
 */
async function openAlone(settings: StoreSettings, error: unknown): Promise<Database> {
  if (!isOfDisk(error)) throw error
  const database = await openOnce(settings, true).catch(() => {
    throw error
  })
  settings.log.error(
    `the store ${settings.path} can be opened by this process alone (${reasonOf(error)}), as where the disk is full: what is in it was read, and other programs, as sqlite3, are kept out until a restart`,
  )
  return database
}

async function openOnce({ path, synchronous }: StoreSettings, alone = false): Promise<Database> {
  const handle = await connect(path, sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE)
  const log = new LogFile(path, synchronous)
  const prepared = new Map<string, Promise<sqlite3.Statement>>()
  let written = 0
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
    get written() {
      return written
    },
    run: (sql) =>
      new Promise((resolve, reject) => {
        // In one go: to prepare it and to run it would be two ways to another thread and back.
        handle.exec(sql, (error) => (error ? reject(error) : resolve()))
      }),
    all: (sql, parameters) => all(handle, sql, parameters),
    select: async (sql, parameters) => select(await statement(sql), parameters),
    async write(sql, rows) {
      const made = await statement(sql)
      await new Promise<void>((resolve, reject) =>
        made.run(rows, function (error: Error | null) {
          if (error) {
            // One that another process kept from beginning counts as begun, and no transaction would end before it.
            made.reset(() => reject(error))
          } else {
            written += this.changes
            resolve()
          }
        }),
      )
    },
    // A second connection is kept out, too.
    checkpoint: async (how) => (alone ? { pages: 0, left: 0 } : log.checkpoint(how)),
    async close() {
      for (const made of prepared.values()) (await made.catch(() => undefined))?.finalize()
      prepared.clear()
      // Whoever closes the file last puts all of the log into it.
      await log.close()
      await disconnect(handle)
    },
  }
  try {
    handle.configure('busyTimeout', OPENING_BUSY)
    if (alone) await database.run('PRAGMA locking_mode = EXCLUSIVE')
    await database.run('PRAGMA journal_mode = WAL')
    await database.run(`PRAGMA synchronous = ${synchronous}`)
    if (!alone) await database.run('PRAGMA wal_autocheckpoint = 0')
    await database.run(`PRAGMA journal_size_limit = ${LOG_BYTES}`)
    const check = await database.all('PRAGMA quick_check(1)')
    if (check[0]?.['quick_check'] !== 'ok')
      throw Object.assign(new Error(String(check[0]?.['quick_check'])), { code: 'SQLITE_CORRUPT' })
    handle.configure('busyTimeout', BUSY)
    return database
  } catch (error) {
    await database.close().catch(() => undefined)
    throw error
  }
}

/** The connection that puts the log into the file, opened when that is first asked for. */
class LogFile {
  readonly #path: string
  readonly #synchronous: StoreSettings['synchronous']
  #handle: Promise<sqlite3.Database> | undefined
  #closed = false

  constructor(path: string, synchronous: StoreSettings['synchronous']) {
    this.#path = path
    this.#synchronous = synchronous
  }

  async checkpoint(how: 'NOOP' | 'PASSIVE' | 'RESTART'): Promise<LogState> {
    if (this.#closed || this.#path === ':memory:') return { pages: 0, left: 0 }
    const handle = await (this.#handle ??= this.#open())
    const [state] = await all(handle, `PRAGMA wal_checkpoint(${how})`)
    const pages = Number(state?.['log'])
    return { pages, left: pages - Number(state?.['checkpointed']) }
  }

  async close(): Promise<void> {
    this.#closed = true
    const handle = await this.#handle?.catch(() => undefined)
    if (handle) await disconnect(handle)
  }

  async #open(): Promise<sqlite3.Database> {
    // One that somebody has taken away meanwhile is not begun anew here.
    const handle = await connect(this.#path, sqlite3.OPEN_READWRITE)
    handle.configure('busyTimeout', LOG_BUSY)
    // Without it the log is not looked for.
    await all(handle, 'PRAGMA journal_mode = WAL')
    await all(handle, `PRAGMA synchronous = ${this.#synchronous}`)
    return handle
  }
}

function connect(path: string, mode: number): Promise<sqlite3.Database> {
  return new Promise((resolve, reject) => {
    const opening: sqlite3.Database = new sqlite3.Database(path, mode, (error) =>
      error ? reject(error) : resolve(opening),
    )
  })
}

function disconnect(handle: sqlite3.Database): Promise<void> {
  return new Promise((resolve, reject) => handle.close((error) => (error ? reject(error) : resolve())))
}

function all(handle: sqlite3.Database, sql: string, parameters: readonly Cell[] = []): Promise<Record<string, Cell>[]> {
  return new Promise((resolve, reject) =>
    handle.all<Record<string, Cell>>(sql, parameters, (error, rows) => (error ? reject(error) : resolve(rows))),
  )
}

function select(made: sqlite3.Statement, parameters: readonly Cell[]): Promise<Record<string, Cell>[]> {
  return new Promise((resolve, reject) =>
    made.all<Record<string, Cell>>(parameters, (error, rows) => (error ? reject(error) : resolve(rows))),
  )
}

function prepare(handle: sqlite3.Database, sql: string): Promise<sqlite3.Statement> {
  return new Promise((resolve, reject) => {
    const made: sqlite3.Statement = handle.prepare(sql, (error: Error | null) =>
      error ? reject(error) : resolve(made),
    )
  })
}
