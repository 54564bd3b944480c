/**
 * The pump of the fan-out: subscriptions with something to send take turns, first come first served, for a few
 * milliseconds at a time, so that a change with ten thousand watchers does not hold up the packets that come in.
 */
export interface Turn {
  /** It is this one's turn to send. Must not throw. */
  turn(): void
}

export interface Turns {
  /** Each one waits at most once: its owner knows whether it waits. */
  push(turn: Turn): void
}

/** How long one slice may last, in milliseconds. */
const SLICE = 3
/** Turns between two looks at the clock. */
const STRIDE = 16

export class NotifyQueue implements Turns {
  #waiting: Turn[] = []
  #next = 0
  #scheduled: NodeJS.Immediate | undefined

  get length(): number {
    return this.#waiting.length - this.#next
  }

  push(turn: Turn): void {
    this.#waiting.push(turn)
    this.#scheduled ??= setImmediate(() => this.#drain())
  }

  stop(): void {
    if (this.#scheduled) clearImmediate(this.#scheduled)
    this.#scheduled = undefined
    this.#waiting = []
    this.#next = 0
  }

  #drain(): void {
    this.#scheduled = undefined
    const until = performance.now() + SLICE
    // Whoever comes during the slice waits for the next one: nobody can keep it going.
    const last = this.#waiting.length
    while (this.#next < last && this.#next < this.#waiting.length) {
      this.#waiting[this.#next++]?.turn()
      if (this.#next % STRIDE === 0 && performance.now() > until) break
    }
    if (this.#next >= this.#waiting.length) {
      this.#waiting = []
      this.#next = 0
      return
    }
    if (this.#next > 4096) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    this.#scheduled ??= setImmediate(() => this.#drain())
  }
}
