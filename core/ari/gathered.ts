/** Names that are asked for one by one but at the same time are read together. */
import { within } from '../within.ts'

export class Gathered {
  readonly #read: (names: readonly string[]) => Promise<unknown>
  readonly #limit: () => number
  #names = new Map<string, string>()
  #next: Promise<void> | undefined

  /** `limit`: milliseconds after which a caller waits no longer. `read` never rejects. */
  constructor(read: (names: readonly string[]) => Promise<unknown>, limit: () => number) {
    this.#read = read
    this.#limit = limit
  }

  read(name: string): Promise<void> {
    this.#names.set(name.toLowerCase(), name)
    this.#next ??= new Promise<void>((resolve) => {
      setImmediate(() => {
        const names = [...this.#names.values()]
        this.#names = new Map()
        this.#next = undefined
        void within(this.#limit(), this.#read(names)).then(resolve)
      })
    })
    return this.#next
  }
}
