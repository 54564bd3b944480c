/** The SQL of the store: tables made, rows written, found and read in pages. */

import type { RowToMake } from './store-contract.ts'
import type { LogState } from './store-log.ts'

export type Cell = string | number | null

/** One connection. */
export interface Database {
  run(sql: string): Promise<void>
  all(sql: string, parameters?: readonly Cell[]): Promise<Record<string, Cell>[]>
  /** As all, for what comes again and again: prepared once, and begun at once while this thread goes on. */
  select(sql: string, parameters: readonly Cell[]): Promise<Record<string, Cell>[]>
  /** Prepared once. */
  write(sql: string, rows: string): Promise<void>
  /** Rows that `write` wrote so far. */
  readonly written: number
  /**
   * Carries what is in the log over to the file, beside a transaction that is under way, and where NOOP is asked for
   * nothing. RESTART keeps others from writing meanwhile. Rejects as SQLite does.
   */
  checkpoint(how: 'NOOP' | 'PASSIVE' | 'RESTART'): Promise<LogState>
  close(): Promise<void>
}

/** SQLite's own words for a file that is beyond use. */
const DAMAGED: ReadonlySet<string> = new Set(['SQLITE_CORRUPT', 'SQLITE_NOTADB'])
/** For a disk that takes no more, and for a file that another process has locked for longer than anybody should. */
const PASSING: ReadonlySet<string> = new Set([
  'SQLITE_FULL',
  'SQLITE_IOERR',
  'SQLITE_READONLY',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
])

const OF_DISK: ReadonlySet<string> = new Set(['SQLITE_IOERR', 'SQLITE_FULL'])
const LACKING: ReadonlySet<string> = new Set(['SQLITE_ERROR'])
const LOCKED: ReadonlySet<string> = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED'])

export const isLocked = (error: unknown): boolean => hasCode(error, LOCKED)
/** It cannot make or write a file beside that of the store. */
export const isOfDisk = (error: unknown): boolean => hasCode(error, OF_DISK)
/** As SQLite says it of a table or column that is not there. */
export const isLacking = (error: unknown): boolean => hasCode(error, LACKING)
export const isDamage = (error: unknown): boolean => hasCode(error, DAMAGED)
/** What waits is kept and tried again. */
export const mayPass = (error: unknown): boolean => hasCode(error, PASSING)

export interface AnyDefinition {
  readonly name: string
  readonly key: string
  readonly columns: Readonly<Record<string, string>>
  readonly serial?: string | undefined
  readonly version?: number | undefined
  readonly indexes?: readonly (readonly string[])[] | undefined
  readonly lasting?: readonly string[] | undefined
  readonly same?: Readonly<Record<string, Cell | undefined>> | undefined
}
export type AnyRow = Record<string, Cell>
/** key → newest row, or null for deleted */
export type Changes = Map<string | number, AnyRow | RowToMake<AnyRow> | null>

/** Rows in one statement: some milliseconds of SQLite's time, and one of ours. */
const BATCH = 200
/** Creates the table, or adds what it lacks. Within a transaction, as another process may be about to do the same. */
export async function createTable(database: Database, definition: AnyDefinition): Promise<void> {
  const { name, key, columns, serial } = definition
  const declared = Object.entries(columns).map(
    ([column, type]) => `${quote(column)} ${type}${column === key && !serial ? ' PRIMARY KEY NOT NULL' : ''}`,
  )
  if (serial) declared.unshift(`${quote(serial)} INTEGER PRIMARY KEY NOT NULL`)
  await database.run(`CREATE TABLE IF NOT EXISTS ${quote(name)} (${declared.join(', ')})`)
  const present = new Set((await database.all(`PRAGMA table_info(${quote(name)})`)).map((row) => row['name']))
  for (const [column, type] of Object.entries(columns)) {
    if (!present.has(column)) await database.run(`ALTER TABLE ${quote(name)} ADD COLUMN ${quote(column)} ${type}`)
  }
  await createIndexes(database, definition)
  if (definition.version !== undefined) await enterVersion(database, name, definition.version)
}

