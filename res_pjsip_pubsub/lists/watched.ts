/**
 * Resource lists that are watched: who does, how much each endpoint has brought along, and when they look again. After a
 * reload all follow the configuration; every two seconds they look for what nothing could be said of, and every five
 * minutes for what was not there, or as soon as something is published about it.
 */
import { Counts } from '../../core/counts.ts'
import { Timer } from '../../core/timer.ts'
import type { Watcher, WatcherEvent } from '../contract.ts'
import { type WatcherFacts, type WatcherStatus, watcherId } from '../watchers/watchers.ts'
import type { ConfiguredLists } from './configured.ts'
import type { ListSource } from './source.ts'

/** Milliseconds. After a reload the dialplan follows the endpoints. */
const SETTLE = 100
/** In which what is first published about is gathered: after a start of the phones that is much. */
const GATHER = 100
/** Between two looks for what nothing could be said of, and how many of these make one for what is not there. */
const AGAIN = 2000
const LOOKS = 150

/** A watcher of a list, and the dialog it watches in. */
export interface ListWatcher extends Watcher {
  readonly callId: string
  readonly displayName: string
}

interface Followed {
  readonly event: string
  readonly list: string
  readonly watcher: ListWatcher
  /** Resources that it has brought along. */
  readonly brought: number
}

interface InnerWatcher {
  readonly event: string
  /** What was subscribed to. */
  readonly list: string
  readonly status: 'pending' | 'active'
  readonly watcher: string
  readonly endpoint: string
}

export class WatchedLists {
  readonly #configured: ConfiguredLists
  readonly #watched = new Map<ListSource, Followed>()
  /** Endpoint → resources that it has brought along, also those that are just being looked for. */
  readonly brought = new Counts()
  readonly #revising = new Timer()
  readonly #appearing = new Timer()
  #retrying: NodeJS.Timeout | undefined
  #looks = 0

  constructor(configured: ConfiguredLists) {
    this.#configured = configured
  }

  /** Who watches a resource as one of a list. */
  *watchersOf(resource: string): Iterable<InnerWatcher> {
    for (const [source, { event, list, watcher }] of this.#watched)
      for (const { status } of source.watchingOf(resource))
        yield { event, list, status, watcher: watcher.uri, endpoint: watcher.endpoint.id }
  }

  /** The same for the lists of watchers. */
  *watcherFactsOf(event: string, resource: string): Iterable<WatcherFacts> {
    for (const [source, followed] of this.#watched) {
      if (followed.event !== event) continue
      for (const { resource: name, status, event: last } of source.watchingOf(resource))
        yield factsOf(followed.watcher, name, status, last)
    }
  }

  /** It is watched so from now on; undefined: no more. */
  follow(source: ListSource, followed: Followed | undefined): void {
    const before = this.#watched.get(source)
    if (before) this.brought.add(before.watcher.endpoint.id, -before.brought)
    if (followed) this.brought.add(followed.watcher.endpoint.id, followed.brought)
    if (followed) this.#watched.set(source, followed)
    else this.#watched.delete(source)
    this.#arm()
  }

  /** The configuration was read again. */
  changed(): void {
    if (this.#revising.armed) return
    this.#revising.set(SETTLE, () => {
      this.#configured.doubtEvents()
      void this.#revise()
    })
  }

  /** Something is published about a resource about which nothing was. */
  appeared(): void {
    if (this.#watched.size === 0 || this.#appearing.armed) return
    this.#appearing.set(GATHER, () => {
      for (const source of this.#watched.keys()) void source.retryPublished()
    })
  }

  close(): void {
    this.#revising.clear()
    this.#appearing.clear()
    clearTimeout(this.#retrying)
    this.#watched.clear()
  }

  async #revise(): Promise<void> {
    this.#configured.lookAgain()
    await Promise.all([...this.#watched.keys()].map((source) => source.revise()))
  }

  async #retry(): Promise<void> {
    if (++this.#looks % LOOKS === 0) await this.#revise()
    else await Promise.all([...this.#watched.keys()].map((source) => source.retryUnavailable()))
    this.#retrying = undefined
    this.#arm()
  }

  #arm(): void {
    if (this.#watched.size === 0 || this.#retrying) return
    this.#retrying = setTimeout(() => void this.#retry(), AGAIN).unref()
  }
}

export function factsOf(
  { callId, uri, displayName }: ListWatcher,
  resource: string,
  status: WatcherStatus,
  event: WatcherEvent,
): WatcherFacts {
  return { id: watcherId(`${callId};${uri};${resource}`), uri, displayName, status, event }
}
