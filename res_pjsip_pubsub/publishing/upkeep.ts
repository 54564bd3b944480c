/**
 * What becomes of publications in the store and in memory, also without a PUBLISH: they come back after a start, change at
 * another server, take the place of others, expire, or go because somebody knows better.
 */
import type { Endpoints } from '../../core/endpoints.ts'
import type { Eventual } from '../../core/eventual.ts'
import type { Logger } from '../../core/log.ts'
import type { Store } from '../../core/store-contract.ts'
import type { Publication, PublicationEvent } from '../contract.ts'
import type { PubsubSettings } from '../options.ts'
import { openPublications } from '../storage/modes.ts'
import { telling } from '../telling.ts'
import { InboundPublication } from './publication.ts'
import { type FollowingServices, followerOf } from './publication-following.ts'
import { memoryPublications } from './publication-memory.ts'
import type { PublicationStore, StoredPublication } from './publication-store.ts'
import type { Turns } from './turns.ts'
import { UnreadPublications } from './unread.ts'

interface UpkeepServices extends FollowingServices {
  readonly settings: () => PubsubSettings
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Logger
  readonly endpoints: Pick<Endpoints, 'files'>
  readonly turns: Turns
}

export class Upkeep {
  readonly #services: UpkeepServices
  readonly unread: UnreadPublications
  #store: PublicationStore = memoryPublications
  #isClosed = false
  /** Of the publication that expires just now, where that is to go without a word. */
  #quietEvent: string | undefined

  constructor(services: UpkeepServices) {
    this.#services = services
    this.unread = new UnreadPublications({ ...services, drop: (publication, why) => this.drop(publication, why) })
  }

  /** Takes back what the store holds. */
  async open(store: Store): Promise<void> {
    const { publications, settings, now, log } = this.#services
    this.#store = await openPublications({ store, settings: settings(), now, all: publications })
    const unreadable = await this.#store.load((stored) => this.restore(stored))
    if (unreadable > 0) log.warning(`${unreadable} publications in the store could not be read`)
    this.#store.follow?.(followerOf(this.#services, this))
  }

  /** Nothing is told: the publications stay in the store. */
  async close(): Promise<void> {
    const { turns, publications } = this.#services
    this.#isClosed = true
    await turns.idle()
    publications.stop()
    await this.#store.close()
  }

  get store(): PublicationStore {
    return this.#store
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Nobody can say now what is published: it is unloaded, or the table cannot be read yet. */
  get isAway(): boolean {
    return this.#isClosed || this.#store.isUnread === true
  }

  /** Whether what changes now is no news for watchers of this event (`force_delete`): they hear of it with their next NOTIFY. */
  isQuiet(event: string): boolean {
    return this.#quietEvent === event
  }

  /** From the store, or from another server. Undefined where its time is over. */
  restore({ facts, said, lease }: StoredPublication): InboundPublication | undefined {
    const { endpoints, publications, handlers, now } = this.#services
    if (lease.expires <= now()) {
      this.#expire({ ...lease, ruid: facts.ruid })
      return undefined
    }
    const endpoint = endpoints.files.endpoints.get(facts.endpointId)
    const publication = new InboundPublication({ ...facts, endpoint }, said, lease, this.due)
    publication.isTakenHere = this.#store.follow === undefined
    publications.add(publication)
    const handler = handlers.get(facts.event)
    if (handler) this.unread.read(publication, handler)
    return publication
  }

  /** Its time is over. It may have been refreshed at another server. */
  readonly due = (publication: InboundPublication): void => {
    const synced = this.#store.sync?.()
    if (!synced) return this.#expired(publication)
    const { expires } = publication
    void synced.then(() => {
      // Not by the clock, which may have been put back: its time is over where nobody gave it another.
      const isOver = publication.expires === expires
      if (isOver && this.#services.publications.ofRuid(publication.ruid) === publication) this.#expired(publication)
    })
  }

  #expired(publication: InboundPublication): void {
    if (this.#isClosed) return
    this.#services.log.debug(() => `${label(publication)} expired`)
    this.#remove(publication, true)
    this.#expire(publication)
    this.#over(publication, 'expired')
  }

  /** Another server may refresh it in this very moment, or have done so while the file could not be written. */
  #expire(publication: Pick<InboundPublication, 'ruid' | 'entityTag' | 'expires'>): void {
    if (this.#store.expire) void this.#store.expire(publication)
    else void this.#store.forget(publication)
  }

  /** `isExpired`: with `force_delete` that is no news. It is over all the same: who asks is told what holds now. */
  #remove(publication: InboundPublication, isExpired: boolean): void {
    const { publications, settings } = this.#services
    if (isExpired && settings().force_delete) this.#quietEvent = publication.event
    try {
      publications.remove(publication)
    } finally {
      this.#quietEvent = undefined
    }
  }

  /** It is gone, and no PUBLISH has said so. */
  #over(publication: InboundPublication, what: 'expired' | 'removed'): void {
    const { handlers, log, publications } = this.#services
    const { event } = publication
    telling(log, 'publishExpire', () => handlers.get(event)?.publishExpire?.(publication), event)
    publications.tell(what, publication)
  }

  /** It is gone from the table: another server may be the first to see that its time is over. */
  gone(publication: InboundPublication): void {
    const { publications, now } = this.#services
    this.#remove(publication, publication.expires <= now())
    publications.tell('removed', publication)
  }

  /** Its publisher does not come back for it, and somebody knows. In turn: not while a PUBLISH about the same is under way. */
  async withdraw({ ruid, event, resource }: InboundPublication): Promise<boolean> {
    const { turns, publications } = this.#services
    return turns.take(publications.topicKey(event, resource), async () => {
      const publication = publications.ofRuid(ruid)
      if (!publication || this.#isClosed) return false
      await this.takeBack(publication)
      return true
    })
  }

  /** In the place of its publisher, who does not do it. In its turn. */
  async takeBack(publication: InboundPublication): Promise<void> {
    this.#services.publications.remove(publication)
    await this.#store.forget(publication)
    this.#over(publication, 'removed')
  }

  /**
   * In the store, with one another: in between nobody is to find neither of them. The new one first, as another server that
   * reads only that shows it in place of the old one.
   */
  keep(made: InboundPublication, replaced: InboundPublication | undefined): Eventual<unknown> {
    const kept = this.#store.keep(made)
    if (replaced) void this.#store.forget(replaced)
    return kept
  }

  add(made: InboundPublication, replaced: InboundPublication | undefined): void {
    const { publications } = this.#services
    if (replaced) {
      publications.remove(replaced, { quiet: true })
      this.tell('replaced', replaced)
    }
    publications.add(made)
    this.tell('published', made)
  }

  tell(what: PublicationEvent, publication: InboundPublication): void {
    const { publications, log } = this.#services
    log.debug(() => `${label(publication)}: ${what}`)
    publications.tell(what, publication)
  }

  /** It does not hold. */
  drop(publication: InboundPublication, why: string): void {
    const { publications, log } = this.#services
    log.warning(`${label(publication)} is dropped: ${why}`)
    publications.remove(publication)
    void this.#store.forget(publication)
    publications.tell('removed', publication)
  }
}

function label({ event, resource, publisher }: Publication): string {
  return `what ${publisher} publishes for ${event} of ${resource}`
}
