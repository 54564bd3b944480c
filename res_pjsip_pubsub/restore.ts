/**
 * After a start: the subscriptions of the store are put back into their dialogs, without a packet being sent. They wait
 * for their state, and each phone gets one NOTIFY when it is found.
 */
import type { Endpoint, Endpoints } from '../core/endpoints.ts'
import type { Logger } from '../core/log.ts'
import type { Sip } from '../core/sip/contract.ts'
import type { Persistence } from './persistence.ts'
import { type Row, readDialogRecord } from './row.ts'
import type { Services } from './services.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

/** Milliseconds between two questions for endpoints that are not there yet. */
const AGAIN = 1000

export interface RestoreServices {
  readonly sip: Sip
  readonly endpoints: Endpoints
  readonly persistence: Persistence
  readonly subscriptions: Subscriptions
  readonly services: Services
  readonly log: Logger
  /** One is back. */
  readonly restored: (subscription: NotifierSubscription) => void
}

export class Restorer {
  readonly #with: RestoreServices
  /** endpoint → rows that wait for it */
  readonly #homeless = new Map<string, Row[]>()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(services: RestoreServices) {
    this.#with = services
  }

  /** Resolves when every row is in its dialog, or waits for its endpoint. */
  async run(): Promise<void> {
    const { persistence, services, subscriptions, log } = this.#with
    const now = services.now()
    let expired = 0
    const unreadable = await persistence.load((row) => {
      if (row.expires > now) return this.#place(row)
      expired++
      persistence.forget(row.dialog_id)
    })
    if (unreadable > 0) log.warning(`${unreadable} stored subscriptions could not be read and are dropped`)
    if (subscriptions.size + expired > 0)
      log.notice(`${subscriptions.size} subscriptions restored, ${expired} had expired`)
    if (this.#homeless.size > 0) await this.#ask(now + services.settings().restore_patience * 1000)
  }

  /** Rows that still wait stay in the store. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#homeless.clear()
  }

  #place(row: Row): void {
    const endpoint = this.#with.endpoints.endpoint(row.endpoint)
    if (endpoint && !(endpoint instanceof Promise)) return this.#restore(row, endpoint)
    const others = this.#homeless.get(row.endpoint)
    if (others) others.push(row)
    else this.#homeless.set(row.endpoint, [row])
  }

  /** Asks for each missing endpoint, and again until `until`. */
  async #ask(until: number): Promise<void> {
    for (const [id, rows] of this.#homeless) {
      const endpoint = await this.#with.endpoints.endpoint(id)
      if (this.#stopped) return
      if (!endpoint) continue
      this.#homeless.delete(id)
      for (const row of rows) this.#restore(row, endpoint)
    }
    if (this.#homeless.size === 0) return
    if (this.#with.services.now() >= until) return this.#giveUp()
    this.#timer = setTimeout(() => void this.#ask(until), AGAIN)
    this.#timer.unref()
  }

  #giveUp(): void {
    const { log, persistence } = this.#with
    for (const [id, rows] of this.#homeless) {
      log.warning(`endpoint ${id} is not there any more; its ${rows.length} subscriptions are dropped`)
      for (const row of rows) persistence.forget(row.dialog_id)
    }
    this.#homeless.clear()
  }

  #restore(row: Row, endpoint: Endpoint): void {
    const { sip, subscriptions, services, persistence, log, restored } = this.#with
    const record = readDialogRecord(row.dialog)
    if (!record) {
      log.warning(`the stored dialog of ${row.event} of ${row.resource} for ${row.endpoint} cannot be read`)
      return persistence.forget(row.dialog_id)
    }
    const dialog = sip.restoreDialog(record)
    dialog.skipCseqTo(row.cseq + 1)
    const subscription = subscriptions.add(
      {
        event: row.event,
        eventId: row.event_id,
        resource: row.resource,
        endpoint,
        watcher: row.watcher,
        userAgent: row.user_agent,
        contentType: row.content_type,
        localUri: row.local_uri,
        contactKey: row.contact,
        dialog,
        expires: row.expires,
        version: row.version,
      },
      services,
    )
    // All of the old block may be used up: a new one is reserved before anything is sent.
    persistence.write(subscription)
    restored(subscription)
  }
}
