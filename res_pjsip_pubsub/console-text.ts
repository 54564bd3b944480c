/** Text for a terminal. */

/** What a phone sent must not move the operator's cursor. */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
}

/** Whole ones of so many milliseconds; none below 0. */
export function seconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / 1000))
}

/** A line each, the names in a column. */
export function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return rows.map(([name, value]) => plain(`  ${name.padEnd(13)} ${value}`)).join('\n')
}
