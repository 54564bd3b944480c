/** What stands in a file that anybody may have written to: whether it is what it should be. */
import type { ColumnType } from '../../core/store-contract.ts'

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Undefined where it is no JSON. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether a row has in each column the text or the whole number that it is to hold. `mayLack`: columns that may be empty. */
export function fits(
  row: object,
  columns: Readonly<Record<string, ColumnType>>,
  mayLack: readonly string[] = [],
): boolean {
  const cells: Readonly<Record<string, unknown>> = { ...row }
  return Object.entries(columns).every(([name, type]) => {
    const cell = cells[name]
    if (cell === null && mayLack.includes(name)) return true
    return type === 'text' ? isText(cell) : isCount(cell)
  })
}

/** The highest number of a column, and not less than what is known. */
export function highest(known: number, cells: readonly unknown[]): number {
  return cells.reduce((most: number, cell) => (isCount(cell) && cell > most ? cell : most), known)
}
