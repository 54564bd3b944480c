/**
 * Phones that come back on another connection, or behind another port of their NAT: their subscriptions go on there
 * without waiting for each one's refresh.
 *
 * A phone is known by its +sip.instance, where it gives one in its SUBSCRIBEs; else by the host and port of its Contact;
 * else, where that port was only the near end of a connection that is gone (a client listens on none), by the host.
 * Behind a NAT private addresses come twice, so there the source address must be the same as well.
 */
import type { Contact, Contacts } from '../core/registrar/registrar.ts'
import type { Flow } from '../core/sip/contract.ts'
import { parseUri } from '../core/sip/parse-uri.ts'
import type { SipUri } from '../core/sip/uri.ts'
import type { NotifierServices } from './notifier.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { Subscriptions } from './subscriptions.ts'

/** A REGISTER with news: the subscriptions of the phone move to its flow, and what waits for a way is tried at once. */
export function phoneIsBack(
  subscriptions: Subscriptions,
  contact: Contact,
  moved: (subscription: NotifierSubscription) => void,
): void {
  const { flow, endpoint } = contact
  if (!flow || endpoint === undefined) return
  for (const subscription of subscriptions.ofEndpoint(endpoint)) {
    if (move(subscription, contact, flow)) moved(subscription)
    subscription.wake()
  }
}

/** One that came back later than its phone: taken over from another server, or its endpoint was not known before. */
export async function phoneWasBack(
  subscription: NotifierSubscription,
  contacts: Contacts,
  moved: (subscription: NotifierSubscription) => void,
): Promise<void> {
  const { endpoint, dialog } = subscription
  for (const aor of endpoint.aors) {
    if (dialog.flow) return
    for (const contact of await contacts.of(aor)) {
      const { flow } = contact
      if (!flow || contact.endpoint !== endpoint.id || dialog.flow || !move(subscription, contact, flow)) continue
      moved(subscription)
      subscription.wake()
    }
  }
}

/**
 * A refresh by another connection than before, or from another port of a NAT: what its phone has beside it, and went the
 * way before or nothing could reach, is there as well. The old way may seem to live, where a NAT or firewall has forgotten
 * it; where it does live, it may be a border controller's with all of its phones, which have one Contact.
 */
export function othersAreBack(
  refreshed: NotifierSubscription,
  before: Flow | undefined,
  flow: Flow,
  { subscriptions, save }: Pick<NotifierServices, 'subscriptions' | 'save'>,
): void {
  const isUdp = flow.protocol === 'UDP'
  if (isUdp && !(refreshed.endpoint.rewrite_contact && isOtherPort(before, flow))) return
  const left = before?.protocol === flow.protocol ? before : undefined
  for (const other of subscriptions.ofEndpoint(refreshed.endpoint.id)) {
    // All phones behind a proxy may be one endpoint, and a flow that is gone is looked for each time it is asked for.
    if (other === refreshed || other.contactKey !== refreshed.contactKey) continue
    const known = other.dialog.flow
    const isLost = known === undefined && !isUdp
    if (!isLost && !(isSameWayBack(known, left) && other.watcher === refreshed.watcher)) continue
    other.dialog.rebind(flow)
    other.moved()
    other.wake()
    if (isUdp) void save(other, 'altered')
  }
}

/** One connection, or over UDP one address and port. */
function isSameWayBack(one: Flow | undefined, other: Flow | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return one === other || (one.protocol === 'UDP' && other.protocol === 'UDP' && !isOtherPort(one, other))
}

/** By UDP: connections do not outlast us. */
export function isOtherPort(one: Flow | undefined, other: Flow | undefined): boolean {
  if (one?.protocol !== 'UDP' || other?.protocol !== 'UDP') return false
  return one.remote.port !== other.remote.port || one.remote.address !== other.remote.address
}

/** False where it is another phone's, or has to stay where it is. */
function move(subscription: NotifierSubscription, contact: Contact, flow: Flow): boolean {
  const registered = parseUri(contact.registered ?? contact.uri)
  if (!registered || !isItsPhone(subscription, contact.instance, registered, flow)) return false
  if (!mayMove(subscription, flow)) return false
  subscription.dialog.rebind(flow)
  subscription.moved()
  return true
}

function isItsPhone(subscription: NotifierSubscription, instance: string, registered: SipUri, flow: Flow): boolean {
  const { dialog, contactKey, endpoint } = subscription
  if (instance !== '' && contactKey === instance) return true
  const contact = parseUri(dialog.remoteTarget)
  if (!contact || contact.host !== registered.host || contact.user !== registered.user) return false
  // The key of one that gave an instance, and another.
  if (instance !== '' && !contactKey.startsWith(contact.host)) return false
  const { remote } = dialog.record()
  const sameSource = remote.address === flow.remote.address
  if (contact.port === registered.port) return sameSource || !endpoint.rewrite_contact
  return sameSource && contact.port === remote.port && !dialog.reachable
}

/** Over UDP the Contact says where to, unless the source address is followed. */
function mayMove({ dialog, endpoint }: NotifierSubscription, flow: Flow): boolean {
  return flow.protocol === dialog.record().protocol && (flow.protocol !== 'UDP' || endpoint.rewrite_contact)
}
