/** How often something went wrong with the same one in a while, so that the log hears of it once, not every time. */
import { dropOldest } from '../oldest.ts'

/** Ones that are counted at a time; the oldest are forgotten first. */
const CAPACITY = 10_000

interface Count {
  n: number
  readonly since: number
}

export class Strikes {
  readonly #now: () => number
  readonly #counts = new Map<string, Count>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** The milliseconds it took where this is exactly the `threshold`th time within the period; undefined otherwise. */
  strike(key: string, threshold: number, periodSeconds: number): number | undefined {
    const now = this.#now()
    let count = this.#counts.get(key)
    if (!count || now - count.since >= periodSeconds * 1000) {
      this.#counts.delete(key)
      this.#counts.set(key, (count = { n: 0, since: now }))
      dropOldest(this.#counts, CAPACITY)
    }
    count.n++
    return count.n === Math.max(1, threshold) ? now - count.since : undefined
  }
}