/** Those that an earlier declaration made are dropped; others than ours stay. */
async function createIndexes(database: Database, { name, key, serial, indexes = [] }: AnyDefinition): Promise<void> {
  const unique = serial ? indexName(name, [key]) : undefined
  const wanted = new Set(indexes.map((columns) => indexName(name, columns)))
  if (unique !== undefined) wanted.add(unique)
  const present = new Set((await database.all(`PRAGMA index_list(${quote(name)})`)).map((index) => index['name']))
  for (const index of present) {
    if (typeof index !== 'string' || !index.startsWith(indexName(name, [])) || wanted.has(index)) continue
    await database.run(`DROP INDEX IF EXISTS ${quote(index)}`)
  }
  if (unique !== undefined && !present.has(unique)) {
    // Others may have written two: the newer one stays.
    const newest = `SELECT max(rowid) FROM ${quote(name)} GROUP BY ${quote(key)}`
    await database.run(`DELETE FROM ${quote(name)} WHERE ${quote(key)} IS NOT NULL AND rowid NOT IN (${newest})`)
    await createIndex(database, 'UNIQUE INDEX', name, [key])
  }
  for (const columns of indexes)
    if (!present.has(indexName(name, columns))) await createIndex(database, 'INDEX', name, columns)
}

async function createIndex(
  database: Database,
  kind: 'INDEX' | 'UNIQUE INDEX',
  table: string,
  columns: readonly string[],
): Promise<void> {
  const index = quote(indexName(table, columns))
  // Somebody may have given the table that it was made for another name: it went along, and keeps its own.
  await database.run(`DROP INDEX IF EXISTS ${index}`)
  await database.run(`CREATE ${kind} ${index} ON ${quote(table)} (${columns.map(quote).join(', ')})`)
}

function indexName(table: string, columns: readonly string[]): string {
  return `${table}_by_${columns.join('_')}`
}

/** Kamailio's tools look there for what they can read. */
async function enterVersion(database: Database, table: string, version: number): Promise<void> {
  await database.run(
    'CREATE TABLE IF NOT EXISTS version (id INTEGER PRIMARY KEY NOT NULL, table_name text NOT NULL UNIQUE, table_version integer DEFAULT 0 NOT NULL)',
  )
  const known = await database.all('SELECT 1 FROM version WHERE table_name = ?', [table])
  if (known.length === 0)
    await database.run(`INSERT INTO version (table_name, table_version) VALUES (${literal(table)}, ${version})`)
}

