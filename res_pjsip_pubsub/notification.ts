/** What a NOTIFY says (RFC 6665 4.2.2). */
import type { HeaderLine, RequestBody } from '../core/sip/contract.ts'
import type { SentBody } from './bodies.ts'
import type { TerminationReason } from './contract.ts'

export interface Notification {
  readonly headers: readonly HeaderLine[]
  readonly request: RequestBody | undefined
  /** The state it tells, whether the body is carried or the watcher has it already. */
  readonly body: SentBody | undefined
  /** Of which the body was made. */
  readonly state: unknown
}

export interface Termination {
  readonly reason: TerminationReason
  /** Seconds. */
  readonly retryAfter: number | undefined
}

export interface NotificationParts {
  readonly event: string
  readonly eventId: string
  /** Undefined while it is active. */
  readonly termination: Termination | undefined
  /** The presentity has not decided on the watcher yet. */
  readonly pending: boolean
  readonly state: unknown
  readonly secondsLeft: number
  /** Allow-Events, User-Agent. */
  readonly common: readonly HeaderLine[]
  readonly body: SentBody | undefined
  /** The body as it is sent; undefined, and one that is empty, is left out. */
  readonly content: string | undefined
  readonly compat: 'rfc' | 'asterisk'
}

export function notification(parts: NotificationParts): Notification {
  const { event, eventId, common, body, content, compat } = parts
  const headers: HeaderLine[] = [
    ['Event', eventId === '' ? event : `${event};id=${eventId}`],
    ['Subscription-State', subscriptionState(parts)],
    ...common,
  ]
  // RFC 5839 3
  if (body && compat === 'rfc') headers.push(['SIP-ETag', body.entityTag])
  const request = body && content !== undefined && content !== '' ? { contentType: body.type, content } : undefined
  return { headers, request, body, state: parts.state }
}

/** RFC 6665 4.1.3; Asterisk gives no reason. */
function subscriptionState({ termination, pending, secondsLeft, compat }: NotificationParts): string {
  if (!termination) return `${pending ? 'pending' : 'active'};expires=${Math.max(1, secondsLeft)}`
  if (compat === 'asterisk') return 'terminated'
  const { reason, retryAfter } = termination
  return `terminated;reason=${reason}${retryAfter === undefined ? '' : `;retry-after=${retryAfter}`}`
}
