/**
 * Who watches what, as the watched are told it (RFC 3857): a list for each event and resource that somebody looks at.
 *
 *     subscribe ──▶ pending ──approved──▶ active          rejected, expired: terminated, told once and forgotten
 *                      └──expired──▶ waiting ──▶ terminated: decided on, or nobody did for waiting_time
 *
 * Lists follow the subscriptions that there are. Watchers that wait have none any more: their own room is in waiting.ts.
 */
import { hexDigest } from '../../core/hex-digest.ts'
import { addedTo, type Undo } from '../../core/scope.ts'
import { parseNameAddr } from '../../core/sip/parse-uri.ts'
import { type Watchable, Watched, WhileWatched } from '../../core/watch.ts'
import type { WatcherEvent } from '../contract.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { WaitingRoom } from './waiting.ts'

/** RFC 3857 4.7.1. */
export type WatcherStatus = 'pending' | 'active' | 'waiting' | 'terminated'

export interface WatcherEntry {
  /** The same while its subscription lives, and over the time it waits. */
  readonly id: string
  readonly uri: string
  readonly displayName: string
  readonly status: WatcherStatus
  /** What brought it there. */
  readonly event: WatcherEvent
  /** Goes up with each change of anything. */
  readonly change: number
}

/** A list at one time. */
export interface WatcherInfo {
  /** `presence`, not `presence.winfo`. */
  readonly package: string
  readonly change: number
  readonly watchers: readonly WatcherEntry[]
  /** Those that ended lately, all of them since the change `endedAfter`. */
  readonly ended: readonly WatcherEntry[]
  readonly endedAfter: number
}

/** What a watcher is, wherever it comes from. */
export type WatcherFacts = Omit<WatcherEntry, 'change'>

/** How many that ended are remembered, for those who have not been told yet. Who missed more gets the whole list. */
const ENDED = 100

export class WatcherList {
  readonly event: string
  readonly resource: string
  readonly #next: () => number
  /** By id. */
  readonly watchers = new Map<string, WatcherEntry>()
  #ended: WatcherEntry[] = []
  #endedAfter: number
  #isDue = false
  readonly state: Watched<WatcherInfo>

  constructor(event: string, resource: string, watchers: Iterable<WatcherFacts>, next: () => number) {
    this.event = event
    this.resource = resource
    this.#next = next
    for (const watcher of watchers) this.watchers.set(watcher.id, { ...watcher, change: next() })
    this.#endedAfter = next()
    this.state = new Watched(this.#now())
  }

  change(watcher: WatcherFacts): void {
    const before = this.watchers.get(watcher.id)
    if (before?.status === watcher.status && before.event === watcher.event) return
    const entry = { ...watcher, change: this.#next() }
    if (watcher.status === 'terminated') this.#end(entry)
    else this.watchers.set(entry.id, entry)
    // Many may come at once, after a start or when a module was loaded.
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.state.set(this.#now())
    })
  }

  #end(entry: WatcherEntry): void {
    this.watchers.delete(entry.id)
    this.#ended.push(entry)
    while (this.#ended.length > ENDED) this.#endedAfter = this.#ended.shift()?.change ?? this.#endedAfter
  }

  #now(): WatcherInfo {
    return {
      package: this.event,
      change: this.#next(),
      watchers: [...this.watchers.values()],
      ended: [...this.#ended],
      endedAfter: this.#endedAfter,
    }
  }
}

export class WatcherLists {
  readonly #subscriptions: Iterable<NotifierSubscription>
  readonly #lists = new Map<string, WatcherList>()
  /** Of those that went on from waiting, the id they had. */
  readonly #ids = new WeakMap<NotifierSubscription, string>()
  readonly #listeners = new Set<(list: WatcherList) => void>()
  readonly #waiting: WaitingRoom
  #others: ((event: string, resource: string) => Iterable<WatcherFacts>) | undefined
  #changes = 0
  /** Equal for names that mean the same resource. */
  readonly nameKey: (resource: string) => string

  constructor(
    subscriptions: Iterable<NotifierSubscription>,
    waiting: WaitingRoom,
    nameKey: (resource: string) => string,
  ) {
    this.#subscriptions = subscriptions
    this.#waiting = waiting
    this.nameKey = nameKey
  }

