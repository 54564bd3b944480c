/**
 * Texts that are kept for a while under a key, hundreds of thousands of them, outside the JavaScript heap: a text is no
 * object there, so keeping it costs the collector nothing.
 *
 * All live equally long, so they are appended to chunks of memory and go in the order they came. A record is its words,
 * then the bytes of its key and its text. The records of one hash bucket are a list, linked through the records; the
 * table of buckets grows and shrinks by one bucket at a time (linear hashing), so that no addition ever waits for it.
 */
import { randomBytes } from 'node:crypto'

const CHUNK_BYTES = 256 * 1024
/** Positions count in units of eight bytes: 15 bits for the place in a chunk, the rest for the chunk. */
const UNIT_BITS = 3
const PLACE_BITS = 15
const PLACE_MASK = (1 << PLACE_BITS) - 1

// The words of a record.
const HASH = 0
const NEXT = 1
const SINCE = 2
const KEY_LENGTH = 3
const TEXT_LENGTH = 4
const NOTE = 5
const RECORD_BYTES = 24

const NOBODY = -1
const FEWEST_BUCKETS = 1024

interface Chunk {
  readonly bytes: Buffer
  readonly words: Int32Array
  used: number
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
  #size = 0
  #heads: Int32Array = new Int32Array(FEWEST_BUCKETS).fill(NOBODY)
  #buckets = FEWEST_BUCKETS
  /** The greatest power of two that is no more than the buckets. */
  #base = FEWEST_BUCKETS

  /** Both in milliseconds. The lifetime is asked for again and again, and holds for what is there already. */
  constructor(now: () => number, lifetime: () => number) {
    this.#now = now
    this.#lifetime = lifetime
  }

  get size(): number {
    return this.#size
  }

