/** Kamailio's functions, as the half of the pubsub core that is made of the other half (contract.ts says what each does). */
import { readFile, stat } from 'node:fs/promises'
import type { Core } from '../../core/core.ts'
import type { Endpoint } from '../../core/endpoints.ts'
import type { Logger } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { endpointOptions } from '../../core/pjsip-options.ts'
import type { Undo } from '../../core/scope.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import { type EventValue, parseEvent } from '../../core/sip/values.ts'
import { hintContexts } from '../../core/states/hint-contexts.ts'
import type { Store } from '../../core/store-contract.ts'
import type { Watchable } from '../../core/watch.ts'
import type { Bodies } from '../bodies.ts'
import type {
  Addressing,
  AuthStatus,
  BodyGenerator,
  EventPackage,
  Kind,
  Publication,
  PublicationEvent,
  PublicationHandler,
  Publishing,
  Subscription,
} from '../contract.ts'
import { qualified } from '../event-name.ts'
import { isOwnName, nameKey } from '../identity.ts'
import { informing } from '../informing.ts'
import { sourceOf } from '../lookups.ts'
import type { NotifierServices } from '../notifier.ts'
import type { PubsubSettings } from '../options.ts'
import type { Compositor } from '../publishing/compositor.ts'
import type { HardState } from '../publishing/hard-state.ts'
import { isPublishedEvent, type PublishedEvent, publishedEvent } from '../publishing/published-event.ts'
import type { Requests } from '../requests.ts'
import type { Cleaned } from '../storage/cleaning.ts'
import type { Keeping } from '../storage/keeping.ts'
import { DOC_TYPE, documentOf, openXcap } from '../storage/xcap.ts'
import { NotifierSubscription } from '../subscription.ts'
import type { SubHandling } from '../watchers/authorization.ts'
import type { FactsByName, PresenceFunctions, PresenceRequest, RefreshType, RequestHandler, Subs } from './contract.ts'
import type { Facts } from './facts.ts'
import { publishedPresence, spheresOf } from './sphere.ts'

const STATUS: Readonly<Record<SubHandling, AuthStatus>> = {
  allow: 'active',
  'polite-block': 'active',
  confirm: 'pending',
  block: 'terminated',
}

export abstract class KamailioFunctions implements PresenceFunctions, Publishing {
  protected readonly core: Core
  protected readonly log: Logger
  readonly store: Store
  /** As they hold now. */
  settings: PubsubSettings
  protected abstract readonly requests: Requests
  protected abstract readonly notifier: NotifierServices
  protected abstract readonly bodies: Bodies
  protected abstract readonly facts: Facts
  protected abstract readonly keeping: Keeping
  abstract readonly compositor: Compositor

  protected constructor(core: Core, log: Logger, store: Store, settings: PubsubSettings) {
    this.core = core
    this.store = store
    this.settings = settings
    this.log = informing(log, () => this.settings.local_log_level)
  }

  abstract eventPackage<State>(definition: EventPackage<State>): Undo

  abstract bodyGenerator<State, Doc>(generator: BodyGenerator<State, Doc>): Undo

  onRequest(handler: RequestHandler): Undo {
    return this.requests.onRequest(handler)
  }

  on<N extends keyof FactsByName>(fact: N, listener: (fact: FactsByName[N]) => void): Undo {
    return this.facts.on(fact, listener)
  }

  /** Of any subscription that this core handed out. */
  subs(subscription: Subscription): Subs {
    const { subscriptions } = this.notifier
    const found = subscription instanceof NotifierSubscription ? subscription : subscriptions.find(subscription.id)
    if (!found) throw new Error(`subscription ${subscription.id} is none of ours`)
    return this.facts.subs(found)
  }

  addEvent<State>(definition: EventPackage<State> | PublishedEvent): Undo {
    if (!isPublishedEvent(definition)) return this.eventPackage(definition)
    return publishedEvent(definition, this, (resource, endpoint) =>
      this.compositor.exists(definition.event, resource, endpoint),
    )
  }

  publicationHandler<State>(handler: PublicationHandler<State>): Undo {
    return this.compositor.publicationHandler(handler)
  }

