/** How many there are by name; of what there is none nothing is kept. */
export class Counts {
  readonly #counts = new Map<string, number>()

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  add(name: string, by = 1): void {
    const now = this.of(name) + by
    if (now > 0) this.#counts.set(name, now)
    else this.#counts.delete(name)
  }
}
