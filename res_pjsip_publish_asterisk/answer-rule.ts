/** What becomes of a publication by the answer to a PUBLISH (RFC 3903 4 and 5, RFC 3261 8.1.3). */
import type { Outcome } from '../core/sip/contract.ts'
import { NOT_GOT_THROUGH } from '../core/sip/next-hop.ts'
import { parseDeltaSeconds, parseRetryAfter } from '../core/sip/values.ts'

export type Verdict =
  /** `entityTag` is undefined where the server forgot to give one: the next PUBLISH makes another publication. */
  | { readonly kind: 'accepted'; readonly entityTag: string | undefined; readonly seconds: number }
  /** 412: the server does not know the entity-tag. */
  | { readonly kind: 'forgotten' }
  /** 423: it has to last at least so long. */
  | { readonly kind: 'too brief'; readonly seconds: number }
  | { readonly kind: 'challenged' }
  /** Another server may do better, or this one later. */
  | { readonly kind: 'failed'; readonly why: string; readonly retryAfter: number | undefined }
  /** The server has understood and does not want it. */
  | { readonly kind: 'refused'; readonly why: string; readonly retryAfter: number | undefined }

const PASSING: ReadonlySet<number> = new Set([408, 480, 486, ...NOT_GOT_THROUGH])

/** `asked`: seconds. */
export function verdictOf(outcome: Outcome, asked: number): Verdict {
  if (outcome.kind === 'timeout') return { kind: 'failed', why: 'no answer', retryAfter: undefined }
  if (outcome.kind === 'unreachable') return { kind: 'failed', why: outcome.reason, retryAfter: undefined }
  const { response } = outcome
  const { status, reason } = response
  if (status < 300) {
    const expires = parseDeltaSeconds(response.header('Expires'))
    if (expires === 0 && asked > 0) return { kind: 'refused', why: 'Expires: 0 in the answer', retryAfter: undefined }
    return { kind: 'accepted', entityTag: response.header('SIP-ETag') || undefined, seconds: expires ?? asked }
  }
  if (status === 412) return { kind: 'forgotten' }
  if (status === 401 || status === 407) return { kind: 'challenged' }
  const why = `${status} ${reason}`
  const least = status === 423 ? parseDeltaSeconds(response.header('Min-Expires')) : undefined
  if (least !== undefined && least > asked) return { kind: 'too brief', seconds: least }
  const isPassing = PASSING.has(status) || (status >= 500 && status < 600)
  return { kind: isPassing ? 'failed' : 'refused', why, retryAfter: parseRetryAfter(response.header('Retry-After')) }
}

/** Seconds after which a refresh is sent: early enough for one that times out (timer F), and for a server whose clock knows whole seconds. */
export function refreshAfter(seconds: number): number {
  return seconds - Math.min(Math.max(seconds / 4, 2), seconds / 2, 40)
}

const FIRST_PAUSE = { failed: 2, refused: 5 }
const LONGEST_PAUSE = { failed: 120, refused: 3600 }

/** Seconds before the next attempt, after so many in a row came to nothing. What the server asks for goes before. */
export function pauseAfter(
  { kind, retryAfter }: { readonly kind: 'failed' | 'refused'; readonly retryAfter: number | undefined },
  failures: number,
): number {
  if (retryAfter !== undefined) return Math.min(Math.max(1, retryAfter), 86400)
  return Math.min(FIRST_PAUSE[kind] * 2 ** Math.min(failures, 12), LONGEST_PAUSE[kind])
}
