/**
 * Resource lists (RFC 4662): which SUBSCRIBE is for one, and what such a subscription watches. For the rest it is an
 * ordinary subscription. Lists follow the configuration, and resources that are not there are looked for again.
 */
import type { Core } from '../core/core.ts'
import type { Logger } from '../core/log.ts'
import type { Refusal, SipRequest } from '../core/sip/contract.ts'
import type { Asked, Decision } from './authorization.ts'
import type { EventPackage, Found, Watcher } from './contract.ts'
import type { ListFacts } from './list-facts.ts'
import { broughtPlan, type Configured, configuredPlan, type ListPlan, sizeOf } from './list-plan.ts'
import { bringsList, EXTENSION_REQUIRED, readEntries, refuseList, understandsLists } from './list-request.ts'
import { ListSource } from './list-source.ts'
import { NOT_FOUND } from './refusals.ts'
import type { NotifierSubscription } from './subscription.ts'

/** Milliseconds. After a reload the dialplan follows the endpoints. */
const SETTLE = 100
/** Between two looks for what nothing could be said of, and how many of these make one for what is not there. */
const AGAIN = 2000
const LOOKS = 30

/** As Asterisk answers where nothing of the list is there. */
const NOTHING_THERE: Refusal = { status: 500 }

type ListCore = Pick<Core, 'endpoints' | 'hints' | 'general'>
type PackageOf = (event: string) => EventPackage<unknown> | undefined
type Authorize = (asked: Asked, restored?: boolean) => Decision | Promise<Decision>

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

export class ResourceLists {
  readonly #core: ListCore
  readonly #log: Logger
  readonly #package: PackageOf
  readonly #authorize: Authorize
  readonly #watched = new Set<ListSource>()
  #revising: NodeJS.Timeout | undefined
  #retrying: NodeJS.Timeout | undefined
  #looks = 0

  constructor(core: ListCore, log: Logger, packageOf: PackageOf, authorize: Authorize) {
    this.#core = core
    this.#log = log
    this.#package = packageOf
    this.#authorize = authorize
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
    const entries = isBrought && watcher.request ? await readEntries(watcher.request) : undefined
    if (entries && 'status' in entries) return entries
    return this.#open(event, resource, watcher, { entries }, 0)
  }

  /** Of a subscription whose state is away. */
  reopen(subscription: NotifierSubscription): Promise<Found<unknown>> {
    const { event, resource, endpoint, watcher: uri, userAgent, version, list } = subscription
    const watcher = { endpoint, uri, userAgent, request: undefined }
    return this.#open(event, resource, watcher, list ?? { entries: undefined }, version)
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

  /** The configuration was read again. */
  changed(): void {
    this.#revising ??= setTimeout(() => {
      this.#revising = undefined
      void Promise.all([...this.#watched].map((source) => source.revise()))
    }, SETTLE)
    this.#revising.unref()
  }

  close(): void {
    clearTimeout(this.#revising)
    clearTimeout(this.#retrying)
    this.#watched.clear()
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
    watcher: Watcher,
    facts: ListFacts,
    firstVersion: number,
  ): Promise<Found<unknown>> {
    const compat = (): 'rfc' | 'asterisk' => this.#core.general.compat
    const { entries } = facts
    const plan = (): ListPlan | undefined =>
      entries ? broughtPlan(resource, entries) : configuredPlan(resource, event, this.#configured)
    const first = plan()
    if (!first) return undefined
    const { endpoint, uri } = watcher
    const restored = watcher.request === undefined
    const source = new ListSource(first, {
      facts,
      plan,
      batch: () => (entries ? 0 : (this.#configured.lists.get(resource)?.notification_batch_interval ?? 0)),
      compat,
      firstVersion,
      find: (name) => this.#package(event)?.find(name, watcher),
      authorize: (name) => this.#authorize({ event, resource: name, endpoint, watcher: uri }, restored),
      isOwnChange: (state) => this.#package(event)?.ownChange?.(state, uri) ?? false,
      hidesMissing: compat() === 'asterisk',
      watched: (one, isWatched) => this.#follow(one, isWatched),
      log: this.#log,
    })
    await source.look()
    if (source.isUnavailable) return 'unavailable'
    return compat() === 'asterisk' && !source.isVisible ? NOTHING_THERE : source
  }

  #follow(source: ListSource, isWatched: boolean): void {
    if (isWatched) this.#watched.add(source)
    else this.#watched.delete(source)
    this.#arm()
  }

  async #retry(): Promise<void> {
    const which = ++this.#looks % LOOKS === 0 ? 'all' : 'unavailable'
    await Promise.all([...this.#watched].map((source) => source.retry(which)))
    this.#retrying = undefined
    this.#arm()
  }

  #arm(): void {
    if (this.#watched.size === 0 || this.#retrying) return
    this.#retrying = setTimeout(() => void this.#retry(), AGAIN)
    this.#retrying.unref()
  }
}
