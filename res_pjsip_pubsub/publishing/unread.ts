/** Publications whose bodies nobody has read yet: those of the store, until their handler is there, and after it went. */
import { inSlices } from '../../core/in-slices.ts'
import type { PublicationHandler } from '../contract.ts'
import { BodyToRead, type InboundPublication, readStored } from './publication.ts'
import type { FollowingServices } from './publication-following.ts'

interface UnreadServices extends FollowingServices {
  readonly drop: (publication: InboundPublication, why: string) => void
}

export class UnreadPublications {
  readonly #services: UnreadServices
  readonly #reading = new Set<Promise<void>>()

  constructor(services: UnreadServices) {
    this.#services = services
  }

  /** Resolves when all that is being read has been; undefined where nothing is. */
  get done(): Promise<void> | undefined {
    return this.#reading.size === 0 ? undefined : Promise.all(this.#reading).then(() => undefined)
  }

  /** Its handler came. */
  readAll(handler: PublicationHandler<unknown>): void {
    const unread = [...this.#services.publications].filter(({ event, isRead }) => event === handler.event && !isRead)
    this.#under(inSlices(unread, (publication) => this.#read(publication, handler)))
  }

  read(publication: InboundPublication, handler: PublicationHandler<unknown>): void {
    this.#under(this.#read(publication, handler))
  }

  /** Its handler went. */
  lose(publication: InboundPublication): void {
    publication.read = undefined
    this.#services.publications.refresh(publication.event, publication.resource)
  }

  #under(work: Promise<void>): void {
    const reading = work.finally(() => this.#reading.delete(reading))
    this.#reading.add(reading)
  }

  async #read(publication: InboundPublication, handler: PublicationHandler<unknown>): Promise<void> {
    const { contentType: type, body, resource } = publication
    const { publications, handlers, drop } = this.#services
    const isGone = (): boolean => handlers.get(publication.event) !== handler
    if (publication.isRead || isGone()) return
    const read = await readStored(handler, new BodyToRead(type, body, resource))
    // It may have said something else meanwhile, or its handler may be gone.
    if (publication.isRead || publication.body !== body || isGone()) return
    if ('fault' in read) return drop(publication, `it cannot be read any more: ${read.fault}`)
    publication.read = { state: read.state }
    publications.refresh(publication.event, resource)
  }
}
