/** A SUBSCRIBE within a dialog: a refresh, or the end of the subscription (RFC 6665 4.2.1.3, 4.2.1.4). */
import type { Endpoint } from '../core/endpoints.ts'
import type { HeaderLine, Refusal, ServerTransaction } from '../core/sip/contract.ts'
import { parseEvent } from '../core/sip/values.ts'
import { grant, type NotifierServices, refuseExpires } from './notifier.ts'
import * as refusal from './refusals.ts'
import type { NotifierSubscription } from './subscription.ts'

export function resubscribe(tx: ServerTransaction, endpoint: Endpoint, notifier: NotifierServices): void {
  const subscription = whose(tx, endpoint, notifier)
  if (!subscription) return tx.answer(refusal.NO_SUBSCRIPTION)
  const refused = subscription.dialog.accept(tx) ?? check(tx, endpoint, notifier)
  if (refused) return tx.answer(refused)
  const { request } = tx
  const of = notifier.registry.package(subscription.event)
  const instead = of?.resubscribe?.(subscription, request)
  if (instead && instead.status >= 300) return tx.answer(instead)
  const seconds = grant(request, of, notifier)
  const silent = isSilent(tx, subscription, notifier)
  tx.answer({
    ...(instead ?? { status: silent ? 204 : 200, reason: silent ? 'No Notification' : undefined }),
    headers: [['Expires', String(seconds)], ...tag(silent, subscription), ...(instead?.headers ?? [])],
    dialog: subscription.dialog,
  })
  if (seconds === 0) {
    of?.subscriptionTerminated?.(subscription, request)
    if (silent) subscription.drop('the watcher ended it and has its last state')
    else subscription.terminate('timeout')
    return
  }
  subscription.refreshed(notifier.now() + seconds * 1000, endpoint, { silent })
  notifier.renewed(subscription)
}

/** A dialog of ours with this usage, and the one who made it. Anything else is to subscribe anew. */
function whose(
  { request }: ServerTransaction,
  endpoint: Endpoint,
  { sip, subscriptions }: NotifierServices,
): NotifierSubscription | undefined {
  const dialog = sip.findDialog(request)
  const event = parseEvent(request.header('Event') ?? '')
  const found = dialog && event && subscriptions.inDialog(dialog.id, event.event, event.id)
  if (!found || found.endpoint.id !== endpoint.id) return undefined
  return found.phase === 'active' || found.phase === 'waiting' ? found : undefined
}

/** Asterisk does not look at sub_min_expiry again. */
function check({ request }: ServerTransaction, endpoint: Endpoint, notifier: NotifierServices): Refusal | undefined {
  if (!endpoint.allow_subscribe) return refusal.DECLINED
  return notifier.compat() === 'asterisk' ? undefined : refuseExpires(request, endpoint, notifier, true)
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
