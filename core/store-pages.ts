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

/** What Table.scan does. While a page is taken, the numbers of the next one are counted up and the one behind it is read. */
export async function scanPages(database: Database, definition: AnyDefinition, scan: Scan): Promise<void> {
  const { page, inTurn, refused } = scan
  const sql = statementsOf(definition, scan)
  /** `of`: undefined where nothing was read yet. */
  const step = (of: Page | undefined, after: number): Promise<Step> =>
    inTurn(async () => {
      const reading = readPage(database, sql.read, after)
      reading.catch(() => undefined)
      const added = of !== undefined && sql.add !== undefined && (await add(sql.add, of))
      return { page: of, added, next: await reading }
    })
  const add = async (update: string, { after, last }: Page): Promise<boolean> => {
    // What the disk has refused once is not asked of it for each page.
    if (hasRefused) return false
    try {
      await database.run(update, [after, last])
      return true
    } catch (error) {
      if (!mayPass(error)) throw error
      hasRefused = true
      refused(error)
      return false
    }
  }
  let hasRefused = false
  for (let coming = step(undefined, 0); ; ) {
    const { page: read, added, next } = await coming
    if (next) {
      coming = step(next, next.last)
      coming.catch(() => undefined)
    }
    if (read) page(read.rows, added)
    if (!next) return
  }
}

interface Step {
  readonly page: Page | undefined
  readonly added: boolean
  /** The one behind it. */
  readonly next: Page | undefined
}

interface Page {
  readonly rows: readonly (readonly unknown[])[]
  /** Their rowids are higher than this one, and at most that one. */
  readonly after: number
  readonly last: number
}

/** `read` takes a rowid and gives the page behind it; `add` takes the rowids that a page is between. */
function statementsOf(
  definition: AnyDefinition,
  { columns, most, add = {} }: Pick<Scan, 'columns' | 'most' | 'add'>,
): { readonly read: string; readonly add: string | undefined } {
  const table = quote(definition.name)
  const key = `${quote(definition.key)} IS NOT NULL`
  // As one text, which costs a fraction of a value for each column of each row. JSON has no blobs.
  const cells = columns.map((column) => `iif(typeof(${quote(column)}) = 'blob', NULL, ${quote(column)})`)
  const rows = `SELECT rowid AS ${quote(ROWID)}, ${columns.map(quote).join(', ')} FROM ${table} WHERE rowid > ? AND ${key} ORDER BY rowid LIMIT ${most}`
  const sums = Object.entries(add).map(([column, by]) => `${quote(column)} = ${quote(column)} + ${by}`)
  return {
    read: `SELECT json_group_array(json_array(${cells.join(', ')})) AS cells, max(${quote(ROWID)}) AS last FROM (${rows})`,
    // A statement of its own: what one returns of the rows it updates is kept in a table first, for twice the time of both.
    add:
      sums.length > 0 ? `UPDATE ${table} SET ${sums.join(', ')} WHERE rowid > ? AND rowid <= ? AND ${key}` : undefined,
  }
}

/** Undefined where there are no rows any more. */
async function readPage(database: Database, sql: string, after: number): Promise<Page | undefined> {
  const [found] = await database.all(sql, [after])
  if (typeof found?.['cells'] !== 'string' || typeof found['last'] !== 'number') return undefined
  const rows: unknown[][] = JSON.parse(found['cells'])
  return { rows, after, last: found['last'] }
}
