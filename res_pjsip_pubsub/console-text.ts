/** Text for a terminal. */
import { plain } from '../core/console/console.ts'

/** Whole ones of so many milliseconds; none below 0. */
export function seconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / 1000))
}

/** A line each, the names in a column. */
export function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return rows.map(([name, value]) => plain(`  ${name.padEnd(13)} ${value}`)).join('\n')
}
