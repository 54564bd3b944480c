/** Much of the same, a few milliseconds at a time, so that the packets that come in are not held up. */
import type { Eventual } from './eventual.ts'

const SLICE = 5

/** Rejects as `work` does, and leaves what comes after. */
export async function inSlices<T>(all: Iterable<T>, work: (one: T) => void | Promise<void>): Promise<void> {
  let began = performance.now()
  for (const one of all) {
    const working = work(one)
    if (working) await working
    if (performance.now() - began < SLICE) continue
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    began = performance.now()
  }
}

/** Milliseconds. Others do their part in the same turn. */
const SHARE = 3

/**
 * Work that comes in bursts: what fits into its share of a turn of the event loop is done at once, the rest in the next
 * turns, in the order it came.
 */
export class Share {
  #until = 0
  #turn: NodeJS.Immediate | undefined
  /** What was done at once is in the same turn as what would go on first. */
  #isSpent = false
  #waiting: (() => void)[] = []

  /** What `work` returns; throws or rejects as it does. It is told whether it is done later than now. */
  take<T>(work: (isLate: boolean) => Eventual<T>): Eventual<T> {
    if (!this.#turn) {
      this.#begin()
      this.#isSpent = true
    }
    if (this.#waiting.length === 0 && performance.now() < this.#until) return work(false)
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work(true))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  #begin(): void {
    this.#until = performance.now() + SHARE
    this.#turn = setImmediate(() => this.#goOn())
  }

  #goOn(): void {
    this.#turn = undefined
    const isSpent = this.#isSpent
    this.#isSpent = false
    if (this.#waiting.length === 0) return
    this.#begin()
    if (isSpent) return
    let done = 0
    for (const work of this.#waiting) {
      work()
      done++
      if (performance.now() > this.#until) break
    }
    this.#waiting = this.#waiting.slice(done)
  }
}
