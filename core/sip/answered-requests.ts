/**
 * Requests that were answered over UDP, for as long as retransmissions of them may come (RFC 3261 17.2.2, timer J): keys,
 * what of the answers is their own, and where they went, all of it outside the JavaScript heap. One timer serves them all,
 * as J is the same for all.
 */
import { hexDigest } from '../hex-digest.ts'
import { ExpiringTexts } from './expiring-texts.ts'
import { keptText, ownPartsOf } from './kept-answers.ts'
import type { ParsedRequest } from './message.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Transport, Wire } from './transport.ts'
import { type OwnParts, writeOver } from './write-response.ts'

/** Between two sweeps, in milliseconds; what is over does not count meanwhile. */
const SWEEP = 100
/** Records let go of at a stretch: well under the time others may be kept waiting. */
const MOST_AT_ONCE = 10_000
/** A key that is longer has in it what a stranger has made long, and is kept as its digest: all who ask are kept something of. */
const LONGEST_KEY = 512

export class AnsweredRequests extends Timed {
  readonly #wheel: TimerWheel
  /** The key of a transaction → its answer. The note has carrier and port; the address is part of the key. */
  readonly #answers: ExpiringTexts
  /** What copies of a request that took another way have in common. */
  readonly #merges: ExpiringTexts
  /** What the answers were sent by. */
  readonly #carriers: Transport[] = []

  /** `lifetime`: timer J, in milliseconds. */
  constructor(wheel: TimerWheel, lifetime: () => number) {
    super()
    this.#wheel = wheel
    const now = (): number => performance.now()
    this.#answers = new ExpiringTexts(now, lifetime)
    this.#merges = new ExpiringTexts(now, lifetime)
  }

  get size(): number {
    return this.#answers.size
  }

  /** What it takes of memory. */
  get bytes(): number {
    return this.#answers.bytes + this.#merges.bytes
  }

  /** `merge`: what other copies of the request are known by, where there may be some. Texts have one character per byte. */
  add(key: string, answer: OwnParts, { carrier, remote }: Wire, merge: string | undefined): void {
    if (this.#answers.size === 0) this.#wheel.arm(this, SWEEP)
    this.#answers.add(short(key), keptText(answer), (this.#indexOf(carrier) << 16) | remote.port, answer.common.shared)
    if (merge !== undefined) this.#merges.add(short(merge), '', 0)
  }

  /** The same of a request that was answered on a connection, and has this branch. */
  addFork(fork: string, branch: string): void {
    const key = short(fork)
    if (this.#merges.find(key) >= 0) return
    if (this.#merges.size === 0) this.#wheel.arm(this, SWEEP)
    this.#merges.add(key, short(branch), 0)
  }

  has(key: string): boolean {
    return this.#answers.find(short(key)) >= 0
  }

  /** Whether a copy by another way has been answered. */
  hasMerge(merge: string): boolean {
    return this.#merges.find(short(merge)) >= 0
  }

  /** The same on a connection. What has the same branch is no copy: a stateless proxy repeats it. */
  hasFork(fork: string, branch: string | undefined): boolean {
    const position = this.#merges.find(short(fork))
    return position >= 0 && (branch === undefined || this.#merges.textAt(position) !== short(branch))
  }

  /**
   * Sends the answer of this transaction again, to the address its request comes from and the port that the first one went
   * to, whichever this repetition comes from; false where there is none. `wire`: what the repetition came by.
   */
  repeat(key: string, request: ParsedRequest, wire: Wire): boolean {
    const position = this.#answers.find(short(key))
    if (position < 0) return false
    const note = this.#answers.noteAt(position)
    const to = { address: wire.remote.address, port: note & 0xffff }
    const own = ownPartsOf(this.#answers.textAt(position))
    this.#carriers[note >>> 16]?.wireTo(to, undefined, wire).send(writeOver(request, own, to))
    return true
  }

  fire(): void {
    this.#answers.expire(MOST_AT_ONCE)
    this.#merges.expire(MOST_AT_ONCE)
    const left = Math.min(this.#answers.left, this.#merges.left)
    if (left === 0) this.#wheel.arm(this, 0)
    else if (left < Number.POSITIVE_INFINITY) this.#wheel.arm(this, Math.max(left, SWEEP))
  }

  #indexOf(carrier: Transport): number {
    const known = this.#carriers.indexOf(carrier)
    if (known >= 0) return known
    // One that was closed has nothing to send by any more; it would be kept for as long as requests come.
    const closed = this.#carriers.findIndex((other) => other.closed)
    if (closed < 0) return this.#carriers.push(carrier) - 1
    this.#carriers[closed] = carrier
    return closed
  }
}

function short(key: string): string {
  return key.length <= LONGEST_KEY ? key : hexDigest('sha256', key)
}
