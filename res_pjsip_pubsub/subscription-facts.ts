/** What a subscription is made of, new or restored, and keeps for its life. */
import type { Endpoint } from '../core/endpoints.ts'
import type { Dialog } from '../core/sip/contract.ts'
import { SharedTexts } from '../core/text.ts'
import type { Sharing } from './bodies.ts'
import type { Datastores, Subscription } from './contract.ts'
import { DatastoreMap } from './datastores.ts'
import { Delivery } from './delivery.ts'
import type { ListFacts } from './lists/facts.ts'
import type { Notification } from './notification.ts'
import { numberOfName, phoneNumber } from './phone-index.ts'
import { type Subject, type SubjectFacts, subjectOf } from './subject.ts'
import type { Authorization } from './watchers/authorization.ts'

/** What all subscriptions of a phone have in common. */
const phones = new SharedTexts(1024)

/** RFC 3261 8.1.1.5. */
const HIGHEST_CSEQ = 2 ** 31 - 1

/** What does not change. */
interface LastingFacts extends SubjectFacts {
  readonly watcher: string
  /** What tells one phone of an endpoint from another: where a new subscription has the same, this one is contested. */
  readonly contactKey: string
  readonly dialog: Dialog
  /** It is for a resource list; contentType is that of the resources. */
  readonly list?: ListFacts | undefined
}

export interface SubscriptionFacts extends LastingFacts {
  readonly endpoint: Endpoint
  /** As `services.now` has it. */
  readonly expires: number
  /** Number of the next body. */
  readonly version: number
  /** What its watcher may see until that is asked for; undefined for all of it. */
  readonly authorization?: Authorization | undefined
}

export abstract class LastingSubscription extends Delivery<Notification> implements LastingFacts {
  readonly subject: Subject
  readonly serial: number
  readonly watcher: string
  readonly contactKey: string
  /** For PhoneIndex alone. */
  readonly phoneNumber: number
  readonly dialog: Dialog
  readonly list: ListFacts | undefined
  /** When it expires, in epoch seconds and milliseconds beyond: V8 would keep one number of both in an object of its own. */
  #expiresSecond = 0
  #expiresRest = 0
  #datastores: DatastoreMap | undefined
  /** For the storage alone: the highest CSeq it reserved, and the one that the row on disk allows; without a row any is. */
  reservedCseq = 0
  coveredCseq = HIGHEST_CSEQ
  /** Another server has it: its row is not ours. */
  disowned = false
  /** Its watcher ends it, and its row is being taken away: who does not find it need not think that another server has it. */
  leaving = false
  /** For WatcherBodies alone. */
  sharing: Sharing | undefined = undefined
  /** For Subscriptions alone: where it is among all, and in their indexes. */
  place = -1
  placeOfEndpoint = -1
  placeOfResource = -1
  /** For the lists of watchers alone: what they know of it. */
  listedAs: Subscription['state'] | undefined = undefined

  constructor(facts: LastingFacts & Pick<SubscriptionFacts, 'expires'>, serial: number) {
    super()
    this.serial = serial
    this.subject = subjectOf(facts)
    const watcher = numberOfName(facts.watcher)
    const contactKey = numberOfName(facts.contactKey)
    this.watcher = phones.of(facts.watcher, watcher)
    this.contactKey = phones.of(facts.contactKey, contactKey)
    this.phoneNumber = phoneNumber(watcher, this.subject.number, contactKey)
    this.dialog = facts.dialog
    this.list = facts.list
    this.expires = facts.expires
  }

  get id(): string {
    return String(this.serial)
  }

  get event(): string {
    return this.subject.event
  }

  get eventId(): string {
    return this.subject.eventId
  }

  get resource(): string {
    return this.subject.resource
  }

  get userAgent(): string {
    return this.subject.userAgent
  }

  get contentType(): string {
    return this.subject.contentType
  }

  get localUri(): string {
    return this.subject.localUri
  }

  get narrowed(): string {
    return this.subject.narrowed
  }

  /** Epoch milliseconds. */
  get expires(): number {
    return this.#expiresSecond * 1000 + this.#expiresRest
  }

  protected set expires(epoch: number) {
    this.#expiresSecond = Math.floor(epoch / 1000)
    this.#expiresRest = (epoch - this.#expiresSecond * 1000) | 0
  }

  get datastores(): Datastores {
    this.#datastores ??= new DatastoreMap()
    return this.#datastores
  }

  get isList(): boolean {
    return this.list !== undefined
  }

  get remoteUri(): string {
    return this.watcher
  }

  protected clearDatastores(): void {
    this.#datastores?.clear()
  }
}
