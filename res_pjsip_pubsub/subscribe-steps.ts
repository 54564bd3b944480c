/**
 * The steps of a SUBSCRIBE that is to make a subscription, in the order of the lists below. Each gives the answer it is
 * refused with, or lets it pass.
 */
import type { Endpoint } from '../core/endpoints.ts'
import type { Refusal, ServerTransaction, SipRequest } from '../core/sip/contract.ts'
import type { EventPackage, ResponseData, Watcher } from './contract.ts'
import { eventOf } from './event-name.ts'
import { refuseExpires } from './expires.ts'
import { assertedUri, plainUri } from './identity.ts'
import type { ListAsked } from './lists/subscriptions.ts'
import type { NotifierServices } from './notifier.ts'
import * as refusal from './refusals.ts'
import { refuseBody } from './request-body.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

type Step = (ask: Ask, notifier: NotifierServices) => ResponseData | undefined

/** RFC 6665 does not order them; Asterisk looks at Expires before Event. */
export const STEPS: Readonly<Record<'rfc' | 'asterisk', readonly Step[]>> = {
  rfc: [allowed, uriScheme, resource, event, body, list, accept, expires, contact, room, newSubscribe],
  asterisk: [allowed, uriScheme, resource, expires, event, list, accept, contact, room, newSubscribe],
}

/** What the steps find out about it. */
export interface Ask {
  readonly tx: ServerTransaction
  readonly request: SipRequest
  readonly endpoint: Endpoint
  /** The endpoint is as the files had it when this began. */
  readonly isOfFiles: boolean
  readonly watcher: Watcher
  resource: string
  event: string
  eventId: string
  narrowed: string
  package: EventPackage<unknown> | undefined
  list: ListAsked | undefined
  contentType: string
  contactKey: string
  /** There is no room but that of what its phone has already. */
  takesPlace: boolean
}

export function begin(tx: ServerTransaction, endpoint: Endpoint, uri: string, isOfFiles: boolean): Ask {
  const { request } = tx
  const watcher = {
    endpoint,
    uri,
    userAgent: request.header('User-Agent') ?? '',
    request,
  }
  return {
    tx,
    request,
    endpoint,
    isOfFiles,
    watcher,
    resource: '',
    event: '',
    eventId: '',
    narrowed: '',
    package: undefined,
    list: undefined,
    contentType: '',
    contactKey: '',
    takesPlace: false,
  }
}

function allowed({ endpoint }: Ask, { log }: NotifierServices): Refusal | undefined {
  if (endpoint.allow_subscribe) return undefined
  log.refusal(`Subscriptions not permitted for endpoint ${endpoint.id}.`, 'warning')
  return refusal.DECLINED
}

function uriScheme({ request }: Ask): Refusal | undefined {
  return request.uri ? undefined : refusal.UNSUPPORTED_SCHEME
}

function resource(ask: Ask, { nameIn }: NotifierServices): Refusal | undefined {
  const { uri } = ask.request
  ask.resource = uri ? nameIn(uri) : ''
  return undefined
}

function event(ask: Ask, { registry, compat, log }: NotifierServices): ResponseData | undefined {
  const header = eventOf(ask.request)
  ask.package = header && registry.package(header.event)
  if (!header || !ask.package) {
    log.verbose(`endpoint ${ask.endpoint.id} subscribes to event ${header?.event ?? '(none)'}, which has no package`)
    return refusal.badEvent(registry.events, compat())
  }
  ask.event = header.event
  ask.eventId = header.id
  if (header.params.size > 0) ask.narrowed = ask.package.narrows?.(header.params) ?? ''
  return ask.package.evsSubsHandl?.(ask.request, ask.resource)
}

/** Asterisk passes all bodies over. */
function body(ask: Ask): Refusal | undefined {
  return refuseBody(ask.request, ask.package)
}

function list(ask: Ask, { lists }: NotifierServices): Refusal | undefined {
  const asked = lists.asked(ask.watcher, ask.request, ask.event, ask.resource)
  if (asked && 'status' in asked) return asked
  ask.list = asked
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
  const { contacts } = request
  const only = contacts[0]
  if (!only?.uri || contacts.length > 1)
    return refusal.badRequest(only ? 'Contact Must Be One SIP URI' : 'Missing Contact')
  const instance = only.param('+sip.instance') ?? ''
  // Behind different NATs two phones may have the same private address.
  const place = endpoint.rewrite_contact ? `@${tx.source.address}` : ''
  ask.contactKey = instance === '' ? `${only.uri.host}:${only.uri.port ?? ''}${place}` : instance
  return undefined
}

export function room(ask: Ask, { subscriptions, settings, log }: NotifierServices): Refusal | undefined {
  const { replace_same_contact, max_subscriptions, retry_after } = settings()
  const limit = ask.endpoint.subscription_limit
  const allFull = max_subscriptions > 0 && subscriptions.size >= max_subscriptions
  const ownFull = limit > 0 && subscriptions.countOf(ask.endpoint.id) >= limit
  if (!allFull && !ownFull) return undefined
  ask.takesPlace = replace_same_contact && ofPhone(ask, subscriptions).length > 0
  if (ask.takesPlace) return undefined
  if (allFull) {
    log.refusal(`max_subscriptions of ${max_subscriptions} is reached; a SUBSCRIBE is refused`, 'warning')
    return refusal.tryLater(503, retry_after)
  }
  log.refusal(`endpoint ${ask.endpoint.id} has its ${limit} subscriptions already`)
  return refusal.OVER_ENDPOINT_LIMIT
}

function newSubscribe(ask: Ask): ResponseData | undefined {
  return ask.package?.newSubscribe?.(ask.watcher, ask.resource)
}

/** What the phone that asks has for the same thing, oldest first. */
function ofPhone({ watcher, ...ask }: Ask, subscriptions: Subscriptions): readonly NotifierSubscription[] {
  return subscriptions.ofPhone({ ...ask, watcher: watcher.uri })
}

/** Who subscribes: what the header of a trusted endpoint says (RFC 3325 9.1), else From; both without parameters. */
export function watcherUri(request: SipRequest, endpoint: Endpoint, header: string): string {
  return assertedUri(request, endpoint, header) ?? fromUri(request)
}

function fromUri({ from }: SipRequest): string {
  return from.uri ? plainUri(from.uri) : from.uriText
}
