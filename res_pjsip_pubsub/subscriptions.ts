/** All subscriptions there are, and the ways to find one. */
import type { Undo } from '../core/scope.ts'
import type { Dialog } from '../core/sip/contract.ts'
import type { SubscriptionEvent } from './contract.ts'
import { type PhoneFacts, PhoneIndex } from './phone-index.ts'
import type { Services } from './services.ts'
import { NotifierSubscription } from './subscription.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'

type Listener = (what: SubscriptionEvent, subscription: NotifierSubscription) => void

export class Subscriptions implements Iterable<NotifierSubscription> {
  readonly #dialog: (id: string) => Dialog | undefined
  readonly #all = new Set<NotifierSubscription>()
  readonly #byEndpoint = new Map<string, Set<NotifierSubscription>>()
  /** Several where a phone has more than one key for the same thing. */
  readonly #byPhone = new PhoneIndex<NotifierSubscription>()
  /** By event, then by resource without case. */
  readonly #byResource = new Map<string, Map<string, Set<NotifierSubscription>>>()
  readonly #listeners = new Set<Listener>()
  #made = 0

  /** `dialog`: the dialog of an id, which knows its usage. */
  constructor(dialog: (id: string) => Dialog | undefined) {
    this.#dialog = dialog
  }

  get size(): number {
    return this.#all.size
  }

  [Symbol.iterator](): IterableIterator<NotifierSubscription> {
    return this.#all.values()
  }

  add(facts: SubscriptionFacts, services: Services): NotifierSubscription {
    const subscription = new NotifierSubscription(facts, ++this.#made, services)
    const { event, resource, endpoint } = subscription
    this.#all.add(subscription)
    this.#byPhone.add(subscription)
    addTo(this.#byEndpoint, endpoint.id, subscription)
    let ofEvent = this.#byResource.get(event)
    if (!ofEvent) this.#byResource.set(event, (ofEvent = new Map()))
    addTo(ofEvent, resource.toLowerCase(), subscription)
    return subscription
  }

  remove(subscription: NotifierSubscription): void {
    const { event, resource, endpoint, dialog } = subscription
    if (!this.#all.delete(subscription)) return
    if (dialog.usage === subscription) dialog.usage = undefined
    this.#byPhone.delete(subscription)
    deleteFrom(this.#byEndpoint, endpoint.id, subscription)
    const ofEvent = this.#byResource.get(event)
    if (ofEvent) deleteFrom(ofEvent, resource.toLowerCase(), subscription)
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

  /** What the same phone has for the same thing already, oldest first; `except` is left out. */
  ofPhone(facts: PhoneFacts, except?: NotifierSubscription): readonly NotifierSubscription[] {
    return this.#byPhone.of(facts, except)
  }

  ofEndpoint(endpoint: string): ReadonlySet<NotifierSubscription> {
    return this.#byEndpoint.get(endpoint) ?? NONE
  }

  /** Those of a resource, whatever case its name is written in. */
  ofResource(event: string, resource: string): ReadonlySet<NotifierSubscription> {
    return this.#byResource.get(event)?.get(resource.toLowerCase()) ?? NONE
  }

  /** By its id, or by the Call-ID of its dialog. */
  find(name: string): NotifierSubscription | undefined {
    for (const subscription of this) if (subscription.id === name) return subscription
    for (const subscription of this) if (subscription.dialog.callId === name) return subscription
    return undefined
  }

  onSubscription(listener: Listener): Undo {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
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

const NONE: ReadonlySet<NotifierSubscription> = new Set()

function addTo<T>(sets: Map<string, Set<T>>, key: string, member: T): void {
  const others = sets.get(key)
  if (others) others.add(member)
  else sets.set(key, new Set([member]))
}

function deleteFrom<T>(sets: Map<string, Set<T>>, key: string, member: T): void {
  const others = sets.get(key)
  others?.delete(member)
  if (others?.size === 0) sets.delete(key)
}
