/**
 * Watchers in the table `watchers`: those of packages that require leave, and of them the ones that wait. A watcher waits
 * whose subscription ended before it was decided on (RFC 3857 4.7.1): until it is, until it subscribes anew, or until
 * waiting_time is over.
 */
import type { Endpoint, Endpoints } from '../../core/endpoints.ts'
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { Store, Table } from '../../core/store-contract.ts'
import { Timer } from '../../core/timer.ts'
import type { WatcherEvent } from '../contract.ts'
import type { PubsubSettings } from '../options.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { ALLOWED, type Asked, type Decision } from './authorization.ts'
import {
  isWatcherRow,
  keyOf,
  openWatchers,
  STATUS_OF,
  toWatcherRow,
  type WatcherPlace,
  type WatcherRow,
} from './watcher-row.ts'
import type { WatcherFacts } from './watchers.ts'

interface WaitingServices {
  readonly settings: () => PubsubSettings
  /** Equal for names that mean the same resource. */
  readonly nameKey: (resource: string) => string
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Logger
  readonly endpoints: Endpoints
  readonly authorize: (asked: Asked) => Decision | Promise<Decision>
  /** Undefined while its package is away. */
  readonly needsLeave: (event: string) => boolean | undefined
  readonly tell: (event: string, resource: string, watcher: WatcherFacts) => void
}

type Topic = Pick<WatcherPlace, 'event' | 'resource'>

interface Waiting extends WatcherPlace {
  readonly watcher: WatcherFacts
  /** Epoch milliseconds. */
  readonly until: number
  undo: Undo | undefined
}

/**
 * Watchers that one endpoint has waiting for one resource: it has written their names into From itself, and could go on
 * doing so. Those of an endpoint that is believed are as many as there are.
 */
const MOST_CLAIMED = 100

/** Watchers without a subscription. */
export class WaitingRoom {
  readonly #services: WaitingServices
  /** By event and resource, then by watcher. */
  readonly #waiting = new Map<string, Map<string, Waiting>>()
  /** Subscriptions behind each row. */
  readonly #behind = new Map<string, Set<NotifierSubscription>>()
  #table: Table<WatcherRow> | undefined
  readonly #timer = new Timer()
  /** Epoch milliseconds for which the timer is set. */
  #due = Number.POSITIVE_INFINITY
  #closed = false

  constructor(services: WaitingServices) {
    this.#services = services
  }

