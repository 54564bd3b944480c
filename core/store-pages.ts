/** Tables read in pages, so that the event loop breathes. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type AnyDefinition, type AnyRow, type Cell, columnsOf, type Database, literal, quote } from './store-tables.ts'

const PAGE = 500
/** Names a row beside its columns. */
const ROWID = 'rowid of the store'

/** By rowid: a key may be missing in rows that others wrote. */
export async function loadPages(
  database: Database,
  definition: AnyDefinition,
  page: (rows: readonly AnyRow[]) => void,
  most = PAGE,
): Promise<void> {
  const sql =
    `SELECT rowid AS ${quote(ROWID)}, ${columnsOf(definition)} FROM ${quote(definition.name)} ` +
    `WHERE rowid > ? ORDER BY rowid LIMIT ${most}`
  for (let after: Cell = 0; ; ) {
    const rows: AnyRow[] = await database.all(sql, [after])
    after = rows.at(-1)?.[ROWID] ?? after
    for (const row of rows) delete row[ROWID]
    if (rows.length > 0) page(rows)
    if (rows.length < most) return
  }
}

type Column = string | { readonly column: string; readonly fields: readonly string[] }

export interface Scan {
  readonly columns: readonly Column[]
  readonly most: number
  readonly page: (rows: readonly (readonly unknown[])[]) => void
  /** Nobody else's transaction is under way while this runs. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
}

/** What Table.scan does. The page behind one is asked for before that one is taken. */
export async function scanPages(database: Database, definition: AnyDefinition, scan: Scan): Promise<void> {
  const { page, most, inTurn } = scan
  const sql = statementOf(definition, scan)
  const read = (after: number): Promise<Page> => inTurn(() => readPage(database, sql, after))
  for (let coming = read(0); ; ) {
    const { rows, last } = await coming
    const isLast = rows.length < most
    if (!isLast) {
      coming = read(last)
      coming.catch(() => undefined)
      // It is asked for when this turn is over, and not before.
      await nextTurn()
    }
    if (rows.length > 0) page(rows)
    if (isLast) return
  }
}

interface Page {
  readonly rows: readonly (readonly unknown[])[]
  /** The highest of their rowids. */
  readonly last: number
}

/** Takes a rowid, and gives the page behind it. */
function statementOf(definition: AnyDefinition, { columns, most }: Pick<Scan, 'columns' | 'most'>): string {
  const table = quote(definition.name)
  // As one text, which costs a fraction of a value for each column of each row. JSON has no blobs.
  const cells = columns.map((column) =>
    typeof column === 'string' ? valueOf(column) : fieldsOf(column.column, column.fields),
  )
  const names = columns.map((column) => quote(typeof column === 'string' ? column : column.column))
  const rows =
    `SELECT rowid AS ${quote(ROWID)}, ${names.join(', ')} FROM ${table} ` +
    `WHERE rowid > ? AND ${quote(definition.key)} IS NOT NULL ORDER BY rowid LIMIT ${most}`
  return `SELECT json_group_array(json_array(${cells.join(', ')})) AS cells, max(${quote(ROWID)}) AS last FROM (${rows})`
}

function valueOf(column: string): string {
  return `iif(typeof(${quote(column)}) = 'blob', NULL, ${quote(column)})`
}

/** Of more than one path the values are a list. What comes here is read once; within the text of another it would be again. */
function fieldsOf(column: string, fields: readonly string[]): string {
  const paths = fields.map((field) => literal(`$.${quote(field)}`)).join(', ')
  const isJson = `typeof(${quote(column)}) = 'text' AND json_valid(${quote(column)})`
  return `iif(${isJson}, json_extract(${quote(column)}, ${paths}), ${valueOf(column)})`
}

async function readPage(database: Database, sql: string, after: number): Promise<Page> {
  const [found] = await database.select(sql, [after])
  if (typeof found?.['cells'] !== 'string' || typeof found['last'] !== 'number') return { rows: [], last: after }
  const rows: unknown[][] = JSON.parse(found['cells'])
  return { rows, last: found['last'] }
}
