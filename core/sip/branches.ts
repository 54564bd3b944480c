/**
 * Branches of our requests (RFC 3261 8.1.1.7): the cookie, 96 random bits, and the number of a place. An answer finds
 * its transaction by the number, and must have the bits: nobody who has not seen the request can answer it.
 *
 *     z9hG4bK 4f0a1c93b7d25e68a1f03c77 00012a
 *             bits                     place
 *
 * A place remembers its last branch until it is taken again, so that duplicates of an answer are known as such without
 * a timer each. Places are taken again in the order they were left, and not while they are to be remembered, up to
 * MOST_REMEMBERED.
 */
import { randomFillSync } from 'node:crypto'
import { BRANCH_COOKIE } from './id.ts'

/** Bits are kept as four numbers of 24. */
const WORDS = 4
const WORD_DIGITS = 6
const BITS_DIGITS = WORDS * WORD_DIGITS
/** Characters of each of ours. */
export const BRANCH_LENGTH = BRANCH_COOKIE.length + BITS_DIGITS + WORD_DIGITS
const POOL_BYTES = (1024 * BITS_DIGITS) / 2
/** Places that may lie idle to remember: 24 bytes each. */
const MOST_REMEMBERED = 65_536
const FIRST_PLACES = 1024

/** `leftAt` of a place whose branch is to be forgotten at once. */
const FORGOTTEN = Number.NEGATIVE_INFINITY
const NO_PLACE = -1

const TRIPLES: readonly string[] = Array.from({ length: 4096 }, (_, bits) => bits.toString(16).padStart(3, '0'))

export class Branches {
  readonly #pool = Buffer.alloc(POOL_BYTES)
  #poolText = ''
  #poolAt = POOL_BYTES
  /** WORDS numbers a place. */
  #bits = new Uint32Array(FIRST_PLACES * WORDS)
  /** When it was left, in milliseconds. */
  #leftAt = new Float64Array(FIRST_PLACES)
  /** The place that was left after this one. */
  #leftNext = new Int32Array(FIRST_PLACES)
  #places = 0
  #idle = 0
  #first = NO_PLACE
  #last = NO_PLACE
  #next = NO_PLACE

  /** The branch of the request whose place `take` takes next. `now` in milliseconds; `remember`: how long a place lies idle. */
  next(now: number, remember: number): string {
    const place = this.#choose(now, remember)
    this.#next = place
    if (this.#poolAt >= POOL_BYTES) this.#refill()
    const from = this.#poolAt * 2
    const bits = this.#poolText.slice(from, from + BITS_DIGITS)
    return BRANCH_COOKIE + bits + written(place)
  }

  /** Takes the place that the last branch names. */
  take(): number {
    const place = this.#next
    if (place === NO_PLACE) throw new Error('no branch was made for this')
    this.#next = NO_PLACE
    if (place === this.#places) {
      this.#places++
    } else {
      this.#first = this.#leftNext[place] ?? NO_PLACE
      if (this.#first === NO_PLACE) this.#last = NO_PLACE
      this.#idle--
    }
    const pool = this.#pool
    let at = this.#poolAt
    for (let word = 0; word < WORDS; word++) {
      this.#bits[place * WORDS + word] = pool.readUIntBE(at, 3)
      at += 3
    }
    this.#poolAt = at
    return place
  }

  /** `now`: from when on its branch is remembered; without it, it is forgotten. */
  leave(place: number, now = FORGOTTEN): void {
    this.#leftAt[place] = now
    this.#leftNext[place] = NO_PLACE
    if (this.#last === NO_PLACE) this.#first = place
    else this.#leftNext[this.#last] = place
    this.#last = place
    this.#idle++
  }

  /** The branch of a place that is taken. */
  of(place: number): string {
    let bits = ''
    for (let word = 0; word < WORDS; word++) bits += written(this.#bits[place * WORDS + word] ?? 0)
    return BRANCH_COOKIE + bits + written(place)
  }

  /** The place that has, or had last, this branch; -1 for none. */
  placeOf(branch: string): number {
    if (branch.length !== BRANCH_LENGTH || !branch.startsWith(BRANCH_COOKIE)) return NO_PLACE
    const from = BRANCH_COOKIE.length
    const place = wordAt(branch, from + BITS_DIGITS)
    if (place < 0 || place >= this.#places) return NO_PLACE
    for (let word = 0; word < WORDS; word++) {
      if (wordAt(branch, from + word * WORD_DIGITS) !== this.#bits[place * WORDS + word]) return NO_PLACE
    }
    return place
  }

  /** When a place that is not taken was left. */
  leftAt(place: number): number {
    return this.#leftAt[place] ?? FORGOTTEN
  }

  #choose(now: number, remember: number): number {
    const first = this.#first
    if (first !== NO_PLACE && (this.#idle >= MOST_REMEMBERED || this.leftAt(first) + remember <= now)) return first
    if (this.#places === this.#leftAt.length) this.#grow()
    return this.#places
  }

  #grow(): void {
    const places = this.#leftAt.length * 2
    const bits = new Uint32Array(places * WORDS)
    bits.set(this.#bits)
    this.#bits = bits
    const leftAt = new Float64Array(places)
    leftAt.set(this.#leftAt)
    this.#leftAt = leftAt
    const leftNext = new Int32Array(places)
    leftNext.set(this.#leftNext)
    this.#leftNext = leftNext
  }

  #refill(): void {
    randomFillSync(this.#pool)
    this.#poolText = this.#pool.toString('hex')
    this.#poolAt = 0
  }
}

function written(word: number): string {
  return (TRIPLES[(word >>> 12) & 4095] ?? '') + (TRIPLES[word & 4095] ?? '')
}

/** Six hexadecimal digits, lower case as we write them; -1 where it is something else. */
function wordAt(text: string, from: number): number {
  let word = 0
  for (let at = from; at < from + WORD_DIGITS; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x30 && code <= 0x39) word = (word << 4) | (code - 0x30)
    else if (code >= 0x61 && code <= 0x66) word = (word << 4) | (code - 0x57)
    else return -1
  }
  return word
}
