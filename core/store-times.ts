/**
 * When what waits in the store is written: soon, for others to come along, or later where it has time. While the disk
 * refuses, after a pause that grows.
 */

/** Milliseconds that writes are gathered before a transaction begins. */
export const GATHER = 3
/** Milliseconds between two attempts while the disk refuses. */
const RETRY_FIRST = 250
const RETRY_MOST = 10_000
/** setTimeout knows no longer ones: it would not wait at all. */
const LONGEST_TIMER = 2 ** 31 - 1

export class WriteTimes {
  readonly #write: () => unknown
  #timer: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY
  #retryPause = 0
  #isOver = false

  constructor(write: () => unknown) {
    this.#write = write
  }

  get isRefused(): boolean {
    return this.#retryPause > 0
  }

  /** The timer runs for whatever has to be written first. */
  within(milliseconds: number): void {
    if (this.#isOver) return
    const pause = this.#retryPause || milliseconds
    const due = performance.now() + pause
    if (this.#timer && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(this.#write, Math.min(pause, LONGEST_TIMER))
    if (this.#retryPause || milliseconds > GATHER) this.#timer.unref()
  }

  /** It is being written. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  refused(): void {
    this.#retryPause = Math.min(RETRY_MOST, this.#retryPause * 2 || RETRY_FIRST)
  }

  written(): void {
    this.#retryPause = 0
  }

  stop(): void {
    this.#isOver = true
    this.clear()
  }
}
