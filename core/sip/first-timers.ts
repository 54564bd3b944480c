/**
 * The first timer E of requests. Nearly all are answered before it, and all of them wait as long as the others: so they
 * stand in the order they were sent, and nothing has to be taken out when an answer comes. Whoever is still open when it
 * is their turn has a timer of their own from then on.
 */
import { Timed, type TimerWheel } from './timer-wheel.ts'

/** How long at a stretch, in milliseconds. */
const RUN_LIMIT = 4
const FIRST_ROOM = 1024

export class FirstTimers extends Timed {
  readonly #wheel: TimerWheel
  readonly #wait: () => number
  readonly #due: (place: number, sentAt: number) => boolean
  /** Rings with a power of two of places. */
  #places = new Int32Array(FIRST_ROOM)
  #sentAt = new Float64Array(FIRST_ROOM)
  #first = 0
  #size = 0

  /** `wait`: milliseconds. `due`: its time has come; false where it was answered before. */
  constructor(wheel: TimerWheel, wait: () => number, due: (place: number, sentAt: number) => boolean) {
    super()
    this.#wheel = wheel
    this.#wait = wait
    this.#due = due
  }

  /** `sentAt` is never before that of the one before. */
  add(place: number, sentAt: number): void {
    if (this.#size === this.#places.length) this.#grow()
    const at = (this.#first + this.#size) & (this.#places.length - 1)
    this.#places[at] = place
    this.#sentAt[at] = sentAt
    this.#size++
    if (this.#size === 1) this.#wheel.arm(this, this.#wait())
  }

  fire(): void {
    const started = performance.now()
    const before = started - this.#wait()
    let fired = 0
    while (this.#size > 0) {
      const at = this.#first
      const sentAt = this.#sentAt[at] ?? 0
      if (sentAt > before) return this.#wheel.arm(this, sentAt - before)
      this.#first = (at + 1) & (this.#places.length - 1)
      this.#size--
      const isOpen = this.#due(this.#places[at] ?? 0, sentAt)
      if (isOpen && ++fired % 16 === 0 && performance.now() - started > RUN_LIMIT) return this.#wheel.arm(this, 0)
    }
  }

  #grow(): void {
    const room = this.#places.length
    const places = new Int32Array(room * 2)
    const sentAt = new Float64Array(room * 2)
    // All are taken, from the first on and round.
    places.set(this.#places.subarray(this.#first))
    places.set(this.#places.subarray(0, this.#first), room - this.#first)
    sentAt.set(this.#sentAt.subarray(this.#first))
    sentAt.set(this.#sentAt.subarray(0, this.#first), room - this.#first)
    this.#places = places
    this.#sentAt = sentAt
    this.#first = 0
  }
}
