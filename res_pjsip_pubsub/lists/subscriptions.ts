/**
 * Resource lists (RFC 4662): which SUBSCRIBE is for one, and what such a subscription watches. For the rest it is an
 * ordinary subscription. Lists follow the configuration, and resources that are not there are looked for again.
 */
import type { Core } from '../../core/core.ts'
import type { Logger } from '../../core/log.ts'
import type { Refusal, SipRequest } from '../../core/sip/contract.ts'
import { parseNameAddr } from '../../core/sip/parse-uri.ts'
import type { EventPackage, Found, Watcher, WatcherEvent } from '../contract.ts'
import { NOT_FOUND, OVER_ENDPOINT_LIMIT } from '../refusals.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Asked, Decision } from '../watchers/authorization.ts'
import { type WatcherFacts, type WatcherLists, type WatcherStatus, watcherId } from '../watchers/watchers.ts'
import type { ListFacts } from './facts.ts'
import { broughtPlan, type Configured, configuredPlan, type ListPlan, sizeOf } from './plan.ts'
import { bringsList, EXTENSION_REQUIRED, readEntries, refuseList, understandsLists } from './request.ts'
import { ListSource } from './source.ts'

/** Milliseconds. After a reload the dialplan follows the endpoints. */
const SETTLE = 100
/** Between two looks for what nothing could be said of, and how many of these make one for what is not there. */
const AGAIN = 2000
const LOOKS = 150

/** Resources of all lists that one endpoint has brought along: each is a kilobyte and more, and a few bytes of a SUBSCRIBE. */
const MOST_BROUGHT = 20_000

/** Of what is missing in such a list the log names these. */
const MOST_NAMED = 10

/** As Asterisk answers where nothing of the list is there. */
const NOTHING_THERE: Refusal = { status: 500 }

type ListCore = Pick<Core, 'endpoints' | 'hints' | 'general'>
type PackageOf = (event: string) => EventPackage<unknown> | undefined
/** Whether this watcher is told nothing of this change. */
type IsNoNews = (of: EventPackage<unknown> | undefined, state: unknown, watcher: string) => boolean
interface Leave {
  readonly of: (asked: Asked, restored?: boolean) => Decision | Promise<Decision>
  readonly lists: Pick<WatcherLists, 'tell' | 'alsoFrom' | 'nameKey'>
}

/** A watcher of a list, and the dialog it watches in. */
interface ListWatcher extends Watcher {
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

interface Remembered {
  readonly round: number
  readonly text: string
  readonly plan: ListPlan
}

/** What a list is asked for with. */
export interface ListAsked {
  readonly event: string
  readonly resource: string
  readonly watcher: Watcher
  /** The body has it. */
  readonly isBrought: boolean
}

/** A section of pjsip.conf, and how many resources it stands for now. */
export interface ListSection {
  readonly name: string
  readonly event: string
  readonly items: readonly string[]
  readonly resources: number
  readonly fullState: boolean
  /** Milliseconds. */
  readonly batch: number
}

interface InnerWatcher {
  readonly event: string
  /** What was subscribed to. */
  readonly list: string
  readonly status: 'pending' | 'active'
  readonly watcher: string
  readonly endpoint: string
}

export class ResourceLists {
  readonly #core: ListCore
  readonly #log: Logger
  readonly #package: PackageOf
  readonly #leave: Leave
  readonly #isNoNews: IsNoNews
  readonly #watched = new Map<ListSource, Followed>()
  /** Endpoint → resources that it has brought along, also those that are just being looked for. */
  readonly #brought = new Map<string, number>()
  /** By event and name: lists that are equal are one object, for all who watch them. */
  readonly #plans = new Map<string, Remembered>()
  #round = 0
  #revising: NodeJS.Timeout | undefined
  #retrying: NodeJS.Timeout | undefined
  #looks = 0
  /** From then on it is known which events there are. */
  #isLoaded = false
  /** What was said of events that there are not. */
  readonly #doubted = new Set<string>()

