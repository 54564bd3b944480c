import type { Eventual } from '../../core/eventual.ts'

/** Work about the same thing is done one after the other, in the order in which it came. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()
  /** Under way in this very moment, the innermost last. */
  readonly #running: string[] = []

  /**
   * Runs when all before it under this key are done, however they ended; at once where there is nothing before it. What
   * needs no time is done when this returns.
   */
  take<T>(key: string, work: () => Eventual<T>): Eventual<T> {
    if (this.#running.length > 0 && this.#running.includes(key))
      return Promise.resolve().then(() => this.take(key, work))
    const before = this.#last.size === 0 ? undefined : this.#last.get(key)
    const turn = before ? before.then(work, work) : this.#run(key, work)
    return turn instanceof Promise ? this.#under(key, turn) : turn
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.allSettled(this.#last.values())
  }

  #run<T>(key: string, work: () => Eventual<T>): Eventual<T> {
    this.#running.push(key)
    try {
      return work()
    } finally {
      this.#running.pop()
    }
  }

  #under<T>(key: string, turn: Promise<T>): Promise<T> {
    this.#last.set(key, turn)
    const done = (): void => {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
    turn.then(done, done)
    return turn
  }
}
