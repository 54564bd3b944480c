/** All subscriptions there are, and the ways to find one. */
import { addedTo, type Undo } from '../core/scope.ts'
import type { Dialog } from '../core/sip/contract.ts'
import type { SubscriptionEvent } from './contract.ts'
import { type PhoneFacts, PhoneIndex } from './phone-index.ts'
import type { Services } from './services.ts'
import { NotifierSubscription } from './subscription.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'

type Listener = (what: SubscriptionEvent, subscription: NotifierSubscription) => void

export class Subscriptions implements Iterable<NotifierSubscription> {
  readonly #dialog: (id: string) => Dialog | undefined
  /** Each in its place as long as it lives, so that others may come and go while somebody looks at all. */
  readonly #all: (NotifierSubscription | undefined)[] = []
  /** Places that became empty. */
  readonly #free: number[] = []
  readonly #byEndpoint = new Map<string, NotifierSubscription[]>()
  /** Several where a phone has more than one key for the same thing. */
  readonly #byPhone = new PhoneIndex<NotifierSubscription>((place) => this.#all[place])
  /** By event, then by resource without case. */
  readonly #byResource = new Map<string, Map<string, NotifierSubscription[]>>()
  readonly #listeners = new Set<Listener>()
  #made = 0

  /** `dialog`: the dialog of an id, which knows its usage. */
  constructor(dialog: (id: string) => Dialog | undefined) {
    this.#dialog = dialog
  }

  get size(): number {
    return this.#all.length - this.#free.length
  }

  *[Symbol.iterator](): IterableIterator<NotifierSubscription> {
    for (let place = 0; place < this.#all.length; place++) {
      const one = this.#all[place]
      if (one) yield one
    }
  }

  add(facts: SubscriptionFacts, services: Services): NotifierSubscription {
    const subscription = new NotifierSubscription(facts, ++this.#made, services)
    const { event, resourceKey } = subscription.subject
    const place = this.#free.pop() ?? this.#all.length
    this.#all[place] = subscription
    subscription.place = place
    this.#byPhone.add(subscription)
    subscription.placeOfEndpoint = addTo(this.#byEndpoint, subscription.endpoint.id, subscription)
    let ofEvent = this.#byResource.get(event)
    if (!ofEvent) this.#byResource.set(event, (ofEvent = new Map()))
    subscription.placeOfResource = addTo(ofEvent, resourceKey, subscription)
    return subscription
  }

  remove(subscription: NotifierSubscription): void {
    const { subject, endpoint, dialog, place } = subscription
    if (this.#all[place] !== subscription) return
    this.#all[place] = undefined
    this.#free.push(place)
    if (dialog.usage === subscription) dialog.usage = undefined
    this.#byPhone.delete(subscription)
    deleteFrom(this.#byEndpoint, endpoint.id, subscription, 'placeOfEndpoint')
    const ofEvent = this.#byResource.get(subject.event)
    if (ofEvent) deleteFrom(ofEvent, subject.resourceKey, subscription, 'placeOfResource')
  }

  ofDialog(dialogId: string): NotifierSubscription | undefined {
    return usageOf(this.#dialog(dialogId))
  }

  /** Another server has it: it ends without a word, and its row stays. */
  disown(dialogId: string): void {
    const subscription = this.ofDialog(dialogId)
    if (!subscription) return
    subscription.disowned = true
    subscription.drop('another server goes on with it')
  }

  /** What a phone has for one thing, oldest first. */
  ofPhone(facts: PhoneFacts): readonly NotifierSubscription[] {
    return this.#byPhone.of(facts)
  }

  /** What the same phone has for the same thing, oldest first. */
  besides(subscription: NotifierSubscription): readonly NotifierSubscription[] {
    return this.#byPhone.besides(subscription)
  }

  /** As they are now: others may come and go while somebody looks at them. */
  ofEndpoint(endpoint: string): readonly NotifierSubscription[] {
    return this.#byEndpoint.get(endpoint)?.slice() ?? NONE
  }

  countOf(endpoint: string): number {
    return this.#byEndpoint.get(endpoint)?.length ?? 0
  }

  /** Those of a resource as they are now, whatever case its name is written in. */
  ofResource(event: string, resource: string): readonly NotifierSubscription[] {
    return this.#byResource.get(event)?.get(resource.toLowerCase())?.slice() ?? NONE
  }

  /** By its id, or by the Call-ID of its dialog. */
  find(name: string): NotifierSubscription | undefined {
    for (const subscription of this) if (subscription.id === name) return subscription
    for (const subscription of this) if (subscription.dialog.callId === name) return subscription
    return undefined
  }

  onSubscription(listener: Listener): Undo {
    return addedTo(this.#listeners, listener)
  }

  tell(what: SubscriptionEvent, subscription: NotifierSubscription): void {
    for (const listener of this.#listeners) listener(what, subscription)
  }
}

/** RFC 6665 4.2.1.2: what a request in a dialog is for, by event type and `id`. */
export function inDialog(dialog: Dialog, event: string, eventId: string): NotifierSubscription | undefined {
  const found = usageOf(dialog)
  return found?.event === event && found.eventId === eventId ? found : undefined
}

function usageOf(dialog: Dialog | undefined): NotifierSubscription | undefined {
  const usage = dialog?.usage
  return usage instanceof NotifierSubscription ? usage : undefined
}

const NONE: readonly NotifierSubscription[] = []

type Groups = Map<string, NotifierSubscription[]>

/** Its place among the others. */
function addTo(groups: Groups, key: string, member: NotifierSubscription): number {
  const others = groups.get(key)
  if (others) return others.push(member) - 1
  groups.set(key, [member])
  return 0
}

/** The last takes its place. */
function deleteFrom(
  groups: Groups,
  key: string,
  member: NotifierSubscription,
  place: 'placeOfEndpoint' | 'placeOfResource',
): void {
  const group = groups.get(key)
  const last = group?.pop()
  if (!group || !last) return
  if (last !== member) {
    group[member[place]] = last
    last[place] = member[place]
  }
  if (group.length === 0) groups.delete(key)
}
