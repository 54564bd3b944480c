/** Tables read in pages, so that the event loop breathes. */
import { type AnyDefinition, type AnyRow, type Cell, columnsOf, type Database, mayPass, quote } from './store-tables.ts'

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

export interface Scan {
  readonly columns: readonly string[]
  readonly most: number
  readonly add?: Readonly<Record<string, number | undefined>> | undefined
  /** Before it is given up that they are counted up: why. */
  readonly refused: (error: unknown) => void
  readonly page: (rows: readonly (readonly unknown[])[], added: boolean) => void
  /** Nobody else's transaction is under way while this runs. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
}

/** What Table.scan does. */
export async function scanPages(database: Database, definition: AnyDefinition, scan: Scan): Promise<void> {
  const { page, inTurn, refused } = scan
  let { add } = scan
  const next = (after: number): Promise<Page | undefined> =>
    inTurn(() => readPage(database, definition, { ...scan, add }, after)).catch((error: unknown) => {
      if (!add || !mayPass(error)) throw error
      refused(error)
      add = undefined
      return next(after)
    })
  for (let coming = next(0); ; ) {
    const read = await coming
    if (!read) return
    // SQLite reads on while these are taken.
    coming = next(read.last)
    coming.catch(() => undefined)
    page(read.rows, read.added)
  }
}

interface Page {
  readonly rows: readonly (readonly unknown[])[]
  readonly added: boolean
  /** The highest rowid of them. */
  readonly last: number
}

/** The rows behind a rowid; undefined where there are none. */
async function readPage(
  database: Database,
  definition: AnyDefinition,
  { columns, most, add }: Pick<Scan, 'columns' | 'most' | 'add'>,
  after: number,
): Promise<Page | undefined> {
  const table = quote(definition.name)
  const which = `SELECT rowid FROM ${table} WHERE rowid > ? AND ${quote(definition.key)} IS NOT NULL ORDER BY rowid LIMIT ${most}`
  // As one text a row, which costs a fraction of a value for each column. JSON has no blobs.
  const cells = columns.map((column) => {
    const by = add?.[column]
    return by === undefined
      ? `iif(typeof(${quote(column)}) = 'blob', NULL, ${quote(column)})`
      : `${quote(column)} - ${by}`
  })
  const sums = Object.entries(add ?? {}).map(([column, by]) => `${quote(column)} = ${quote(column)} + ${by}`)
  // Two statements: what one returns of the rows it updates is kept in a table of its own, for twice the time of both.
  if (sums.length > 0) await database.run(`UPDATE ${table} SET ${sums.join(', ')} WHERE rowid IN (${which})`, [after])
  const found = await database.all(
    `SELECT rowid AS ${quote(ROWID)}, json_array(${cells.join(', ')}) AS cells FROM ${table} WHERE rowid IN (${which}) ORDER BY rowid`,
    [after],
  )
  if (found.length === 0) return undefined
  const rows: unknown[][] = JSON.parse(`[${found.map((row) => row['cells']).join(',')}]`)
  return {
    rows,
    added: sums.length > 0,
    last: Number(found.at(-1)?.[ROWID]),
  }
}
