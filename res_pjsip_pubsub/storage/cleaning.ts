/** `clean_period`: every so often the tables are searched for what is over and nobody took away. */
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { Timer } from '../../core/timer.ts'

/** Milliseconds that a row may be over: whoever has it is about to take it away. */
export const OVERDUE = 60_000

export interface Cleaned {
  readonly subscriptions: number
  readonly publications: number
  readonly watchers: number
}

export function cleanedText({ subscriptions, publications, watchers }: Cleaned): string {
  return `${subscriptions} subscriptions, ${publications} publications and ${watchers} watchers`
}

/** How often somebody looks whether there is a period now, in milliseconds. */
const IDLE = 10_000

/** `seconds`: read before each pause, so that a reload changes it; 0 and less searches never. */
export function cleanRegularly(seconds: () => number, clean: () => Promise<Cleaned>, log: Logger): Undo {
  const timer = new Timer()
  let work: Promise<void> = Promise.resolve()
  let stopped = false
  const once = async (): Promise<void> => {
    try {
      const cleaned = await clean()
      if (cleaned.subscriptions + cleaned.publications + cleaned.watchers > 0)
        log.notice(`${cleanedText(cleaned)} were left over in the tables`)
    } catch (error) {
      log.warning(`the tables cannot be cleaned: ${reasonOf(error)}`)
    }
  }
  const next = (): void => {
    if (stopped) return
    const period = seconds() * 1000
    timer.set(period > 0 ? period : IDLE, () => {
      work = (period > 0 && seconds() > 0 ? once() : Promise.resolve()).finally(next)
    })
  }
  next()
  return async () => {
    stopped = true
    timer.clear()
    await work
  }
}
