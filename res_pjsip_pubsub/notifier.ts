/**
 * A SUBSCRIBE that is to make a subscription (RFC 6665 4.2.1). What passes the steps of subscribe-steps.ts is looked up,
 * answered 200, and notified.
 */
import type { Endpoint } from '../core/endpoints.ts'
import { type Eventual, whenThere } from '../core/eventual.ts'
import { reasonOf } from '../core/log.ts'
import type { Dialog, DialogSettings, ServerTransaction, Sip, SipRequest } from '../core/sip/contract.ts'
import { printUri } from '../core/sip/parse-uri.ts'
import type { SipUri } from '../core/sip/uri.ts'
import { brief } from '../core/text.ts'
import type { Watchable } from '../core/watch.ts'
import type { Found } from './contract.ts'
import { WANT } from './delivery.ts'
import { grant } from './expires.ts'
import type { GrantedLines } from './granted.ts'
import { isSameWatcher } from './identity.ts'
import { requiredOf } from './lists/facts.ts'
import { ListSource } from './lists/source.ts'
import type { ResourceLists } from './lists/subscriptions.ts'
import { afterLookup, isWatchable } from './lookups.ts'
import type { PubsubSettings } from './options.ts'
import * as refusal from './refusals.ts'
import { refuse } from './refusals.ts'
import type { Registry } from './registry.ts'
import type { Services } from './services.ts'
import { isKept, type Saved } from './storage/storage.ts'
import { type Ask, begin, room, STEPS, watcherUri } from './subscribe-steps.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'
import type { Subscriptions } from './subscriptions.ts'
import { tellPackage } from './telling.ts'
import type { Authorization, Decision } from './watchers/authorization.ts'
import type { Watching } from './watchers/watching.ts'

/** Subscriptions that one phone has for one thing: each SUBSCRIBE for it has a NOTIFY sent in all of them. */
const MOST_OF_ONE_PHONE = 100

export interface NotifierServices extends Services {
  readonly sip: Sip
  readonly registry: Registry
  readonly subscriptions: Subscriptions
  readonly lists: ResourceLists
  readonly watching: Watching
  readonly granted: GrantedLines
  /** Whom its user part names. */
  readonly nameIn: (uri: SipUri) => string
  /** As the files have it now; undefined where they have none of this name. */
  readonly inFiles: (endpoint: string) => Endpoint | undefined
  /** Resolves when what other servers have published is known; undefined where there are none. */
  readonly othersPublished: () => Promise<void> | undefined
  /** Whether the module is being unloaded. */
  readonly closed: () => boolean
  /** Its watcher ends it. */
  readonly forget: (subscription: NotifierSubscription) => Saved
  /** Takes over what a request in a dialog is for, where it is in the store still, or another server has it. False: nobody can say now. */
  readonly takeOver: (request: SipRequest, endpoint: Endpoint) => Promise<boolean> | undefined
  /** Its watcher is about to be told what is known of it. */
  readonly hurry: (subscription: NotifierSubscription) => void
}

/** What it made, or undefined where it was refused. */
export type Subscribed = NotifierSubscription | undefined

/** `watcher`: who subscribes, where that is not to be taken from the request. */
export function subscribe(
  tx: ServerTransaction,
  endpoint: Endpoint,
  notifier: NotifierServices,
  watcher = watcherUri(tx.request, endpoint, notifier.settings().watcher_header),
): Subscribed | Promise<Subscribed> {
  const ask = begin(tx, endpoint, watcher, notifier.inFiles(endpoint.id) === endpoint)
  for (const step of STEPS[notifier.compat()]) {
    const refused = step(ask, notifier)
    if (refused) return refuse(tx, refused)
  }
  const found = ask.list ? notifier.lists.open(ask.list) : find(ask, notifier)
  if (!(found instanceof Promise)) return conclude(ask, found, notifier)
  const later = (there: Found<unknown>): Eventual<Subscribed> => conclude(ask, there, notifier)
  const concluded = ask.list ? found.then(later) : afterLookup(found, () => find(ask, notifier), later)
  return concluded.catch((error: unknown) => {
    notifier.log.error(`${ask.event} of ${ask.resource}: ${reasonOf(error)}`)
    return refuse(tx, { status: 500 })
  })
}

/** What another server was told a moment ago is looked for once more. */
function find(
  { package: of, resource, watcher }: Ask,
  { othersPublished }: NotifierServices,
): Eventual<Found<unknown>> {
  const again = (): Eventual<Found<unknown>> => of?.find(resource, { ...watcher, again: true })
  return whenThere(of?.find(resource, watcher), (found) => found ?? othersPublished()?.then(again))
}

