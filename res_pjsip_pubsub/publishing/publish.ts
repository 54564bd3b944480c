/**
 * A PUBLISH (RFC 3903 6): what the request alone says (publish-ask.ts), then, in turn with others about the same resource
 * and in the order in which they came, as each may change which entity-tag is the right one:
 *
 *     without SIP-If-Match   create, make     a new publication, in place of what its phone had there
 *     with it                renew            it lasts longer, or (change) says something else
 *                            remove           Expires: 0
 *                            turnAway         its publisher may not say that any more
 *
 * Each gives the answer. Nothing is waited for that is there at once: most requests are answered before this returns.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import { type Eventual, whenThere } from '../../core/eventual.ts'
import type { HeaderLine, Refusal, ServerTransaction } from '../../core/sip/contract.ts'
import { isToken } from '../../core/sip/grammar.ts'
import { randomId } from '../../core/sip/id.ts'
import { type Steps, takeSteps, wait } from '../../core/steps.ts'
import { brief, detached } from '../../core/text.ts'
import type { ResponseData } from '../contract.ts'
import { plainUri } from '../identity.ts'
import * as refusal from '../refusals.ts'
import { refuse } from '../refusals.ts'
import { telling } from '../telling.ts'
import { InboundPublication, type Lease, type Said } from './publication.ts'
import {
  type Ask,
  type Asserted,
  askOf,
  forbidden,
  grant,
  instanceOf,
  noteRefused,
  type PublishServices,
} from './publish-ask.ts'
import { readBody } from './publish-body.ts'

/** What it made or changed; undefined where it was refused, or took something back. */
export type Published = InboundPublication | undefined

export function publish(
  tx: ServerTransaction,
  endpoint: Endpoint,
  asserted: Asserted,
  services: PublishServices,
): Eventual<Published> {
  const ask = askOf(tx, endpoint, asserted, services)
  if ('status' in ask) return refuse(tx, ask)
  const { event, resource, entityTag } = ask
  const instead = services.packageSays(event, tx.request, resource)
  if (instead) return refuse(tx, instead)
  const refused = forbidden(ask)
  if (refused && entityTag === undefined) return refuse(tx, refused)
  return services.turns.take(
    services.publications.topicKey(event, resource),
    (): Eventual<Published> => (refused ? takeSteps(turnAway(ask, refused)) : inTurn(ask)),
  )
}

function inTurn(ask: Ask): Eventual<Published> {
  const { services, tx, entityTag } = ask
  if (services.upkeep.isAway) return refuse(tx, refusal.tryLater(503, services.settings().retry_after))
  if (entityTag !== undefined) return whenThere(find(entityTag, services), (known) => renewal(ask, known))
  const seconds = grant(ask)
  return typeof seconds === 'number' ? takeSteps(create(ask, seconds)) : refuse(tx, seconds)
}

/** Another process may have published it. */
function find(entityTag: string, { publications, upkeep }: PublishServices): Eventual<InboundPublication | undefined> {
  const known = (): InboundPublication | undefined => publications.ofTag(entityTag)
  return upkeep.store.sync?.().then(known) ?? known()
}

function renewal(ask: Ask, known: InboundPublication | undefined): Eventual<Published> {
  if (!isBoundTo(ask, known)) return refuse(ask.tx, unbound(ask.entityTag))
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
function unbound(entityTag = ''): Refusal {
  return isToken(entityTag) ? { status: 412 } : refusal.badRequest('Malformed SIP-If-Match')
}

function* create(ask: Ask, seconds: number): Steps<Published> {
  const { services, tx, endpoint, event, resource, handler } = ask
  const { publications } = services
  const exists = yield* wait(services.permission.exists(handler, resource, endpoint))
  if (exists === 'unavailable') return refuse(tx, refusal.tryLater(500, services.settings().retry_after))
  if (!exists) {
    noteRefused(ask, `there is no '${brief(resource)}'`)
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
  const said = yield* wait(readBody(ask, undefined, replaced))
  if ('status' in said) return refuse(tx, said)
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

/** With a body it says something else from now on; without it lasts longer. */
function change(ask: Ask, known: InboundPublication, seconds: number): Eventual<Published> {
  if (ask.request.bodyLength === 0) return renew(ask, known, undefined, seconds)
  return whenThere(readBody(ask, known, known), (said) =>
    'status' in said ? refuse(ask.tx, said) : renew(ask, known, said, seconds),
  )
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
  const { services, tx, entityTag = '' } = ask
  const known = services.upkeep.isAway ? undefined : yield* wait(find(entityTag, services))
  if (isBoundTo(ask, known)) yield* wait(services.upkeep.takeBack(known))
  return refuse(tx, refused)
}

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