  publications<State>(event: string, resource: string, kind: Kind<State>): Watchable<readonly Publication<State>[]> {
    return this.compositor.publications(event, resource, kind)
  }

  document(event: string, type: string, state: unknown, to: Addressing, version: number): string | undefined {
    const of = this.notifier.registry.package(event)
    return of && this.bodies.body(state, of, type, to)?.withVersion(version)
  }

  get allPublications(): Iterable<Publication> {
    return this.compositor.allPublications
  }

  publicationsRead(): Promise<void> | undefined {
    return this.compositor.publicationsRead()
  }

  hasUnread(event: string, resource: string): boolean {
    return this.compositor.hasUnread(event, resource)
  }

  isPublished(resource: string): boolean {
    return this.compositor.isPublished(resource)
  }

  onPublication(listener: (what: PublicationEvent, publication: Publication) => void): Undo {
    return this.compositor.onPublication(listener)
  }

  async handlePublish(request: PresenceRequest, sender?: string): Promise<Publication | undefined> {
    return this.requests.publish(request, sender)
  }

  async handleSubscribe(request: PresenceRequest, watcherUri?: string): Promise<Subscription | undefined> {
    return this.requests.subscribe(request, watcherUri)
  }

  async presAuthStatus(watcherUri: string, presentityUri: string, event = 'presence'): Promise<AuthStatus> {
    const endpoint = await this.#watcherOf(watcherUri)
    const asked = { event: this.#eventOf(event), resource: userOf(presentityUri), endpoint, watcher: watcherUri }
    const decision = await this.notifier.watching.of(asked)
    return decision ? STATUS[decision.value.handling] : 'pending'
  }

  async presRefreshWatchers(
    presentityUri: string,
    event: string,
    type: RefreshType,
    fileUri = '',
    filename = '',
  ): Promise<number> {
    const { watching } = this.notifier
    const resource = userOf(presentityUri)
    const name = this.#eventOf(event)
    if (type === 0) await watching.refresh()
    else if (type === 1) await this.compositor.reread(name, resource)
    else
      await this.compositor.hardState(name, resource, fileUri || filename, () =>
        this.#hardState(resource, fileUri, filename),
      )
    const watchers = [...this.#watchers(presentityUri, event)]
    for (const subscription of watchers) subscription.notify()
    return watchers.length
  }

  presUpdateWatchers(presentityUri: string, event: string): Promise<number> {
    return this.updateWatchersStatus(presentityUri, event)
  }

  async updateWatchersStatus(presentityUri: string, event: string, rulesDoc?: string): Promise<number> {
    const { watching } = this.notifier
    const before = new Map([...this.#watchers(presentityUri, event)].map((one) => [one, one.state]))
    if (rulesDoc !== undefined) await watching.authorizations.put(userOf(presentityUri), rulesDoc)
    await watching.refresh()
    for (const subscription of before.keys()) await watching.authorize(subscription)
    return [...before].filter(([subscription, state]) => subscription.state !== state).length
  }

  /** As Kamailio's timer of `db_update_period` does. */
  async synchronize(): Promise<void> {
    await this.keeping.storage.sync?.()
  }

  /** How many rows of the tables were over. */
  async cleanup(): Promise<Cleaned> {
    const { subscriptions, watching } = this.notifier
    const isLive = (dialogId: string): boolean => subscriptions.ofDialog(dialogId) !== undefined
    return {
      subscriptions: await this.keeping.storage.clean(isLive),
      publications: await this.compositor.cleanup(),
      watchers: await watching.clean(),
    }
  }

  presHasSubscribers(presentityUri: string, event: string): boolean {
    if (!this.#watchers(presentityUri, event).next().done) return true
    const name = this.#eventOf(event)
    for (const inner of this.notifier.lists.watched.watchersOf(userOf(presentityUri)))
      if (inner.event === name) return true
    return false
  }

  containsEvent(header: string): EventPackage<unknown> | undefined {
    const event = parseEvent(header)
    return event && this.searchEvent(event)
  }

  searchEvent(event: EventValue): EventPackage<unknown> | undefined {
    return this.notifier.registry.package(qualified(event).event)
  }

  getEventList(): string {
    return this.notifier.registry.events.join(', ')
  }

  getSphere(presentityUri: string): string | undefined {
    return spheresOf(publishedPresence(this.compositor, userOf(presentityUri)).value)[0]
  }

  async getPresentity(presentityUri: string, event: string): Promise<string | undefined> {
    const of = this.containsEvent(event)
    if (!of) return undefined
    const resource = userOf(presentityUri)
    const endpoint = await this.#itself(resource)
    const watcher = { endpoint, uri: presentityUri, userAgent: '', request: undefined }
    const source = sourceOf(await of.find(resource, watcher))
    if (typeof source === 'string') return undefined
    const type = this.notifier.registry.choose(of, undefined, false)
    if (type === undefined) return undefined
    const localUri = parseUri(presentityUri) ? presentityUri : `sip:${presentityUri}`
    const to = { resource, localUri, remoteUri: localUri, userAgent: '', endpoint }
    let document: string | undefined
    void source.watch({ value: (state) => void (document = this.bodies.body(state, of, type, to)?.withVersion(0)) })()
    return document
  }

  *#watchers(presentityUri: string, event: string): Generator<NotifierSubscription, undefined> {
    const { subscriptions } = this.notifier
    const wanted = nameKey(userOf(presentityUri), this.settings)
    for (const subscription of subscriptions.ofResource(this.#eventOf(event), userOf(presentityUri))) {
      const isNamed = nameKey(subscription.resource, this.settings) === wanted
      if (isNamed && subscription.state !== 'terminated') yield subscription
    }
    return undefined
  }

  /** What an XCAP server has put into its table at that URI, else the file; undefined where there is neither. */
  async #hardState(resource: string, fileUri: string, filename: string): Promise<HardState | undefined> {
    const { settings } = this
    if (fileUri !== '') {
      const table = await openXcap(this.store, settings.xcap_table)
      const rows = await table.select({ doc_uri: fileUri, doc_type: DOC_TYPE.pidfManipulation })
      const found = rows.find(({ username }) => nameKey(username, settings) === nameKey(resource, settings))
      if (found) return { document: documentOf(found.doc), modified: Date.now() }
    }
    return filename === '' ? undefined : readHardState(filename)
  }

  /** As it is registered: of an Event header without its parameters. */
  #eventOf(header: string): string {
    return this.containsEvent(header)?.event ?? header
  }

  /** The endpoint that a URI names, by its id or an AOR; a stranger is who its URI says. */
  async #watcherOf(uri: string): Promise<Endpoint> {
    const { settings } = this
    const { endpoints } = this.core
    const user = userOf(uri)
    const host = parseUri(uri)?.host.toLowerCase()
    const { rules_domains: domains } = settings
    if (host !== undefined && domains.length > 0 && !domains.includes(host))
      return { ...STRANGER, trust_id_inbound: true }
    const named = await endpoints.endpoint(user)
    const byAor = (): Endpoint | undefined =>
      [...endpoints.files.endpoints.values()].find((one) => isOwnName(user, one, settings))
    return named ?? byAor() ?? { ...STRANGER, id: user }
  }

  /** Who sees a presentity as it is: the endpoint of its name, or whoever else, where its hint is. */
  async #itself(resource: string): Promise<Endpoint> {
    const { endpoints, hints } = this.core
    const endpoint = (await endpoints.endpoint(resource)) ?? STRANGER
    for (const hintContext of new Set([endpoint.hintContext, ...hintContexts(resource, this.core)])) {
      const hint = await hints.find(hintContext, resource)
      if (hint !== undefined && hint !== 'unreachable') return { ...endpoint, hintContext }
    }
    return endpoint
  }
}

const STRANGER: Endpoint = { ...defaultsOf(endpointOptions), id: '', hintContext: defaultsOf(endpointOptions).context }

/** Undefined where there is no such file: the hard state is withdrawn. Throws where there is one that cannot be read. */
async function readHardState(path: string): Promise<HardState | undefined> {
  try {
    const [document, { mtimeMs }] = await Promise.all([readFile(path), stat(path)])
    return { document, modified: Math.floor(mtimeMs) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** A presentity's name here: the user part of its URI, or what is no URI as it is. */
export function userOf(uri: string): string {
  return parseUri(uri)?.user ?? uri
}
