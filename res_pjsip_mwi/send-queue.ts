/** Unsolicited NOTIFYs take turns, so that a start with thousands of contacts neither stalls the process nor floods the network. */
import type { Logger } from '../core/log.ts'

/** Must not throw. */
type Turn = () => void

interface Watermarks {
  /** mwi_tps_queue_high and _low: what is below zero is 90 % of high. */
  readonly high: number
  readonly low: number
}

const BATCH = 32
/** Milliseconds between two batches. */
const PAUSE = 10

export class SendQueue {
  #line: Turn[] = []
  #next = 0
  #timer: NodeJS.Timeout | undefined
  #crowded = false
  #closed = false
  readonly #watermarks: () => Watermarks
  readonly #log: Logger

  constructor(watermarks: () => Watermarks, log: Logger) {
    this.#watermarks = watermarks
    this.#log = log
  }

  get length(): number {
    return this.#line.length - this.#next
  }

  /** Never runs the turn at once: what changes together is sent together. */
  push(turn: Turn): void {
    if (this.#closed) return
    this.#line.push(turn)
    this.#watch()
    this.#timer ??= setTimeout(() => this.#batch(), 0)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#line = []
    this.#next = 0
  }

  #batch(): void {
    this.#timer = undefined
    for (let n = 0; n < BATCH && this.#next < this.#line.length; n++) this.#line[this.#next++]?.()
    if (this.#closed) return
    this.#watch()
    if (this.#next < this.#line.length) {
      this.#timer ??= setTimeout(() => this.#batch(), PAUSE)
      return
    }
    this.#line = []
    this.#next = 0
  }

  /** Says once that it is long, and once that it no longer is. */
  #watch(): void {
    const { high, low } = this.#watermarks()
    const enough = low < 0 ? Math.floor(high * 0.9) : low
    if (!this.#crowded && this.length > high) {
      this.#crowded = true
      this.#log.warning(`${this.length} unsolicited NOTIFYs wait to be sent, more than mwi_tps_queue_high (${high})`)
    } else if (this.#crowded && this.length <= enough) {
      this.#crowded = false
      this.#log.notice(`the queue of unsolicited NOTIFYs is down to ${this.length}`)
    }
  }
}
