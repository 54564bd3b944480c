/**
 * From 32-bit hashes to positions, hundreds of thousands of them: open addressing in one typed array. It grows and shrinks
 * a few places at a time, with each addition and removal, so that none of them ever waits for all the others.
 */
const FEWEST_PLACES = 1024
/** Places of the former table that are emptied with each addition and removal: it is empty long before it is needed. */
const STEP = 32

const EMPTY = 0
const GONE = -1

export class HashIndex {
  /** Two numbers a place: the hash, and the position plus one. At least half of the places are empty. */
  #table: Int32Array = new Int32Array(2 * FEWEST_PLACES)
  #mask = FEWEST_PLACES - 1
  #size = 0
  /** The table before this one, as long as there is something in it. */
  #former: Int32Array | undefined
  #emptied = 0

  get size(): number {
    return this.#size
  }

  /** Several positions may have one hash; one that is there already must not be added again. */
  add(hash: number, position: number): void {
    this.#size++
    if (2 * this.#size > this.#mask) this.#resize()
    this.#put(hash, position + 1)
    if (this.#former) this.#move(STEP)
  }

  remove(hash: number, position: number): void {
    this.#size--
    this.#take(hash, position + 1)
    if (this.#former) this.#move(STEP)
    else if (this.#mask >= FEWEST_PLACES && 16 * this.#size < this.#mask) this.#resize()
  }

  /** A position with this hash, after so many others that have it; -1 where there is none. */
  find(hash: number, others: number): number {
    let left = others
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const value = this.#table[2 * place + 1] ?? EMPTY
      if (value === EMPTY) break
      if (this.#table[2 * place] === hash && left-- === 0) return value - 1
    }
    if (!this.#former) return -1
    const mask = (this.#former.length >> 1) - 1
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const value = this.#former[2 * place + 1] ?? EMPTY
      if (value === EMPTY) return -1
      if (value !== GONE && this.#former[2 * place] === hash && left-- === 0) return value - 1
    }
  }

  #put(hash: number, value: number): void {
    let place = hash & this.#mask
    while (this.#table[2 * place + 1] !== EMPTY) place = (place + 1) & this.#mask
    this.#table[2 * place] = hash
    this.#table[2 * place + 1] = value
  }

  #take(hash: number, value: number): void {
    let place = hash & this.#mask
    for (; this.#table[2 * place + 1] !== value; place = (place + 1) & this.#mask) {
      if (this.#table[2 * place + 1] === EMPTY) return this.#takeFormer(hash, value)
    }
    // What follows moves up, so that nothing has to mark the place.
    let gap = place
    for (let next = (gap + 1) & this.#mask; this.#table[2 * next + 1] !== EMPTY; next = (next + 1) & this.#mask) {
      const home = (this.#table[2 * next] ?? 0) & this.#mask
      if (((next - home) & this.#mask) < ((next - gap) & this.#mask)) continue
      this.#table[2 * gap] = this.#table[2 * next] ?? 0
      this.#table[2 * gap + 1] = this.#table[2 * next + 1] ?? EMPTY
      gap = next
    }
    this.#table[2 * gap + 1] = EMPTY
  }

  #takeFormer(hash: number, value: number): void {
    if (!this.#former) return
    const mask = (this.#former.length >> 1) - 1
    for (let place = hash & mask; this.#former[2 * place + 1] !== EMPTY; place = (place + 1) & mask) {
      if (this.#former[2 * place + 1] !== value) continue
      this.#former[2 * place + 1] = GONE
      return
    }
  }

  /** A new table, a quarter of which is filled. */
  #resize(): void {
    if (this.#former) this.#move(this.#former.length)
    let places = FEWEST_PLACES
    while (places < 4 * this.#size) places *= 2
    this.#former = this.#table
    this.#emptied = 0
    this.#table = new Int32Array(2 * places)
    this.#mask = places - 1
  }

  #move(most: number): void {
    if (!this.#former) return
    const until = Math.min(this.#former.length, this.#emptied + 2 * most)
    for (let at = this.#emptied; at < until; at += 2) {
      const value = this.#former[at + 1] ?? EMPTY
      if (value === EMPTY || value === GONE) continue
      this.#put(this.#former[at] ?? 0, value)
      this.#former[at + 1] = GONE
    }
    this.#emptied = until
    if (until === this.#former.length) this.#former = undefined
  }
}
