/**
 * The event state compositor (RFC 3903): who takes PUBLISH for an event, and all that is published. publish.ts has the
 * steps of one request, and upkeep.ts what becomes of publications without one. What several publications make together
 * is for the packages to say.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import type { Eventual } from '../../core/eventual.ts'
import type { Logger } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { ServerTransaction, SipRequest } from '../../core/sip/contract.ts'
import type { Store } from '../../core/store-contract.ts'
import { nameIn } from '../../core/user-options.ts'
import type { Watchable } from '../../core/watch.ts'
import type { Kind, Publication, PublicationEvent, PublicationHandler, Publishing, ResponseData } from '../contract.ts'
import { nameKey } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'
import type { Timers } from '../services.ts'
import { telling } from '../telling.ts'
import { type HardState, type HardStateName, hardPublication } from './hard-state.ts'
import { Permission, type PermissionServices } from './permission.ts'
import type { InboundPublication } from './publication.ts'
import type { StoredPublication } from './publication-store.ts'
import { Publications } from './publications.ts'
import { type Published, publish } from './publish.ts'
import type { Asserted, PublishServices } from './publish-ask.ts'
import { Turns } from './turns.ts'
import { Upkeep } from './upkeep.ts'

interface CompositorServices extends PermissionServices {
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly timers: Timers
  readonly log: Logger
  /** Something is published about a resource about which nothing was. */
  readonly appeared: () => void
  readonly packageSays: (event: string, request: SipRequest, resource: string) => ResponseData | undefined
}

export class Compositor implements Publishing {
  readonly #services: CompositorServices
  readonly #handlers = new Map<string, PublicationHandler<unknown>>()
  readonly #publications: Publications
  readonly #turns = new Turns()
  readonly #upkeep: Upkeep
  readonly #publishing: PublishServices

