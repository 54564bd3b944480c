/**
 * The one implementation of the store (store.ts): one transaction at a time with all that waits, and what becomes of it in
 * trouble. When it is written is in store-times.ts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { reasonOf } from './log.ts'
import type { Undo } from './scope.ts'
import { atomically } from './store-atomic.ts'
import {
  type Atomic,
  type RowToMake,
  type Store,
  type StoreHold,
  type StoreSettings,
  StoreUnavailable,
  type Table,
  type TableDefinition,
} from './store-contract.ts'
import { besideStore, realPath, StoreFile } from './store-file.ts'
import { StoreLog } from './store-log.ts'
import { loadPages, scanPages } from './store-pages.ts'
import {
  type AnyRow,
  type Cell,
  createTable,
  type Database,
  dropTable,
  findRows,
  hasTable,
  inTransaction,
  isDamage,
  isLacking,
  isLocked,
  mayPass,
  writeAll,
} from './store-tables.ts'
import { GATHER, WriteTimes } from './store-times.ts'
import { type AnyTable, type Taken, Waiting } from './store-waiting.ts'

/** Milliseconds between the beginnings of two transactions: what came meanwhile goes in one. */
const APART = 3
/** Milliseconds that a transaction has waited for its turn when it does not wait for a lock as well. */
const PATIENCE = 3000

const SAVED = Promise.resolve(true)

export interface StoreWays {
  readonly database: (settings: StoreSettings) => Promise<Database>
  readonly store: (settings: StoreSettings) => Promise<Store>
  /** The file is closed. */
  readonly closed: (() => Promise<void>) | undefined
}

export class SqliteStore implements Store {
  readonly #settings: StoreSettings
  readonly #openStore: StoreWays['store']
  readonly #whenClosed: StoreWays['closed']
  readonly #file: StoreFile
  readonly #waiting = new Waiting()
  readonly #handles = new WeakMap<object, AnyTable>()
  /** The transaction that what is noted now goes with; it has not begun. */
  #next: Promise<boolean> | undefined
  #began = 0
  /** The connection has one transaction at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #log = new StoreLog((work) => this.#inTurn(work))
  /** How many of the notes are on disk. */
  #saved = 0
  readonly #times = new WriteTimes(() => this.#write())
  /** The last transaction found it so, after it had waited for another process as long as one does. */
  #isLocked = false
  #isClosed = false

  constructor(settings: StoreSettings, { database, store, closed }: StoreWays) {
    this.#settings = settings
    this.#file = new StoreFile(settings, database)
    this.#openStore = store
    this.#whenClosed = closed
  }

  /** Throws only for what the operator has to mend first: a path that cannot be opened at all. */
  async open(): Promise<void> {
    try {
      await this.#file.openOrBegin()
    } catch (error) {
      if (!mayPass(error)) throw error
      this.#refused(error)
    }
  }

  get writable(): boolean {
    return !this.#times.isRefused
  }

  async table<Row extends { readonly [N in keyof Row]: Cell }>(definition: TableDefinition<Row>): Promise<Table<Row>> {
    const table = this.#waiting.declare(definition)
    if (!table.created) await this.#inTurn(() => this.#guarded((database) => this.#create(database, [table])))
    if (!table.created) this.#times.within(GATHER)
    const handle: Table<Row> = {
      put: (row, within = GATHER) => this.#note(table, row[definition.key], row, within),
      putLater: (key, row) => this.#note(table, key, row, GATHER),
      delete: (key) => this.#note(table, key, null, GATHER),
      load: (page, most) =>
        this.#guarded(
          (database) => loadPages(database, table.definition, (rows) => page(rows as unknown as readonly Row[]), most),
          table,
        ),
      scan: async (columns, page, most) => {
        await this.#guarded(
          (database) =>
            scanPages(database, table.definition, { columns, most, page, inTurn: (work) => this.#inTurn(work) }),
          table,
        )
      },
      select: (where, above) => this.#select<Row>(table, where, above),
    }
    this.#handles.set(handle, table)
    return handle
  }

  async flush(): Promise<void> {
    await this.durable()
  }

  durable(): Promise<boolean> {
    return this.#saved >= this.#waiting.noted ? SAVED : this.#write()
  }

