/** Names that are asked for one by one but at the same time are read together. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { within } from '../within.ts'
import type { AriLink } from './supervisor.ts'

export class Gathered {
  readonly #link: AriLink
  readonly #read: (names: readonly string[]) => Promise<unknown>
  readonly #limit: () => number
  #names = new Map<string, string>()
  #next: Promise<unknown> | undefined

  /** `limit`: milliseconds after which a caller waits no longer. `read` never rejects. */
  constructor(link: AriLink, read: (names: readonly string[]) => Promise<unknown>, limit: () => number) {
    this.#link = link
    this.#read = read
    this.#limit = limit
  }

  /** At once where nobody can be asked. */
  async read(name: string): Promise<void> {
    if (!this.#link.connected) return
    this.#names.set(name.toLowerCase(), name)
    this.#next ??= this.#readSoon()
    await this.#next
  }

  async #readSoon(): Promise<void> {
    await nextTurn()
    const names = [...this.#names.values()]
    this.#names = new Map()
    this.#next = undefined
    await within(this.#limit(), this.#read(names))
  }
}
