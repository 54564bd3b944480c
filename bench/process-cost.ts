/** What processes cost: CPU time of all their threads, and their share of memory. Linux only (proc(5)). */
import { readdirSync, readFileSync } from 'node:fs'

/** Ticks a second of utime and stime: USER_HZ, which is 100 on every Linux that Node runs on. */
const HERTZ = 100

/** Microseconds of user and system time of these processes and all their threads. One that has ended throws. */
export function cpuMicroseconds(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold anything; utime and stime are the 14th and 15th field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return (ticks * 1_000_000) / HERTZ
}

/** Bytes, where shared pages are divided among those who share them. */
export function pssBytes(pids: readonly number[]): number {
  let kilobytes = 0
  for (const pid of pids) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0)
  }
  return kilobytes * 1024
}

/** A process and everything it started. */
export function familyOf(pid: number): number[] {
  const found = [pid]
  for (const parent of found) {
    for (const thread of readdirSync(`/proc/${parent}/task`)) {
      const children = readFileSync(`/proc/${parent}/task/${thread}/children`, 'latin1').trim()
      if (children !== '') found.push(...children.split(' ').map(Number))
    }
  }
  return found
}