  /** Who else watches, without a subscription to the resource itself: those of lists. */
  alsoFrom(others: (event: string, resource: string) => Iterable<WatcherFacts>): void {
    this.#others = others
  }

  /** The list of a resource, which is kept while it is watched. `others`: watchers at other servers, for one that is new. */
  list(event: string, resource: string, others: readonly WatcherFacts[]): Watchable<WatcherInfo> {
    const made = (): WatcherList => this.#lists.get(this.#keyOf(event, resource)) ?? this.#make(event, resource, others)
    return new WhileWatched({
      value: () => made().state.value,
      open: () => this.#open(made()),
      left: (state) => this.#close(this.#keyOf(event, resource), state),
    })
  }

  /** A subscription came, its status changed, or it is over. */
  changed(subscription: NotifierSubscription): void {
    const { listedAs: before, state: now, event, resource } = subscription
    if (before === 'terminated') return
    subscription.listedAs = now
    if (before === undefined) {
      const resumed = this.#waiting.resume(subscription)
      if (resumed !== undefined) this.#ids.set(subscription, resumed)
    }
    // Another server has it now, and it goes on there.
    if (subscription.disowned) return
    const undecided = now === 'terminated' && subscription.lastEvent === 'timeout' && subscription.isPending
    const isKept = this.#waiting.keeps(event, now === 'terminated')
    const list = this.#lists.size === 0 ? undefined : this.#lists.get(this.#keyOf(event, resource))
    if (!undecided && !isKept && !list) return
    const watcher = this.#facts(subscription)
    if (undecided && this.#waiting.wait(subscription, { ...watcher, status: 'waiting' })) return
    list?.change(watcher)
    if (isKept) this.#waiting.keep(subscription, watcher)
  }

  /** Of a watcher without a subscription: refused, waiting, or done with that. */
  tell(event: string, resource: string, watcher: WatcherFacts): void {
    this.#lists.get(this.#keyOf(event, resource))?.change(watcher)
  }

  /** Watchers with a subscription here, and those that wait here. */
  *own(event: string, resource: string): Iterable<WatcherFacts> {
    yield* this.#waiting.of(event, resource)
    yield* this.#others?.(event, resource) ?? []
    const wanted = this.nameKey(resource)
    for (const subscription of this.#subscriptions) {
      const mine = subscription.event === event && this.nameKey(subscription.resource) === wanted
      if (mine && subscription.state !== 'terminated') yield this.#facts(subscription)
    }
  }

  /** The lists that somebody watches. */
  get watched(): Iterable<WatcherList> {
    return this.#lists.values()
  }

  onList(listener: (list: WatcherList) => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  /** Of one that was at another server a moment ago its own facts count. */
  #make(event: string, resource: string, others: readonly WatcherFacts[]): WatcherList {
    const all = [...others, ...this.own(event, resource)]
    return new WatcherList(event, resource, all, () => ++this.#changes)
  }

  #open(list: WatcherList): Watched<WatcherInfo> {
    const key = this.#keyOf(list.event, list.resource)
    const isNew = this.#lists.get(key) !== list
    this.#lists.set(key, list)
    if (isNew) for (const listener of this.#listeners) listener(list)
    return list.state
  }

  #close(key: string, state: Watched<WatcherInfo>): void {
    if (state.watchers === 0 && this.#lists.get(key)?.state === state) this.#lists.delete(key)
  }

  #keyOf(event: string, resource: string): string {
    return `${event}\0${this.nameKey(resource)}`
  }

  #facts(subscription: NotifierSubscription): WatcherFacts {
    const { state, isPending, lastEvent, watcher, dialog } = subscription
    return {
      id: this.#ids.get(subscription) ?? watcherId(dialog.id),
      uri: watcher,
      displayName: parseNameAddr(dialog.remoteUri)?.display ?? '',
      status: state === 'terminated' ? state : isPending ? 'pending' : 'active',
      event: lastEvent,
    }
  }
}

/** RFC 3858 4.1.2: unique among all watchers, and the same in every list. */
export function watcherId(of: string): string {
  return hexDigest('sha256', of).slice(0, 24)
}
