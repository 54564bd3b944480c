/** What one publication is to say, under each key only the newest. */
import type { PublishedBody, Saying } from './contract.ts'

type Making = Saying['body']

export class Sayings {
  /** All that holds, for a server that has forgotten it. */
  readonly #known = new Map<string, Making>()
  /** Not sent yet, the longest waiting first. */
  #open = new Map<string, Making>()
  #underWay: readonly [key: string, making: Making] | undefined

  /** How many are not said yet. */
  get waiting(): number {
    return this.#open.size + (this.#underWay ? 1 : 0)
  }

  /** Whether any wait to be sent. */
  get areOpen(): boolean {
    return this.#open.size > 0
  }

  add({ key, body, once = false }: Saying): void {
    if (once) this.#known.delete(key)
    else this.#known.set(key, body)
    this.#open.set(key, body)
  }

  /** All that holds is to be said again. */
  again(): void {
    for (const [key, making] of this.#known) this.#open.set(key, making)
  }

  /** The next to be sent; undefined where there is nothing to be said. */
  take(): PublishedBody | undefined {
    for (const [key, making] of this.#open) {
      this.#open.delete(key)
      const body = making()
      if (!body) continue
      this.#underWay = [key, making]
      return body
    }
    return undefined
  }

  /** What was not accepted goes before the others, unless there is something newer under its key. */
  answered(isAccepted: boolean): void {
    const before = this.#underWay
    this.#underWay = undefined
    if (before && !isAccepted && !this.#open.has(before[0])) this.#open = new Map([before, ...this.#open])
  }
}
