/** Entity ids that were heard of, the latest of them: a server in a container may have another one after each start. */
import { dropOldest } from '../core/oldest.ts'

/** Far more than servers publish to each other. */
const MOST = 1000

export class EntityIds {
  /** Who has not been heard for longest is the first. */
  readonly #ids = new Set<string>()

  get size(): number {
    return this.#ids.size
  }

  has(eid: string): boolean {
    return this.#ids.has(eid)
  }

  /** Whether that is news. */
  add(eid: string): boolean {
    const isNews = !this.#ids.delete(eid)
    this.#ids.add(eid)
    dropOldest(this.#ids, MOST)
    return isNews
  }

  /** Whether it was there. */
  delete(eid: string): boolean {
    return this.#ids.delete(eid)
  }
}
