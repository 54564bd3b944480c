/**
 * Resource lists (RFC 4662): which SUBSCRIBE is for one, and what such a subscription watches. For the rest it is an
 * ordinary subscription. Which lists there are is in configured.ts, what becomes of those that are watched in watched.ts.
 */
import type { Core } from '../../core/core.ts'
import type { Logger } from '../../core/log.ts'
import type { Refusal, SipRequest } from '../../core/sip/contract.ts'
import { parseNameAddr } from '../../core/sip/parse-uri.ts'
import { brief } from '../../core/text.ts'
import type { Found, Watcher } from '../contract.ts'
import { NOT_FOUND, OVER_ENDPOINT_LIMIT } from '../refusals.ts'
import type { Registry } from '../registry.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Asked, Decision } from '../watchers/authorization.ts'
import type { WatcherLists } from '../watchers/watchers.ts'
import { ConfiguredLists } from './configured.ts'
import type { ListFacts } from './facts.ts'
import { broughtPlan, type ListPlan, sizeOf } from './plan.ts'
import { bringsList, EXTENSION_REQUIRED, readEntries, refuseList, understandsLists } from './request.ts'
import { ListSource } from './source.ts'
import { factsOf, type ListWatcher, WatchedLists } from './watched.ts'

/** Resources of all lists that one endpoint has brought along: each is a kilobyte and more, and a few bytes of a SUBSCRIBE. */
const MOST_BROUGHT = 20_000

/** Of what is missing in such a list the log names these. */
const MOST_NAMED = 10

/** As Asterisk answers where nothing of the list is there. */
const NOTHING_THERE: Refusal = { status: 500 }

type ListCore = Pick<Core, 'endpoints' | 'hints' | 'general'>
interface States {
  /** Whether this watcher is told nothing of this change. */
  readonly isNoNews: (event: string, state: unknown, watcher: string) => boolean
  /** Whether there is such a resource because something is published about it. */
  readonly isPublished: (resource: string) => boolean
}
interface Leave {
  readonly of: (asked: Asked, restored?: boolean) => Decision | Promise<Decision>
  readonly lists: Pick<WatcherLists, 'tell' | 'alsoFrom' | 'nameKey'>
}

/** What a list is asked for with. */
export interface ListAsked {
  readonly event: string
  readonly resource: string
  readonly watcher: Watcher
  /** The body has it. */
  readonly isBrought: boolean
}

export class ResourceLists {
  /** Which lists there are. */
  readonly configured: ConfiguredLists
  /** Those that are watched. */
  readonly watched: WatchedLists
  readonly #core: ListCore
  readonly #log: Logger
  readonly #registry: Registry
  readonly #leave: Leave
  readonly #states: States

  constructor(core: ListCore, log: Logger, registry: Registry, leave: Leave, states: States) {
    this.#core = core
    this.#log = log
    this.#registry = registry
    this.#leave = leave
    this.#states = states
    this.configured = new ConfiguredLists(core, log, (event) => registry.package(event) !== undefined)
    this.watched = new WatchedLists(this.configured)
    leave.lists.alsoFrom((event, resource) => this.watched.watcherFactsOf(event, resource))
  }

  /** Whether a SUBSCRIBE is for a list; with a refusal, for one that it may not have like this. */
  asked(watcher: Watcher, request: SipRequest, event: string, resource: string): ListAsked | Refusal | undefined {
    const isBrought = this.#core.general.compat === 'rfc' && bringsList(request)
    if (isBrought) return refuseList(request) ?? { event, resource, watcher, isBrought }
    const list = this.configured.get(resource)
    if (!list || !understandsLists(request)) return undefined
    if (list.event === event) return { event, resource, watcher, isBrought }
    this.#log.refusal(
      `endpoint ${watcher.endpoint.id} asks for ${event} of the list ${resource}, which is for ${list.event}`,
      'warning',
    )
    return undefined
  }

  /** The answer where a resource is not there: who asks for a list has to say so (RFC 4662 4.1). */
  missing(event: string, resource: string): Refusal {
    const isList = this.configured.get(resource)?.event === event
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
    const plan = (): ListPlan | undefined => brought ?? this.configured.plan(event, resource)
    this.configured.lookAgain()
    const first = plan()
    if (!first) return undefined
    const { uri } = watcher
    let { endpoint } = watcher
    const restored = watcher.request === undefined
    const size = brought ? sizeOf(brought) : 0
    const { id } = endpoint
    if (!restored && size > 0 && this.watched.brought.of(id) + size > MOST_BROUGHT) {
      this.#log.refusal(
        `endpoint ${id} would watch more than ${MOST_BROUGHT} resources in lists of its own; a SUBSCRIBE is refused`,
      )
      return OVER_ENDPOINT_LIMIT
    }
    const source = new ListSource(first, {
      facts,
      plan,
      batch: () => (entries ? 0 : (this.configured.get(resource)?.notification_batch_interval ?? 0)),
      compat,
      nameKey: this.#leave.lists.nameKey,
      firstVersion,
      find: (name, again) =>
        this.#registry.package(event)?.find(name, { ...watcher, endpoint, again: again || brought !== undefined }),
      authorize: (name) => this.#leave.of({ event, resource: name, endpoint, watcher: uri }, restored),
      isNoNews: (state) => this.#states.isNoNews(event, state, uri),
      isPublished: this.#states.isPublished,
      hidesMissing: compat() === 'asterisk',
      watching: (name, status, lastEvent) =>
        this.#leave.lists.tell(event, name, factsOf(watcher, name, status, lastEvent)),
      servedAs: (now) => void (endpoint = now),
      watched: (one, isWatched) =>
        this.watched.follow(one, isWatched ? { event, list: resource, watcher, brought: size } : undefined),
      log: this.#log,
    })
    this.watched.brought.add(id, size)
    try {
      await source.look()
    } finally {
      this.watched.brought.add(id, -size)
    }
    if (brought && !restored) this.#noteMissing(source, event, id)
    if (source.isUnavailable && !anyway) return 'unavailable'
    return compat() === 'asterisk' && !source.isVisible ? NOTHING_THERE : source
  }

  /** In one line: a datagram brings a thousand of them. */
  #noteMissing({ resources, missing }: ListSource, event: string, endpointId: string): void {
    if (missing.length === 0) return
    const some = missing.slice(0, MOST_NAMED).map(brief).join(', ') + (missing.length > MOST_NAMED ? ', ...' : '')
    this.#log.refusal(
      `endpoint ${endpointId} brings along a list for ${event} with ${resources.length} resources, of which ` +
        `${missing.length} are not there: ${some}`,
    )
  }
}
