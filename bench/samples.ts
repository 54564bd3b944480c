/** Figures of one load, many thousand a second: in memory that the collector neither copies nor counts, and that is used again. */
const FIRST_ROOM = 1 << 16

export class Samples {
  #values = new Float64Array(FIRST_ROOM)
  #length = 0

  get length(): number {
    return this.#length
  }

  add(value: number): void {
    if (this.#length === this.#values.length) this.#grow()
    this.#values[this.#length++] = value
  }

  clear(): void {
    this.#length = 0
  }

  /** 0 where there are none. `shares`: 0.5 for the median, 1 for the highest. */
  quantiles(shares: readonly number[]): number[] {
    const sorted = this.#values.slice(0, this.#length).sort()
    return shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#values.length)
    larger.set(this.#values)
    this.#values = larger
  }
}
