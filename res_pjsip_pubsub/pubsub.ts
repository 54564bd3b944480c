/**
 * The pubsub core: what a loaded res_pjsip_pubsub is made of, and the API it gives to packages (contract.ts).
 *
 *     start      publications and subscriptions of the file are back in their places; requests are taken from then on
 *     allLoaded  every package is there: what was put back is looked up, and its phones are told
 *     leave      phones are told to subscribe anew, where what they have does not go on
 *     close      nothing is sent any more; what is there is written for the next start
 *
 * Its fields are its parts, in the order in which they are made; what is made later is reached by a function.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Core } from '../core/core.ts'
import { inSlices } from '../core/in-slices.ts'
import { type Logger, reasonOf } from '../core/log.ts'
import type { Undo } from '../core/scope.ts'
import type { HeaderLine, Outcome } from '../core/sip/contract.ts'
import { TimerWheel } from '../core/sip/timer-wheel.ts'
import { steadyNow } from '../core/steady.ts'
import { nameIn } from '../core/user-options.ts'
import { Bodies } from './bodies.ts'
import type {
  BodyGenerator,
  BodySupplement,
  EventPackage,
  Pubsub,
  Subscription,
  SubscriptionEvent,
} from './contract.ts'
import { WANT } from './delivery.ts'
import { describe, type Verdict } from './failure-rule.ts'
import { GrantedLines } from './granted.ts'
import { Facts } from './kamailio/facts.ts'
import { KamailioFunctions } from './kamailio/functions.ts'
import { isLibrary, storageModes } from './kamailio/options.ts'
import { supportedLists } from './lists/facts.ts'
import { ResourceLists } from './lists/subscriptions.ts'
import { deliveryCounters, eventGauge } from './metrics.ts'
import type { NotifierServices } from './notifier.ts'
import { NotifyHeaders } from './notify-headers.ts'
import { NotifyQueue, paceOf } from './notify-queue.ts'
import type { PubsubSettings } from './options.ts'
import { phoneIsBack, phoneWasBack } from './phones.ts'
import { Compositor } from './publishing/compositor.ts'
import { listHeader } from './refusals.ts'
import { Registry } from './registry.ts'
import { Requests } from './requests.ts'
import { Reviver } from './reviver.ts'
import { Keeping } from './storage/keeping.ts'
import { goesOn, openDatabase, reloaded } from './storage/modes.ts'
import { keyOfDialog } from './storage/row.ts'
import type { NotifierSubscription } from './subscription.ts'
import { Subscriptions } from './subscriptions.ts'
import { isOver, isOwnChange, telling, tellPackage } from './telling.ts'
import type { Authorizer } from './watchers/authorization.ts'
import { WatcherBodies } from './watchers/watcher-bodies.ts'
import { Watching } from './watchers/watching.ts'

/** How long phones have to answer that their subscriptions are over, and how often that is looked at, in milliseconds. */
const LEAVE_LIMIT = 1000
const LEAVE_STEP = 10