  constructor(core: ListCore, log: Logger, packageOf: PackageOf, leave: Leave, isNoNews: IsNoNews) {
    this.#core = core
    this.#log = log
    this.#package = packageOf
    this.#leave = leave
    this.#isNoNews = isNoNews
    leave.lists.alsoFrom((event, resource) => this.#watchersOf(event, resource))
  }

  /** Whether a SUBSCRIBE is for a list; with a refusal, for one that it may not have like this. */
  asked(watcher: Watcher, request: SipRequest, event: string, resource: string): ListAsked | Refusal | undefined {
    const isBrought = this.#core.general.compat === 'rfc' && bringsList(request)
    if (isBrought) return refuseList(request) ?? { event, resource, watcher, isBrought }
    const list = this.#configured.lists.get(resource)
    if (!list || !understandsLists(request)) return undefined
    if (list.event === event) return { event, resource, watcher, isBrought }
    this.#log.warning(
      `endpoint ${watcher.endpoint.id} asks for ${event} of the list ${resource}, which is for ${list.event}`,
    )
    return undefined
  }

  /** The answer where a resource is not there: who asks for a list has to say so (RFC 4662 4.1). */
  missing(event: string, resource: string): Refusal {
    const isList = this.#configured.lists.get(resource)?.event === event
    return isList && this.#core.general.compat === 'rfc' ? EXTENSION_REQUIRED : NOT_FOUND
  }

  async open({ event, resource, watcher, isBrought }: ListAsked): Promise<Found<unknown>> {
    const entries = isBrought && watcher.request ? readEntries(watcher.request) : undefined
    if (entries && 'status' in entries) return entries
    const { callId = '', from } = watcher.request ?? {}
    const named = { ...watcher, callId, displayName: from?.display ?? '' }
    return this.#open(event, resource, named, { entries }, 0)
  }

  /** Of a subscription whose state is away. `anyway`: also where nothing can be said of any of its resources yet. */
  reopen(subscription: NotifierSubscription, anyway: boolean): Promise<Found<unknown>> {
    const { event, resource, endpoint, watcher: uri, userAgent, version, list, dialog } = subscription
    const displayName = parseNameAddr(dialog.remoteUri)?.display ?? ''
    const watcher = { endpoint, uri, userAgent, request: undefined, callId: dialog.callId, displayName }
    return this.#open(event, resource, watcher, list ?? { entries: undefined }, version, anyway)
  }

  *sections(): Iterable<ListSection> {
    const configured = this.#configured
    for (const [name, list] of configured.lists) {
      const plan = configuredPlan(name, list.event, configured)
      yield {
        name,
        event: list.event,
        items: list.list_item,
        resources: plan ? sizeOf(plan) : 0,
        fullState: list.full_state,
        batch: list.notification_batch_interval,
      }
    }
  }

  /** Who watches a resource as one of a list. */
  *watchersOf(resource: string): Iterable<InnerWatcher> {
    for (const [source, { event, list, watcher }] of this.#watched)
      for (const { status } of source.watchingOf(resource))
        yield { event, list, status, watcher: watcher.uri, endpoint: watcher.endpoint.id }
  }

  /** All modules of the start are there. */
  loaded(): void {
    this.#isLoaded = true
    this.#doubtEvents()
  }

  /** The configuration was read again. */
  changed(): void {
    this.#revising ??= setTimeout(() => {
      this.#revising = undefined
      this.#doubtEvents()
      void this.#revise()
    }, SETTLE)
    this.#revising.unref()
  }

