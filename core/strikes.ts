/** How often something went wrong with the same one in a while, so that the log hears of it once, not every time. */
import { dropOldest } from './oldest.ts'

/** Ones that are counted at a time; the oldest are forgotten first. */
const CAPACITY = 10_000
/** Of one kind, in a minute, that the log hears of: addresses are made up for each datagram, and disks are not that large. */
const MOST_TOLD = 100
const MINUTE = 60_000

interface Count {
  n: number
  readonly since: number
}

export class Strikes {
  readonly #now: () => number
  readonly #counts = new Map<string, Count>()
  /** By kind: of which the log has heard. */
  readonly #told = new Map<string, Count>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** The milliseconds it took where this is exactly the `threshold`th time within the period; undefined otherwise. */
  strike(kind: string, whom: string, threshold: number, periodSeconds: number): number | undefined {
    const now = this.#now()
    const count = counted(this.#counts, `${kind} ${whom}`, now, periodSeconds * 1000)
    dropOldest(this.#counts, CAPACITY)
    if (count.n !== Math.max(1, threshold) || counted(this.#told, kind, now, MINUTE).n > MOST_TOLD) return undefined
    return now - count.since
  }
}

/** Once more. */
function counted(counts: Map<string, Count>, key: string, now: number, period: number): Count {
  let count = counts.get(key)
  if (!count || now - count.since >= period) {
    counts.delete(key)
    counts.set(key, (count = { n: 0, since: now }))
  }
  count.n++
  return count
}
