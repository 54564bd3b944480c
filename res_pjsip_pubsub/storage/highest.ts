import { isCount } from './row-dialog.ts'

/** The highest number of a column, and not less than what is known: anybody may have written something else into it. */
export function highest(known: number, cells: readonly unknown[]): number {
  return cells.reduce((most: number, cell) => (isCount(cell) && cell > most ? cell : most), known)
}