function conclude(ask: Ask, found: Found<unknown>, notifier: NotifierServices): Subscribed | Promise<Subscribed> {
  const { tx } = ask
  // A lookup takes time; modules may have gone meanwhile.
  if (notifier.closed()) return refuse(tx, refusal.tryLater(503, notifier.settings().retry_after))
  if (notifier.registry.package(ask.event) !== ask.package)
    return refuse(tx, refusal.badEvent(notifier.registry.events, notifier.compat()))
  if (found === undefined) return refuse(tx, notifier.lists.missing(ask.event, ask.resource))
  if (found === 'unavailable') return refuse(tx, refusal.tryLater(500, notifier.settings().retry_after))
  if (!isWatchable(found)) return refuse(tx, found)
  const isList = found instanceof ListSource
  const asked = { event: ask.event, resource: ask.resource, endpoint: ask.endpoint, watcher: ask.watcher.uri, isList }
  const decision = notifier.watching.of(asked)
  if (!(decision instanceof Promise)) return decided(ask, found, decision, notifier)
  return decision.then((later) => decided(ask, found, later, notifier))
}

/** Whoever is blocked is told so (RFC 3856 6.6.1); who waits for a decision, and who is blocked politely, gets a 200. */
function decided(
  ask: Ask,
  source: Watchable<unknown>,
  decision: Decision,
  notifier: NotifierServices,
): Subscribed | Promise<Subscribed> {
  if (!decision) return refuse(ask.tx, refusal.tryLater(503, notifier.settings().retry_after))
  if (decision.value.handling !== 'block') return establish(ask, source, decision, notifier)
  notifier.log.verbose(
    `endpoint ${ask.endpoint.id} may not watch ${ask.event} of ${ask.resource}: ${decision.value.why}`,
  )
  notifier.watching.blocked(ask.watcher, ask.event, ask.resource)
  return refuse(ask.tx, refusal.FORBIDDEN)
}

function establish(
  ask: Ask,
  source: Watchable<unknown>,
  decision: Watchable<Authorization>,
  notifier: NotifierServices,
): Subscribed | Promise<Subscribed> {
  const { tx, request, endpoint } = ask
  // Lookups take time. The files may have been read again, and only those who have subscribed are told of that.
  const now = ask.isOfFiles ? notifier.inFiles(endpoint.id) : undefined
  if (now && now !== endpoint) return subscribe(tx, now, notifier, ask.watcher.uri)
  // Those that ended before this one have taken their places.
  const full = room(ask, notifier)
  if (full) return refuse(tx, full)
  const { subscriptions } = notifier
  const settings = notifier.settings()
  const seconds = grant(request, endpoint, ask.package, notifier)
  const dialog = notifier.sip.createDialog(tx, dialogSettings(endpoint, settings))
  if (settings.delete_same_subs) dropSame(ask, notifier)
  const facts: SubscriptionFacts = {
    event: ask.event,
    eventId: ask.eventId,
    resource: ask.resource,
    endpoint,
    watcher: ask.watcher.uri,
    userAgent: ask.watcher.userAgent,
    contentType: ask.contentType,
    localUri: watchedUri(request, ask.resource, notifier.compat()),
    narrowed: ask.narrowed,
    contactKey: ask.contactKey,
    dialog,
    list: source instanceof ListSource ? source.facts : undefined,
    expires: notifier.now() + seconds * 1000,
    version: 0,
  }
  const subscription = subscriptions.add(facts, notifier)
  subscription.authorize(decision)
  const saved = seconds > 0 ? notifier.save(subscription) : undefined
  if (!saved) return start(ask, subscription, seconds, source, notifier)
  return saved.then((isSaved) => {
    if (isSaved && isKept(subscription) && !notifier.closed())
      return start(ask, subscription, seconds, source, notifier)
    if (!notifier.closed()) subscription.drop('it could not be stored')
    return refuse(tx, refusal.tryLater(500, settings.retry_after))
  })
}

