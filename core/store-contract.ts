/** What the rest of the house may ask of the store. */
import type { Logger } from './log.ts'
import type { Undo } from './scope.ts'
import type { Cell } from './store-tables.ts'

export type ColumnType = 'text' | 'integer' | 'real'

/** What stands in a row with these columns; in the `Empty` ones there may be nothing. */
export type RowOf<Columns extends Readonly<Record<string, ColumnType>>, Empty extends keyof Columns = never> = {
  readonly [C in keyof Columns]: (Columns[C] extends 'text' ? string : number) | (C extends Empty ? null : never)
}

export interface TableDefinition<Row> {
  readonly name: string
  /** The primary key, or with `serial` a unique column beside it. */
  readonly key: keyof Row & string
  readonly columns: { readonly [C in keyof Row & string]: ColumnType }
  /** What should be in the table now; written again when a damaged file had to be replaced. */
  readonly rows?: () => Iterable<Row>
  /** Name of the integer primary key that SQLite counts up by itself: `id` in the tables that Kamailio's tools read. */
  readonly serial?: string
  /** Entered in the table `version`, where those tools look. */
  readonly version?: number
  /** Columns that rows are looked for by. What was indexed for an earlier declaration is not any more: each costs with each row. */
  readonly indexes?: readonly (readonly (keyof Row & string)[])[]
  /** Columns that never change while there is a row of its key: they are written once. */
  readonly lasting?: readonly (keyof Row & string)[]
  /** Columns that say the same in each row that is put: they need not be carried. */
  readonly same?: Readonly<Partial<Record<keyof Row & string, Cell>>>
}

/**
 * What is read of a column: its value; or, of a column of JSON, these fields of the object in it, as a list with null for what
 * it lacks. A text that is no JSON comes as it is.
 */
export type ScanColumn<Row> =
  | (keyof Row & string)
  | { readonly column: keyof Row & string; readonly fields: readonly [string, string, ...string[]] }

/** Rows that hold all of these values. */
export type Where<Row> = { readonly [C in keyof Row]?: Row[C] | null }
/** Rows whose column is higher than the number. */
export type Above<Row> = readonly [column: keyof Row & string, value: number]

/** A row that is made when it is written: of many changes until then only the last costs anything. */
export interface RowToMake<Row> {
  /** Undefined where there is nothing to write any more. Called again where it could not be written. */
  make(): Row | undefined
  /** What was made last is on disk. */
  written(): void
}

export interface Table<Row> {
  /**
   * Latest wins; written soon, in one transaction with whatever else waits. `within` milliseconds where that is time
   * enough. Never throws: trouble is logged once and retried.
   */
  put(row: Row, within?: number): void
  /** As put. */
  putLater(key: string | number, row: RowToMake<Row>): void
  delete(key: string | number): void
  /**
   * What the database holds, in pages of `most` rows, so that the event loop breathes. Rows still waiting to be written are
   * not in it. Resolves with false where that cannot be read now, or not to the end.
   */
  load(page: (rows: readonly Row[]) => void, most?: number): Promise<boolean>
  /** As load, of rows that have a key and for tables of many rows: only these columns of each, in this order. */
  scan(
    columns: readonly ScanColumn<Row>[],
    page: (rows: readonly (readonly unknown[])[]) => void,
    most: number,
  ): Promise<void>
  /** What is there now: what waits is written first. Rejects with StoreUnavailable. */
  select(where: Where<Row>, above?: Above<Row>): Promise<readonly Row[]>
}

/** Reads and writes that nobody else comes between, no other process either. */
export interface Atomic {
  select<Row>(table: Table<Row>, where: Where<Row>, above?: Above<Row>): Promise<readonly Row[]>
  put<Row>(table: Table<Row>, row: Row): void
  delete<Row>(table: Table<Row>, key: string | number): void
}

/** The disk refuses, or another process has the file locked. It may pass. */
export class StoreUnavailable extends Error {}

/** Another Lamplighter has the file, and one of the two does not want to share it. */
export class StoreInUse extends Error {
  constructor() {
    super('another Lamplighter uses it')
  }
}

export interface Store {
  /**
   * Creates the table, or adds the columns it lacks. A module that is loaded again declares its table again, and gives its
   * `rows` from then on; what waits to be written stays. Another table of the same name throws.
   */
  table<Row extends { readonly [N in keyof Row]: Cell }>(definition: TableDefinition<Row>): Promise<Table<Row>>
  /** Resolves when everything put so far is on disk, or could not be written. */
  flush(): Promise<void>
  /** Resolves with true when everything put so far is on disk, with false when the disk refuses. */
  durable(): Promise<boolean>
  /** False while the disk refuses. */
  readonly writable: boolean
  /** All of it or nothing. Rejects with StoreUnavailable, or what `work` throws; nothing has changed then. */
  atomically<T>(work: (at: Atomic) => Promise<T>): Promise<T>
  /** Calls back after another process has written, at most this many milliseconds later. */
  onForeignChange(milliseconds: number, changed: () => void): Undo
  /** The rows of a table of an earlier version go into another one, and the old one is dropped. Resolves with their number. */
  adopt<Old extends { readonly [N in keyof Old]: Cell }, Row>(
    old: TableDefinition<Old>,
    into: Table<Row>,
    convert: (row: Old) => Row | undefined,
  ): Promise<number>
  /**
   * Another file, by the same rules; a relative path is beside this one. Whoever opens it closes it. Throws where it cannot be
   * opened, StoreInUse where another process has it.
   */
  beside(path: string, hold?: StoreHold): Promise<Store>
  close(): Promise<void>
}

/** Whether other Lamplighters may have the same file open: those that share it, or none. */
export type StoreHold = 'alone' | 'shared'

export interface StoreSettings {
  /** A file, or `:memory:`. */
  readonly path: string
  readonly synchronous: 'normal' | 'full' | 'off'
  readonly log: Logger
  /** Absent: nobody asks who else has it. */
  readonly hold?: StoreHold
}
