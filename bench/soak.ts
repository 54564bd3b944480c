/**
 * `npm run bench -- --soak MINUTES`: half of what Lamplighter can, with subscriptions coming and going, for a long time;
 * then silence. Memory has to stay level, every lamp to be right, and nothing to be left when it is over.
 */
import type { Generator } from './children.ts'
import { Lamplighter } from './lamplighter.ts'
import { pause } from './loads.ts'
import type { Rates } from './mixed.ts'
import type { BenchOptions } from './options.ts'
import type { Order, Outcome } from './orders.ts'
import { WATCHERS_A_LAMP } from './sizes.ts'
import { slope } from './slope.ts'

export interface SoakReport {
  readonly lines: readonly string[]
  readonly failures: readonly string[]
}

/** T1 in milliseconds: RFC 3261's, and one with which a short soak needs not wait half a minute for the last timers. */
const T1 = { usual: 500, quick: 100 } as const
/** Milliseconds beyond 64 T1, for timers that fire late. */
const SPARE = 1000
/** Of the watchers, how many leave, arrive and refresh in a second. */
const TURNOVER = 1 / 200
/** Seconds between two looks at the memory, at most, and how many looks there are at least. */
const SLICE = 10
const FEWEST_SLICES = 16
/** What memory may grow by in the second half. A short soak still grows towards its level. */
const MOST_GROWTH = { long: 0.05, short: 0.3 } as const
const LONG = 10
/** All of it is back to 0 after silence; the second ones when nobody is subscribed any more. */
const OVER_IN_SILENCE = ['sip.transactions.client', 'sip.transactions.server', 'sip.timers'] as const
const OVER_AT_THE_END = [...OVER_IN_SILENCE, 'sip.dialogs', 'pubsub.subscriptions.active'] as const

export async function soak(
  minutes: number,
  sqlite: boolean,
  { sizes, sources, quick }: BenchOptions,
  generator: Generator,
): Promise<SoakReport> {
  const t1 = quick ? T1.quick : T1.usual
  const server = await Lamplighter.start({ sqlite, sources, t1 })
  try {
    const { window, lamps, seconds } = sizes
    const report = new Report()
    const ask = async (order: Order): Promise<Outcome> => {
      const outcome = await generator.ask(order, server.pids)
      if (outcome.faults !== '') report.fail(`${order.do}: ${outcome.faults}`)
      return outcome
    }
    const silence = async (names: readonly string[]): Promise<void> => {
      await pause(64 * t1 + SPARE)
      const metrics = await server.metrics()
      for (const name of names) report.over(name, metrics.get(name))
    }
    const layout = [{ lamps, watchers: WATCHERS_A_LAMP }]
    await ask({ do: 'open', office: { server: server.address, language: 'dialogs', layout, prefix: 'p' } })
    await ask({ do: 'change', window })
    await ask({ do: 'subscribe', window })
    const top = await ask({ do: 'churn', seconds, window })
    const turnover = lamps * WATCHERS_A_LAMP * TURNOVER
    const rates: Rates = {
      changes: top.changes / top.seconds / 2,
      refreshes: turnover,
      arrivals: turnover,
      departures: turnover,
    }
    const slices = Math.max(FEWEST_SLICES, Math.ceil((minutes * 60) / SLICE))
    const memory: number[] = []
    let [notifies, cpu] = [0, 0]
    // What went wrong once makes all that comes later worthless.
    for (let slice = 0; slice < slices && report.failures.length === 0; slice++) {
      const outcome = await ask({ do: 'mixed', seconds: (minutes * 60) / slices, rates })
      memory.push(outcome.memory[1])
      notifies += outcome.operations
      cpu += outcome.cpu
    }
    report.say(
      `${Math.round(rates.changes)} changes a second, ${notifies} NOTIFYs, ${Math.round(cpu / notifies)} µs each`,
    )
    report.level(memory, minutes >= LONG ? MOST_GROWTH.long : MOST_GROWTH.short)
    await silence(OVER_IN_SILENCE)
    await ask({ do: 'unsubscribe', window })
    await silence(OVER_AT_THE_END)
    report.say(`longest stall ${await server.longestStall()} ms`)
    return report
  } finally {
    await server.stop()
  }
}

class Report implements SoakReport {
  readonly lines: string[] = []
  readonly failures: string[] = []

  say(line: string): void {
    this.lines.push(line)
  }

  fail(what: string): void {
    this.failures.push(what)
  }

  /** Of bytes at even distances. */
  level(memory: readonly number[], most: number): void {
    const later = memory.slice(memory.length >> 1)
    const mean = later.reduce((sum, bytes) => sum + bytes, 0) / later.length
    const growth = (slope(later) * later.length) / mean
    const text = `memory (Pss) ${megabytes(mean)} MB in the second half, growing by ${(100 * growth).toFixed(1)} % of that`
    this.say(
      `${text}; it was ${megabytes(memory[0] ?? 0)} MB at first and ${megabytes(Math.max(...memory))} MB at most`,
    )
    if (growth > most) this.fail(`${text}, more than ${100 * most} %`)
  }

  over(name: string, value: number | undefined): void {
    if (value !== 0) this.fail(`${name} is ${value} after silence`)
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1)
}