  constructor(services: CompositorServices) {
    this.#services = services
    // Publications are filed by these keys, so that another sip_uri_match holds when the module is loaded again.
    const { sip_uri_match } = services.settings()
    this.#publications = new Publications(services, (name) => nameKey(name, { sip_uri_match }))
    this.#upkeep = new Upkeep({
      ...services,
      turns: this.#turns,
      publications: this.#publications,
      handlers: this.#handlers,
    })
    this.#publishing = {
      ...services,
      publications: this.#publications,
      handlers: this.#handlers,
      permission: new Permission(services, (resource) => this.isPublished(resource)),
      turns: this.#turns,
      upkeep: this.#upkeep,
      nameIn: (uri) => nameIn(uri, services.endpoints.global),
    }
  }

  open(store: Store): Promise<void> {
    return this.#upkeep.open(store)
  }

  close(): Promise<void> {
    return this.#upkeep.close()
  }

  // What modules ask of it.

  publicationHandler<State>(handler: PublicationHandler<State>): Undo {
    const { event } = handler
    if (this.#handlers.has(event)) throw new Error(`PUBLISH for ${event} has a handler already`)
    this.#handlers.set(event, handler)
    this.#upkeep.unread.readAll(handler)
    return () => {
      if (this.#handlers.get(event) !== handler) return
      this.#handlers.delete(event)
      for (const publication of this.#publications)
        if (publication.event === event) this.#upkeep.unread.lose(publication)
    }
  }

  publications<State>(event: string, resource: string, kind: Kind<State>): Watchable<readonly Publication<State>[]> {
    const handler = this.#handlers.get(event)
    if (handler && handler.kind.name !== kind.name)
      throw new Error(`what is published for ${event} is a ${handler.kind.name}, not a ${kind.name}`)
    // The name of the kind has just been compared, and only its handler makes states of it.
    return this.#publications.watchable(event, resource) as Watchable<readonly Publication<State>[]>
  }

  get settings(): PubsubSettings {
    return this.#services.settings()
  }

  get allPublications(): Iterable<InboundPublication> {
    return this.#publications
  }

  othersPublished(): Promise<void> | undefined {
    return this.#upkeep.store.sync?.()
  }

  publicationsRead(): Promise<void> | undefined {
    return this.#upkeep.unread.done
  }

  hasUnread(event: string, resource: string): boolean {
    return this.#publications.hasUnread(event, resource)
  }

  isPublished(resource: string): boolean {
    if (resource === '') return false
    return this.#services.settings().accept_unknown || this.#publications.about(resource)
  }

  /** Whether what changes now is no news for watchers of this event (`force_delete`): they hear of it with their next NOTIFY. */
  isQuiet(event: string): boolean {
    return this.#upkeep.isQuiet(event)
  }

  /** Whether it may be published about, as far as that is up to the resource. */
  exists(event: string, resource: string, endpoint: Endpoint): Eventual<boolean | 'unavailable'> {
    const handler = this.#handlers.get(event)
    return handler ? this.#publishing.permission.exists(handler, resource, endpoint) : false
  }

  onPublication(listener: (what: PublicationEvent, publication: Publication) => void): Undo {
    return this.#publications.onPublication((what, publication) =>
      telling(this.#services.log, 'onPublication', () => listener(what, publication)),
    )
  }

  // What happens.

  /** A PUBLISH of this endpoint. */
  publish(tx: ServerTransaction, endpoint: Endpoint, asserted: Asserted): Eventual<Published> {
    return publish(tx, endpoint, asserted, this.#publishing)
  }

  /** The files were read again. */
  endpointsChanged(): void {
    const { endpoints } = this.#services.endpoints.files
    for (const publication of this.#publications) {
      const now = endpoints.get(publication.endpointId)
      if (now) publication.endpoint = now
    }
  }

  /** Other options. */
  reload(): void {
    this.#publications.reorder()
  }

  /** Deletes rows that are over and that nobody has. Resolves with their number. */
  async cleanup(): Promise<number> {
    const live = new Set([...this.#publications].map(({ ruid }) => ruid))
    return this.#upkeep.store.clean(this.#services.now(), (ruid) => live.has(ruid))
  }

  /** Its publisher does not come back for it, and somebody knows. */
  withdraw(publication: InboundPublication): Promise<boolean> {
    return this.#upkeep.withdraw(publication)
  }

  /** The table was changed by somebody else: what it says about a resource holds from now on. */
  async reread(event: string, resource: string): Promise<void> {
    const { store } = this.#upkeep
    const about = (): InboundPublication[] =>
      [...this.#publications].filter((one) => this.#publications.isAbout(one, event, resource))
    // In turn: what a PUBLISH says meanwhile is not in the rows that were read before it.
    await this.#turns.take(this.#publications.topicKey(event, resource), async () => {
      const names = new Set([resource, ...about().map((one) => one.resource)])
      const stored = await store.reread?.(event, names, this.#handlers.get(event)?.accept[0] ?? '')
      // Without a table nothing was changed in it.
      if (!stored || this.#upkeep.isClosed) return
      const rows = new Set(stored.map(({ facts }) => facts.ruid))
      for (const one of about()) {
        // Hard state is of a file, whatever the table says.
        if (one.endpointId === '' || rows.has(one.ruid)) continue
        // Other servers see a row go, and not that there is none.
        await store.keep(one)
        this.#upkeep.drop(one, 'its row is gone from the table')
      }
      for (const row of stored) await this.#take(row)
      await this.publicationsRead()
    })
  }

  async #take(row: StoredPublication): Promise<void> {
    const known = this.#publications.ofRuid(row.facts.ruid)
    if (known && isSame(known, row)) return
    const isOver = row.lease.expires <= this.#services.now()
    if (isOver) return known && this.#upkeep.drop(known, 'its time in the table is over')
    if (known) this.#publications.remove(known, { quiet: true })
    const made = this.#upkeep.restore(row)
    // With our columns it is there after a start, too, and other servers hear of it.
    if (made) await this.#upkeep.store.keep(made)
  }

  /**
   * What holds about a resource where nobody publishes anything (RFC 3903 4, hard state): a document from a file, until
   * it is withdrawn. `instance` tells one file from another. Throws where the document is not good.
   */
  hardState(
    event: string,
    resource: string,
    instance: string,
    find: () => Promise<HardState | undefined>,
  ): Promise<void> {
    const name = { event, resource, instance }
    // In turn: of two the later has the last word, and finds what the first has made.
    const set = async (): Promise<void> => this.#setHardState(name, await find())
    return Promise.resolve(this.#turns.take(this.#publications.topicKey(event, resource), set))
  }

  async #setHardState(name: HardStateName, document: HardState | undefined): Promise<void> {
    const handler = this.#handlers.get(name.event)
    if (!handler) throw new Error(`nobody reads what is published for ${name.event}`)
    const made = document && (await hardPublication(name, document, handler, this.#upkeep.due))
    const known = this.#publications.ofInstance({ ...name, endpointId: '' })
    if (!made) return known && this.#upkeep.drop(known, 'its file is gone')
    await this.#upkeep.keep(made, known)
    this.#upkeep.add(made, known)
  }
}

function isSame(known: InboundPublication, { said, lease }: StoredPublication): boolean {
  const { body, contentType, sender, priority, entityTag, expires } = known
  const isSaid = body === said.body && contentType === said.contentType
  return (
    isSaid &&
    sender === said.sender &&
    priority === said.priority &&
    entityTag === lease.entityTag &&
    expires === lease.expires
  )
}
