/** The tables of a store, and the rows that wait to be written to them: the newest of each key. */
import type { RowToMake, TableDefinition } from './store-contract.ts'
import { type AnyRow, type Cell, type Changes, isToMake } from './store-tables.ts'

/** The maps in it are shared by tables of all row types; each Table handed out only lets its own rows in. */
export interface AnyTable {
  definition: TableDefinition<AnyRow>
  waiting: Changes
  created: boolean
}

export type Taken = readonly (readonly [table: AnyTable, rows: Changes])[]

export class Waiting {
  readonly #tables = new Map<string, AnyTable>()
  #noted = 0

  get tables(): readonly AnyTable[] {
    return [...this.#tables.values()]
  }

  /** Rows, or a table that is still to be made. */
  get any(): boolean {
    for (const { waiting, created } of this.#tables.values()) if (waiting.size > 0 || !created) return true
    return false
  }

  /** How much was noted so far; goes up with each note. */
  get noted(): number {
    return this.#noted
  }

  declare(definition: TableDefinition<AnyRow>): AnyTable {
    const known = this.#tables.get(definition.name)
    if (known && shapeOf(known.definition) !== shapeOf(definition))
      throw new Error(`table ${definition.name} is declared with other columns already`)
    if (known) {
      // One that only reads it has no rows to give, and nothing to say of its indexes.
      if (!definition.rows) return known
      if (JSON.stringify(known.definition.indexes) !== JSON.stringify(definition.indexes)) known.created = false
      known.definition = definition
      return known
    }
    const table: AnyTable = { definition, waiting: new Map(), created: false }
    this.#tables.set(definition.name, table)
    return table
  }

  /** `row`: null to delete it. */
  note(table: AnyTable, key: Cell, row: AnyRow | RowToMake<AnyRow> | null): void {
    if (key === null) throw new Error(`a row of ${table.definition.name} has no ${table.definition.key}`)
    table.waiting.set(key, row)
    this.#noted++
  }

  take(): Taken {
    const taken: [AnyTable, Changes][] = []
    for (const table of this.#tables.values()) {
      if (table.waiting.size === 0) continue
      taken.push([table, table.waiting])
      table.waiting = new Map()
    }
    return taken
  }

  /** It is on disk. */
  written(taken: Taken): void {
    for (const [, rows] of taken) for (const row of rows.values()) if (row && isToMake(row)) row.written()
  }

  /** It could not be written. What was noted meanwhile is newer. */
  putBack(taken: Taken): void {
    for (const [table, rows] of taken)
      for (const [key, row] of rows) if (!table.waiting.has(key)) table.waiting.set(key, row)
  }

  /** The file is a new one: all that the modules hold is to be written. */
  beginAnew(): void {
    for (const table of this.#tables.values()) {
      table.created = false
      for (const row of table.definition.rows?.() ?? []) {
        const key = row[table.definition.key]
        if (key !== null && key !== undefined && !table.waiting.has(key)) this.note(table, key, row)
      }
    }
  }
}

function shapeOf({ key, columns }: TableDefinition<AnyRow>): string {
  const sorted = Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([key, ...sorted])
}
