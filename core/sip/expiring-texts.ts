/**
 * Texts that are kept for a while under a key, hundreds of thousands of them, outside the JavaScript heap: a text is no
 * object there, so keeping it costs the collector nothing.
 *
 * All live equally long, so they are appended to chunks of memory and go in the order they came. A record is its words,
 * then the bytes of its key and its text.
 */
import { randomBytes } from 'node:crypto'
import { HashIndex } from './hash-index.ts'

const CHUNK_BYTES = 256 * 1024
/** Positions count in units of eight bytes: 15 bits for the place in a chunk, the rest for the chunk. */
const UNIT_BITS = 3
const PLACE_BITS = 15
const PLACE_MASK = (1 << PLACE_BITS) - 1

// The words of a record.
const HASH = 0
const SINCE = 1
const KEY_LENGTH = 2
const TEXT_LENGTH = 3
const NOTE = 4
const ENDING = 5
const RECORD_BYTES = 24

const NO_ENDING = -1
/** Of a chunk: each is looked through for each text. */
const MOST_ENDINGS = 16

interface Chunk {
  readonly bytes: Buffer
  readonly words: Int32Array
  used: number
  /** What texts in it end with: there are few, and they are not copied. */
  readonly endings: string[]
}

export class ExpiringTexts {
  readonly #now: () => number
  readonly #lifetime: () => number
  /** By slot; what is released leaves a slot free. */
  readonly #chunks: (Chunk | undefined)[] = []
  readonly #freeSlots: number[] = []
  /** Slots in the order they are filled. */
  readonly #filled: number[] = []
  readonly #spare: Chunk[] = []
  /** Where in the first filled chunk the oldest record is. */
  #oldest = 0
  readonly #index = new HashIndex()
  #lastKey = ''
  #lastHash = hashOf('')

  /** Both in milliseconds. The lifetime is asked for again and again, and holds for what is there already. */
  constructor(now: () => number, lifetime: () => number) {
    this.#now = now
    this.#lifetime = lifetime
  }

  get size(): number {
    return this.#index.size
  }

