/** Which of many interested parties a mailbox concerns. Names compare without case. */
import type { Undo } from '../core/scope.ts'

export class MailboxIndex<T> {
  readonly #byMailbox = new Map<string, Set<T>>()

  add(mailboxes: readonly string[], party: T): Undo {
    for (const name of mailboxes) {
      const key = name.toLowerCase()
      const parties = this.#byMailbox.get(key)
      if (parties) parties.add(party)
      else this.#byMailbox.set(key, new Set([party]))
    }
    return () => {
      for (const name of mailboxes) {
        const key = name.toLowerCase()
        const parties = this.#byMailbox.get(key)
        parties?.delete(party)
        if (parties?.size === 0) this.#byMailbox.delete(key)
      }
    }
  }

  of(mailbox: string): readonly T[] {
    return [...(this.#byMailbox.get(mailbox.toLowerCase()) ?? [])]
  }
}
