/**
 * A PUBLISH (RFC 3903 6). The steps of the first list look at the request alone; those of the second are taken in turn
 * with the other PUBLISH requests about the same resource, in the order in which they came, as each may change which
 * entity-tag is the right one. Each step gives the answer the request is refused with, or lets it pass.
 */

import type { Endpoint } from '../../core/endpoints.ts'
import { type Eventual, whenThere } from '../../core/eventual.ts'
import type { Logger } from '../../core/log.ts'
import type { HeaderLine, Refusal, ServerTransaction, SipRequest } from '../../core/sip/contract.ts'
import { isToken } from '../../core/sip/grammar.ts'
import { randomId } from '../../core/sip/id.ts'
import type { SipUri } from '../../core/sip/uri.ts'
import { parseDeltaSeconds } from '../../core/sip/values.ts'
import { type Steps, takeSteps, wait } from '../../core/steps.ts'
import { detached } from '../../core/text.ts'
import type { PublicationHandler, ResponseData } from '../contract.ts'
import { eventOf, isEventType } from '../event-name.ts'
import { plainUri } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'
import * as refusal from '../refusals.ts'
import { refuse } from '../refusals.ts'
import { telling } from '../telling.ts'
import type { Permission } from './permission.ts'
import { InboundPublication, type Lease, type Said } from './publication.ts'
import type { Publications } from './publications.ts'
import { CHANGES_ROOM, isSaid, MAX_BODY, readBody } from './publish-body.ts'
import type { Turns } from './turns.ts'
import type { Upkeep } from './upkeep.ts'

export interface PublishServices {
  readonly settings: () => PubsubSettings
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Logger
  readonly publications: Publications
  /** By event. */
  readonly handlers: ReadonlyMap<string, PublicationHandler<unknown>>
  readonly permission: Permission
  readonly turns: Turns
  readonly upkeep: Pick<Upkeep, 'store' | 'isAway' | 'due' | 'keep' | 'add' | 'takeBack' | 'tell'>
  /** Whom its user part names. */
  readonly nameIn: (uri: SipUri) => string
  /** What the package of the event says before anybody else (`evsPublHandl`). */
  readonly packageSays: (event: string, request: SipRequest, resource: string) => ResponseData | undefined
}

/** What is not in the request itself. */
export interface Asserted {
  /** URI of the watcher that is not told of it; empty for none. */
  readonly sender: string
  readonly priority: number
}

export interface Ask extends Asserted {
  readonly services: PublishServices
  readonly tx: ServerTransaction
  readonly request: SipRequest
  readonly endpoint: Endpoint
  readonly event: string
  readonly resource: string
  readonly domain: string
  readonly handler: PublicationHandler<unknown>
}

/** What it made or changed; undefined where it was refused, or took something back. */
export type Published = InboundPublication | undefined

/** Nothing is waited for that is there at once: most requests are answered before this returns. */
export function publish(
  tx: ServerTransaction,
  endpoint: Endpoint,
  asserted: Asserted,
  services: PublishServices,
): Eventual<Published> {
  const ask = begin(tx, endpoint, asserted, services)
  if (!isAsk(ask)) return refuse(tx, ask)
  const { event, resource } = ask
  const instead = services.packageSays(event, tx.request, resource)
  if (instead) return refuse(tx, instead)
  const refused = forbidden(ask)
  if (refused && tx.request.header('SIP-If-Match') === undefined) return refuse(tx, refused)
  const turn = (): Eventual<Published> => (refused ? takeSteps(turnAway(ask, refused)) : conclude(ask))
  return services.turns.take(services.publications.topicKey(event, resource), turn)
}

function isAsk(begun: Ask | Refusal): begun is Ask {
  return 'handler' in begun
}

// The steps that look at the request alone.

function begin(
  tx: ServerTransaction,
  endpoint: Endpoint,
  { sender, priority }: Asserted,
  services: PublishServices,
): Ask | Refusal {
  const { request } = tx
  if (!request.uri) return refusal.UNSUPPORTED_SCHEME
  const event = eventOf(request)?.event ?? ''
  const handler = services.handlers.get(event)
  if (!handler) return badEvent(services.handlers)
  const { host: domain } = request.uri
  const resource = services.nameIn(request.uri)
  return { services, tx, request, endpoint, sender, priority, event, resource, domain, handler }
}