  close(): void {
    clearTimeout(this.#revising)
    clearTimeout(this.#retrying)
    this.#watched.clear()
    this.#brought.clear()
  }

  get #configured(): Configured {
    const { endpoints, hints } = this.#core
    const { files } = endpoints
    return {
      lists: files.resourceLists ?? new Map(),
      names: function* () {
        yield* files.endpoints.keys()
        yield* files.aors.keys()
        for (const { exten } of hints.extensions()) yield exten
        for (const { exten } of hints.list()) yield exten
      },
    }
  }

  async #open(
    event: string,
    resource: string,
    watcher: ListWatcher,
    facts: ListFacts,
    firstVersion: number,
    anyway = false,
  ): Promise<Found<unknown>> {
    const compat = (): 'rfc' | 'asterisk' => this.#core.general.compat
    const { entries } = facts
    const brought = entries && broughtPlan(resource, entries)
    const plan = (): ListPlan | undefined => brought ?? this.#planOf(event, resource)
    this.#round++
    const first = plan()
    if (!first) return undefined
    const { uri } = watcher
    let { endpoint } = watcher
    const restored = watcher.request === undefined
    const size = brought ? sizeOf(brought) : 0
    const { id } = endpoint
    if (!restored && size > 0 && (this.#brought.get(id) ?? 0) + size > MOST_BROUGHT) {
      this.#log.notice(
        `endpoint ${id} would watch more than ${MOST_BROUGHT} resources in lists of its own; a SUBSCRIBE is refused`,
      )
      return OVER_ENDPOINT_LIMIT
    }
    const source = new ListSource(first, {
      facts,
      plan,
      batch: () => (entries ? 0 : (this.#configured.lists.get(resource)?.notification_batch_interval ?? 0)),
      compat,
      nameKey: this.#leave.lists.nameKey,
      firstVersion,
      find: (name, again) =>
        this.#package(event)?.find(name, { ...watcher, endpoint, again: again || brought !== undefined }),
      authorize: (name) => this.#leave.of({ event, resource: name, endpoint, watcher: uri }, restored),
      isNoNews: (state) => this.#isNoNews(this.#package(event), state, uri),
      hidesMissing: compat() === 'asterisk',
      watching: (name, status, lastEvent) =>
        this.#leave.lists.tell(event, name, factsOf(watcher, name, status, lastEvent)),
      servedAs: (now) => void (endpoint = now),
      watched: (one, isWatched) =>
        this.#follow(one, isWatched ? { event, list: resource, watcher, brought: size } : undefined),
      log: this.#log,
    })
    this.#count(id, size)
    try {
      await source.look()
    } finally {
      this.#count(id, -size)
    }
    if (brought && !restored) this.#noteMissing(source, event, id)
    if (source.isUnavailable && !anyway) return 'unavailable'
    return compat() === 'asterisk' && !source.isVisible ? NOTHING_THERE : source
  }

  /** In one line: a datagram brings a thousand of them. */
  #noteMissing({ resources, missing }: ListSource, event: string, endpointId: string): void {
    if (missing.length === 0) return
    const some = missing.slice(0, MOST_NAMED).join(', ') + (missing.length > MOST_NAMED ? ', ...' : '')
    this.#log.notice(
      `endpoint ${endpointId} brings along a list for ${event} with ${resources.length} resources, of which ` +
        `${missing.length} are not there: ${some}`,
    )
  }

  #planOf(event: string, name: string): ListPlan | undefined {
    const key = `${event}\0${name}`
    const known = this.#plans.get(key)
    if (known?.round === this.#round) return known.plan
    const plan = configuredPlan(name, event, this.#configured)
    const text = JSON.stringify(plan)
    if (!plan) this.#plans.delete(key)
    else this.#plans.set(key, { round: this.#round, text, plan: known?.text === text ? known.plan : plan })
    return this.#plans.get(key)?.plan
  }

  *#watchersOf(event: string, resource: string): Iterable<WatcherFacts> {
    for (const [source, followed] of this.#watched) {
      if (followed.event !== event) continue
      for (const { resource: name, status, event: last } of source.watchingOf(resource))
        yield factsOf(followed.watcher, name, status, last)
    }
  }

  #follow(source: ListSource, followed: Followed | undefined): void {
    const before = this.#watched.get(source)
    if (before) this.#count(before.watcher.endpoint.id, -before.brought)
    if (followed) this.#count(followed.watcher.endpoint.id, followed.brought)
    if (followed) this.#watched.set(source, followed)
    else this.#watched.delete(source)
    this.#arm()
  }

  #count(endpointId: string, by: number): void {
    const now = (this.#brought.get(endpointId) ?? 0) + by
    if (now > 0) this.#brought.set(endpointId, now)
    else this.#brought.delete(endpointId)
  }

  /** Modules bring events of their own, so that a wrong one is not seen where the file is read. */
  #doubtEvents(): void {
    if (!this.#isLoaded) return
    for (const { id, event, source } of this.#configured.lists.values()) {
      const what = `${source}: resource_list [${id}] has event = ${event}`
      if (this.#package(event) || this.#doubted.has(what)) continue
      this.#doubted.add(what)
      this.#log.warning(`${what}, which no module serves; expected presence, dialog or message-summary`)
    }
  }

  async #revise(): Promise<void> {
    this.#round++
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
    this.#retrying = setTimeout(() => void this.#retry(), AGAIN)
    this.#retrying.unref()
  }
}

function factsOf(
  { callId, uri, displayName }: ListWatcher,
  resource: string,
  status: WatcherStatus,
  event: WatcherEvent,
): WatcherFacts {
  return { id: watcherId(`${callId};${uri};${resource}`), uri, displayName, status, event }
}
