/** What a stranger can bring about again and again is said once a minute. */

/** Milliseconds. */
const WARN_INTERVAL = 60_000
/** Of whom something is said in that time. */
const MOST = 16

/** Says yes, and then no for a minute: to all, or to each of a few. */
export class NowAndThen {
  #since = Number.NEGATIVE_INFINITY
  readonly #said = new Set<string>()

  now(whom = ''): boolean {
    const now = performance.now()
    if (now - this.#since >= WARN_INTERVAL) {
      this.#since = now
      this.#said.clear()
    }
    if (this.#said.size >= MOST || this.#said.has(whom)) return false
    this.#said.add(whom)
    return true
  }
}
