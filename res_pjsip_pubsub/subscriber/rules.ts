/** What a subscriber does when it is told something (RFC 6665 4.1.2, 4.1.3): answers to its SUBSCRIBEs, endings. */
import { pauseAfter } from '../../core/ari/backoff.ts'
import type { Outcome } from '../../core/sip/contract.ts'
import { parseDeltaSeconds, parseRetryAfter } from '../../core/sip/values.ts'

/** What an answer to a SUBSCRIBE means. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly expires: number | undefined; readonly silent: boolean }
  /** 423: it was too short (RFC 6665 4.1.2.1). */
  | { readonly kind: 'brief'; readonly minExpires: number | undefined }
  /** The usage is gone (RFC 6665 4.1.2.2, RFC 5057 5.1), for good as long as nobody changes anything. */
  | { readonly kind: 'gone'; readonly why: string; readonly final: boolean; readonly retryAfter: number | undefined }
  /** It failed, and what stood before it still stands. */
  | { readonly kind: 'failed'; readonly why: string; readonly final: boolean; readonly retryAfter: number | undefined }

/** RFC 6665 4.1.2.2: a refresh that is answered so has ended the subscription; 481 is the common one. */
const ENDS_USAGE: ReadonlySet<number> = new Set([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
/** Asking again in a moment is answered the same: something has to be changed first, here or there. */
const FINAL: ReadonlySet<number> = new Set([
  400, 401, 402, 403, 404, 405, 406, 407, 410, 414, 415, 416, 420, 421, 484, 485, 488, 489, 493, 501, 505, 513, 600,
  603, 604, 606,
])

export function verdictOn(outcome: Outcome): Verdict {
  if (outcome.kind === 'timeout') return { kind: 'failed', why: 'no answer', final: false, retryAfter: undefined }
  if (outcome.kind === 'unreachable')
    return { kind: 'failed', why: outcome.reason, final: false, retryAfter: undefined }
  const { response } = outcome
  const { status, reason } = response
  if (status < 300)
    return {
      kind: 'accepted',
      expires: parseDeltaSeconds(response.header('Expires')),
      // RFC 5839: no NOTIFY follows
      silent: status === 204,
    }
  if (status === 423) return { kind: 'brief', minExpires: parseDeltaSeconds(response.header('Min-Expires')) }
  const retryAfter = parseRetryAfter(response.header('Retry-After'))
  const kind = ENDS_USAGE.has(status) ? 'gone' : 'failed'
  return { kind, why: `${status} ${reason}`, final: FINAL.has(status), retryAfter }
}

/** What follows a subscription that is over. `at once` is so the first time only: a peer that ends each one is no loop. */
export type Comeback =
  | { readonly when: 'at once' }
  /** Seconds; undefined leaves the pause to us. */
  | { readonly when: 'later'; readonly after: number | undefined; readonly final: boolean }
  /** `keeps`: what was said last holds for ever. */
  | { readonly when: 'never'; readonly keeps: boolean }

/** RFC 6665 4.1.3. An unknown reason, or none, lets us come back when we like, and not before Retry-After. */
export function comebackAfter(reason: string, retryAfter: number | undefined): Comeback {
  switch (reason.toLowerCase()) {
    case 'deactivated':
    case 'timeout':
      return { when: 'at once' }
    case 'rejected':
    case 'noresource':
      return { when: 'never', keeps: false }
    case 'invariant':
      return { when: 'never', keeps: true }
    default:
      return { when: 'later', after: retryAfter, final: false }
  }
}

/** Nobody waits longer than a day, and no timer takes more than 24. */
export const LONGEST_PAUSE = 86_400_000
/** A failure that lasts: the pause begins at its limit. */
const LASTING = 31

/** Milliseconds until the next try. What a peer asked for is never undercut, and what comes on top spreads those who were asked. */
export function pauseBefore(
  { after, final }: { readonly after: number | undefined; readonly final: boolean },
  failures: number,
  limitMs: number,
  random: () => number = Math.random,
): number {
  const own = pauseAfter(final ? LASTING : Math.max(1, failures), limitMs, random)
  const asked = after === undefined ? 0 : after * 1000 * (1 + random() / 10)
  return Math.min(LONGEST_PAUSE, Math.round(Math.max(own, asked)))
}

/**
 * Milliseconds until a subscription of so many seconds is refreshed: well before its end, so that a lost refresh has the
 * time of a transaction to be noticed, and not with all others that began together.
 */
export function refreshAfter(expires: number, random: () => number = Math.random): number {
  const margin = Math.min(expires / 2, Math.max(40, expires / 10))
  return Math.min(LONGEST_PAUSE, Math.round((expires - margin) * 1000 * (0.9 + random() / 10)))
}
