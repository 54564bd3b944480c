/**
 * Dialogs that were said to have ended a moment ago, by whichever publication. One that replaces a lost publication knows
 * nothing of what that said, and requests overtake each other.
 */

/** Milliseconds: no request is under way for longer (RFC 3261 17.1.2.2, timer F). */
const MEMORY = 32_000
const MOST = 10_000

export class EndedDialogs {
  /** `resource\0key` → when, oldest first */
  readonly #ended = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** None is remembered. */
  get isEmpty(): boolean {
    return this.#ended.size === 0
  }

  note(resource: string, key: string): void {
    const name = `${resource}\0${key}`
    this.#ended.delete(name)
    this.#ended.set(name, this.#now())
    for (const [oldest, at] of this.#ended) {
      if (this.#ended.size <= MOST && this.#now() - at < MEMORY) break
      this.#ended.delete(oldest)
    }
  }

  has(resource: string, key: string): boolean {
    const at = this.#ended.get(`${resource}\0${key}`)
    return at !== undefined && this.#now() - at < MEMORY
  }
}