export class PubsubCore extends KamailioFunctions implements Pubsub {
  readonly subscriptions = new Subscriptions((id) => this.core.sip.dialog(id))
  readonly watching = new Watching({
    subscriptions: this.subscriptions,
    package: (event) => this.#registry.package(event),
    endpoints: this.core.endpoints,
    settings: () => this.settings,
    compat: () => this.core.general.compat,
    log: this.log,
  })
  readonly #registry = new Registry(
    {
      packageAdded: () => this.#registered(),
      packageRemoved: (event) => this.#packageRemoved(event),
      bodiesChanged: (type) => this.#bodiesChanged(type),
    },
    this.watching.template,
  )
  protected readonly bodies = new Bodies(this.#registry)
  readonly #notifyHeaders = new NotifyHeaders(() => [
    ...listHeader('Allow-Events', this.#registry.events),
    ...listHeader(
      'User-Agent',
      [this.core.endpoints.global.user_agent].filter((text) => text !== ''),
    ),
  ])
  readonly lists = new ResourceLists(this.core, this.log, this.#registry, this.watching, {
    isNoNews: (event, state, watcher) => this.#isNoNews(event, state, watcher),
    isPublished: (resource) => this.compositor.isPublished(resource),
  })
  readonly #timers = new TimerWheel()
  readonly #queue = new NotifyQueue(() => paceOf(this.settings, storageModes(this.settings).subscriptions))
  readonly compositor = new Compositor({
    settings: () => this.settings,
    now: Date.now,
    timers: this.#timers,
    log: this.log,
    endpoints: this.core.endpoints,
    hints: this.core.hints,
    appeared: () => this.lists.watched.appeared(),
    packageSays: (event, request, resource) => this.#registry.package(event)?.evsPublHandl?.(request, resource),
  })
  protected readonly facts = new Facts(this.core.sip, this.log)
  /** What requests and subscriptions are served with. */
  protected readonly notifier: NotifierServices = {
    settings: () => this.settings,
    compat: () => this.core.general.compat,
    now: steadyNow,
    random: Math.random,
    timers: this.#timers,
    queue: this.#queue,
    counters: deliveryCounters(this.core.metrics),
    log: this.log,
    sip: this.core.sip,
    registry: this.#registry,
    subscriptions: this.subscriptions,
    nameIn: (uri) => nameIn(uri, this.core.endpoints.global),
    inFiles: (endpoint) => this.core.endpoints.files.endpoints.get(endpoint),
    lists: this.lists,
    watching: this.watching,
    granted: new GrantedLines(),
    bodies: new WatcherBodies(this.bodies, this.#registry, this.core),
    statusChanged: (subscription) => {
      this.watching.lists.changed(subscription)
      this.subscriptions.tell('status', subscription)
    },
    // A list hands on what is news of its resources alone.
    isNoNews: (subscription, state) =>
      !subscription.isList && this.#isNoNews(subscription.event, state, subscription.watcher),
    isOver: (subscription, state, before) =>
      isOver(this.#packageOf(subscription), subscription, state, before, this.log),
    notifyHeaders: ({ list }) => this.#notifyHeaders.of(list),
    credentialsFor: (endpoint) => this.core.auth.credentialsFor(endpoint),
    keep: (subscription) => this.keeping.storage.keep(subscription),
    mayNotify: (subscription) => this.keeping.storage.mayNotify(subscription),
    save: (subscription, change) => this.keeping.storage.save(subscription, change),
    forget: ({ dialog }) => this.keeping.storage.forget(keyOfDialog(dialog)),
    takeOver: (request, endpoint) => this.keeping.takeOver(request, endpoint),
    othersPublished: () => this.compositor.othersPublished(),
    closed: () => this.#closing,
    lookAgain: (subscription, want) => this.#reviver.add(subscription, this.settings.unload_grace, want),
    hurry: (subscription) => this.#reviver.hurry(subscription),
    sending: (subscription, notification) => this.facts.sending(subscription, notification),
    notifyAnswered: (subscription, outcome, verdict) => this.#answered(subscription, outcome, verdict),
    timedOut: (subscription) =>
      tellPackage(this.#packageOf(subscription), 'subscriptionTimeout', subscription, this.log),
    ended: (subscription, why) => this.#ended(subscription, why),
  }
  protected readonly requests = new Requests(this.core.auth, this.notifier, this.compositor)
  readonly #reviver = new Reviver(this.notifier)
  protected readonly keeping = new Keeping({
    core: this.core,
    notifier: this.notifier,
    restored: (subscription, isLate) => this.#restored(subscription, isLate),
  })
  #closing = false

  /**
   * Puts stored subscriptions back into their dialogs before it resolves. `own` gets the undoings. `asked`: what the file
   * says at that time; throws where that has faults.
   */
  static async start(
    core: Core,
    log: Logger,
    own: (undo: Undo) => unknown,
    asked: () => PubsubSettings,
  ): Promise<PubsubCore> {
    const settings = asked()
    const { store, close } = await openDatabase(settings, core.store)
    own(close)
    const pubsub = new PubsubCore(core, log, store, settings)
    await pubsub.#open(own)
    own(() => pubsub.#leave(asked))
    pubsub.#follow(own)
    return pubsub
  }

  async #open(own: (undo: Undo) => unknown): Promise<void> {
    await this.keeping.open(this.store)
    own(() => this.#close())
    own(() => this.keeping.restorer.stop())
    own(() => this.compositor.close())
    await this.compositor.open(this.store)
    await this.keeping.restorer.run()
    await this.watching.open(this.store)
    own(() => this.lists.watched.close())
  }

  #restored(subscription: NotifierSubscription, isLate: boolean): void {
    const notFound = (error: unknown): void =>
      this.log.warning(`contacts of a restored subscription: ${reasonOf(error)}`)
    if (isLate) void phoneWasBack(subscription, this.core.contacts, this.#moved).catch(notFound)
    this.watching.lists.changed(subscription)
    this.#reviver.add(subscription, this.settings.restore_patience, WANT.forced)
  }

  #follow(own: (undo: Undo) => unknown): void {
    const { sip, endpoints, hints, contacts } = this.core
    own(endpoints.onChange(() => this.#endpointsChanged()))
    own(endpoints.onSource(() => this.watching.endpointsChanged()))
    own(hints.onReread(() => this.lists.watched.changed()))
    own(contacts.onChange((_aor, added) => added && phoneIsBack(this.subscriptions, added, this.#moved)))
    if (isLibrary(this.settings))
      return this.log.notice('db_url is empty: requests are left to the modules that use the functions')
    own(sip.handle('SUBSCRIBE', (tx) => this.requests.received(tx)))
    own(sip.handle('PUBLISH', (tx) => this.requests.received(tx)))
    own(sip.advertise(() => this.#advertised()))
  }

  readonly #moved = (subscription: NotifierSubscription): void =>
    void this.keeping.storage.save(subscription, 'altered')

  get events(): readonly string[] {
    return this.#registry.events
  }

  eventPackage<State>(definition: EventPackage<State>): Undo {
    const undo = this.#registry.addPackage(definition)
    const undoGauge = eventGauge(this.core.metrics, definition.event, this.subscriptions)
    return () => {
      void undoGauge()
      return undo()
    }
  }

  bodyGenerator<State, Doc>(generator: BodyGenerator<State, Doc>): Undo {
    return this.#registry.addGenerator(generator)
  }

  bodySupplement<State, Doc>(supplement: BodySupplement<State, Doc>): Undo {
    return this.#registry.addSupplement(supplement)
  }

  expectAuthorizer(): Undo {
    return this.watching.authorizations.expect()
  }

  authorizerFailed(why: string): void {
    this.watching.authorizations.failed(why)
  }

  authorizer(authorizer: Authorizer): Undo {
    return this.watching.authorizations.register(authorizer)
  }

  onSubscription(listener: (what: SubscriptionEvent, subscription: Subscription) => void): Undo {
    return this.subscriptions.onSubscription((what, subscription) =>
      telling(this.log, 'onSubscription', () => listener(what, subscription)),
    )
  }

  notifyHeaders(): readonly HeaderLine[] {
    return this.#notifyHeaders.plain.lines
  }

  /** What was put back begins to be looked up: everybody is there who has something to say of it. */
  allLoaded(): void {
    this.watching.authorizations.loaded()
    this.lists.configured.loaded()
    const reading = this.compositor.publicationsRead()
    if (reading) void reading.then(() => this.#reviver.begin())
    else this.#reviver.begin()
    this.keeping.restorer.begin()
  }

  /** New options; bodies may look different under them. */
  async reload(asked: PubsubSettings): Promise<void> {
    const { settings, waiting } = reloaded(this.settings, asked)
    if (waiting.length > 0)
      this.log.warning(`${waiting.join(', ')} of pubsub.conf will count when res_pjsip_pubsub is loaded again`)
    this.settings = settings
    this.#notifyHeaders.forget()
    this.bodies.forget()
    this.compositor.reload()
    // With accept_unknown whatever is asked for counts as published about.
    this.lists.watched.appeared()
    for (const subscription of this.subscriptions) subscription.bodiesChanged()
    await this.watching.refresh()
  }

  #advertised(): HeaderLine[] {
    const accept = listHeader('Accept', this.#registry.types)
    return [...accept, ...listHeader('Allow-Events', this.#registry.events), ...supportedLists(this.core.general)]
  }

  #isNoNews(event: string, state: unknown, watcher: string): boolean {
    const of = this.#registry.package(event)
    if (!of) return false
    return this.compositor.isQuiet(of.event) || isOwnChange(of, state, watcher, this.settings, this.log)
  }

  #packageOf(subscription: NotifierSubscription): EventPackage<unknown> | undefined {
    return this.#registry.package(subscription.event)
  }

  #answered(subscription: NotifierSubscription, outcome: Outcome, verdict: Verdict): void {
    if (verdict.kind === 'ended')
      this.log.notice(`NOTIFY of ${label(subscription)}: ${verdict.why}; the subscription is over`)
    else if (verdict.kind === 'retry') {
      const next =
        subscription.phase === 'ending' ? 'the subscription ends all the same' : `again in ${verdict.pause} ms`
      this.log.verbose(`NOTIFY of ${label(subscription)}: ${describe(outcome)}; ${next}`)
    }
    const of = this.#packageOf(subscription)
    // Looked for first: this is for each NOTIFY.
    if (of?.notifyResponse)
      telling(this.log, 'notifyResponse', () => of.notifyResponse?.(subscription, outcome), of.event)
    this.facts.answered(subscription, outcome)
  }

  #ended(subscription: NotifierSubscription, why: string): void {
    this.log.debug(() => `subscription ${label(subscription)} is over: ${why}`)
    this.subscriptions.remove(subscription)
    this.#reviver.delete(subscription)
    if (!this.#closing && !subscription.disowned) void this.keeping.storage.forget(keyOfDialog(subscription.dialog))
    subscription.dialog.dispose()
    tellPackage(this.#packageOf(subscription), 'subscriptionShutdown', subscription, this.log)
    this.subscriptions.tell('terminated', subscription)
  }

  // Registrations.

  #registered(): void {
    this.#notifyHeaders.forget()
    this.#reviver.registered()
  }

  #packageRemoved(event: string): Promise<void> {
    this.#notifyHeaders.forget()
    return inSlices(this.subscriptions, (subscription) => {
      if (subscription.event === event || !this.#packageOf(subscription)) subscription.lost()
    })
  }

  #bodiesChanged(type: string): void {
    this.bodies.forget()
    // A template counts as an event while there is a body for it.
    this.#notifyHeaders.forget()
    if (this.core.stopping) return
    this.#reviver.registered()
    // After a start all of them wait, and modules bring one body after the other.
    if (this.#reviver.size === this.subscriptions.size) return
    for (const subscription of this.subscriptions) {
      if (subscription.contentType !== type) continue
      const of = this.#packageOf(subscription)
      if (of && this.#registry.generator(type, of.kind)) subscription.bodiesChanged()
      else subscription.lost()
    }
  }

  // Configuration and flows.

  /** An endpoint that is gone keeps its subscriptions until they expire; it cannot refresh them. */
  #endpointsChanged(): void {
    this.#notifyHeaders.forget()
    this.compositor.endpointsChanged()
    this.lists.watched.changed()
    this.watching.endpointsChanged()
    const { endpoints } = this.core.endpoints.files
    for (const subscription of this.subscriptions) {
      // Under compat = asterisk there is no watcher information.
      if (!this.#packageOf(subscription)) subscription.lost()
      const now = endpoints.get(subscription.endpoint.id)
      // A transport may have come back, or moved, with the reload.
      if (!now) subscription.wake()
      if (!now || now === subscription.endpoint) continue
      subscription.endpointChanged(now)
      if (!now.allow_subscribe) subscription.terminate('rejected')
      else void this.watching.authorize(subscription)
    }
  }

  /**
   * Where the subscriptions do not go on when this is loaded again, as they are in memory alone or the file names another
   * table, phones are told to subscribe anew: else their lamps would stand still until the next refresh.
   */
  async #leave(asked: () => PubsubSettings): Promise<void> {
    // Nobody ends for what it watches is away: the file may take longer to be written than they would wait.
    if (this.core.stopping || goesOn(this.settings, readOr(asked, this.settings))) return this.#reviver.stop()
    this.lists.watched.close()
    await inSlices(this.subscriptions, (subscription) => subscription.terminate('deactivated'))
    const until = performance.now() + LEAVE_LIMIT
    while (this.subscriptions.size > 0 && performance.now() < until) await pause(LEAVE_STEP)
  }

  /** Nothing is sent: the subscriptions stay in the store, and go on when this is loaded again. */
  async #close(): Promise<void> {
    this.#closing = true
    this.watching.stop()
    this.#reviver.stop()
    this.#queue.stop()
    await this.keeping.storage.close(this.subscriptions)
    await inSlices(this.subscriptions, (subscription) => subscription.drop('res_pjsip_pubsub is unloaded'))
    this.#timers.stop()
  }
}

/** What the file says, or what holds now where it cannot be read: it is not loaded with that. */
function readOr(asked: () => PubsubSettings, running: PubsubSettings): PubsubSettings {
  try {
    return asked()
  } catch {
    return running
  }
}

function label({ event, resource, endpoint }: NotifierSubscription): string {
  return `${event} of ${resource} for ${endpoint.id}`
}
