/**
 * UDP flows by their peer's address in numbers, so that a datagram of a known phone needs no new one. Bounded: when
 * there are too many all are forgotten, and made again as they come.
 */
import { randomInt } from 'node:crypto'
import type { Peer } from './datagrams.ts'
import type { UdpFlow } from './udp.ts'

const FEWEST_SLOTS = 1024
const MOST_SLOTS = 65_536

export class FlowTable<Flow extends Peer = UdpFlow> {
  /** Numbers of an address. */
  readonly #words: number
  /** Nobody can choose addresses that fall on one slot. */
  readonly #seed = randomInt(0x7fffffff) | 1
  #slots: (Flow | undefined)[] = emptySlots<Flow>(FEWEST_SLOTS)
  #size = 0

  constructor(words: number) {
    this.#words = words
  }

  get size(): number {
    return this.#size
  }

  /** The flow to the address that begins at `from` in `numbers`. */
  find(numbers: Int32Array, from: number): Flow | undefined {
    const mask = this.#slots.length - 1
    for (let slot = this.#hash(numbers, from) & mask; ; slot = (slot + 1) & mask) {
      const flow = this.#slots[slot]
      if (!flow || this.#isAt(flow.place, numbers, from)) return flow
    }
  }

  /** One that was not found. */
  add(flow: Flow): void {
    if (2 * this.#size >= this.#slots.length) this.#makeRoom()
    this.#put(flow)
    this.#size++
  }

  #put(flow: Flow): void {
    const mask = this.#slots.length - 1
    let slot = this.#hash(flow.place, 0) & mask
    while (this.#slots[slot]) slot = (slot + 1) & mask
    this.#slots[slot] = flow
  }

  #makeRoom(): void {
    const known = this.#slots
    if (known.length >= MOST_SLOTS) {
      this.#slots = emptySlots<Flow>(FEWEST_SLOTS)
      this.#size = 0
      return
    }
    this.#slots = emptySlots<Flow>(2 * known.length)
    for (const flow of known) if (flow) this.#put(flow)
  }

  #isAt(place: readonly number[], numbers: Int32Array, from: number): boolean {
    for (let word = 0; word < this.#words; word++) if (place[word] !== numbers[from + word]) return false
    return true
  }

  #hash(numbers: Int32Array | readonly number[], from: number): number {
    let hash = this.#seed
    for (let word = 0; word < this.#words; word++) {
      hash = Math.imul(hash ^ (numbers[from + word] ?? 0), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    return hash
  }
}

function emptySlots<Flow>(count: number): (Flow | undefined)[] {
  return Array.from({ length: count })
}
