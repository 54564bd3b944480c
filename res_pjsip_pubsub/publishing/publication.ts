/** One publication (RFC 3903 2): what it says now, until when, and which entity-tag its next PUBLISH has to name. */
import type { Endpoint } from '../../core/endpoints.ts'
import { reasonOf } from '../../core/log.ts'
import { Timed } from '../../core/sip/timer-wheel.ts'
import type { Publication, PublicationHandler, PublishedBody, ReadBody } from '../contract.ts'
import { DatastoreMap } from '../datastores.ts'

/** What stays the same while it lives. */
export interface PublicationFacts {
  /** Unique over restarts too: its key in the store. */
  readonly ruid: string
  readonly event: string
  readonly resource: string
  readonly domain: string
  readonly endpointId: string
  readonly endpoint: Endpoint | undefined
  readonly publisher: string
  readonly instance: string
}

/** What a body that was published brings with it. */
export interface Said {
  readonly contentType: string
  readonly body: string
  /** Undefined until its handler has read the body: after a restart, or while the handler is away. */
  readonly read: { readonly state: unknown } | undefined
  readonly sender: string
  readonly priority: number
  /** Epoch milliseconds. */
  readonly received: number
}

export interface Lease {
  readonly entityTag: string
  /** Epoch milliseconds. */
  readonly expires: number
}

/** A body for its handler to read. */
export class BodyToRead implements PublishedBody<unknown> {
  readonly type: string
  readonly text: string
  readonly resource: string
  readonly previous: unknown

  /** `previous`: what the publication said until now. */
  constructor(type: string, text: string, resource: string, previous?: unknown) {
    this.type = type
    this.text = text
    this.resource = resource
    this.previous = previous
  }

  get body(): Buffer {
    return Buffer.from(this.text)
  }
}

/** What there was before: nobody is there to be told that it cannot be read. */
export async function readStored(handler: PublicationHandler<unknown>, body: BodyToRead): Promise<ReadBody<unknown>> {
  try {
    return await handler.read(body)
  } catch (error) {
    return { fault: reasonOf(error) }
  }
}

/** Epoch milliseconds: the last second of the year 9999. What is to expire then does not. */
export const FOREVER = 253_402_300_799_000

export class InboundPublication extends Timed implements Publication {
  readonly id: string
  readonly ruid: string
  readonly event: string
  readonly resource: string
  readonly domain: string
  readonly endpointId: string
  readonly publisher: string
  readonly instance: string
  readonly datastores = new DatastoreMap()
  endpoint: Endpoint | undefined
  // What it says and until when, each by itself: there is nothing then that lives from one PUBLISH to the next.
  contentType = ''
  body = ''
  read: Said['read']
  sender = ''
  priority = 0
  received = 0
  isTakenHere = true
  entityTag = ''
  expires = 0
  readonly #due: (publication: InboundPublication) => void

  /** `due`: its time is over. */
  constructor(facts: PublicationFacts, said: Said, lease: Lease, due: (it: InboundPublication) => void) {
    super()
    this.id = facts.ruid.slice(0, 8)
    this.ruid = facts.ruid
    this.event = facts.event
    this.resource = facts.resource
    this.domain = facts.domain
    this.endpointId = facts.endpointId
    this.publisher = facts.publisher
    this.instance = facts.instance
    this.endpoint = facts.endpoint
    this.#due = due
    this.says(said)
    this.renewed(lease)
  }

  get neverExpires(): boolean {
    return this.expires >= FOREVER
  }

  get state(): unknown {
    return this.read?.state
  }

  /** Whether its handler has read it, so that it can be shown. */
  get isRead(): boolean {
    return this.read !== undefined
  }

  says(said: Said, isTakenHere = true): void {
    this.contentType = said.contentType
    this.body = said.body
    this.read = said.read
    this.sender = said.sender
    this.priority = said.priority
    this.received = said.received
    this.isTakenHere = isTakenHere
  }

  renewed(lease: Lease): void {
    this.entityTag = lease.entityTag
    this.expires = lease.expires
  }

  override fire(): void {
    this.#due(this)
  }
}
