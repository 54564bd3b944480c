/** The store: SQLite tables that modules declare, written behind the packet path. The only file that imports sqlite3. */
export type ColumnType = 'text' | 'integer' | 'real'

export interface TableDefinition<Row extends Record<string, string | number | null>> {
  readonly name: string
  /** The primary key. */
  readonly key: keyof Row & string
  readonly columns: { readonly [C in keyof Row & string]: ColumnType }
}

export interface Table<Row extends Record<string, string | number | null>> {
  /** Latest wins; written soon, in one transaction with whatever else waits. Never throws: trouble is logged once and retried. */
  put(row: Row): void
  delete(key: string | number): void
  /** What the database holds, in pages so that the event loop breathes. */
  load(page: (rows: readonly Row[]) => void): Promise<void>
}

export interface Store {
  /** Creates the table, or adds the columns it lacks. */
  table<Row extends Record<string, string | number | null>>(definition: TableDefinition<Row>): Promise<Table<Row>>
  /** Resolves when everything put so far is on disk, or could not be written. */
  flush(): Promise<void>
}
