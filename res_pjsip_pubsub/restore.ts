/**
 * After a start: the subscriptions of the store are put back into their dialogs, without a packet being sent. They wait
 * for their state, and each phone gets one NOTIFY when it is found (reviver.ts), or when it is told that one ran out
 * meanwhile (final-notices.ts). A row whose endpoint is not known waits for that:
 *
 *     take ── its endpoint is there ──▶ in its dialog again, or ran out
 *       └── homeless ── asked for again and again, or its phone asks for something ──▶ the same
 *              └── nobody can know it any more, or another server goes on with it ──▶ dropped
 */
import type { Endpoint, Endpoints } from '../core/endpoints.ts'
import { clockAhead } from '../core/steady.ts'
import { Timer } from '../core/timer.ts'
import { FinalNotices } from './final-notices.ts'
import { readType } from './lists/facts.ts'
import type { NotifierServices } from './notifier.ts'
import { STATUS } from './storage/row.ts'
import { readDialog } from './storage/row-dialog.ts'
import type { SubscriptionStorage } from './storage/storage.ts'
import type { StoredRow } from './storage/stored-row.ts'
import type { NotifierSubscription } from './subscription.ts'
import { UNDECIDED } from './watchers/authorization.ts'

/** Milliseconds between two questions for endpoints that are not there yet. */
const AGAIN = 1000
/** Questions under way at once. */
const AT_ONCE = 16
/** Milliseconds for which a phone may be thought to wait for word of one that ran out: until then it may have tried in vain. */
const LONG_OVER = 86_400_000

export interface RestoreServices {
  readonly endpoints: Pick<Endpoints, 'endpoint'>
  readonly notifier: NotifierServices
  readonly storage: () => SubscriptionStorage
  /** One is back; late where its phone may have been so before. */
  readonly restored: (subscription: NotifierSubscription, isLate: boolean) => void
}

export class Restorer {
  readonly #with: RestoreServices
  /** endpoint → rows that wait for it */
  readonly #homeless = new Map<string, StoredRow[]>()
  readonly #nextAsking = new Timer()
  #asking = false
  /** Milliseconds; undefined until all rows of the start are placed. */
  #patience: number | undefined
  #expired = 0
  readonly #notices: FinalNotices
  #stopped = false

