/**
 * The event state compositor (RFC 3903): who takes PUBLISH for an event, and all that is published. publish.ts has the
 * steps of one request. What several publications make together is for the packages to say.
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
import { nameKey, senderUri } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'
import type { Timers } from '../services.ts'
import { openPublications } from '../storage/modes.ts'
import { telling } from '../telling.ts'
import { type HardState, type HardStateName, hardPublication } from './hard-state.ts'
import { Permission, type PermissionServices } from './permission.ts'
import { InboundPublication } from './publication.ts'
import { followerOf } from './publication-following.ts'
import { memoryPublications } from './publication-memory.ts'
import type { PublicationStore, StoredPublication } from './publication-store.ts'
import { Publications } from './publications.ts'
import { type Asserted, type Published, type PublishServices, priorityOf, publish } from './publish.ts'
import { Turns } from './turns.ts'
import { UnreadPublications } from './unread.ts'

interface CompositorServices extends PermissionServices {
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly timers: Timers
  readonly log: Logger
  readonly packageSays: (event: string, request: SipRequest, resource: string) => ResponseData | undefined
}

export class Compositor implements Publishing {
  readonly #services: CompositorServices
  readonly #handlers = new Map<string, PublicationHandler<unknown>>()
  readonly #publications: Publications
  readonly #turns = new Turns()
  readonly #publishing: PublishServices
  readonly #unread: UnreadPublications
  #store: PublicationStore = memoryPublications
  #closed = false
  /** Of the publication that expires just now, where that is to go without a word. */
  #quietEvent: string | undefined

  constructor(services: CompositorServices) {
    this.#services = services
    // Publications are filed by these keys, so that another sip_uri_match holds when the module is loaded again.
    const { sip_uri_match } = services.settings()
    this.#publications = new Publications(services, (name) => nameKey(name, { sip_uri_match }))
    this.#unread = new UnreadPublications({
      publications: this.#publications,
      handlers: this.#handlers,
      drop: (publication, why) => this.#drop(publication, why),
    })
    this.#publishing = this.#makePublishing()
  }

  /** Takes back what the store holds. */
  async open(store: Store): Promise<void> {
    const { settings, now } = this.#services
    this.#store = await openPublications({ store, settings: settings(), now, all: this.#publications })
    const unreadable = await this.#store.load((stored) => this.#restore(stored))
    if (unreadable > 0) this.#services.log.warning(`${unreadable} publications in the store could not be read`)
    this.#store.follow?.(this.#follower())
  }

  /** Nothing is told: the publications stay in the store. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#turns.idle()
    this.#publications.stop()
    await this.#store.close()
  }

  // What modules ask of it.

  publicationHandler<State>(handler: PublicationHandler<State>): Undo {
    const { event } = handler
    if (this.#handlers.has(event)) throw new Error(`PUBLISH for ${event} has a handler already`)
    this.#handlers.set(event, handler)
    this.#unread.readAll(handler)
    return () => {
      if (this.#handlers.get(event) !== handler) return
      this.#handlers.delete(event)
      for (const publication of this.#publications) if (publication.event === event) this.#unread.lose(publication)
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

  publicationsRead(): Promise<void> | undefined {
    return this.#unread.done
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
    return this.#quietEvent === event
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

  /** A PUBLISH of this endpoint. `asserted`: what is not to be taken from the request. */
  publish(tx: ServerTransaction, endpoint: Endpoint, asserted: Partial<Asserted> = {}): Eventual<Published> {
    const settings = this.#services.settings()
    const sender = nameKey(asserted.sender ?? senderUri(tx.request, endpoint, settings) ?? '', settings)
    const priority = asserted.priority ?? priorityOf(tx.request, endpoint, settings.xavp_cfg)
    return publish(tx, endpoint, { sender, priority }, this.#publishing)
  }

  /** The files were read again. */
  endpointsChanged(): void {
    const { endpoints } = this.#services.endpoints.files
    for (const publication of this.#publications) {
      const now = endpoints.get(publication.endpointId)
      if (now) publication.belongsTo(now)
    }
  }

  /** Other options. */
  reload(): void {
    this.#publications.reorder()
  }

  /** Deletes rows that are over and that nobody has. Resolves with their number. */
  async cleanup(): Promise<number> {
    const live = new Set([...this.#publications].map(({ ruid }) => ruid))
    return this.#store.clean(this.#services.now(), (ruid) => live.has(ruid))
  }

  /** Its publisher does not come back for it, and somebody knows. In turn: not while a PUBLISH about the same is under way. */
  async withdraw({ ruid, event, resource }: InboundPublication): Promise<boolean> {
    const end = async (): Promise<boolean> => {
      const publication = this.#publications.ofRuid(ruid)
      if (!publication || this.#closed) return false
      this.#publications.remove(publication)
      await this.#store.forget(publication)
      this.#over(publication, 'removed')
      return true
    }
    return this.#turns.take(this.#publications.topicKey(event, resource), end)
  }

  /** The table was changed by somebody else: what it says about a resource holds from now on. */
  async reread(event: string, resource: string): Promise<void> {
    const store = this.#store
    const about = (): InboundPublication[] =>
      [...this.#publications].filter((one) => this.#publications.isAbout(one, event, resource))
    // In turn: what a PUBLISH says meanwhile is not in the rows that were read before it.
    await this.#turns.take(this.#publications.topicKey(event, resource), async () => {
      const names = new Set([resource, ...about().map((one) => one.resource)])
      const stored = await store.reread?.(event, names, this.#handlers.get(event)?.accept[0] ?? '')
      // Without a table nothing was changed in it.
      if (!stored || this.#closed) return
      const kept = new Set(stored.map(({ facts }) => facts.ruid))
      const known = new Map(about().map((one) => [one.ruid, one]))
      for (const one of known.values()) {
        // Hard state is of a file, whatever the table says.
        if (one.endpointId === '' || kept.has(one.ruid)) continue
        // Other servers see a row go, and not that there is none.
        await store.keep(one)
        this.#drop(one, 'its row is gone from the table')
      }
      for (const one of stored) {
        const before = known.get(one.facts.ruid)
        const isOver = one.lease.expires <= this.#services.now()
        if (before ? isSame(before, one) : isOver) continue
        if (before && isOver) {
          this.#drop(before, 'its time in the table is over')
          continue
        }
        if (before) this.#publications.remove(before, { quiet: true })
        this.#restore(one)
        // With our columns it is there after a start, too, and other servers hear of it.
        const made = this.#publications.ofRuid(one.facts.ruid)
        if (made) await store.keep(made)
      }
      await this.publicationsRead()
    })
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
    const made = document && (await hardPublication(name, document, handler, (due) => this.#due(due)))
    const known = this.#publications.ofInstance({ ...name, endpointId: '' })
    if (!made) return known && this.#drop(known, 'its file is gone')
    // With one another: in between nobody is to find neither of them.
    await Promise.all([known && this.#store.forget(known), this.#store.keep(made)])
    if (known) {
      this.#publications.remove(known, { quiet: true })
      this.#publications.tell('replaced', known)
    }
    this.#publications.add(made)
    this.#publications.tell('published', made)
  }

  #restore({ facts, said, lease }: StoredPublication): void {
    if (lease.expires <= this.#services.now()) return void this.#store.forget(facts)
    const endpoint = this.#services.endpoints.files.endpoints.get(facts.endpointId)
    const publication = new InboundPublication(facts.ruid.slice(0, 8), { ...facts, endpoint }, said, lease, (due) =>
      this.#due(due),
    )
    this.#publications.add(publication)
    const handler = this.#handlers.get(facts.event)
    if (handler) this.#unread.read(publication, handler)
  }

  #follower(): ReturnType<typeof followerOf> {
    return followerOf({
      publications: this.#publications,
      handlers: this.#handlers,
      restore: (stored) => this.#restore(stored),
      // Another server may be the first to see that its time is over.
      letGo: (publication) => this.#letGo(publication, publication.expires <= this.#services.now()),
      drop: (publication, why) => this.#drop(publication, why),
      forget: (publication) => void this.#store.forget(publication),
      tell: (what, publication) => this.#publications.tell(what, publication),
    })
  }

  /** It may have been refreshed at another server. */
  #due(publication: InboundPublication): void {
    const synced = this.#store.sync?.()
    if (!synced) return this.#expired(publication)
    const { expires } = publication
    void synced.then(() => {
      // Not by the clock, which may have been put back: its time is over where nobody gave it another.
      const isOver = publication.expires === expires
      if (isOver && this.#publications.ofRuid(publication.ruid) === publication) this.#expired(publication)
    })
  }

  #expired(publication: InboundPublication): void {
    if (this.#closed) return
    this.#services.log.debug(() => `${label(publication)} expired`)
    this.#letGo(publication, true)
    void this.#store.forget(publication)
    this.#over(publication, 'expired')
  }

  /** `isExpired`: with `force_delete` that is no news. It is over all the same: who asks is told what holds now. */
  #letGo(publication: InboundPublication, isExpired: boolean): void {
    if (isExpired && this.#services.settings().force_delete) this.#quietEvent = publication.event
    try {
      this.#publications.remove(publication)
    } finally {
      this.#quietEvent = undefined
    }
  }

  /** It is gone, and no PUBLISH has said so. */
  #over(publication: InboundPublication, what: 'expired' | 'removed'): void {
    telling(
      this.#services.log,
      'publishExpire',
      () => this.#handlers.get(publication.event)?.publishExpire?.(publication),
      publication.event,
    )
    this.#publications.tell(what, publication)
  }

  #drop(publication: InboundPublication, why: string): void {
    this.#services.log.warning(`${label(publication)} is dropped: ${why}`)
    this.#publications.remove(publication)
    void this.#store.forget(publication)
    this.#publications.tell('removed', publication)
  }

  #makePublishing(): PublishServices {
    const { settings, now, log, endpoints, packageSays } = this.#services
    return {
      settings,
      now,
      log,
      packageSays,
      publications: this.#publications,
      handlers: this.#handlers,
      permission: new Permission(this.#services, (resource) => this.isPublished(resource)),
      turns: this.#turns,
      store: () => this.#store,
      nameIn: (uri) => nameIn(uri, endpoints.global),
      due: (publication) => this.#due(publication),
      tell: (what, publication) => {
        log.debug(() => `${label(publication)}: ${what}`)
        this.#publications.tell(what, publication)
      },
      closed: () => this.#closed || this.#store.isUnread === true,
    }
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

function label({ event, resource, publisher }: Publication): string {
  return `what ${publisher} publishes for ${event} of ${resource}`
}
