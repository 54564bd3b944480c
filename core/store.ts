/**
 * The store: SQLite tables that modules declare, written behind the packet path. The only file that imports sqlite3.
 *
 * put and delete only note the newest row of each key; soon afterwards all that was noted is written in one
 * transaction. What cannot be written stays noted and is tried again, so a full disk costs nothing but persistence.
 * A damaged file is set aside under another name, never deleted, and a new one is begun from what the modules hold.
 */
import { existsSync, renameSync } from 'node:fs'
import sqlite3 from 'sqlite3'
import { type Logger, reasonOf } from './log.ts'

export type ColumnType = 'text' | 'integer' | 'real'
type Cell = string | number | null
export type RowOf<C extends Readonly<Record<string, ColumnType>>> = { readonly [N in keyof C]: Cell }

export interface TableDefinition<Row> {
  readonly name: string
  /** The primary key. */
  readonly key: keyof Row & string
  readonly columns: { readonly [C in keyof Row & string]: ColumnType }
  /** What should be in the table now; written again when a damaged file had to be replaced. */
  readonly rows?: () => Iterable<Row>
}

export interface Table<Row> {
  /** Latest wins; written soon, in one transaction with whatever else waits. Never throws: trouble is logged once and retried. */
  put(row: Row): void
  delete(key: string | number): void
  /** What the database holds, in pages so that the event loop breathes. Rows still waiting to be written are not in it. */
  load(page: (rows: readonly Row[]) => void): Promise<void>
}

export interface Store {
  /**
   * Creates the table, or adds the columns it lacks. A module that is loaded again declares its table again, and gives its
   * `rows` from then on; what waits to be written stays. Another table of the same name throws.
   */
  table<Row extends { readonly [N in keyof Row]: Cell }>(definition: TableDefinition<Row>): Promise<Table<Row>>
  /** Resolves when everything put so far is on disk, or could not be written. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface StoreSettings {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly synchronous: 'normal' | 'full' | 'off'
  readonly log: Logger
}

/** Milliseconds that writes are gathered before a transaction begins. */
const GATHER = 3
/** Milliseconds between two attempts while the disk refuses. */
const RETRY_FIRST = 250
const RETRY_MOST = 10_000
const PAGE = 500
/** Rows in one statement: bounds the size of its JSON parameter. */
const BATCH = 2000

/** SQLite's own words for a file that is beyond use. */
const DAMAGED: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB'])
/** And for a disk that takes no more. */
const NO_ROOM: ReadonlySet<string> = new Set(['SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_READONLY'])

export async function openStore(settings: StoreSettings): Promise<Store> {
  const store = new SqliteStore(settings)
  await store.open()
  return store
}

interface AnyTable {
  definition: TableDefinition<Record<string, Cell>>
  /** key → newest row, or null for deleted */
  waiting: Map<string | number, Record<string, Cell> | null>
  created: boolean
}

class SqliteStore implements Store {
  readonly #settings: StoreSettings
  #database: Database | undefined
  readonly #tables = new Map<string, AnyTable>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #retryPause = 0
  #closed = false

  constructor(settings: StoreSettings) {
    this.#settings = settings
  }

  /** Throws only for what the operator has to mend first: a path that cannot be opened at all. */
  async open(): Promise<void> {
    try {
      this.#database = await this.#openOrBegin()
    } catch (error) {
      if (!hasCode(error, NO_ROOM)) throw error
      this.#refused(error)
    }
  }

  async #openOrBegin(): Promise<Database> {
    try {
      return await openDatabase(this.#settings)
    } catch (error) {
      if (!hasCode(error, DAMAGED)) throw error
      this.#setAside(error)
      return await openDatabase(this.#settings)
    }
  }

  async table<Row extends { readonly [N in keyof Row]: Cell }>(definition: TableDefinition<Row>): Promise<Table<Row>> {
    const table = this.#declare(definition)
    await this.#guarded((database) => (table.created ? Promise.resolve() : this.#create(database, table)))
    return {
      put: (row) => this.#note(table, row[definition.key], row),
      delete: (key) => this.#note(table, key, null),
      load: async (page) => {
        await this.#guarded((database) =>
          loadPages(database, table.definition, (rows) => page(rows as unknown as readonly Row[])),
        )
      },
    }
  }

