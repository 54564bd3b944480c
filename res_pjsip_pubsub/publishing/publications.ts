/** All publications until they expire, the ways to find one, and those of a resource as a state that is watched. */
import { Counts } from '../../core/counts.ts'
import { addedTo, type Undo } from '../../core/scope.ts'
import { type Watchable, Watched, WhileWatched } from '../../core/watch.ts'
import type { PublicationEvent } from '../contract.ts'
import type { Timers } from '../services.ts'
import type { InboundPublication, Lease } from './publication.ts'

type Listener = (what: PublicationEvent, publication: InboundPublication) => void
type Several = readonly InboundPublication[]

interface PublicationsServices {
  /** 0: the newest goes first; 1: the one of the highest priority, of those the newest. */
  readonly settings: () => { readonly retrieve_order: number; readonly max_expires: number }
  readonly timers: Timers
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Something is published about a resource about which nothing was. */
  readonly appeared: () => void
}

/** What is published about one resource for one event. It is there as long as it holds or is watched by anything. */
interface Topic {
  readonly all: Set<InboundPublication>
  readonly shown: Watched<Several>
}

const NONE: Several = []

export class Publications implements Iterable<InboundPublication> {
  readonly #byTag = new Map<string, InboundPublication>()
  readonly #byRuid = new Map<string, InboundPublication>()
  readonly #byInstance = new Map<string, InboundPublication>()
  /** How many an endpoint has, with one that is about to be made. */
  readonly byEndpoint = new Counts()
  /** event → resource, by the key of its name */
  readonly #topics = new Map<string, Map<string, Topic>>()
  /** resource → how many, over all events */
  readonly #resources = new Counts()
  readonly #listeners = new Set<Listener>()
  readonly #services: PublicationsServices
  readonly #nameKey: (resource: string) => string

  /** `nameKey`: equal for names that mean the same resource. */
  constructor(services: PublicationsServices, nameKey: (resource: string) => string) {
    this.#services = services
    this.#nameKey = nameKey
  }

  [Symbol.iterator](): IterableIterator<InboundPublication> {
    return this.#byTag.values()
  }

  add(publication: InboundPublication): void {
    const { event, resource, endpointId, entityTag } = publication
    this.#byTag.set(entityTag, publication)
    this.#byRuid.set(publication.ruid, publication)
    if (publication.instance !== '') this.#byInstance.set(instanceKey(publication), publication)
    this.byEndpoint.add(endpointId)
    const isFirst = !this.about(resource)
    this.#resources.add(this.#nameKey(resource))
    this.#topic(event, resource).all.add(publication)
    this.#arm(publication)
    // What takes the place of another is to be read before anybody is told.
    if (publication.isRead) this.refresh(event, resource)
    if (isFirst) this.#services.appeared()
  }

