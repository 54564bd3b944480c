/** Times one small piece of work. */

export interface Timing {
  readonly name: string
  /** Microseconds of one, of each measurement. */
  readonly each: readonly number[]
}

const MEASUREMENTS = 7
/** Milliseconds of one measurement. */
const SPAN = 150

/**
 * `work` is called with a running number, so that what it is given need not be the same each time, and returns a number
 * that depends on what it did, so that nothing can be left out.
 */
export function time(name: string, work: (turn: number) => number): Timing {
  const calls = callsFor(work)
  const each: number[] = []
  let turn = 0
  let sum = 0
  for (let measurement = 0; measurement < MEASUREMENTS; measurement++) {
    const start = performance.now()
    for (let call = 0; call < calls; call++) sum += work(turn++)
    each.push(((performance.now() - start) * 1000) / calls)
  }
  if (!Number.isFinite(sum) || sum <= 0) throw new Error(`${name} did nothing`)
  return { name, each }
}

/** Warms it up, and finds how many take about as long as a measurement. */
function callsFor(work: (turn: number) => number): number {
  let calls = 16
  for (;;) {
    const start = performance.now()
    for (let call = 0; call < calls; call++) work(call)
    const took = performance.now() - start
    if (took > SPAN / 2) return Math.max(1, Math.round((calls * SPAN) / took))
    calls *= 4
  }
}
