/** Which of many interested parties a name concerns, as that of a mailbox or a device. */
import type { Undo } from './scope.ts'

const NOBODY: ReadonlySet<never> = new Set()

export class PartyIndex<T> {
  readonly #parties = new Map<string, Set<T>>()
  readonly #keyOf: (name: string) => string

  /** `keyOf`: one for names that mean the same; without it they compare without case. */
  constructor(keyOf = (name: string): string => name.toLowerCase()) {
    this.#keyOf = keyOf
  }

  add(names: readonly string[], party: T): Undo {
    const keys = names.map((name) => this.#keyOf(name))
    for (const key of keys) {
      const parties = this.#parties.get(key)
      if (parties) parties.add(party)
      else this.#parties.set(key, new Set([party]))
    }
    return () => {
      for (const key of keys) {
        const parties = this.#parties.get(key)
        parties?.delete(party)
        if (parties?.size === 0) this.#parties.delete(key)
      }
    }
  }

  has(name: string): boolean {
    return this.#parties.has(this.#keyOf(name))
  }

  of(name: string): ReadonlySet<T> {
    return this.#parties.get(this.#keyOf(name)) ?? NOBODY
  }
}
