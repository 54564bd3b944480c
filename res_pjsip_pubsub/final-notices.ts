/**
 * Subscriptions that ran out while nobody was there to say so: each phone is told (RFC 6665 4.2.2), when those that go on
 * have had their turn, and as slowly as these are.
 */
import type { Endpoint } from '../core/endpoints.ts'
import { Timer } from '../core/timer.ts'
import type { StoredRow } from './storage/stored-row.ts'

/** Milliseconds between two steps of telling, and how many are told in one at most. */
const TICK = 10
const MOST = 32

interface FinalNoticesServices {
  /** Milliseconds that all of them may take. */
  readonly spread: () => number
  /** Who has subscribed anew waits for nothing, and may not know the old one. */
  readonly hasSubscribedAnew: (row: StoredRow, endpoint: Endpoint) => boolean
  readonly forget: (row: StoredRow) => void
  /** In its dialog, for the last time. */
  readonly tell: (row: StoredRow, endpoint: Endpoint) => void
}

export class FinalNotices {
  readonly #services: FinalNoticesServices
  readonly #due: { readonly row: StoredRow; readonly endpoint: Endpoint }[] = []
  /** How many there were when they began to be told. */
  #ofDue = 0
  /** Which phones were told of what meanwhile. */
  readonly #told = new Set<string>()
  readonly #next = new Timer()
  #begun = false

  constructor(services: FinalNoticesServices) {
    this.#services = services
  }

  add(row: StoredRow, endpoint: Endpoint): void {
    this.#due.push({ row, endpoint })
    this.#tellIn(TICK)
  }

  /** What goes on begins to be looked up. */
  begin(): void {
    this.#begun = true
    this.#tellIn(this.#services.spread())
  }

  stop(): void {
    this.#begun = false
    this.#next.clear()
  }

  #tellIn(milliseconds: number): void {
    if (!this.#begun || this.#due.length === 0 || this.#next.armed) return
    this.#next.set(milliseconds, () => this.#tell())
  }

  #tell(): void {
    const { spread, hasSubscribedAnew, forget, tell } = this.#services
    this.#ofDue = Math.max(this.#ofDue, this.#due.length)
    const share = Math.min(MOST, Math.ceil((this.#ofDue * TICK) / spread()))
    for (const { row, endpoint } of this.#due.splice(0, share)) {
      // With two keys for one thing it subscribes anew for the one as soon as it is told, and waits for the other.
      const what = [row.watcher, row.contact_key, row.event, row.resource].join(' ')
      if (!this.#told.has(what) && hasSubscribedAnew(row, endpoint)) {
        forget(row)
      } else {
        this.#told.add(what)
        tell(row, endpoint)
      }
    }
    if (this.#due.length === 0) {
      this.#ofDue = 0
      this.#told.clear()
    }
    this.#tellIn(TICK)
  }
}
