/** A SUBSCRIBE within a dialog: a refresh, or the end of the subscription (RFC 6665 4.2.1.3, 4.2.1.4). */
import type { Endpoint } from '../core/endpoints.ts'
import type { HeaderLine, Refusal, ServerTransaction } from '../core/sip/contract.ts'
import type { EventPackage, ResponseData } from './contract.ts'
import { eventOf } from './event-name.ts'
import { grant, refuseExpires, refuseMalformedExpires } from './expires.ts'
import { isSameWatcher } from './identity.ts'
import { requiredOf } from './lists/facts.ts'
import { accepted, type NotifierServices, type Subscribed } from './notifier.ts'
import { isOtherPort, othersAreBack } from './phones.ts'
import * as refusal from './refusals.ts'
import { refuse } from './refusals.ts'
import { refuseBody } from './request-body.ts'
import { isKept, type Saved } from './storage/storage.ts'
import type { NotifierSubscription } from './subscription.ts'
import { inDialog as usageOf } from './subscriptions.ts'
import { telling } from './telling.ts'

/** The subscription it was for, or undefined where it was refused. */
export function resubscribe(
  tx: ServerTransaction,
  endpoint: Endpoint,
  notifier: NotifierServices,
): Subscribed | Promise<Subscribed> {
  const taken = notifier.takeOver(tx.request, endpoint)
  if (!taken) return inDialog(tx, endpoint, notifier, true)
  const isOfFiles = notifier.inFiles(endpoint.id) === endpoint
  return taken.then((isKnown) => inDialog(tx, isOfFiles ? asNow(endpoint, notifier) : endpoint, notifier, isKnown))
}

/** After a wait: the files may have been read again. */
function asNow(endpoint: Endpoint, { inFiles }: NotifierServices): Endpoint {
  return inFiles(endpoint.id) ?? endpoint
}

function inDialog(
  tx: ServerTransaction,
  endpoint: Endpoint,
  notifier: NotifierServices,
  isKnown: boolean,
): Subscribed | Promise<Subscribed> {
  const subscription = whose(tx, endpoint, notifier)
  if (!subscription) return refuse(tx, missing(isKnown, notifier))
  const { dialog } = subscription
  const { flow: before, remoteTarget } = dialog
  const outOfOrder = dialog.accept(tx, notifier.settings().cseq_offset)
  // Where it is now is known from one that is refused, too.
  const hasMoved = before !== dialog.flow || remoteTarget !== dialog.remoteTarget
  if (hasMoved) subscription.moved()
  const isElsewhere = hasMoved && (remoteTarget !== dialog.remoteTarget || isOtherPort(before, dialog.flow))
  const of = notifier.registry.package(subscription.event)
  const refused = outOfOrder ?? check(tx, endpoint, of, notifier)
  if (refused) {
    refuse(tx, refused)
    // Of an endpoint that is in no file nobody has told of it yet.
    if (!endpoint.allow_subscribe) subscription.terminate('rejected')
    return undefined
  }
  if (before !== tx.flow) othersAreBack(subscription, before, tx.flow, notifier)
  const { request } = tx
  const seconds = grant(request, endpoint, of, notifier)
  const instead =
    of?.evsSubsHandl?.(request, subscription.resource) ??
    // Its end is no renewal, which a package may refuse.
    (seconds === 0 ? undefined : of?.resubscribe?.(subscription, request))
  // Not `>= 300`: where a module left the status out, nothing is refreshed either.
  if (instead && !(instead.status < 300)) return refuse(tx, instead)
  const renewal = { tx, endpoint, subscription, of, instead, seconds, isElsewhere }
  const saved = save(renewal, notifier)
  if (!saved) return renew(renewal, notifier)
  const isOfFiles = notifier.inFiles(endpoint.id) === endpoint
  return saved.then((isSaved) => {
    if (!isKept(subscription)) return refuse(tx, missing(!subscription.disowned, notifier))
    if (!isSaved) {
      subscription.leaving = false
      return refuse(tx, refusal.tryLater(500, notifier.settings().retry_after))
    }
    return renew(isOfFiles ? { ...renewal, endpoint: asNow(endpoint, notifier) } : renewal, notifier)
  })
}

/** A 481 would end what another server goes on with, or this one when its module is back (RFC 6665 4.1.2.2). */
function missing(isKnown: boolean, { closed, settings }: NotifierServices): Refusal {
  return isKnown && !closed() ? refusal.NO_SUBSCRIPTION : refusal.tryLater(500, settings().retry_after)
}

