/** All subscriptions there are, and the ways to find one. */
import type { Undo } from '../core/scope.ts'
import type { SubscriptionEvent } from './contract.ts'
import type { Services } from './services.ts'
import { NotifierSubscription } from './subscription.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'

type Listener = (what: SubscriptionEvent, subscription: NotifierSubscription) => void

export class Subscriptions implements Iterable<NotifierSubscription> {
  readonly #byId = new Map<string, NotifierSubscription>()
  /** A dialog has one usage with us. */
  readonly #byDialog = new Map<string, NotifierSubscription>()
  readonly #byEndpoint = new Map<string, Set<NotifierSubscription>>()
  /** Several where a phone has more than one key for the same thing. */
  readonly #byPhone = new Map<string, readonly NotifierSubscription[]>()
  readonly #byResource = new Map<string, Set<NotifierSubscription>>()
  readonly #listeners = new Set<Listener>()
  #made = 0

  get size(): number {
    return this.#byId.size
  }

  [Symbol.iterator](): IterableIterator<NotifierSubscription> {
    return this.#byId.values()
  }

  add(facts: Omit<SubscriptionFacts, 'id'>, services: Services): NotifierSubscription {
    const subscription = new NotifierSubscription({ ...facts, id: String(++this.#made) }, services)
    const endpoint = facts.endpoint.id
    this.#byId.set(subscription.id, subscription)
    this.#byDialog.set(facts.dialog.id, subscription)
    const phone = phoneKey(facts)
    this.#byPhone.set(phone, [...(this.#byPhone.get(phone) ?? []), subscription])
    addTo(this.#byEndpoint, endpoint, subscription)
    addTo(this.#byResource, resourceKey(facts.event, facts.resource), subscription)
    return subscription
  }

  remove(subscription: NotifierSubscription): void {
    const endpoint = subscription.endpoint.id
    this.#byId.delete(subscription.id)
    if (this.#byDialog.get(subscription.dialog.id) === subscription) this.#byDialog.delete(subscription.dialog.id)
    const phone = phoneKey(subscription)
    const rest = (this.#byPhone.get(phone) ?? []).filter((other) => other !== subscription)
    if (rest.length > 0) this.#byPhone.set(phone, rest)
    else this.#byPhone.delete(phone)
    deleteFrom(this.#byEndpoint, endpoint, subscription)
    deleteFrom(this.#byResource, resourceKey(subscription.event, subscription.resource), subscription)
  }

  ofDialog(dialogId: string): NotifierSubscription | undefined {
    return this.#byDialog.get(dialogId)
  }

  /** Another server has it: it ends without a word, and its row stays. */
  disown(dialogId: string): void {
    const subscription = this.ofDialog(dialogId)
    if (!subscription) return
    subscription.disowned = true
    subscription.drop('another server goes on with it')
  }

  /** RFC 6665 4.2.1.2: by dialog, event type and `id`. */
  inDialog(dialogId: string, event: string, eventId: string): NotifierSubscription | undefined {
    const found = this.#byDialog.get(dialogId)
    return found?.event === event && found.eventId === eventId ? found : undefined
  }

  /** What the same phone has for the same thing already, oldest first. */
  ofPhone(facts: PhoneFacts): readonly NotifierSubscription[] {
    return this.#byPhone.get(phoneKey(facts)) ?? []
  }

  ofEndpoint(endpoint: string): ReadonlySet<NotifierSubscription> {
    return this.#byEndpoint.get(endpoint) ?? NONE
  }

  /** Those of a resource, whatever case its name is written in. */
  ofResource(event: string, resource: string): ReadonlySet<NotifierSubscription> {
    return this.#byResource.get(resourceKey(event, resource)) ?? NONE
  }

  /** By its id, or by the Call-ID of its dialog. */
  find(name: string): NotifierSubscription | undefined {
    const byId = this.#byId.get(name)
    if (byId) return byId
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

function resourceKey(event: string, resource: string): string {
  return `${event}\0${resource.toLowerCase()}`
}

type PhoneFacts = Pick<SubscriptionFacts, 'endpoint' | 'watcher' | 'resource' | 'event' | 'eventId' | 'contactKey'>

/** Phones behind one border controller have its host and port in their contacts, and are told apart by who they are. */
function phoneKey({ endpoint, watcher, resource, event, eventId, contactKey }: PhoneFacts): string {
  return `${endpoint.id}\0${watcher}\0${event}\0${eventId}\0${resource}\0${contactKey}`
}
