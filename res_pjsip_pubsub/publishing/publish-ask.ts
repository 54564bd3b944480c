/** What a PUBLISH asks for (RFC 3903 6), and whether that may be refused by the request alone. */
import type { Endpoint } from '../../core/endpoints.ts'
import type { Logger } from '../../core/log.ts'
import type { Refusal, ServerTransaction, SipRequest } from '../../core/sip/contract.ts'
import type { SipUri } from '../../core/sip/uri.ts'
import { parseDeltaSeconds } from '../../core/sip/values.ts'
import { brief } from '../../core/text.ts'
import type { PublicationHandler, ResponseData } from '../contract.ts'
import { eventOf, isEventType } from '../event-name.ts'
import { nameKey, plainUri, senderUri } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'
import * as refusal from '../refusals.ts'
import type { Permission } from './permission.ts'
import type { Publications } from './publications.ts'
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

/** What need not be taken from the request. */
export interface Asserted {
  readonly sender?: string
  readonly priority?: number
}

export interface Ask {
  readonly services: PublishServices
  readonly tx: ServerTransaction
  readonly request: SipRequest
  readonly endpoint: Endpoint
  readonly event: string
  readonly resource: string
  readonly domain: string
  /** SIP-If-Match: of the publication that it is to refresh, change or remove; undefined for a new one. */
  readonly entityTag: string | undefined
  /** URI of the watcher that is not told of it; empty for none. */
  readonly sender: string
  readonly priority: number
  readonly handler: PublicationHandler<unknown>
}

/** What it asks for, or why nobody takes it. */
export function askOf(
  tx: ServerTransaction,
  endpoint: Endpoint,
  asserted: Asserted,
  services: PublishServices,
): Ask | Refusal {
  const { request } = tx
  const { uri } = request
  if (!uri) return refusal.UNSUPPORTED_SCHEME
  const event = eventOf(request)?.event ?? ''
  const handler = services.handlers.get(event)
  if (!handler)
    return {
      status: 489,
      headers: refusal.listHeader('Allow-Events', [...services.handlers.keys()].filter(isEventType)),
    }
  const settings = services.settings()
  return {
    services,
    tx,
    request,
    endpoint,
    event,
    resource: services.nameIn(uri),
    domain: uri.host,
    entityTag: request.header('SIP-If-Match'),
    sender: nameKey(asserted.sender ?? senderUri(request, endpoint, settings) ?? '', settings),
    priority: asserted.priority ?? priorityOf(request, endpoint, settings.xavp_cfg),
    handler,
  }
}

/** `priority=100`, in the header that stands for Kamailio's xavp; 0 where a trusted endpoint says nothing. */
function priorityOf(request: SipRequest, { trust_id_inbound }: Endpoint, header: string): number {
  const text = trust_id_inbound && header !== '' ? request.header(header) : undefined
  const value = /(?:^|[;,\s])priority\s*=\s*(-?[0-9]{1,9})(?:$|[;,\s])/i.exec(text?.slice(0, 200) ?? '')?.[1]
  return value === undefined ? 0 : Number(value)
}

export function forbidden(ask: Ask): Refusal | undefined {
  const { endpoint, resource, handler } = ask
  if (handler.permits && endpoint.allow_publish !== 'no') {
    const refusal = handler.permits(endpoint, resource)
    if (refusal) noteRefused(ask, `no inbound-publication lets it publish about '${brief(resource)}'`)
    return refusal
  }
  if (ask.services.permission.mayPublish(endpoint, resource)) return undefined
  noteRefused(ask, `allow_publish does not let it publish about '${brief(resource)}'`)
  return { status: 403 }
}

export function noteRefused({ services, request, endpoint }: Ask, why: string): void {
  services.log.refusal(`PUBLISH of endpoint ${endpoint.id} for ${brief(request.requestUri)} is refused: ${why}`)
}

/** Seconds, or 400 and 423 (RFC 3903 6 step 4). */
export function grant({ services, request, handler }: Ask): number | Refusal {
  const { min_expires, min_expires_action, max_expires, default_expires } = services.settings()
  const text = request.header('Expires')
  const asked = text === undefined ? (handler.defaultExpires ?? default_expires) : parseDeltaSeconds(text)
  if (asked === undefined) return refusal.badRequest('Malformed Expires')
  if (asked === 0) return 0
  if (asked < min_expires && min_expires_action === 1)
    return { status: 423, headers: [['Min-Expires', String(min_expires)]] }
  return Math.min(Math.max(asked, min_expires), max_expires)
}

/** What tells one phone of a publisher from another (RFC 5626 4.1), or where it says it is. */
export function instanceOf({ request, handler }: Ask): string {
  const [contact] = request.contacts
  const instance = contact?.params.get('+sip.instance') ?? ''
  if (instance !== '' || !handler.instanceByContact || !contact?.uri) return instance
  return plainUri(contact.uri)
}