interface Renewal {
  readonly tx: ServerTransaction
  readonly endpoint: Endpoint
  readonly subscription: NotifierSubscription
  readonly of: EventPackage<unknown> | undefined
  /** What the package answers in place of the common 200. */
  readonly instead: ResponseData | undefined
  readonly seconds: number
  /** After a crash it could not be told where it was before. */
  readonly isElsewhere: boolean
}

function save({ subscription, seconds, isElsewhere }: Renewal, notifier: NotifierServices): Saved {
  if (seconds === 0) {
    subscription.leaving = true
    return notifier.forget(subscription)
  }
  const now = notifier.now()
  // After a crash it would be over, too, where its time on disk runs out before this is written there.
  const isUrgent = isElsewhere || subscription.expires - now < notifier.settings().db_update_period * 1000
  subscription.extend(now + seconds * 1000)
  return notifier.save(subscription, isUrgent ? 'altered' : 'refreshed')
}

function renew(
  { tx, endpoint, subscription, of, instead, seconds }: Renewal,
  notifier: NotifierServices,
): NotifierSubscription {
  const silent = isSilent(tx, subscription, notifier)
  const { status, reason, headers, body, contentType } = instead ?? commonAnswer(silent, subscription, notifier)
  let lines = notifier.granted.refreshed(seconds)
  if (silent || subscription.isList || headers)
    lines = [...lines, ...requiredOf(subscription.list), ...tag(silent, subscription), ...(headers ?? [])]
  tx.answer({ status, reason, headers: lines, body, contentType, dialog: subscription.dialog })
  if (seconds === 0) {
    telling(
      notifier.log,
      'subscriptionTerminated',
      () => of?.subscriptionTerminated?.(subscription, tx.request),
      of?.event,
    )
    if (silent) subscription.drop('the watcher ended it and has its last state')
    else subscription.terminate('timeout')
    return subscription
  }
  const before = subscription.endpoint
  // In another context its extension is another one, which is looked up then.
  subscription.endpointChanged(endpoint)
  if (!isSameWatcher(before, endpoint)) {
    void notifier.watching.authorize(subscription)
    if (!isKept(subscription)) return subscription
    subscription.lost()
  }
  if (subscription.phase === 'waiting') notifier.hurry(subscription)
  subscription.refreshed(silent)
  notifier.subscriptions.tell('refreshed', subscription)
  return subscription
}

const SILENT: ResponseData = { status: 204, reason: 'No Notification' }
const OK: ResponseData = { status: 200 }
const ACCEPTED: ResponseData = { status: 202 }

function commonAnswer(silent: boolean, { event }: NotifierSubscription, { settings }: NotifierServices): ResponseData {
  if (silent) return SILENT
  return accepted(event, settings()) === 200 ? OK : ACCEPTED
}

/** A dialog of ours with this usage, and the one who made it. Anything else is to subscribe anew. */
function whose(
  { request }: ServerTransaction,
  endpoint: Endpoint,
  { sip }: NotifierServices,
): NotifierSubscription | undefined {
  const dialog = sip.findDialog(request)
  const event = eventOf(request)
  const found = dialog && event && usageOf(dialog, event.event, event.id)
  if (!found || found.leaving || found.endpoint.id !== endpoint.id) return undefined
  return found.phase === 'active' || found.phase === 'waiting' ? found : undefined
}

/** Asterisk does not look at sub_min_expiry again, nor at bodies. */
function check(
  { request }: ServerTransaction,
  endpoint: Endpoint,
  of: EventPackage<unknown> | undefined,
  notifier: NotifierServices,
): Refusal | undefined {
  if (!endpoint.allow_subscribe) return refusal.DECLINED
  if (notifier.compat() === 'asterisk') return refuseMalformedExpires(request)
  return refuseBody(request, of) ?? refuseExpires(request, endpoint, notifier, true)
}

/** RFC 5839 6.3: the watcher has the state already, and wants no NOTIFY then. */
function isSilent(
  { request }: ServerTransaction,
  subscription: NotifierSubscription,
  notifier: NotifierServices,
): boolean {
  return notifier.compat() === 'rfc' && subscription.matches(request.header('Suppress-If-Match'))
}

function tag(silent: boolean, subscription: NotifierSubscription): HeaderLine[] {
  const entityTag = silent ? subscription.entityTag() : undefined
  return entityTag === undefined ? [] : [['SIP-ETag', entityTag]]
}