function forbidden(ask: Ask): Refusal | undefined {
  const { endpoint, resource, handler } = ask
  if (handler.permits && endpoint.allow_publish !== 'no') {
    const refusal = handler.permits(endpoint, resource)
    if (refusal) noteRefused(ask, `no inbound-publication lets it publish about '${resource}'`)
    return refusal
  }
  if (ask.services.permission.mayPublish(endpoint, resource)) return undefined
  noteRefused(ask, `allow_publish does not let it publish about '${resource}'`)
  return { status: 403 }
}

function noteRefused({ services, request, endpoint }: Ask, why: string): void {
  services.log.notice(`PUBLISH of endpoint ${endpoint.id} for ${request.requestUri} is refused: ${why}`)
}

// In turn.

function conclude(ask: Ask): Eventual<Published> {
  const { services, tx, request } = ask
  if (services.upkeep.isAway) return refuse(tx, refusal.tryLater(503, services.settings().retry_after))
  const entityTag = request.header('SIP-If-Match')
  if (entityTag !== undefined) return whenThere(find(entityTag, services), (known) => modify(ask, known))
  const seconds = grant(ask)
  return typeof seconds === 'number' ? takeSteps(create(ask, seconds)) : refuse(tx, seconds)
}

/** Another process may have published it. */
function find(entityTag: string, { publications, upkeep }: PublishServices): Eventual<InboundPublication | undefined> {
  const known = (): InboundPublication | undefined => publications.ofTag(entityTag)
  return upkeep.store.sync?.().then(known) ?? known()
}

function modify(ask: Ask, known: InboundPublication | undefined): Eventual<Published> {
  if (!isBoundTo(ask, known)) return refuse(ask.tx, unbound(ask.request))
  const seconds = grant(ask)
  if (typeof seconds !== 'number') return refuse(ask.tx, seconds)
  return seconds === 0 ? takeSteps(remove(ask, known)) : change(ask, known, seconds)
}

/** An entity-tag is good for the resource, event and endpoint it was given for, and nothing else. */
function isBoundTo(
  { services, endpoint, event, resource }: Ask,
  known: InboundPublication | undefined,
): known is InboundPublication {
  return known?.endpointId === endpoint.id && services.publications.isAbout(known, event, resource)
}

/** RFC 3903 6 step 3: what is no entity-tag, or several, is no precondition that could fail. */
function unbound(request: SipRequest): Refusal {
  return isToken(request.header('SIP-If-Match') ?? '') ? { status: 412 } : refusal.badRequest('Malformed SIP-If-Match')
}

/** Seconds, or 400 and 423 (RFC 3903 6 step 4). */
function grant({ services, request, handler }: Ask): number | Refusal {
  const { min_expires, min_expires_action, max_expires, default_expires } = services.settings()
  const text = request.header('Expires')
  const asked = text === undefined ? (handler.defaultExpires ?? default_expires) : parseDeltaSeconds(text)
  if (asked === undefined) return refusal.badRequest('Malformed Expires')
  if (asked === 0) return 0
  if (asked < min_expires && min_expires_action === 1)
    return { status: 423, headers: [['Min-Expires', String(min_expires)]] }
  return Math.min(Math.max(asked, min_expires), max_expires)
}

