/**
 * A SUBSCRIBE that is to make a subscription (RFC 6665 4.2.1). Its steps are in the order of the lists below; each gives
 * the answer it is refused with, or lets it pass. What passes all of them is looked up, answered 200, and notified.
 */
import type { Endpoint } from '../core/endpoints.ts'
import { reasonOf } from '../core/log.ts'
import type { Refusal, ServerTransaction, Sip, SipRequest } from '../core/sip/contract.ts'
import { printUri } from '../core/sip/parse-uri.ts'
import { parseDeltaSeconds, parseEvent } from '../core/sip/values.ts'
import type { Watchable } from '../core/watch.ts'
import type { EventPackage, Found, ResponseData, Watcher } from './contract.ts'
import { WANT } from './delivery.ts'
import * as refusal from './refusals.ts'
import type { Registry } from './registry.ts'
import type { Services } from './services.ts'
import type { NotifierSubscription, SubscriptionFacts } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

type Step = (ask: Ask, notifier: NotifierServices) => ResponseData | undefined

/** RFC 6665 does not order them; Asterisk looks at Expires before Event. */
const STEPS: Readonly<Record<'rfc' | 'asterisk', readonly Step[]>> = {
  rfc: [allowed, uriScheme, resource, event, accept, expires, contact, room, newSubscribe],
  asterisk: [allowed, uriScheme, resource, expires, event, accept, contact, room, newSubscribe],
}

export interface NotifierServices extends Services {
  readonly sip: Sip
  readonly registry: Registry
  readonly subscriptions: Subscriptions
  readonly ignoreUriUserOptions: () => boolean
  /** Whether the module is being unloaded. */
  readonly closed: () => boolean
  /** It was refreshed. */
  readonly renewed: (subscription: NotifierSubscription) => void
}

/** What the steps find out about it. */
interface Ask {
  readonly tx: ServerTransaction
  readonly request: SipRequest
  readonly endpoint: Endpoint
  readonly watcher: Watcher
  resource: string
  event: string
  eventId: string
  package: EventPackage<unknown> | undefined
  contentType: string
  contactKey: string
}

export function subscribe(tx: ServerTransaction, endpoint: Endpoint, notifier: NotifierServices): void {
  const ask = begin(tx, endpoint)
  for (const step of STEPS[notifier.compat()]) {
    const refused = step(ask, notifier)
    if (refused) return tx.answer(refused)
  }
  const found = ask.package?.find(ask.resource, ask.watcher)
  if (found instanceof Promise) {
    found.then(
      (later) => conclude(ask, later, notifier),
      (error: unknown) => {
        notifier.log.error(`${ask.event} of ${ask.resource}: ${reasonOf(error)}`)
        tx.answer({ status: 500 })
      },
    )
  } else {
    conclude(ask, found, notifier)
  }
}

function begin(tx: ServerTransaction, endpoint: Endpoint): Ask {
  const { request } = tx
  const watcher = {
    endpoint,
    uri: watcherUri(request),
    userAgent: request.header('User-Agent') ?? '',
    request,
  }
  return {
    tx,
    request,
    endpoint,
    watcher,
    resource: '',
    event: '',
    eventId: '',
    package: undefined,
    contentType: '',
    contactKey: '',
  }
}

// The steps.

function allowed({ endpoint }: Ask, { log }: NotifierServices): Refusal | undefined {
  if (endpoint.allow_subscribe) return undefined
  log.warning(`Subscriptions not permitted for endpoint ${endpoint.id}.`)
  return refusal.DECLINED
}

function uriScheme({ request }: Ask): Refusal | undefined {
  return request.uri ? undefined : refusal.UNSUPPORTED_SCHEME
}

function resource(ask: Ask, { ignoreUriUserOptions }: NotifierServices): Refusal | undefined {
  const user = ask.request.uri?.user ?? ''
  const options = ignoreUriUserOptions() ? user.indexOf(';') : -1
  ask.resource = options < 0 ? user : user.slice(0, options)
  return undefined
}

function event(ask: Ask, { registry, compat, log }: NotifierServices): Refusal | undefined {
  const header = parseEvent(ask.request.header('Event') ?? '')
  ask.package = header && registry.package(header.event)
  if (!header || !ask.package) {
    log.verbose(`endpoint ${ask.endpoint.id} subscribes to event ${header?.event ?? '(none)'}, which has no package`)
    return refusal.badEvent(registry.events, compat())
  }
  ask.event = header.event
  ask.eventId = header.id
  return undefined
}

function accept(ask: Ask, { registry, compat }: NotifierServices): Refusal | undefined {
  if (!ask.package) return refusal.badEvent(registry.events, compat())
  const listed = ask.request.header('Accept') === undefined ? undefined : ask.request.headers('Accept')
  const type = registry.choose(ask.package, listed, compat() === 'asterisk')
  if (type === undefined) return refusal.notAcceptable(registry.typesOf(ask.package), compat())
  ask.contentType = type
  return undefined
}

function expires({ request, endpoint }: Ask, notifier: NotifierServices): Refusal | undefined {
  return refuseExpires(request, endpoint, notifier, notifier.compat() === 'rfc')
}

/** RFC 3261 12.1.1: a dialog needs one Contact it can be reached at. */
function contact(ask: Ask): Refusal | undefined {
  const { request, tx, endpoint } = ask
  const [only, ...more] = request.contacts
  if (!only?.uri || more.length > 0) return refusal.badRequest(only ? 'Contact Must Be One SIP URI' : 'Missing Contact')
  const instance = only.params.get('+sip.instance') ?? ''
  // Behind different NATs two phones may have the same private address.
  const place = endpoint.rewrite_contact ? `@${tx.source.address}` : ''
  ask.contactKey = instance === '' ? `${only.uri.host}:${only.uri.port ?? ''}${place}` : instance
  return undefined
}

