/**
 * An event whose state is what was published and nothing else, as Kamailio's smaller presence modules make one
 * (`ua-profile`, `conference`): PUBLISH and SUBSCRIBE with a few words.
 *
 *     pubsub.addEvent({ event: 'ua-profile', accept: ['text/xml'] })
 *
 * Several documents about a resource become one by `aggNbody`; without it the best of them is shown as it is.
 */
import { Composed } from '../../core/composed.ts'
import type { Endpoint } from '../../core/endpoints.ts'
import type { Eventual } from '../../core/eventual.ts'
import { Scope, type Undo } from '../../core/scope.ts'
import { Unwatched } from '../../core/unwatched.ts'
import type { Watchable } from '../../core/watch.ts'
import { parseXml, XmlError } from '../../core/xml.ts'
import type {
  BodyGenerator,
  EventPackage,
  Kind,
  Publication,
  PublicationHandler,
  PublishedBody,
  Pubsub,
  ReadBody,
} from '../contract.ts'

/** What is published about one resource, best first. */
export interface PublishedDocuments {
  readonly resource: string
  readonly documents: readonly PublishedDocument[]
  /** The watcher that made this change. */
  readonly sender: string
}

export interface PublishedDocument {
  readonly type: string
  readonly text: string
}

export interface PublishedEvent
  extends Omit<EventPackage<PublishedDocuments>, 'find' | 'kind' | 'ownChange'>,
    Pick<PublicationHandler<PublishedDocument>, 'etagNotNew' | 'instanceByContact'> {}

export function isPublishedEvent<State>(event: EventPackage<State> | PublishedEvent): event is PublishedEvent {
  return !('find' in event)
}

type Services = Pick<
  Pubsub,
  'eventPackage' | 'bodyGenerator' | 'publicationHandler' | 'publications' | 'publicationsRead'
>

/** Whether there is such a resource, as PUBLISH asks it; `unavailable`: nobody can say now. */
type Exists = (resource: string, endpoint: Endpoint) => Eventual<boolean | 'unavailable'>

/** Registers all that belongs to it; a second one for an event throws. */
export function publishedEvent(definition: PublishedEvent, pubsub: Services, exists: Exists): Undo {
  const { event, accept, defaultExpires, etagNotNew, instanceByContact } = definition
  const kind: Kind<PublishedDocuments> = { name: `published ${event}` }
  const resources = new Resources(event, pubsub)
  const scope = new Scope()
  try {
    scope.own(
      pubsub.publicationHandler({
        event,
        kind: documentKind,
        accept,
        defaultExpires,
        etagNotNew,
        instanceByContact,
        equalsSayTheSame: true,
        read,
      }),
    )
    for (const type of accept) scope.own(pubsub.bodyGenerator(bodiesOf(type, kind, definition)))
    scope.own(
      pubsub.eventPackage({
        ...definition,
        kind,
        find: async (resource, { endpoint }) => {
          await pubsub.publicationsRead()
          const there = await exists(resource, endpoint)
          if (there === 'unavailable') return there
          return there ? resources.of(resource) : undefined
        },
        ownChange: ({ sender }, watcher) => sender !== '' && sender === watcher,
      }),
    )
  } catch (error) {
    void scope.close()
    throw error
  }
  return () => scope.close()
}

const documentKind: Kind<PublishedDocument> = { name: 'published document' }

/** What is called XML has to be that. */
function read({ type, text }: PublishedBody<PublishedDocument>): ReadBody<PublishedDocument> {
  if (!type.endsWith('+xml') && !type.endsWith('/xml')) return { state: { type, text } }
  try {
    parseXml(text)
  } catch (error) {
    if (error instanceof XmlError) return { fault: 'Body Is Not XML' }
    throw error
  }
  return { state: { type, text } }
}

/** Empty where there is nothing of this type: the NOTIFY has no body then. */
function bodiesOf(
  type: string,
  kind: Kind<PublishedDocuments>,
  { aggNbody }: PublishedEvent,
): BodyGenerator<PublishedDocuments, string> {
  return {
    type,
    kind,
    share: () => '',
    generate({ resource, documents }) {
      const texts = documents.filter((document) => document.type === type).map(({ text }) => text)
      return (texts.length > 0 ? aggNbody?.(resource, texts) : undefined) ?? texts[0] ?? ''
    },
    print: (text) => ({ text }),
  }
}

/** As they are found; all who watch one share its state. */
export class Resources {
  readonly #event: string
  readonly #pubsub: Pick<Pubsub, 'publications'>
  readonly #found = new Map<string, Composed<PublishedDocuments>>()
  readonly #unwatched = new Unwatched<Composed<PublishedDocuments>>((found) => found.letGo())

  constructor(event: string, pubsub: Pick<Pubsub, 'publications'>) {
    this.#event = event
    this.#pubsub = pubsub
  }

  of(resource: string): Watchable<PublishedDocuments> {
    const found = this.#found.get(resource) ?? this.#begin(resource)
    this.#unwatched.add(found)
    return found
  }

  #begin(resource: string): Composed<PublishedDocuments> {
    const topic = this.#pubsub.publications(this.#event, resource, documentKind)
    let newest = 0
    let sender = ''
    const latest = (): Publication<PublishedDocument> | undefined =>
      topic.value.toSorted((a, b) => b.received - a.received)[0]
    const made = new Composed<PublishedDocuments>({
      parts: () => [topic],
      compose: () => ({ resource, documents: topic.value.map(({ state }) => state), sender }),
      changed: () => {
        const last = latest()
        sender = last && last.received > newest ? last.sender : ''
        newest = Math.max(newest, last?.received ?? 0)
      },
      // What is published already is no change that anybody makes from now on.
      wanted: () => void (newest = latest()?.received ?? 0),
      idle: () => {
        sender = ''
        if (this.#found.get(resource) === made) this.#found.delete(resource)
      },
    })
    this.#found.set(resource, made)
    return made
  }
}
