/**
 * Rows of a table that several servers have, which say that what they were of is over. Each stays for a while, for the
 * others to see that, and is deleted then.
 */
import type { Atomic, Table } from '../../core/store-contract.ts'

/** Milliseconds that it stays. */
export const SEEN = 10_000

export class OverRows<Row> {
  readonly #table: Table<Row>
  /** When each may go, by its key. */
  readonly #until = new Map<string, number>()

  constructor(table: Table<Row>) {
    this.#table = table
  }

  /** Since then it says so on disk. */
  add(key: string, since: number): void {
    this.#until.set(key, since + SEEN)
  }

  /** It was said too soon: it goes on. */
  remains(key: string): void {
    this.#until.delete(key)
  }

  sweep(at: Atomic, now: number): void {
    for (const [key, until] of this.#until) {
      if (until > now) continue
      at.delete(this.#table, key)
      this.#until.delete(key)
    }
  }
}
