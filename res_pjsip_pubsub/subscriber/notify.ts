/** A NOTIFY that comes to us: what its headers say (RFC 6665 4.1.3, 8.2). */
import type { Refusal, SipRequest } from '../../core/sip/contract.ts'
import {
  parseDeltaSeconds,
  parseEvent,
  parseMediaType,
  parseRetryAfter,
  parseTokenValue,
} from '../../core/sip/values.ts'
import { badRequest } from '../refusals.ts'

export interface NotifyHead {
  readonly event: string
  /** Empty where there is none. */
  readonly eventId: string
  /** A state that nobody knows counts as active (RFC 6665 4.1.3 knows but three, and lets others be added). */
  readonly state: 'active' | 'pending' | 'terminated'
  /** Seconds; undefined where nothing is said. */
  readonly expires: number | undefined
  /** Empty where there is none. */
  readonly reason: string
  readonly retryAfter: number | undefined
  /** In lower case, without parameters; empty where there is no body. */
  readonly type: string
}

export function readNotify(request: SipRequest): NotifyHead | Refusal {
  const event = request.header('Event')
  // RFC 6665 8.2.1: a NOTIFY without it is of no package that we know.
  if (event === undefined) return badRequest('Missing Event')
  const which = parseEvent(event)
  if (!which) return badRequest('Malformed Event')
  const said = request.header('Subscription-State')
  if (said === undefined) return badRequest('Missing Subscription-State')
  const state = parseTokenValue(said)
  if (!state) return badRequest('Malformed Subscription-State')
  const type = typeOf(request)
  if (type === undefined) return badRequest('Malformed Content-Type')
  const word = state.token.toLowerCase()
  return {
    event: which.event,
    eventId: which.id,
    state: word === 'terminated' || word === 'pending' ? word : 'active',
    expires: parseDeltaSeconds(state.params.get('expires')),
    reason: state.params.get('reason') ?? '',
    retryAfter: parseRetryAfter(state.params.get('retry-after')),
    type,
  }
}

export function isRefusal(read: NotifyHead | Refusal): read is Refusal {
  return 'status' in read
}

function typeOf(request: SipRequest): string | undefined {
  if (request.bodyLength === 0) return ''
  const header = request.header('Content-Type')
  return header === undefined ? undefined : parseMediaType(header)?.type
}