  atomically<T>(work: (at: Atomic) => Promise<T>): Promise<T> {
    const asked = performance.now()
    return this.#inTurn(async () => {
      // Behind many that wait for the lock one after the other nobody would be told before the phones have given up.
      if (this.#isLocked && performance.now() - asked > PATIENCE)
        throw new StoreUnavailable('another process has it locked')
      return this.#writing((database, taken) => atomically(database, taken, this.#tableOf, work))
    })
  }

  onForeignChange(milliseconds: number, changed: () => void): Undo {
    let known: Cell | undefined
    let looking = false
    const look = async (): Promise<void> => {
      if (this.#file.follow()) this.#waiting.beginAnew()
      const version = (await this.#file.database?.all('PRAGMA data_version'))?.[0]?.['data_version']
      if (version === known) return
      const first = known === undefined
      known = version
      if (!first) changed()
    }
    const ask = (): void => {
      if (looking) return
      looking = true
      this.#inTurn(look)
        .catch(() => undefined)
        .finally(() => {
          looking = false
        })
    }
    // What is written before the first period is over counts, too.
    ask()
    const timer = setInterval(ask, milliseconds)
    timer.unref()
    return () => clearInterval(timer)
  }

  async adopt<Old extends { readonly [N in keyof Old]: Cell }, Row>(
    old: TableDefinition<Old>,
    into: Table<Row>,
    convert: (row: Old) => Row | undefined,
  ): Promise<number> {
    const { database } = this.#file
    if (!database || !(await hasTable(database, old.name))) return 0
    let adopted = 0
    try {
      await this.atomically(async (at) => {
        await createTable(database, old)
        const rows = await findRows(database, old, {})
        for (const row of rows as unknown as Old[]) {
          const converted = convert(row)
          if (!converted) continue
          at.put(into, converted)
          adopted++
        }
        await dropTable(database, old.name)
      })
      return adopted
    } catch (error) {
      if (error instanceof StoreUnavailable) return 0
      throw error
    }
  }

  beside(path: string, hold?: StoreHold): Promise<Store> {
    const { path: own } = this.#settings
    const beside = besideStore(own, path)
    // Whoever has this file has it by another name, too.
    const isOwn = this.#settings.hold !== undefined && realPath(beside) === realPath(own)
    return this.#openStore({ ...this.#settings, path: beside, hold: isOwn ? undefined : hold })
  }

  async close(): Promise<void> {
    this.#times.stop()
    await this.flush()
    await this.#log.settled()
    await this.#turn
    await this.#file.close()
    this.#isClosed = true
    await this.#whenClosed?.()
  }

  // What waits.

  #note(table: AnyTable, key: Cell, row: AnyRow | RowToMake<AnyRow> | null, within: number): void {
    this.#waiting.note(table, key, row)
    if (!this.#next) this.#times.within(within)
  }

  // Writing.

  /** One transaction with all that waits. False where the disk refuses; never rejects. */
  #write(): Promise<boolean> {
    this.#times.clear()
    this.#next ??= this.#begin()
    return this.#next
  }

  async #begin(): Promise<boolean> {
    const early = this.#began + APART - performance.now()
    if (early > 0) await pause(early)
    try {
      // Whoever has the turn before may have written it all.
      await this.#inTurn(() => {
        this.#next = undefined
        return this.#waiting.any ? this.#writing(writeAll) : Promise.resolve()
      })
      return true
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#refused(error)
      return false
    } finally {
      if (this.#waiting.any && !this.#next) this.#times.within(GATHER)
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => undefined).then(() => this.#file.database && this.#log.grown(this.#file.database))
    return next
  }

  async #writing<T>(write: (database: Database, taken: Taken) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new StoreUnavailable('the store is closed')
    this.#began = performance.now()
    const upTo = this.#waiting.noted
    const taken = this.#waiting.take()
    try {
      if (this.#file.follow()) this.#waiting.beginAnew()
      const database = await this.#file.openOrBegin()
      const missing = this.#waiting.tables.filter(({ created }) => !created)
      if (missing.length > 0) await this.#create(database, missing)
      const result = await write(database, taken)
      this.#saved = Math.max(this.#saved, upTo)
      this.#waiting.written(taken)
      if (this.#times.isRefused) this.#settings.log.notice('the store can be written again')
      this.#times.written()
      this.#isLocked = false
      return result
    } catch (error) {
      this.#waiting.putBack(taken)
      await this.#meet(error)
      throw new StoreUnavailable(reasonOf(error), { cause: error })
    }
  }

  readonly #tableOf = (handle: object): AnyTable => {
    const table = this.#handles.get(handle)
    if (!table) throw new Error('this is no table of this store')
    return table
  }

  async #select<Row>(table: AnyTable, where: object, above?: readonly [string, number]): Promise<readonly Row[]> {
    if (table.waiting.size > 0) await this.durable()
    const rows = await this.#inTurn(async () => {
      const { database } = this.#file
      if (!database) throw new StoreUnavailable('the store is not open')
      try {
        return await findRows(database, table.definition, where as AnyRow, above)
      } catch (error) {
        if (isDamage(error)) await this.#replace(error)
        else if (!mayPass(error) && !isNotMade(table, error)) throw error
        throw new StoreUnavailable(reasonOf(error), { cause: error })
      }
    })
    return rows as unknown as readonly Row[]
  }

  async #create(database: Database, tables: readonly AnyTable[]): Promise<void> {
    await inTransaction(database, async () => {
      for (const { definition } of tables) await createTable(database, definition)
    })
    for (const table of tables) table.created = true
  }

  // Trouble.

  /** Throws what is a fault of ours. */
  async #meet(error: unknown): Promise<void> {
    if (isDamage(error)) await this.#replace(error)
    else if (mayPass(error)) this.#refused(error)
    else throw error
  }

  #refused(error: unknown): void {
    this.#isLocked = isLocked(error)
    if (!this.#times.isRefused) {
      const mend = isLocked(error)
        ? 'Another process has it locked, as sqlite3 or a backup: end that'
        : "Free space, or see to the file's permissions"
      this.#settings.log.error(
        `the store ${this.#settings.path} cannot be written (${reasonOf(error)}); the server goes on without it and tries again. ${mend}`,
      )
    }
    this.#times.refused()
  }

  /** Begins a fresh file where the file turns out to be damaged; without a database there is nothing to do yet. False where it was not done. */
  async #guarded(work: (database: Database) => Promise<void>, read?: AnyTable): Promise<boolean> {
    const { database } = this.#file
    if (!database) return false
    try {
      await work(database)
      return true
    } catch (error) {
      if (!read || !isNotMade(read, error)) await this.#meet(error)
      return false
    }
  }

  async #replace(error: unknown): Promise<void> {
    try {
      await this.#file.setAside(error)
      this.#waiting.beginAnew()
      await this.#create(await this.#file.openOrBegin(), this.#waiting.tables)
    } catch (second) {
      this.#refused(second)
    }
  }
}

/** The disk had no room for the table, or for a column it is to have: that was said, and is tried again. */
function isNotMade({ created }: AnyTable, error: unknown): boolean {
  return !created && isLacking(error)
}
