/** Samples as a table: min, median and max of each row, ratios, and whether that is what is to be reached. */

import { median } from './median.ts'
import { ROW_KEYS, type Row, type RowKey, rowOf, type Sample } from './rows.ts'
import { SERVERS, type ServerName } from './server.ts'

/** One row of one server: the figure of each run, and what went wrong in the first that failed. */
export interface Cell {
  readonly values: readonly number[]
  readonly fault: string
}

const LAMPLIGHTERS = ['lamplighter memory', 'lamplighter sqlite'] as const
const NOT_MEASURED = '–'
/** Ratios are to Kamailio in memory, whatever the store. */
const COMPARED = [
  'ratio, memory',
  'ratio, SQLite',
  'Asterisk (recorded)',
  'ratio to Asterisk, memory',
  'ratio to Asterisk, SQLite',
] as const

export class Results {
  readonly #cells = new Map<string, { byRun: number[]; fault: string }>()

  constructor(samples: readonly Sample[]) {
    for (const { run, row, server, value, fault } of samples) {
      const key = `${row}\0${server}`
      const cell = this.#cells.get(key) ?? { byRun: [], fault: '' }
      const others = cell.byRun[run - 1]
      cell.byRun[run - 1] = others !== undefined && rowOf(row).most ? Math.max(others, value) : value
      cell.fault ||= fault
      this.#cells.set(key, cell)
    }
  }

  cell(row: string, server: ServerName): Cell | undefined {
    const found = this.#cells.get(`${row}\0${server}`)
    return found && { values: found.byRun.filter(Number.isFinite), fault: found.fault }
  }

  /** Against the row it is compared with; undefined where one is missing or failed. */
  ratio(row: RowKey, server: ServerName): number | undefined {
    const { against } = rowOf(row)
    const ours = this.#median(row, server)
    const theirs = against && this.#median(against.row, against.server)
    return ours === undefined || !theirs ? undefined : ours / theirs
  }

  /** Against what Asterisk took. */
  ratioToAsterisk(row: RowKey, server: ServerName): number | undefined {
    const { asterisk } = rowOf(row)
    const ours = this.#median(row, server)
    return ours === undefined || asterisk === undefined ? undefined : ours / asterisk
  }

  /** Of Lamplighter in memory (0) and with SQLite (1): whether the goal is reached; undefined where nothing says so. */
  reached(row: RowKey, which: 0 | 1): boolean | undefined {
    const { goals, against } = rowOf(row)
    const server = LAMPLIGHTERS[which]
    const value = against ? this.ratio(row, server) : this.#median(row, server)
    return goals === undefined || value === undefined ? undefined : value <= goals[which]
  }

  get failures(): string[] {
    const failed: string[] = []
    for (const row of ROW_KEYS)
      for (const server of SERVERS) {
        const fault = this.cell(row, server)?.fault ?? ''
        if (fault !== '') failed.push(`${server}, ${rowOf(row).title}: ${fault}`)
      }
    return failed
  }

  #median(row: string, server: ServerName): number | undefined {
    const cell = this.cell(row, server)
    return cell === undefined || cell.fault !== '' ? undefined : median(cell.values)
  }
}

/** Markdown. */
export function printTable(results: Results, servers: readonly ServerName[]): string {
  const lines: string[][] = [
    ['work', ...servers, ...COMPARED],
    Array.from({ length: 1 + servers.length + COMPARED.length }, () => '---'),
  ]
  for (const key of ROW_KEYS) {
    const cells = servers.map((server) => results.cell(key, server))
    if (cells.every((cell) => cell === undefined)) continue
    const row = rowOf(key)
    const asterisk = row.asterisk === undefined ? NOT_MEASURED : `${row.asterisk} ${row.unit}`
    lines.push([
      row.title,
      ...cells.map((cell) => printCell(cell, row)),
      goal(results, key, 0),
      goal(results, key, 1),
      asterisk,
      asteriskGoal(results, key, 0),
      asteriskGoal(results, key, 1),
    ])
  }
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function printCell(cell: Cell | undefined, { unit }: Row): string {
  if (!cell) return NOT_MEASURED
  if (cell.fault !== '') return '**failed**'
  const [low, middle, high] = [Math.min(...cell.values), median(cell.values), Math.max(...cell.values)]
  if (unit === 'count') return low === high ? count(middle) : `${count(middle)} (${count(low)}–${count(high)})`
  const spread = cell.values.length > 1 ? ` (${figure(low)}–${figure(high)})` : ''
  return `${figure(middle)}${unit === 'ratio' ? '' : ` ${unit}`}${spread}`
}

/** `0.42, at most 0.5: yes`: the ratio, or the value where there is none, what is to be reached, and whether it is. */
function goal(results: Results, key: RowKey, which: 0 | 1): string {
  const { against, goals } = rowOf(key)
  const ratio = against ? results.ratio(key, LAMPLIGHTERS[which]) : undefined
  const said = ratio === undefined ? '' : ratio.toFixed(2)
  if (!goals) return said || NOT_MEASURED
  const reached = results.reached(key, which)
  if (reached === undefined) return NOT_MEASURED
  return `${said === '' ? '' : `${said}, `}${verdict(goals[which], reached)}`
}

function asteriskGoal(results: Results, key: RowKey, which: 0 | 1): string {
  const ratio = results.ratioToAsterisk(key, LAMPLIGHTERS[which])
  if (ratio === undefined) return NOT_MEASURED
  const most = rowOf(key).asteriskGoals?.[which]
  return most === undefined ? ratio.toFixed(2) : `${ratio.toFixed(2)}, ${verdict(most, ratio <= most)}`
}

function verdict(most: number, reached: boolean): string {
  return `at most ${most}: ${reached ? 'yes' : '**no**'}`
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
