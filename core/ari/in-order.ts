/**
 * Several readings of the same names may be under way, and be answered in another order than they were asked in: what an
 * older one says after a newer one has answered is not how it is now.
 */
export class InOrder {
  /** Of each reading under way, the first asked first: names in lower case that a newer one has told. */
  readonly #overtaken = new Set<Set<string>>()

  /** What `ask` found, but for names that a newer reading has told meanwhile. `ask` never rejects. */
  async read<T>(ask: () => Promise<ReadonlyMap<string, T>>): Promise<Map<string, T>> {
    const overtaken = new Set<string>()
    this.#overtaken.add(overtaken)
    const found = new Map([...(await ask())].filter(([name]) => !overtaken.has(name.toLowerCase())))
    for (const older of this.#overtaken) {
      if (older === overtaken) break
      for (const name of found.keys()) older.add(name.toLowerCase())
    }
    this.#overtaken.delete(overtaken)
    return found
  }
}
