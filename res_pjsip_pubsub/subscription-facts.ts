/** What a subscription is made of, new or restored, and keeps for its life. */
import type { Endpoint } from '../core/endpoints.ts'
import type { Dialog } from '../core/sip/contract.ts'
import { Timed } from '../core/sip/timer-wheel.ts'
import { DatastoreMap } from './datastores.ts'
import type { ListFacts } from './lists/facts.ts'

/** What does not change. */
interface LastingFacts {
  readonly id: string
  readonly event: string
  readonly eventId: string
  readonly resource: string
  readonly watcher: string
  readonly userAgent: string
  readonly contentType: string
  readonly localUri: string
  /** What tells one phone of an endpoint from another: where a new subscription has the same, this one is contested. */
  readonly contactKey: string
  readonly dialog: Dialog
  /** It is for a resource list; contentType is that of the resources. */
  readonly list?: ListFacts | undefined
}

export interface SubscriptionFacts extends LastingFacts {
  readonly endpoint: Endpoint
  /** Epoch milliseconds. */
  readonly expires: number
  /** Number of the next body. */
  readonly version: number
}

export abstract class LastingSubscription extends Timed implements LastingFacts {
  readonly id: string
  readonly event: string
  readonly eventId: string
  readonly resource: string
  readonly watcher: string
  readonly userAgent: string
  readonly contentType: string
  readonly localUri: string
  readonly contactKey: string
  readonly dialog: Dialog
  readonly list: ListFacts | undefined
  readonly datastores = new DatastoreMap()
  /** For the storage alone: the highest CSeq it reserved, and the one that the row on disk allows; without a row any is. */
  reservedCseq = 0
  coveredCseq = Number.POSITIVE_INFINITY
  /** Another server has it: its row is not ours. */
  disowned = false

  constructor(facts: LastingFacts) {
    super()
    this.id = facts.id
    this.event = facts.event
    this.eventId = facts.eventId
    this.resource = facts.resource
    this.watcher = facts.watcher
    this.userAgent = facts.userAgent
    this.contentType = facts.contentType
    this.localUri = facts.localUri
    this.contactKey = facts.contactKey
    this.dialog = facts.dialog
    this.list = facts.list
  }

  get isList(): boolean {
    return this.list !== undefined
  }

  get remoteUri(): string {
    return this.watcher
  }
}