/** 200 first, then the NOTIFY (RFC 6665 4.2.1.2): the subscription is not started before it is answered. */
function start(
  ask: Ask,
  subscription: NotifierSubscription,
  seconds: number,
  source: Watchable<unknown>,
  notifier: NotifierServices,
): NotifierSubscription {
  const { tx, request } = ask
  const settings = notifier.settings()
  notifier.statusChanged(subscription)
  const isRfc = notifier.compat() === 'rfc'
  const { granted, registry } = notifier
  const lines = isRfc ? granted.made(seconds, registry.events) : granted.refreshed(seconds)
  tx.answer({
    status: accepted(ask.event, settings),
    reason: undefined,
    headers: subscription.isList ? [...lines, ...requiredOf(subscription.list)] : lines,
    body: undefined,
    contentType: undefined,
    dialog: subscription.dialog,
  })
  const condition = isRfc ? request.header('Suppress-If-Match') : undefined
  if (seconds === 0) {
    subscription.fetched(source, condition)
    return subscription
  }
  // While this waited for the disk a reload may have given the endpoint other names, or another context.
  if (isSameWatcher(subscription.endpoint, ask.endpoint)) subscription.found(source, WANT.forced, condition)
  else notifier.lookAgain(subscription, WANT.forced)
  contestOthers(subscription, ask, notifier)
  notifier.subscriptions.tell('established', subscription)
  tellPackage(ask.package, 'subscriptionEstablished', subscription, notifier.log)
  return subscription
}

/**
 * A phone that has started anew is to have one subscription for each key, and a phone with two keys for one extension
 * two. Both look the same here, as does a reconnection, so the phone is asked: see NotifierSubscription.contest. It is
 * not where it says so itself with the Call-ID of the old dialog, has no way for an answer, or there is no room for both.
 */
function contestOthers(anew: NotifierSubscription, ask: Ask, { settings, subscriptions, log }: NotifierServices): void {
  if (!settings().replace_same_contact) return
  const others = subscriptions.besides(anew)
  if (others.length === 0) return
  const tooMany = Math.max(others.length + 1 - MOST_OF_ONE_PHONE, ask.takesPlace ? 1 : 0)
  // Of a gateway whose users look like one phone a lamp stands still, and nobody else would say why.
  if (others.length >= MOST_OF_ONE_PHONE)
    log.refusal(
      `one phone of endpoint ${ask.endpoint.id} has ${MOST_OF_ONE_PHONE} subscriptions for ${ask.event} of ` +
        `${brief(ask.resource)} already; the oldest is over`,
    )
  others.forEach((other, at) => contest(other, ask, at < tooMany))
}

function contest(other: NotifierSubscription, { tx, request }: Ask, noRoom: boolean): void {
  const { dialog } = other
  if (!dialog.reachable && tx.flow.protocol !== 'UDP') dialog.rebind(tx.flow)
  if (noRoom || isBegunAnew(dialog, request) || !dialog.reachable) other.drop('the phone subscribed anew')
  else other.contest()
}

/**
 * Not by the very request that made it, or an earlier one: a proxy has sent that to another server as well, which took its
 * time, and the phone has heard of the first answer alone (RFC 3261 8.2.2.2).
 */
function isBegunAnew(dialog: Dialog, { callId, from, cseq }: SipRequest): boolean {
  if (dialog.callId !== callId) return false
  return dialog.remoteTag !== (from.tag ?? '') || dialog.record().remoteCseq < cseq.number
}

/** `delete_same_subs`: a phone that begins its dialog anew, with the Call-ID it had. */
function dropSame({ endpoint, resource, event, eventId, request }: Ask, { subscriptions }: NotifierServices): void {
  for (const other of subscriptions.ofEndpoint(endpoint.id)) {
    const same = other.event === event && other.eventId === eventId && other.resource === resource
    if (same && other.dialog.callId === request.callId) other.drop('the phone began its dialog anew')
  }
}

function dialogSettings(endpoint: Endpoint, { to_tag_pref, server_address }: PubsubSettings): DialogSettings {
  return {
    followFlow: endpoint.rewrite_contact,
    tagPrefix: to_tag_pref,
    contact: server_address === '' ? undefined : server_address,
  }
}

/** RFC 6665 knows 200 only; RFC 3265 had 202, which Kamailio gave to all but watcher information. */
export function accepted(event: string, { subs_respond_200 }: Pick<PubsubSettings, 'subs_respond_200'>): 200 | 202 {
  return subs_respond_200 || event.endsWith('.winfo') ? 200 : 202
}

/**
 * What is watched: the To URI, with the resource as its user. Asterisk names what the request was sent to, with its
 * parameters: there each way to reach us has an entity of its own.
 */
function watchedUri(request: SipRequest, user: string, compat: 'rfc' | 'asterisk'): string {
  if (compat === 'asterisk' && request.uri) {
    const { scheme, host, port, params, headers } = request.uri
    return `${printUri({ scheme, user, host, port, params })}${headers === '' ? '' : `?${headers}`}`
  }
  const { scheme, host, port } = request.to.uri ?? request.uri ?? { scheme: 'sip', host: 'localhost', port: undefined }
  return printUri({ scheme, user, host, port })
}
