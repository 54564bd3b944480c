/** A transaction that reads and writes in between: what waits is written first, what the work puts at its end. */
import type { Atomic, Table } from './store-contract.ts'
import { type AnyRow, type Changes, type Database, findRows, inTransaction, writesOfAll } from './store-tables.ts'
import type { AnyTable, Taken } from './store-waiting.ts'

type TableOf = (handle: object) => AnyTable

export function atomically<T>(
  database: Database,
  taken: Taken,
  tableOf: TableOf,
  work: (at: Atomic) => Promise<T>,
): Promise<T> {
  return inTransaction(database, async () => {
    for (const write of writesOfAll(taken)) await database.write(...write)
    const changes = new Map<AnyTable, Changes>()
    const result = await work(atomicOf(database, tableOf, changes))
    for (const write of writesOfAll(changes)) await database.write(...write)
    return result
  })
}

function atomicOf(database: Database, tableOf: TableOf, changes: Map<AnyTable, Changes>): Atomic {
  const note = (table: AnyTable, key: unknown, row: AnyRow | null): void => {
    if (typeof key !== 'string' && typeof key !== 'number')
      throw new Error(`a row of ${table.definition.name} has no ${table.definition.key}`)
    const rows: Changes = changes.get(table) ?? new Map()
    changes.set(table, rows.set(key, row))
  }
  return {
    select: async <Row>(handle: Table<Row>, where: object, above?: readonly [string, number]) => {
      const rows = await findRows(database, tableOf(handle).definition, where as AnyRow, above)
      return rows as unknown as readonly Row[]
    },
    put: (handle, row) => {
      const table = tableOf(handle)
      const any = row as unknown as AnyRow
      note(table, any[table.definition.key], any)
    },
    delete: (handle, key) => note(tableOf(handle), key, null),
  }
}