  /** Bytes it holds in chunks. */
  get bytes(): number {
    let bytes = 0
    for (const chunk of this.#chunks) if (chunk) bytes += chunk.bytes.length
    for (const chunk of this.#spare) bytes += chunk.bytes.length
    return bytes
  }

  /** Key and text have one character per byte. `note` is any 32 bits. The position is good as long as it is kept. */
  add(key: string, text: string, note: number): void {
    const needed = roundUp(RECORD_BYTES + key.length + text.length)
    const slot = this.#slotFor(needed)
    const chunk = this.#chunk(slot)
    const at = chunk.used
    const word = at >> 2
    const { words } = chunk
    words[word + HASH] = hashOf(key)
    words[word + SINCE] = this.#now()
    words[word + KEY_LENGTH] = key.length
    words[word + TEXT_LENGTH] = text.length
    words[word + NOTE] = note
    chunk.bytes.write(key, at + RECORD_BYTES, 'latin1')
    if (text !== '') chunk.bytes.write(text, at + RECORD_BYTES + key.length, 'latin1')
    chunk.used = at + needed
    this.#size++
    this.#link(words, word, (slot << PLACE_BITS) | (at >> UNIT_BITS))
    if (this.#size > this.#buckets) this.#split()
  }

  /** Position of the newest record of this key; -1 where there is none, or its time is over. */
  find(key: string): number {
    const hash = hashOf(key)
    let position = this.#heads[this.#bucketOf(hash)] ?? NOBODY
    while (position !== NOBODY) {
      const { words, bytes } = this.#chunk(position >> PLACE_BITS)
      const word = wordOf(position)
      if (words[word + HASH] === hash && words[word + KEY_LENGTH] === key.length) {
        const start = (word << 2) + RECORD_BYTES
        const isSame = bytes.toString('latin1', start, start + key.length) === key
        if (isSame && this.#left(words, word) > 0) return position
      }
      position = words[word + NEXT] ?? NOBODY
    }
    return NOBODY
  }

  textAt(position: number): string {
    const { words, bytes } = this.#chunk(position >> PLACE_BITS)
    const word = wordOf(position)
    const start = (word << 2) + RECORD_BYTES + (words[word + KEY_LENGTH] ?? 0)
    return bytes.toString('latin1', start, start + (words[word + TEXT_LENGTH] ?? 0))
  }

  noteAt(position: number): number {
    return this.#chunk(position >> PLACE_BITS).words[wordOf(position) + NOTE] ?? 0
  }

  /** Milliseconds until the oldest has to go: 0 where it is late, infinite where nothing is there. */
  get left(): number {
    const slot = this.#filled[0]
    if (this.#size === 0 || slot === undefined) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#left(this.#chunk(slot).words, this.#oldest >> 2))
  }

  /** Lets go of records whose time is over, `most` of them at once. */
  expire(most: number): void {
    for (let count = 0; count < most && this.left === 0; count++) this.#dropOldest()
  }

  #left(words: Int32Array, word: number): number {
    const age = (Math.trunc(this.#now()) - (words[word + SINCE] ?? 0)) | 0
    return this.#lifetime() - age
  }

  #dropOldest(): void {
    const slot = this.#filled[0] ?? 0
    const chunk = this.#chunk(slot)
    const { words } = chunk
    const word = this.#oldest >> 2
    this.#unlink(words[word + HASH] ?? 0, (slot << PLACE_BITS) | (this.#oldest >> UNIT_BITS))
    this.#size--
    this.#oldest += roundUp(RECORD_BYTES + (words[word + KEY_LENGTH] ?? 0) + (words[word + TEXT_LENGTH] ?? 0))
    if (this.#oldest >= chunk.used) this.#release(slot, chunk)
    if (this.#buckets > FEWEST_BUCKETS && this.#size < this.#buckets >> 1) this.#merge()
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
    // Under a steady load chunks are used again; what a burst has left goes.
    const kept = 1 + (this.#filled.length >> 2)
    if (chunk.bytes.length === CHUNK_BYTES) this.#spare.push(chunk)
    if (this.#spare.length > kept) this.#spare.length = kept
  }

  // Buckets.

  #bucketOf(hash: number): number {
    const bucket = hash & (2 * this.#base - 1)
    return bucket < this.#buckets ? bucket : bucket & (this.#base - 1)
  }

  #link(words: Int32Array, word: number, position: number): void {
    const bucket = this.#bucketOf(words[word + HASH] ?? 0)
    words[word + NEXT] = this.#heads[bucket] ?? NOBODY
    this.#heads[bucket] = position
  }

  #unlink(hash: number, gone: number): void {
    const bucket = this.#bucketOf(hash)
    let holder: Int32Array = this.#heads
    let index = bucket
    for (let position = holder[index] ?? NOBODY; position !== NOBODY; position = holder[index] ?? NOBODY) {
      const { words } = this.#chunk(position >> PLACE_BITS)
      const next = wordOf(position) + NEXT
      if (position === gone) {
        holder[index] = words[next] ?? NOBODY
        return
      }
      holder = words
      index = next
    }
  }

  /** One bucket more: what hashes to it comes from the bucket that had it so far. */
  #split(): void {
    if (this.#buckets === this.#heads.length) this.#resize(2 * this.#buckets)
    const source = this.#buckets - this.#base
    this.#heads[this.#buckets] = NOBODY
    this.#buckets++
    this.#moveAll(source)
    if (this.#buckets === 2 * this.#base) this.#base = this.#buckets
  }

  /** One bucket less. */
  #merge(): void {
    this.#buckets--
    if (this.#buckets < this.#base) this.#base >>= 1
    this.#moveAll(this.#buckets)
    if (this.#heads.length > 4 * this.#buckets && this.#heads.length > FEWEST_BUCKETS) this.#resize(2 * this.#buckets)
  }

  /** Puts what is in a bucket where it belongs now. */
  #moveAll(bucket: number): void {
    let position = this.#heads[bucket] ?? NOBODY
    this.#heads[bucket] = NOBODY
    while (position !== NOBODY) {
      const { words } = this.#chunk(position >> PLACE_BITS)
      const word = wordOf(position)
      const next = words[word + NEXT] ?? NOBODY
      this.#link(words, word, position)
      position = next
    }
  }

  #resize(length: number): void {
    const heads = new Int32Array(length).fill(NOBODY)
    heads.set(this.#heads.subarray(0, Math.min(this.#buckets, length)))
    this.#heads = heads
  }
}

function newChunk(needed: number): Chunk {
  const bytes = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, needed))
  return { bytes, words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), used: 0 }
}

const wordOf = (position: number): number => (position & PLACE_MASK) << (UNIT_BITS - 2)

const roundUp = (bytes: number): number => (bytes + 7) & ~7

// Nobody outside knows them, so nobody can choose keys of one bucket.
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