  /** `quiet`: nobody is told, until something else about the resource changes. */
  remove(publication: InboundPublication, { quiet = false }: { readonly quiet?: boolean } = {}): void {
    const { event, resource, endpointId } = publication
    this.#services.timers.cancel(publication)
    if (this.#byTag.get(publication.entityTag) !== publication) return
    this.#byTag.delete(publication.entityTag)
    this.#byRuid.delete(publication.ruid)
    const phone = instanceKey(publication)
    if (this.#byInstance.get(phone) === publication) this.#byInstance.delete(phone)
    this.byEndpoint.add(endpointId, -1)
    this.#resources.add(this.#nameKey(resource), -1)
    this.#known(event, resource)?.all.delete(publication)
    if (quiet) this.#tidy(event, resource)
    else this.refresh(event, resource)
  }

  /** None expires any more. */
  stop(): void {
    for (const publication of this) this.#services.timers.cancel(publication)
  }

  /** It has another entity-tag, or another time, from now on. */
  renew(publication: InboundPublication, lease: Lease): void {
    this.#byTag.delete(publication.entityTag)
    publication.renewed(lease)
    this.#byTag.set(publication.entityTag, publication)
    this.#arm(publication)
  }

  ofTag(entityTag: string): InboundPublication | undefined {
    return this.#byTag.get(entityTag)
  }

  ofRuid(ruid: string): InboundPublication | undefined {
    return this.#byRuid.get(ruid)
  }

  /** What the same phone has published there already. */
  ofInstance(facts: InstanceFacts): InboundPublication | undefined {
    return facts.instance === '' ? undefined : this.#byInstance.get(instanceKey(facts))
  }

  /** Bytes that an endpoint says about a resource, but for what `except` says. */
  bytesOf(endpointId: string, event: string, resource: string, except?: InboundPublication): number {
    let bytes = 0
    for (const one of this.#known(event, resource)?.all ?? [])
      if (one !== except && one.endpointId === endpointId) bytes += Buffer.byteLength(one.body)
    return bytes
  }

  /** Whether anything is published about a resource, for whatever event. */
  about(resource: string): boolean {
    return this.#resources.of(this.#nameKey(resource)) > 0
  }

  hasUnread(event: string, resource: string): boolean {
    for (const { isRead } of this.#known(event, resource)?.all ?? []) if (!isRead) return true
    return false
  }

  /** Equal where two PUBLISH requests are about the same. */
  topicKey(event: string, resource: string): string {
    return `${event}\0${this.#nameKey(resource)}`
  }

  isAbout(publication: InboundPublication, event: string, resource: string): boolean {
    if (publication.event !== event) return false
    return publication.resource === resource || this.#nameKey(publication.resource) === this.#nameKey(resource)
  }

  /** Those of a resource that can be shown, best first. */
  watchable(event: string, resource: string): Watchable<Several> {
    return new WhileWatched({
      value: () => this.#known(event, resource)?.shown.value ?? NONE,
      open: () => this.#topic(event, resource).shown,
      left: () => this.#tidy(event, resource),
    })
  }

  /** One of them changed: whoever watches the resource is told. */
  refresh(event: string, resource: string): void {
    const topic = this.#known(event, resource)
    if (!topic) return
    this.#show(topic)
    if (topic.all.size === 0) this.#tidy(event, resource)
  }

  /** The order may be another now. */
  reorder(): void {
    for (const topics of this.#topics.values()) for (const topic of topics.values()) this.#show(topic)
  }

  onPublication(listener: Listener): Undo {
    return addedTo(this.#listeners, listener)
  }

  tell(what: PublicationEvent, publication: InboundPublication): void {
    for (const listener of this.#listeners) listener(what, publication)
  }

  #arm(publication: InboundPublication): void {
    if (publication.neverExpires) return
    const { timers, now, settings } = this.#services
    // None lasts longer, with its grace: where one seems to, it is from before a start, and the clock is behind until it is set.
    const most = 2 * settings().max_expires * 1000
    timers.arm(publication, Math.min(Math.max(0, publication.expires - now()), most))
  }

  #known(event: string, resource: string): Topic | undefined {
    return this.#topics.get(event)?.get(this.#nameKey(resource))
  }

  #topic(event: string, resource: string): Topic {
    let topics = this.#topics.get(event)
    if (!topics) this.#topics.set(event, (topics = new Map()))
    const name = this.#nameKey(resource)
    let topic = topics.get(name)
    if (!topic) topics.set(name, (topic = { all: new Set(), shown: new Watched<Several>(NONE) }))
    return topic
  }

  #show({ all, shown }: Topic): void {
    const visible = readOf(all)
    // Of those that came in one millisecond the later goes first.
    if (visible.length > 1) visible.reverse().sort(this.#services.settings().retrieve_order === 1 ? byPriority : byTime)
    if (visible.length > 0) shown.set(visible)
    else if (shown.value.length > 0) shown.set(NONE)
  }

  #tidy(event: string, resource: string): void {
    const topic = this.#known(event, resource)
    if (topic?.all.size === 0 && topic.shown.watchers === 0) this.#topics.get(event)?.delete(this.#nameKey(resource))
  }
}

/** Of one, which is what there is as a rule, no list that has room for more. */
function readOf(all: ReadonlySet<InboundPublication>): InboundPublication[] {
  if (all.size !== 1) return [...all].filter(({ isRead }) => isRead)
  for (const only of all) if (only.isRead) return [only]
  return []
}

type InstanceFacts = Pick<InboundPublication, 'event' | 'resource' | 'endpointId' | 'instance'>

function instanceKey({ event, resource, endpointId, instance }: InstanceFacts): string {
  return `${event}\0${resource}\0${endpointId}\0${instance}`
}

/** Newest first. */
function byTime(a: InboundPublication, b: InboundPublication): number {
  return b.received - a.received
}

/** Of one priority the newest first, as Kamailio takes the time for the priority of those that say none. */
function byPriority(a: InboundPublication, b: InboundPublication): number {
  return b.priority - a.priority || byTime(a, b)
}