function* create(ask: Ask, seconds: number): Steps<Published> {
  const { services, tx, endpoint, event, resource, handler } = ask
  const { publications } = services
  const exists = yield* wait(services.permission.exists(handler, resource, endpoint))
  if (exists === 'unavailable') return refuse(tx, refusal.tryLater(500, services.settings().retry_after))
  if (!exists) {
    noteRefused(ask, `there is no '${resource}'`)
    return refuse(tx, refusal.NOT_FOUND)
  }
  const instance = instanceOf(ask)
  // A phone that had no answer at another server comes here with the same.
  if (instance !== '') yield* wait(services.upkeep.store.sync?.())
  const replaced = publications.ofInstance({ event, resource, endpointId: endpoint.id, instance })
  if (seconds === 0) {
    if (replaced) return yield* remove(ask, replaced)
    return refuse(tx, granted(ask, randomId(), 0))
  }
  const limit = endpoint.publication_limit
  if (replaced || limit <= 0) return yield* make(ask, instance, replaced, seconds)
  if (publications.byEndpoint.of(endpoint.id) >= limit) {
    noteRefused(ask, `it has its ${limit} publications already`)
    return refuse(tx, { status: 403, reason: 'Too Many Publications' })
  }
  // Others of it may come before this one is kept.
  publications.byEndpoint.add(endpoint.id)
  try {
    return yield* make(ask, instance, undefined, seconds)
  } finally {
    publications.byEndpoint.add(endpoint.id, -1)
  }
}

function* make(
  ask: Ask,
  instance: string,
  replaced: InboundPublication | undefined,
  seconds: number,
): Steps<Published> {
  const { services, tx, request, endpoint, resource, domain, handler } = ask
  const said = yield* wait(readBody(ask, undefined))
  if (!isSaid(said)) return refuse(tx, said)
  const tooMuch = exceeds(ask, said, replaced)
  if (tooMuch) return refuse(tx, tooMuch)
  const gone = unloaded(ask)
  if (gone) return refuse(tx, gone)
  const refused = handler.newPublication?.(endpoint, request, resource)
  if (refused) return refuse(tx, refused)
  const publisher = request.from.uri ? plainUri(request.from.uri) : request.from.uriText
  const facts = {
    ruid: randomId(),
    event: handler.event,
    resource: detached(resource),
    domain: detached(domain),
    endpointId: endpoint.id,
    endpoint,
    publisher: detached(publisher),
    instance: detached(instance),
  }
  const lease = leaseOf(ask, seconds)
  const made = new InboundPublication(facts, said, lease, services.upkeep.due)
  yield* wait(services.upkeep.keep(made, replaced))
  tx.answer(granted(ask, lease.entityTag, seconds))
  services.upkeep.add(made, replaced)
  return made
}

/** Looking up and reading take time; modules may have gone meanwhile. With `module refresh` they are back in a moment. */
function unloaded({ services, event, handler }: Ask): Refusal | undefined {
  if (!services.upkeep.isAway && services.handlers.get(event) === handler) return undefined
  return refusal.tryLater(503, services.settings().retry_after)
}

function badEvent(handlers: PublishServices['handlers']): Refusal {
  return { status: 489, headers: refusal.listHeader('Allow-Events', [...handlers.keys()].filter(isEventType)) }
}

/**
 * All that is published about a resource becomes one document, which each watcher gets with each change: nobody is to make
 * it so large that no datagram holds it, or that it keeps the server busy. `instead` of what: nothing is to stand there
 * until it expires because the end of it takes a few letters more.
 */
function exceeds(ask: Ask, { body }: Said, instead: InboundPublication | undefined): Refusal | undefined {
  const { services, endpoint, event, resource } = ask
  const others = services.publications.bytesOf(endpoint.id, event, resource, instead)
  if (others === 0) return undefined
  const bytes = Buffer.byteLength(body)
  const most = instead ? MAX_BODY + CHANGES_ROOM : MAX_BODY
  if (others + bytes <= most || (instead && bytes <= Buffer.byteLength(instead.body))) return undefined
  noteRefused(ask, `it has ${others} bytes published about '${resource}', and that would be more than ${most} bytes`)
  return { status: 413, reason: 'Too Much Published' }
}

/** With a body it says something else from now on; without it lasts longer. */
function change(ask: Ask, known: InboundPublication, seconds: number): Eventual<Published> {
  if (ask.request.bodyLength === 0) return renew(ask, known, undefined, seconds)
  return whenThere(readBody(ask, known), (said) => {
    if (!isSaid(said)) return refuse(ask.tx, said)
    const tooMuch = exceeds(ask, said, known)
    return tooMuch ? refuse(ask.tx, tooMuch) : renew(ask, known, said, seconds)
  })
}