function room(ask: Ask, { subscriptions, settings, log }: NotifierServices): Refusal | undefined {
  const { replace_same_contact, max_subscriptions, retry_after } = settings()
  if (replace_same_contact && subscriptions.ofPhone(ask)) return undefined
  if (max_subscriptions > 0 && subscriptions.size >= max_subscriptions) {
    log.warning(`max_subscriptions of ${max_subscriptions} is reached; a SUBSCRIBE is refused`)
    return refusal.tryLater(503, retry_after)
  }
  const limit = ask.endpoint.subscription_limit
  if (limit === 0 || subscriptions.ofEndpoint(ask.endpoint.id).size < limit) return undefined
  log.notice(`endpoint ${ask.endpoint.id} has its ${limit} subscriptions already`)
  return refusal.OVER_ENDPOINT_LIMIT
}

function newSubscribe(ask: Ask): ResponseData | undefined {
  return ask.package?.newSubscribe?.(ask.watcher, ask.resource)
}

// After the steps.

function conclude(ask: Ask, found: Found<unknown>, notifier: NotifierServices): void {
  const { tx } = ask
  // A lookup takes time; modules may have gone meanwhile.
  if (notifier.closed()) return tx.answer(refusal.tryLater(503, notifier.settings().retry_after))
  if (notifier.registry.package(ask.event) !== ask.package)
    return tx.answer(refusal.badEvent(notifier.registry.events, notifier.compat()))
  if (found === undefined) return tx.answer(refusal.NOT_FOUND)
  if (found === 'unavailable') return tx.answer(refusal.tryLater(500, notifier.settings().retry_after))
  if (!isWatchable(found)) return tx.answer(found)
  establish(ask, found, notifier)
}

export function isWatchable(found: Watchable<unknown> | Refusal): found is Watchable<unknown> {
  return 'watch' in found
}

/** 200 first, then the NOTIFY (RFC 6665 4.2.1.2): the subscription is not started before it is answered. */
function establish(ask: Ask, source: Watchable<unknown>, notifier: NotifierServices): void {
  const { tx, request, endpoint } = ask
  const { subscriptions, now } = notifier
  const seconds = grant(request, ask.package, notifier)
  const dialog = notifier.sip.createDialog(tx, { followFlow: endpoint.rewrite_contact })
  if (notifier.settings().replace_same_contact && seconds > 0)
    subscriptions.ofPhone(ask)?.drop('the phone subscribed anew')
  const facts: Omit<SubscriptionFacts, 'id'> = {
    event: ask.event,
    eventId: ask.eventId,
    resource: ask.resource,
    endpoint,
    watcher: ask.watcher.uri,
    userAgent: ask.watcher.userAgent,
    contentType: ask.contentType,
    localUri: watchedUri(request, ask.resource, notifier.compat()),
    contactKey: ask.contactKey,
    dialog,
    expires: now() + seconds * 1000,
    version: 0,
  }
  const subscription = subscriptions.add(facts, notifier)
  // RFC 6665 8.2.2: answers that make a dialog name the events there are.
  const events = notifier.compat() === 'rfc' ? refusal.listHeader('Allow-Events', notifier.registry.events) : []
  tx.answer({ status: 200, headers: [['Expires', String(seconds)], ...events], dialog })
  const condition = notifier.compat() === 'rfc' ? request.header('Suppress-If-Match') : undefined
  if (seconds === 0) {
    subscription.fetched(source, condition)
    return
  }
  notifier.keep(subscription)
  subscription.found(source, WANT.forced, condition)
  subscriptions.tell('established', subscription)
  ask.package?.subscriptionEstablished?.(subscription)
}

/** 400 for what is no number, 423 for too short (RFC 6665 4.2.1.1), and Asterisk's 400 for a fetch. */
export function refuseExpires(
  request: SipRequest,
  endpoint: Endpoint,
  { settings, compat }: NotifierServices,
  zeroAllowed: boolean,
): Refusal | undefined {
  const text = request.header('Expires')
  if (text === undefined) return undefined
  const seconds = parseDeltaSeconds(text)
  if (seconds === undefined) return refusal.badRequest('Malformed Expires')
  if (seconds === 0) return zeroAllowed ? undefined : refusal.NO_FETCH
  const least = Math.max(endpoint.sub_min_expiry, settings().min_expires)
  // RFC 6665 4.2.1.1: an hour and more is never too brief.
  const tooBrief = seconds < least && (seconds < 3600 || compat() === 'asterisk')
  return tooBrief ? refusal.tooBrief(least, compat()) : undefined
}

/** Seconds: what is asked for, at most what the package and the options grant. */
export function grant(
  request: SipRequest,
  of: EventPackage<unknown> | undefined,
  { settings }: Pick<Services, 'settings'>,
): number {
  const most = Math.min(settings().max_expires, of?.defaultExpires ?? Number.POSITIVE_INFINITY)
  const asked = parseDeltaSeconds(request.header('Expires'))
  return Math.min(asked ?? of?.defaultExpires ?? 3600, most)
}

/** From without its parameters: the watcher. */
function watcherUri({ from }: SipRequest): string {
  if (!from.uri) return from.uriText
  const { scheme, user, host, port } = from.uri
  return printUri({ scheme, user, host, port })
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
