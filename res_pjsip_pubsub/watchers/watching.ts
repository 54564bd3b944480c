/** What the pubsub core does about watchers: whether each may watch, and who is told of them. */
import type { Endpoints } from '../../core/endpoints.ts'
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Store } from '../../core/store-contract.ts'
import { Constant, type Watchable } from '../../core/watch.ts'
import type { EventPackage, Watcher } from '../contract.ts'
import { nameKey } from '../identity.ts'
import { storageModes } from '../kamailio/options.ts'
import { ListSource } from '../lists/source.ts'
import type { PubsubSettings } from '../options.ts'
import type { Template } from '../registry.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Subscriptions } from '../subscriptions.ts'
import { type Asked, type Authorization, Authorizations, type Decision } from './authorization.ts'
import { ForeignWatchers } from './foreign-watchers.ts'
import { WaitingRoom } from './waiting.ts'
import { type WatcherFacts, type WatcherInfo, WatcherLists, watcherId } from './watchers.ts'
import { maySee, watchedEvent, watcherInfoKind, winfoPackage } from './winfo.ts'

interface WatchingServices {
  readonly subscriptions: Subscriptions
  readonly package: (event: string) => EventPackage<unknown> | undefined
  readonly endpoints: Endpoints
  readonly settings: () => PubsubSettings
  readonly compat: () => 'rfc' | 'asterisk'
  readonly log: Logger
}

/** Its owner no more. */
const NOT_OWNER = new Constant<Authorization>({ handling: 'block', view: undefined, why: 'not its watchers' })

export class Watching {
  readonly lists: WatcherLists
  readonly authorizations: Authorizations
  /** RFC 3857, unless all is to be as Asterisk has it. */
  readonly template: Template
  readonly #services: WatchingServices
  readonly #waiting: WaitingRoom
  #foreign: ForeignWatchers | undefined

  constructor(services: WatchingServices) {
    this.#services = services
    // Watchers are filed by these keys, so that another sip_uri_match holds when the module is loaded again.
    const { sip_uri_match } = services.settings()
    const keyOf = (resource: string): string => nameKey(resource, { sip_uri_match })
    this.authorizations = new Authorizations({
      package: services.package,
      grace: () => services.settings().unload_grace * 1000,
      isForced: () => services.settings().force_active,
      changed: (whom) => this.#authorizeAll(whom),
    })
    this.#waiting = new WaitingRoom({
      settings: services.settings,
      nameKey: keyOf,
      now: Date.now,
      log: services.log,
      endpoints: services.endpoints,
      authorize: (asked) => this.of(asked),
      needsLeave: (event) => {
        const of = services.package(event)
        return of && of.reqAuth === true
      },
      tell: (event, resource, watcher) => this.lists.tell(event, resource, watcher),
    })
    this.lists = new WatcherLists(services.subscriptions, this.#waiting, keyOf)
    const made = new WeakMap<object, EventPackage<unknown>>()
    const winfo = {
      list: (event: string, resource: string) => {
        const listOf = (others: readonly WatcherFacts[]): Watchable<WatcherInfo> =>
          this.lists.list(event, resource, others)
        return this.#foreign ? this.#foreign.of(event, resource).then(listOf) : listOf([])
      },
      settings: services.settings,
    }
    this.template = {
      get inForce() {
        return services.compat() !== 'asterisk'
      },
      appliedTo: watchedEvent,
      apply: (of) => {
        if (services.compat() === 'asterisk') return undefined
        const found = made.get(of) ?? winfoPackage(of, winfo)
        if (found) made.set(of, found)
        return found
      },
    }
  }

  /** Those that were put back are there already. */
  async open(store: Store): Promise<void> {
    const { settings, subscriptions, log } = this.#services
    const mode = storageModes(settings()).subscriptions
    if (mode === 0) return
    await this.#waiting.open(store, subscriptions, mode === 3)
    if (mode !== 3) return
    this.#foreign = await ForeignWatchers.open({
      store,
      activeWatchers: settings().active_watchers_table,
      lists: this.lists,
      period: 1000 / settings().notifier_poll_rate,
      now: Date.now,
      log,
      isOurs: (dialogId) => subscriptions.ofDialog(dialogId) !== undefined,
      agreeOnWaiting: (of) => this.#waiting.agree(of),
    })
  }

  /** `restored`: of a subscription that was put back. */
  of(asked: Asked, restored = false): Decision | Promise<Decision> {
    const isInfo = this.#services.package(asked.event)?.kind === watcherInfoKind
    if (isInfo && !asked.isList && !maySee(asked.resource, asked.endpoint, this.#services.settings())) return NOT_OWNER
    return this.authorizations.of(asked, restored)
  }

  /** Those that wait are decided on as their endpoints, which may not have been known until now. */
  endpointsChanged(): void {
    this.#waiting.reconsider()
  }

  /** Rows of the table `watchers` that are over. */
  clean(): Promise<number> {
    return this.#waiting.clean()
  }

  /** Rules are read again, and everybody is decided on anew. */
  refresh(): Promise<void> {
    for (const subscription of this.#services.subscriptions)
      if (watchedEvent(subscription.event) !== undefined) void this.authorize(subscription)
    return this.authorizations.refresh()
  }

  /** Somebody wanted to watch and may not. */
  blocked({ uri, request }: Watcher, event: string, resource: string): void {
    const id = watcherId(`${request?.callId ?? ''};${uri}`)
    const displayName = request?.from.display ?? ''
    this.lists.tell(event, resource, { id, uri, displayName, status: 'terminated', event: 'rejected' })
  }

  /** Where nobody can say now, what was decided before stands. */
  authorize(subscription: NotifierSubscription): void | Promise<void> {
    const { event, resource, endpoint } = subscription
    const of = this.#services.package(event)
    if (!of?.reqAuth && of?.kind !== watcherInfoKind) return
    const { source } = subscription
    if (source instanceof ListSource) return source.authorize(endpoint)
    // Leave for its resources is asked for when they are looked up.
    if (subscription.isList) return
    const decision = this.of(subscription)
    if (!(decision instanceof Promise)) return decision && subscription.authorize(decision)
    return decision.then(
      (later) => later && subscription.authorize(later),
      (error: unknown) => this.#services.log.error(`leave to watch ${event} of ${resource}: ${reasonOf(error)}`),
    )
  }

  stop(): void {
    this.#foreign?.close()
    this.#waiting.close()
    this.authorizations.stop()
  }

  async #authorizeAll(whom: 'all' | 'by package'): Promise<void> {
    const later: Promise<void>[] = []
    for (const subscription of this.#services.subscriptions) {
      const byPackage = this.#services.package(subscription.event)?.getAuthStatus !== undefined
      const decided = whom === 'all' || byPackage ? this.authorize(subscription) : undefined
      if (decided) later.push(decided)
    }
    this.#waiting.reconsider()
    await Promise.all(later)
  }
}