function renew(ask: Ask, known: InboundPublication, said: Said | undefined, seconds: number): Eventual<Published> {
  const { services, tx, request, endpoint, handler } = ask
  const gone = unloaded(ask)
  if (gone) return refuse(tx, gone)
  // Its time may have been up while the body was read.
  if (services.publications.ofTag(known.entityTag) !== known) return refuse(tx, { status: 412 })
  const answer = handler.publishRefresh?.(known, request)
  // Not `>= 300`: where a module left the status out, nothing changes either.
  if (answer && !(answer.status < 300)) return refuse(tx, answer)
  const lease = leaseOf(ask, seconds, handler.etagNotNew ? known.entityTag : undefined)
  known.endpoint = endpoint
  services.publications.renew(known, lease)
  if (said) known.says(said)
  return whenThere(services.upkeep.store.keep(known), () => {
    tx.answer(granted(ask, lease.entityTag, seconds, answer))
    if (said) services.publications.refresh(known.event, known.resource)
    services.upkeep.tell(said ? 'changed' : 'refreshed', known)
    return known
  })
}

function* remove(ask: Ask, known: InboundPublication): Steps<undefined> {
  const { services, tx, request, handler } = ask
  services.publications.remove(known, { quiet: true })
  yield* wait(services.upkeep.store.forget(known))
  // It is gone, whatever its handler has to say to that.
  const answer = (chosen?: ResponseData): void => tx.answer(granted(ask, known.entityTag, 0, chosen))
  const end = (): void => answer(handler.publishTermination?.(known, request))
  telling(services.log, 'publishTermination', end, handler.event)
  if (!tx.answered) answer()
  services.publications.refresh(known.event, known.resource)
  services.upkeep.tell('removed', known)
}

/** What its publisher was allowed to say, and may not change any more, would stand until it expires: it is over. */
function* turnAway(ask: Ask, refused: Refusal): Steps<undefined> {
  const { services, tx, request } = ask
  const entityTag = request.header('SIP-If-Match') ?? ''
  const known = services.upkeep.isAway ? undefined : yield* wait(find(entityTag, services))
  if (isBoundTo(ask, known)) yield* wait(services.upkeep.takeBack(known))
  return refuse(tx, refused)
}

/** `priority=100`, in the header that stands for Kamailio's xavp; 0 where a trusted endpoint says nothing. */
export function priorityOf(request: SipRequest, { trust_id_inbound }: Endpoint, header: string): number {
  const text = trust_id_inbound && header !== '' ? request.header(header) : undefined
  const value = /(?:^|[;,\s])priority\s*=\s*(-?[0-9]{1,9})(?:$|[;,\s])/i.exec(text?.slice(0, 200) ?? '')?.[1]
  return value === undefined ? 0 : Number(value)
}

/** What tells one phone of a publisher from another (RFC 5626 4.1), or where it says it is. */
function instanceOf({ request, handler }: Ask): string {
  const [contact] = request.contacts
  const instance = contact?.params.get('+sip.instance') ?? ''
  if (instance !== '' || !handler.instanceByContact || !contact?.uri) return instance
  return plainUri(contact.uri)
}

// The answer.

function leaseOf({ services, handler }: Ask, seconds: number, entityTag = randomId()): Lease {
  const grace = Math.min(handler.grace ?? 0, seconds)
  return { entityTag, expires: services.now() + (seconds + grace) * 1000 }
}

/** `expires_offset`: publishers are told less, so that they refresh early. */
function granted({ services }: Ask, entityTag: string, seconds: number, given?: ResponseData): ResponseData {
  const told = seconds === 0 ? 0 : Math.max(1, seconds - services.settings().expires_offset)
  const own: HeaderLine[] = [
    ['Expires', String(told)],
    ['SIP-ETag', entityTag],
  ]
  return given ? { ...given, headers: [...own, ...(given.headers ?? [])] } : { status: 200, headers: own }
}