  constructor(services: RestoreServices) {
    this.#with = services
    this.#notices = new FinalNotices({
      spread: () => services.notifier.settings().restore_spread * 1000,
      hasSubscribedAnew: (row, endpoint) => this.#hasSubscribedAnew(row, endpoint),
      forget: (row) => this.#forget(row),
      tell: (row, endpoint) => this.#make(row, endpoint)?.terminate('timeout'),
    })
  }

  /** Resolves when every row is in its dialog, or waits for its endpoint. */
  async run(): Promise<void> {
    const { storage, notifier } = this.#with
    const { subscriptions, settings, log } = notifier
    const unreadable = await storage().load((row) => this.take(row))
    if (unreadable > 0) log.warning(`${unreadable} stored subscriptions could not be read and are dropped`)
    if (subscriptions.size + this.#expired > 0)
      log.notice(`${subscriptions.size} subscriptions restored, ${this.#expired} had expired`)
    this.#patience = settings().restore_patience * 1000
    this.#askSoon()
  }

  /** This server is to go on with it. */
  take(row: StoredRow): void {
    if (this.#isOver(row)) this.#expired++
    if (this.#isOver(row, LONG_OVER)) return this.#forget(row)
    this.#place(row)
    this.#askSoon()
  }

  #isOver(row: StoredRow, since = 0): boolean {
    return row.expires_ms + since <= Date.now()
  }

  /** All modules are there, and what goes on begins to be looked up. */
  begin(): void {
    this.#notices.begin()
  }

  /** It has just asked for something, and need not be looked for any more. */
  found(endpoint: Endpoint): void {
    if (this.#homeless.has(endpoint.id)) this.#comeHome(endpoint.id, endpoint)
  }

  /** Another server goes on with these: their endpoints need not be found any more. */
  disown(dialogIds: readonly string[]): void {
    const lost = new Set(dialogIds)
    this.#keep((row) => !lost.has(row.dialog_id))
  }

  /** Not waited for: an Asterisk server that is away must not hold up the start. */
  #askSoon(): void {
    if (this.#homeless.size === 0 || this.#asking || this.#patience === undefined) return
    this.#asking = true
    void this.#ask(this.#with.notifier.now() + this.#patience)
  }

  /** Rows that still wait stay in the store. */
  stop(): void {
    this.#stopped = true
    this.#nextAsking.clear()
    this.#notices.stop()
    this.#homeless.clear()
  }

  #place(row: StoredRow): void {
    const endpoint = this.#with.endpoints.endpoint(row.endpoint)
    if (endpoint && !(endpoint instanceof Promise)) return this.#restore(row, endpoint)
    const others = this.#homeless.get(row.endpoint)
    if (others) others.push(row)
    else this.#homeless.set(row.endpoint, [row])
  }

  /**
   * Asks for each missing endpoint, and again. Where only our files could name them that ends with `until`; an Asterisk
   * server may be away for longer, and then rows wait until they expire; those that are over wait no longer than `until`.
   */
  async #ask(until: number): Promise<void> {
    const { endpoints, notifier } = this.#with
    const ids = [...this.#homeless.keys()]
    let othersMayKnow = false
    for (let at = 0; at < ids.length && !this.#stopped; at += AT_ONCE) {
      const asked = ids.slice(at, at + AT_ONCE).map(async (id) => {
        const answer = endpoints.endpoint(id)
        if (answer instanceof Promise) othersMayKnow = true
        const endpoint = await answer
        if (endpoint && !this.#stopped) this.#comeHome(id, endpoint)
      })
      await Promise.all(asked)
    }
    if (this.#stopped) return
    const isLate = notifier.now() >= until
    this.#dropOver(isLate ? 0 : LONG_OVER)
    this.#asking = this.#homeless.size > 0
    if (!this.#asking) return
    if (isLate && !othersMayKnow) return this.#giveUp()
    this.#nextAsking.set(AGAIN, () => void this.#ask(until))
  }

  #comeHome(id: string, endpoint: Endpoint): void {
    const rows = this.#homeless.get(id) ?? []
    this.#homeless.delete(id)
    // Asked before any of them is back, as those are not anew.
    const anew = new Set(rows.filter((row) => this.#hasSubscribedAnew(row, endpoint)))
    for (const row of rows) this.#restore(row, endpoint, anew.has(row))
  }

  /** The phone did not wait: the first NOTIFY in the old dialog tells whether it knows that still. */
  #hasSubscribedAnew(
    { watcher, resource, event, event_id: eventId, contact_key: contactKey, content_type }: StoredRow,
    endpoint: Endpoint,
  ): boolean {
    const { subscriptions, settings } = this.#with.notifier
    if (!settings().replace_same_contact) return false
    const narrowed = readType(content_type)?.narrowed ?? ''
    return subscriptions.ofPhone({ endpoint, watcher, resource, event, eventId, narrowed, contactKey }).length > 0
  }

  #dropOver(since: number): void {
    this.#keep((row) => {
      if (!this.#isOver(row, since)) return true
      this.#forget(row)
      return false
    })
  }

  /** Of the rows that wait for their endpoints these go on waiting. */
  #keep(waits: (row: StoredRow) => boolean): void {
    for (const [id, rows] of this.#homeless) {
      const rest = rows.filter(waits)
      if (rest.length > 0) this.#homeless.set(id, rest)
      else this.#homeless.delete(id)
    }
  }

  #giveUp(): void {
    for (const [id, rows] of this.#homeless) {
      this.#with.notifier.log.warning(
        `endpoint ${id} is not there any more; its ${rows.length} subscriptions are dropped`,
      )
      for (const row of rows) this.#forget(row)
    }
    this.#homeless.clear()
    this.#asking = false
  }

  #restore(row: StoredRow, endpoint: Endpoint, contested = false): void {
    if (this.#isOver(row)) return this.#notices.add(row, endpoint)
    const subscription = this.#make(row, endpoint)
    if (!subscription) return
    if (contested) subscription.contest()
    this.#with.restored(subscription, this.#patience !== undefined)
  }

  #forget(row: StoredRow): void {
    void this.#with.storage().forget(row)
  }

  /** Undefined where its row cannot be read. */
  #make(row: StoredRow, endpoint: Endpoint): NotifierSubscription | undefined {
    const { notifier, storage } = this.#with
    const record = readDialog(row)
    const type = readType(row.content_type)
    if (!record || !type) {
      notifier.log.warning(`the stored dialog of ${row.event} of ${row.resource} for ${row.endpoint} cannot be read`)
      this.#forget(row)
      return undefined
    }
    const dialog = notifier.sip.restoreDialog(record)
    dialog.skipCseqTo(row.local_cseq + 1)
    // The endpoint may have another rewrite_contact than when the row was written.
    dialog.followFlow(endpoint.rewrite_contact)
    const subscription = notifier.subscriptions.add(
      {
        event: row.event,
        eventId: row.event_id,
        resource: row.resource,
        endpoint,
        watcher: row.watcher,
        userAgent: row.user_agent,
        ...type,
        localUri: row.presentity_uri,
        contactKey: row.contact_key,
        dialog,
        // No more than is granted: the clock may be behind that of the row, as on a machine that has none without a network.
        expires: Math.min(row.expires_ms - clockAhead(), notifier.now() + notifier.settings().max_expires * 1000),
        version: row.version,
        authorization: row.status === STATUS.pending ? UNDECIDED : undefined,
      },
      notifier,
    )
    // All of the old block may be used up: a new one is reserved before anything is sent.
    storage().restored(subscription, row)
    return subscription
  }
}
