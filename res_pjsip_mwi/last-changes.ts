/**
 * When the counts of mailboxes changed last. What somebody says of one for the first time is no change: since when it is
 * so nobody knows. What was known at the start has the age it was stored with.
 */
import type { Undo } from '../core/scope.ts'
import type { Mailboxes } from '../core/states/mailboxes.ts'

export class LastChanges {
  readonly #mailboxes: Mailboxes
  /** Name in lower case → epoch milliseconds. */
  readonly #changes = new Map<string, number>()
  /** Name in lower case → the origins that have said something of it. */
  readonly #origins = new Map<string, Set<string>>()

  constructor(mailboxes: Mailboxes) {
    this.#mailboxes = mailboxes
    for (const { name, reports } of mailboxes.list()) {
      if (reports.length === 0) continue
      this.#origins.set(name.toLowerCase(), new Set(reports.map(({ origin }) => origin)))
      this.#changes.set(name.toLowerCase(), Math.max(...reports.map(({ since }) => since)))
    }
  }

  /** Until undone. */
  follow(): Undo {
    return this.#mailboxes.onReport((name, origin, report) => {
      const key = name.toLowerCase()
      const origins = this.#origins.get(key)
      if (!report) this.#silent(key, origin)
      else if (!origins) this.#origins.set(key, new Set([origin]))
      else if (origins.has(origin)) this.#changes.set(key, report.since)
      else origins.add(origin)
    })
  }

  /** The last of all of these; 0 where none is known. */
  of(mailboxes: readonly string[]): number {
    return Math.max(0, ...mailboxes.map((name) => this.#changes.get(name.toLowerCase()) ?? 0))
  }

  #silent(key: string, origin: string): void {
    const origins = this.#origins.get(key)
    origins?.delete(origin)
    if (origins?.size !== 0) return
    this.#origins.delete(key)
    this.#changes.delete(key)
  }
}
