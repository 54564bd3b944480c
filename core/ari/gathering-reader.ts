/** What is asked for name by name but at the same time is read together. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Reader } from '../states/reported.ts'
import { within } from '../within.ts'
import type { AskedBy } from './asked-by.ts'

export abstract class GatheringReader implements Reader {
  readonly origin: string
  protected readonly by: AskedBy
  readonly #limit: () => number
  #names = new Map<string, string>()
  #next: Promise<unknown> | undefined

  /** `limit`: milliseconds after which a caller waits no longer. */
  constructor(origin: string, by: AskedBy, limit: () => number) {
    this.origin = origin
    this.by = by
    this.#limit = limit
  }

  /** Reads them and takes over what is said. Returns how many were other than believed. Never rejects. */
  abstract refresh(names: readonly string[]): Promise<number>

  /** At once where nobody can be asked. */
  async read(name: string): Promise<void> {
    if (!this.by.link.connected) return
    this.#names.set(name.toLowerCase(), name)
    this.#next ??= this.#readSoon()
    await this.#next
  }

  async #readSoon(): Promise<void> {
    await nextTurn()
    const names = [...this.#names.values()]
    this.#names = new Map()
    this.#next = undefined
    await within(this.#limit(), this.refresh(names))
  }
}
