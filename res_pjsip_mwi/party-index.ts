/** Which of many interested parties a name concerns, as that of a mailbox. */
import type { Undo } from '../core/scope.ts'

export class PartyIndex<T> {
  readonly #parties = new Map<string, Set<T>>()
  readonly #keyOf: (name: string) => string

  /** `keyOf`: one for names that mean the same. */
  constructor(keyOf: (name: string) => string) {
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

  of(name: string): readonly T[] {
    return [...(this.#parties.get(this.#keyOf(name)) ?? [])]
  }
}

/** By mailboxes, whose names compare without case. */
export class MailboxIndex<T> extends PartyIndex<T> {
  constructor() {
    super((name) => name.toLowerCase())
  }
}