export async function hasTable(database: Database, name: string): Promise<boolean> {
  return (await database.all("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name])).length > 0
}

export async function dropTable(database: Database, name: string): Promise<void> {
  await database.run(`DROP TABLE ${quote(name)}`)
}

/** A statement that writes, and its one parameter. */
export type Write = readonly [sql: string, rows: string]

/**
 * One statement a batch, as a call into sqlite3 costs more than a row; each is made when the one before is written, so
 * that a thousand rows do not hold up the packets that come in.
 */
function* writesOf(definition: AnyDefinition, rows: Changes): Generator<Write> {
  const { put, remove, groups } = statementsOf(definition)
  let cells: Cell[][][] = []
  const deleted: (string | number)[] = []
  for (const [key, change] of rows) {
    const row = change && isToMake(change) ? change.make() : change
    if (row === undefined) continue
    if (row) cells.push(groups.map((columns) => columns.map((column) => row[column] ?? null)))
    else deleted.push(key)
    if (cells.length < BATCH) continue
    yield [put, JSON.stringify(cells)]
    cells = []
  }
  if (cells.length > 0) yield [put, JSON.stringify(cells)]
  if (deleted.length > 0) yield [remove, JSON.stringify(deleted)]
}

export function* writesOfAll(
  changes: Iterable<readonly [table: { readonly definition: AnyDefinition }, rows: Changes]>,
): Generator<Write> {
  for (const [{ definition }, rows] of changes) yield* writesOf(definition, rows)
}

/** In one transaction. */
export async function writeAll(
  database: Database,
  changes: Iterable<readonly [table: { readonly definition: AnyDefinition }, rows: Changes]>,
): Promise<void> {
  const writes = writesOfAll(changes)
  const first = writes.next()
  if (first.done) return
  const second = writes.next()
  // SQLite makes one statement a transaction by itself.
  if (second.done) return database.write(...first.value)
  await inTransaction(database, async () => {
    await database.write(...first.value)
    await database.write(...second.value)
    for (const write of writes) await database.write(...write)
  })
}

/** All of it or nothing. */
export async function inTransaction<T>(database: Database, work: () => Promise<T>): Promise<T> {
  await database.run('BEGIN IMMEDIATE')
  try {
    const result = await work()
    await database.run('COMMIT')
    return result
  } catch (error) {
    await database.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** No column holds a function. */
export function isToMake(change: AnyRow | RowToMake<AnyRow>): change is RowToMake<AnyRow> {
  return typeof change.make === 'function'
}

interface Statements {
  readonly put: string
  readonly remove: string
  /** Those carried, in their order. */
  readonly groups: readonly (readonly string[])[]
}

/** Cells in a list of their own: SQLite walks over all that come before the one it looks for. */
const GROUP = 8

const STATEMENTS = new WeakMap<AnyDefinition, Statements>()

function statementsOf(definition: AnyDefinition): Statements {
  let made = STATEMENTS.get(definition)
  if (!made) STATEMENTS.set(definition, (made = makeStatements(definition)))
  return made
}

function makeStatements(definition: AnyDefinition): Statements {
  const { same = {} } = definition
  const all = Object.keys(definition.columns)
  const columns = all.filter((column) => same[column] === undefined)
  const table = quote(definition.name)
  const key = quote(definition.key)
  // Of jsonb_each each row is binary: of json_each it would be text, and read anew for each of its columns.
  const values = all.map((column) => {
    const value = same[column]
    if (value !== undefined) return literal(value)
    const at = columns.indexOf(column)
    return `json_extract(value, '$[${Math.floor(at / GROUP)}][${at % GROUP}]')`
  })
  const lasting = new Set([definition.key, ...(definition.lasting ?? [])])
  const others = all.filter((column) => !lasting.has(column)).map(quote)
  const update = others.map((column) => `${column} = excluded.${column}`).join(', ')
  return {
    groups: Array.from({ length: Math.ceil(columns.length / GROUP) }, (_, at) =>
      columns.slice(at * GROUP, (at + 1) * GROUP),
    ),
    // A row keeps its rowid, by which pages are read and tools remember it.
    put:
      `INSERT OR REPLACE INTO ${table} (${all.map(quote).join(', ')}) SELECT ${values.join(', ')} FROM jsonb_each(?) WHERE true ` +
      `ON CONFLICT (${key}) DO ${others.length === 0 ? 'NOTHING' : `UPDATE SET ${update}`}`,
    remove: `DELETE FROM ${table} WHERE ${key} IN (SELECT value FROM json_each(?))`,
  }
}

/** Rows with these values; `above` leaves out those whose column is not higher. */
export async function findRows(
  database: Database,
  definition: AnyDefinition,
  where: Readonly<Record<string, Cell | undefined>>,
  above?: readonly [column: string, value: number],
): Promise<AnyRow[]> {
  const given = Object.entries(where).filter((entry): entry is [string, Cell] => entry[1] !== undefined)
  const conditions = given.map(([column]) => `${quote(column)} IS ?`)
  if (above) conditions.push(`${quote(above[0])} > ?`)
  const filter = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return database.all(`SELECT ${columnsOf(definition)} FROM ${quote(definition.name)}${filter} ORDER BY rowid`, [
    ...given.map(([, value]) => value),
    ...(above ? [above[1]] : []),
  ])
}

export function columnsOf({ columns }: AnyDefinition): string {
  return Object.keys(columns).map(quote).join(', ')
}

export function literal(value: Cell): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value)
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function hasCode(error: unknown, codes: ReadonlySet<string>): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.has(error.code)
}
