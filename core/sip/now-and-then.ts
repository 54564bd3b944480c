/** What a stranger can bring about again and again is said once a minute. */

/** Milliseconds. */
const WARN_INTERVAL = 60_000

/** Says yes, and then no for a minute. */
export class NowAndThen {
  #last = Number.NEGATIVE_INFINITY

  now(): boolean {
    const now = performance.now()
    if (now - this.#last < WARN_INTERVAL) return false
    this.#last = now
    return true
  }
}