  /** `subscriptions`: those that were put back. Rows of others are left where servers share the table. */
  async open(store: Store, subscriptions: Iterable<NotifierSubscription>, shared: boolean): Promise<void> {
    const { settings } = this.#services
    const table = await openWatchers(store, settings().watchers_table)
    this.#table = table
    const rows: WatcherRow[] = []
    await table.load((page) => void rows.push(...page.filter(isWatcherRow)))
    if (rows.length === 0) return
    const keys = new Set(rows.map((row) => row.watcher_key))
    for (const one of subscriptions) if (keys.has(keyOf(placeOf(one), one.watcher))) this.#enter(one)
    for (const row of rows) {
      if (this.#behind.has(row.watcher_key)) continue
      // Who was pending, and whose subscription did not outlast the time that we were away, waits.
      const waits = row.status === STATUS_OF.waiting || (!shared && row.status === STATUS_OF.pending)
      if (!waits && !shared) table.delete(row.watcher_key)
      if (!waits) continue
      if (!this.#admitRow(row)) table.delete(row.watcher_key)
    }
  }

  /**
   * Who waits no more at one of the servers that share the table does not at the others, and all know who does. Read once
   * for all `topics`: this is after each change that another server makes.
   */
  async agree(topics: readonly Topic[]): Promise<void> {
    if (topics.length === 0) return
    const asked = new Set(topics.map((topic) => this.#topicOf(topic)))
    const before = new Map([...asked].flatMap((topic) => [...(this.#waiting.get(topic) ?? [])]))
    const rows = (await this.#table?.select({ status: STATUS_OF.waiting }))?.filter(isWatcherRow)
    if (!rows || this.#closed) return
    const there = new Map(rows.map((row) => [row.watcher_key, row]))
    for (const [key, waiting] of before)
      if (this.#isWaiting(waiting) && there.get(key)?.winfo_id !== waiting.watcher.id) this.#leave(waiting)
    for (const [key, row] of there) {
      // Who is known, and does not wait any more, was decided on meanwhile.
      const isKnown = before.get(key)?.watcher.id === row.winfo_id || this.#groupOf(row)?.has(key)
      if (asked.has(this.#topicOf(row)) && !this.#behind.has(key) && !isKnown) this.#admitRow(row)
    }
  }

  /** Deletes rows of watchers that have waited for longer than waiting_time and that nobody knows. Resolves with their number. */
  async clean(): Promise<number> {
    const { settings, now } = this.#services
    const oldest = now() / 1000 - settings().waiting_time
    let cleaned = 0
    await this.#table?.load((page) => {
      for (const row of page.filter(isWatcherRow)) {
        const { watcher_key: key } = row
        const isKnown = this.#behind.has(key) || this.#groupOf(row)?.has(key)
        if (row.status !== STATUS_OF.waiting || row.inserted_time > oldest || isKnown) continue
        this.#table?.delete(key)
        cleaned++
      }
    })
    return cleaned
  }

  *of(event: string, resource: string): Iterable<WatcherFacts> {
    for (const { watcher } of this.#groupOf({ event, resource })?.values() ?? []) yield watcher
  }

  /** Whether `keep` has anything to do for watchers of this event. `isOver`: for one whose subscription is. */
  keeps(event: string, isOver: boolean): boolean {
    // An end that comes of a module's unloading finds no package to ask.
    return !this.#closed && this.#table !== undefined && (this.#services.needsLeave(event) ?? isOver)
  }

  /** It is there, or is over. */
  keep(subscription: NotifierSubscription, watcher: WatcherFacts): void {
    const place = placeOf(subscription)
    const key = keyOf(place, watcher.uri)
    if (watcher.status !== 'terminated') {
      this.#enter(subscription)
      return this.#table?.put(toWatcherRow(place, watcher, this.#services.now()))
    }
    if (this.#withdraw(subscription, key)) return
    if (!this.#groupOf(place)?.has(key)) this.#table?.delete(key)
  }

  /** Waits no more, as it has subscribed anew. Its id, where it waited. */
  resume(subscription: NotifierSubscription): string | undefined {
    if (this.#waiting.size === 0) return undefined
    const found = this.#groupOf(subscription)
    const waiting = found?.get(keyOf(placeOf(subscription), subscription.watcher))
    if (waiting) this.#leave(waiting)
    return waiting?.watcher.id
  }

  /** It expired before it was decided on. False where it is not to wait. */
  wait(subscription: NotifierSubscription, watcher: WatcherFacts): boolean {
    const { settings, now } = this.#services
    if (this.#closed || settings().waiting_time === 0) return false
    const waiting = {
      ...placeOf(subscription),
      watcher,
      until: now() + settings().waiting_time * 1000,
      undo: undefined,
    }
    this.#withdraw(subscription, keyOf(waiting, watcher.uri))
    this.#table?.put(toWatcherRow(waiting, watcher, now()))
    if (!subscription.endpoint.trust_id_inbound) this.#makeRoom(waiting)
    this.#admit(waiting)
    return true
  }

  /** What waits is kept for the next start. */
  close(): void {
    this.#closed = true
    this.#timer.clear()
    for (const group of this.#waiting.values()) for (const { undo } of group.values()) void undo?.()
    this.#waiting.clear()
    this.#behind.clear()
  }

  #enter(subscription: NotifierSubscription): void {
    const key = keyOf(placeOf(subscription), subscription.watcher)
    const behind = this.#behind.get(key) ?? new Set()
    this.#behind.set(key, behind.add(subscription))
  }

  /** Whether others are behind that row. */
  #withdraw(subscription: NotifierSubscription, key: string): boolean {
    const behind = this.#behind.get(key)
    behind?.delete(subscription)
    if (behind && behind.size > 0) return true
    this.#behind.delete(key)
    return false
  }

  /** False where it has waited long enough. */
  #admitRow(row: WatcherRow): boolean {
    const { settings, now } = this.#services
    const { winfo_id: id, watcher: uri, display_name: displayName, event, resource, endpoint } = row
    const until = (row.inserted_time + settings().waiting_time) * 1000
    if (until <= now()) return false
    this.#admit({
      event,
      resource,
      endpoint,
      presentity: row.presentity_uri,
      until,
      undo: undefined,
      watcher: { id, uri, displayName, status: 'waiting', event: 'timeout' },
    })
    return true
  }

  #admit(waiting: Waiting): void {
    const others = this.#groupOf(waiting) ?? new Map<string, Waiting>()
    const key = keyOf(waiting, waiting.watcher.uri)
    void others.get(key)?.undo?.()
    this.#waiting.set(this.#topicOf(waiting), others.set(key, waiting))
    this.#services.tell(waiting.event, waiting.resource, waiting.watcher)
    this.#attend(waiting)
    this.#arm(waiting.until)
  }

  /** The oldest of its endpoint goes. */
  #makeRoom({ event, resource, endpoint, watcher }: Waiting): void {
    const group = this.#groupOf({ event, resource })
    const claimed = [...(group?.values() ?? [])].filter((other) => other.endpoint === endpoint)
    const [oldest] = claimed
    const isKnown = claimed.some((other) => other.watcher.uri === watcher.uri)
    if (oldest && !isKnown && claimed.length >= MOST_CLAIMED) this.#over(oldest, 'giveup')
  }

  /** To what the rules make of it. */
  #attend(waiting: Waiting): void {
    const { endpoints, log } = this.#services
    const failed = (error: unknown): void =>
      log.error(`leave to watch ${waiting.event} of ${waiting.resource}: ${reasonOf(error)}`)
    const found = endpoints.endpoint(waiting.endpoint)
    if (found instanceof Promise) found.then((endpoint) => endpoint && this.#follow(waiting, endpoint)).catch(failed)
    else if (found) this.#follow(waiting, found).catch(failed)
  }

  async #follow(waiting: Waiting, endpoint: Endpoint): Promise<void> {
    const { event, resource, watcher } = waiting
    const decision = await this.#services.authorize({ event, resource, endpoint, watcher: watcher.uri })
    // As long as nobody decides, it goes on waiting.
    if (!decision || decision.value === ALLOWED || !this.#isWaiting(waiting)) return
    void waiting.undo?.()
    waiting.undo = decision.watch({
      value: ({ handling }) => {
        if (handling !== 'confirm') this.#over(waiting, handling === 'block' ? 'rejected' : 'approved')
      },
    })
    if (!this.#isWaiting(waiting)) void waiting.undo()
  }

  /** Everybody is decided on anew. Where nobody can say now, what was decided before stands. */
  reconsider(): void {
    for (const group of this.#waiting.values()) for (const waiting of group.values()) this.#attend(waiting)
  }

  #over(waiting: Waiting, event: WatcherEvent): void {
    if (!this.#isWaiting(waiting)) return
    this.#leave(waiting)
    this.#table?.delete(keyOf(waiting, waiting.watcher.uri))
    this.#services.tell(waiting.event, waiting.resource, { ...waiting.watcher, status: 'terminated', event })
  }

  #isWaiting(waiting: Waiting): boolean {
    const group = this.#groupOf(waiting)
    return group?.get(keyOf(waiting, waiting.watcher.uri)) === waiting
  }

  #leave(waiting: Waiting): void {
    const group = this.#groupOf(waiting)
    group?.delete(keyOf(waiting, waiting.watcher.uri))
    if (group?.size === 0) this.#waiting.delete(this.#topicOf(waiting))
    void waiting.undo?.()
  }

  /** All who wait for the same. */
  #groupOf(topic: Topic): Map<string, Waiting> | undefined {
    return this.#waiting.get(this.#topicOf(topic))
  }

  #topicOf({ event, resource }: Topic): string {
    return `${event}\0${this.#services.nameKey(resource)}`
  }

  #arm(until: number): void {
    if (until >= this.#due) return
    this.#due = until
    this.#timer.set(Math.max(0, until - this.#services.now()), () => this.#giveUp())
  }

  #giveUp(): void {
    this.#due = Number.POSITIVE_INFINITY
    const now = this.#services.now()
    let next = Number.POSITIVE_INFINITY
    for (const group of this.#waiting.values())
      for (const waiting of group.values())
        if (waiting.until <= now) this.#over(waiting, 'giveup')
        else next = Math.min(next, waiting.until)
    this.#arm(next)
  }
}

function placeOf({ event, resource, endpoint, localUri }: NotifierSubscription): WatcherPlace {
  return { event, resource, endpoint: endpoint.id, presentity: localUri }
}