  /** Bytes it holds in chunks. */
  get bytes(): number {
    let bytes = 0
    for (const chunk of this.#chunks) if (chunk) bytes += chunk.bytes.length
    for (const chunk of this.#spare) bytes += chunk.bytes.length
    return bytes
  }

  /**
   * A key that is found already must not be added again. Both have one character per byte; `note` is any 32 bits.
   * `ending`: what the text ends with, a string that is given again and again.
   */
  add(key: string, text: string, note: number, ending = ''): void {
    const slot = this.#slotFor(roundUp(RECORD_BYTES + key.length + text.length + ending.length))
    const chunk = this.#chunk(slot)
    const endingAt = ending === '' ? NO_ENDING : endingOf(chunk, ending)
    if (endingAt === NO_ENDING) this.#append(slot, key, text + ending, note, NO_ENDING)
    else this.#append(slot, key, text, note, endingAt)
  }

  #append(slot: number, key: string, text: string, note: number, ending: number): void {
    const chunk = this.#chunk(slot)
    const needed = roundUp(RECORD_BYTES + key.length + text.length)
    const at = chunk.used
    const word = at >> 2
    const { words } = chunk
    const hash = this.#hashOf(key)
    words[word + HASH] = hash
    words[word + SINCE] = this.#now()
    words[word + KEY_LENGTH] = key.length
    words[word + TEXT_LENGTH] = text.length
    words[word + NOTE] = note
    words[word + ENDING] = ending
    chunk.bytes.write(key, at + RECORD_BYTES, 'latin1')
    if (text !== '') chunk.bytes.write(text, at + RECORD_BYTES + key.length, 'latin1')
    chunk.used = at + needed
    this.#index.add(hash, (slot << PLACE_BITS) | (at >> UNIT_BITS))
  }

  /** Position of the record of this key, good as long as that is kept; -1 where there is none, or its time is over. */
  find(key: string): number {
    const hash = this.#hashOf(key)
    let position = this.#index.find(hash, 0)
    for (let others = 1; position >= 0 && !this.#isAt(position, key); others++)
      position = this.#index.find(hash, others)
    return position
  }

  textAt(position: number): string {
    const { words, bytes, endings } = this.#chunk(position >> PLACE_BITS)
    const word = wordOf(position)
    const start = (word << 2) + RECORD_BYTES + (words[word + KEY_LENGTH] ?? 0)
    const text = bytes.toString('latin1', start, start + (words[word + TEXT_LENGTH] ?? 0))
    return text + (endings[words[word + ENDING] ?? NO_ENDING] ?? '')
  }

  noteAt(position: number): number {
    return this.#chunk(position >> PLACE_BITS).words[wordOf(position) + NOTE] ?? 0
  }

  /** Milliseconds until the oldest has to go: 0 where it is late, infinite where nothing is there. */
  get left(): number {
    const slot = this.#filled[0]
    if (slot === undefined) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#left(this.#chunk(slot).words, this.#oldest >> 2))
  }

  /** Lets go of records whose time is over, `most` of them at once. */
  expire(most: number): void {
    for (let count = 0; count < most && this.left === 0; count++) this.#dropOldest()
  }

  /** A key is looked for before it is added. */
  #hashOf(key: string): number {
    if (key !== this.#lastKey) {
      this.#lastKey = key
      this.#lastHash = hashOf(key)
    }
    return this.#lastHash
  }

  #isAt(position: number, key: string): boolean {
    const { words, bytes } = this.#chunk(position >> PLACE_BITS)
    const word = wordOf(position)
    if (words[word + KEY_LENGTH] !== key.length || this.#left(words, word) <= 0) return false
    const start = (word << 2) + RECORD_BYTES
    return bytes.toString('latin1', start, start + key.length) === key
  }

  #left(words: Int32Array, word: number): number {
    const age = (Math.trunc(this.#now()) - (words[word + SINCE] ?? 0)) >>> 0
    return this.#lifetime() - age
  }

  #dropOldest(): void {
    const slot = this.#filled[0] ?? 0
    const chunk = this.#chunk(slot)
    const { words } = chunk
    const word = this.#oldest >> 2
    this.#index.remove(words[word + HASH] ?? 0, (slot << PLACE_BITS) | (this.#oldest >> UNIT_BITS))
    this.#oldest += roundUp(RECORD_BYTES + (words[word + KEY_LENGTH] ?? 0) + (words[word + TEXT_LENGTH] ?? 0))
    if (this.#oldest >= chunk.used) this.#release(slot, chunk)
  }

  // Chunks.

  #chunk(slot: number): Chunk {
    const chunk = this.#chunks[slot]
    if (!chunk) throw new Error(`chunk ${slot} is gone`)
    return chunk
  }

  /** A slot whose chunk has room for so many bytes. */
  #slotFor(needed: number): number {
    const last = this.#filled.at(-1)
    if (last !== undefined && this.#chunk(last).used + needed <= CHUNK_BYTES) return last
    const slot = this.#freeSlots.pop() ?? this.#chunks.length
    this.#chunks[slot] = (needed <= CHUNK_BYTES && this.#spare.pop()) || newChunk(needed)
    this.#filled.push(slot)
    return slot
  }

  #release(slot: number, chunk: Chunk): void {
    this.#filled.shift()
    this.#oldest = 0
    this.#chunks[slot] = undefined
    this.#freeSlots.push(slot)
    chunk.used = 0
    chunk.endings.length = 0
    // Under a steady load chunks are used again; what a burst has left goes.
    const kept = 1 + (this.#filled.length >> 2)
    if (chunk.bytes.length === CHUNK_BYTES) this.#spare.push(chunk)
    if (this.#spare.length > kept) this.#spare.length = kept
  }
}

function newChunk(needed: number): Chunk {
  const bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, needed))
  return { bytes, words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), used: 0, endings: [] }
}

function endingOf({ endings }: Chunk, ending: string): number {
  const known = endings.indexOf(ending)
  if (known >= 0) return known
  return endings.length < MOST_ENDINGS ? endings.push(ending) - 1 : NO_ENDING
}

const wordOf = (position: number): number => (position & PLACE_MASK) << (UNIT_BITS - 2)

const roundUp = (bytes: number): number => (bytes + 7) & ~7

// Nobody outside knows them, so nobody can choose keys of one hash.
const SEED = randomBytes(4).readInt32LE()
const FACTOR = randomBytes(4).readInt32LE() | 1

function hashOf(key: string): number {
  let hash = SEED
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), FACTOR)
    hash ^= hash >>> 15
  }
  return hash
}