  /** The maps in it are shared by tables of all row types; each Table handed out only lets its own rows in. */
  #declare(definition: AnyTable['definition']): AnyTable {
    const known = this.#tables.get(definition.name)
    if (known && shapeOf(known.definition) !== shapeOf(definition))
      throw new Error(`table ${definition.name} is declared with other columns already`)
    if (known) {
      known.definition = definition
      return known
    }
    const table: AnyTable = { definition, waiting: new Map(), created: false }
    this.#tables.set(definition.name, table)
    return table
  }

  async flush(): Promise<void> {
    await this.#writing
    if (this.#anyWaiting()) await this.#write()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.flush()
    await this.#database?.close()
    this.#database = undefined
  }

  #note(table: AnyTable, key: Cell, row: Record<string, Cell> | null): void {
    if (key === null) throw new Error(`a row of ${table.definition.name} has no ${table.definition.key}`)
    table.waiting.set(key, row)
    this.#schedule(GATHER)
  }

  #schedule(pause: number): void {
    if (this.#timer || this.#writing || this.#closed) return
    this.#timer = setTimeout(() => void this.#write(), this.#retryPause || pause)
    if (this.#retryPause) this.#timer.unref()
  }

  #anyWaiting(): boolean {
    return [...this.#tables.values()].some((table) => table.waiting.size > 0)
  }

  /** One transaction with all that waits. Never rejects. */
  #write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing ??= this.#transaction().finally(() => {
      this.#writing = undefined
      if (this.#anyWaiting()) this.#schedule(GATHER)
    })
    return this.#writing
  }

  async #transaction(): Promise<void> {
    const taken = [...this.#tables.values()]
      .map((table) => ({ table, rows: takeWaiting(table) }))
      .filter(({ rows }) => rows.size > 0)
    if (taken.length === 0) return
    try {
      this.#database ??= await this.#openOrBegin()
      for (const table of this.#tables.values()) if (!table.created) await this.#create(this.#database, table)
      await this.#database.run('BEGIN IMMEDIATE')
      for (const { table, rows } of taken) await writeRows(this.#database, table, rows)
      await this.#database.run('COMMIT')
      if (this.#retryPause) this.#settings.log.notice('the store can be written again')
      this.#retryPause = 0
    } catch (error) {
      await this.#database?.run('ROLLBACK').catch(() => undefined)
      for (const { table, rows } of taken) putBack(table, rows)
      if (hasCode(error, DAMAGED)) await this.#replace(error)
      else this.#refused(error)
    }
  }

  #refused(error: unknown): void {
    if (!this.#retryPause) {
      this.#settings.log.error(
        `the store ${this.#settings.path} cannot be written (${reasonOf(error)}); the server goes on without it and tries again. Free space, or see to the file's permissions`,
      )
    }
    this.#retryPause = Math.min(RETRY_MOST, this.#retryPause * 2 || RETRY_FIRST)
  }

  async #create(database: Database, table: AnyTable): Promise<void> {
    const { definition } = table
    const columns = Object.entries(definition.columns)
    const declared = columns.map(
      ([name, type]) => `${quote(name)} ${type}${name === definition.key ? ' PRIMARY KEY NOT NULL' : ''}`,
    )
    await database.run(`CREATE TABLE IF NOT EXISTS ${quote(definition.name)} (${declared.join(', ')})`)
    const present = new Set(
      (await database.all(`PRAGMA table_info(${quote(definition.name)})`)).map((row) => row['name']),
    )
    for (const [name, type] of columns) {
      if (!present.has(name))
        await database.run(`ALTER TABLE ${quote(definition.name)} ADD COLUMN ${quote(name)} ${type}`)
    }
    table.created = true
  }

  /** Runs it on a fresh file where the file turns out to be damaged; without a database there is nothing to do yet. */
  async #guarded(work: (database: Database) => Promise<void>): Promise<void> {
    try {
      if (this.#database) await work(this.#database)
    } catch (error) {
      if (hasCode(error, DAMAGED)) await this.#replace(error)
      else if (hasCode(error, NO_ROOM)) this.#refused(error)
      else throw error
    }
  }

  async #replace(error: unknown): Promise<void> {
    await this.#database?.close().catch(() => undefined)
    this.#database = undefined
    for (const table of this.#tables.values()) table.created = false
    try {
      this.#setAside(error)
      this.#database = await openDatabase(this.#settings)
      for (const table of this.#tables.values()) {
        await this.#create(this.#database, table)
        for (const row of table.definition.rows?.() ?? []) {
          const key = row[table.definition.key]
          if (key !== null && key !== undefined && !table.waiting.has(key)) table.waiting.set(key, row)
        }
      }
    } catch (second) {
      this.#refused(second)
    }
  }

  #setAside(error: unknown): void {
    const { path, log } = this.#settings
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '')}`
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
    log.error(`the store ${path} is damaged (${reasonOf(error)}); it was set aside as ${aside} and a new one is begun`)
  }
}

async function writeRows(
  database: Database,
  { definition }: AnyTable,
  rows: ReadonlyMap<string | number, Record<string, Cell> | null>,
): Promise<void> {
  const columns = Object.keys(definition.columns)
  const puts: Cell[][] = []
  const deletes: (string | number)[] = []
  for (const [key, row] of rows) {
    if (row) puts.push(columns.map((column) => row[column] ?? null))
    else deletes.push(key)
  }
  // One statement a batch: a call into sqlite3 costs more than the row it carries.
  const values = columns.map((_, i) => `json_extract(value, '$[${i}]')`).join(', ')
  const insert = `INSERT OR REPLACE INTO ${quote(definition.name)} (${columns.map(quote).join(', ')}) SELECT ${values} FROM json_each(?)`
  for (let i = 0; i < puts.length; i += BATCH) await database.run(insert, [JSON.stringify(puts.slice(i, i + BATCH))])
  if (deletes.length > 0) {
    await database.run(
      `DELETE FROM ${quote(definition.name)} WHERE ${quote(definition.key)} IN (SELECT value FROM json_each(?))`,
      [JSON.stringify(deletes)],
    )
  }
}

async function loadPages(
  database: Database,
  definition: AnyTable['definition'],
  page: (rows: readonly Record<string, Cell>[]) => void,
): Promise<void> {
  const columns = Object.keys(definition.columns).map(quote).join(', ')
  const key = quote(definition.key)
  let after: Cell = null
  for (;;) {
    const where: string = after === null ? '' : `WHERE ${key} > ?`
    const sql = `SELECT ${columns} FROM ${quote(definition.name)} ${where} ORDER BY ${key} LIMIT ${PAGE}`
    const rows: Record<string, Cell>[] = await database.all(sql, after === null ? [] : [after])
    if (rows.length > 0) page(rows)
    if (rows.length < PAGE) return
    after = rows.at(-1)?.[definition.key] ?? null
  }
}

function takeWaiting(table: AnyTable): AnyTable['waiting'] {
  const taken = table.waiting
  table.waiting = new Map()
  return taken
}

/** What was noted meanwhile is newer. */
function putBack(table: AnyTable, rows: AnyTable['waiting']): void {
  for (const [key, row] of rows) if (!table.waiting.has(key)) table.waiting.set(key, row)
}

function shapeOf({ key, columns }: AnyTable['definition']): string {
  const sorted = Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([key, ...sorted])
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function hasCode(error: unknown, codes: ReadonlySet<string>): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.has(error.code)
}

/** sqlite3 with promises. */
interface Database {
  run(sql: string, parameters?: readonly Cell[]): Promise<void>
  all(sql: string, parameters?: readonly Cell[]): Promise<Record<string, Cell>[]>
  close(): Promise<void>
}

async function openDatabase({ path, synchronous }: StoreSettings): Promise<Database> {
  const handle = await new Promise<sqlite3.Database>((resolve, reject) => {
    const opening: sqlite3.Database = new sqlite3.Database(path, (error) => (error ? reject(error) : resolve(opening)))
  })
  const database: Database = {
    run: (sql, parameters = []) =>
      new Promise((resolve, reject) =>
        handle.run(sql, parameters, (error: Error | null) => (error ? reject(error) : resolve())),
      ),
    all: (sql, parameters = []) =>
      new Promise((resolve, reject) =>
        handle.all<Record<string, Cell>>(sql, parameters, (error, rows) => (error ? reject(error) : resolve(rows))),
      ),
    close: () => new Promise((resolve, reject) => handle.close((error) => (error ? reject(error) : resolve()))),
  }
  try {
    handle.configure('busyTimeout', 2000)
    await database.run('PRAGMA journal_mode = WAL')
    await database.run(`PRAGMA synchronous = ${synchronous}`)
    const check = await database.all('PRAGMA quick_check(1)')
    if (check[0]?.['quick_check'] !== 'ok')
      throw Object.assign(new Error(String(check[0]?.['quick_check'])), { code: 'SQLITE_CORRUPT' })
    return database
  } catch (error) {
    await database.close().catch(() => undefined)
    throw error
  }
}
