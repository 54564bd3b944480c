/**
 * What the answer to a NOTIFY means for its subscription (RFC 6665 4.2.2, RFC 5057 5.1).
 *
 *     2xx                                   delivered
 *     given up, as the watcher moved        again, at once
 *     481, 401, 407 and what ends a usage   ended: the watcher is gone, or wants none of it
 *     anything else, no answer, no way      retry, with the newest state and a growing pause; given up after
 *                                           notify_retries in a row, but not for silence where timeout_rm_subs is off
 *
 * Those that could not be sent, over a connection that nobody takes as well, do not count: our network may be away.
 *
 * Asterisk's rule, with compat=asterisk: whatever is not 2xx ends it, but for an answer with Retry-After and a failing
 * transport; those keep it, and the lost state is not sent again.
 */
import type { Outcome } from '../core/sip/contract.ts'
import { parseRetryAfter } from '../core/sip/values.ts'

export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'kept' }
  | { readonly kind: 'again' }
  | { readonly kind: 'ended'; readonly why: string }
  | { readonly kind: 'retry'; readonly pause: number }

interface RetrySettings {
  readonly notify_retries: number
  readonly notify_retry_interval: number
  readonly notify_retry_max: number
  readonly timeout_rm_subs: boolean
}

/** RFC 5057 5.1: these destroy the usage or its dialog. A challenge counts among them: what could be answered is. */
const ENDS_USAGE: ReadonlySet<number> = new Set([401, 404, 405, 407, 410, 416, 481, 484, 485, 489, 501, 604])
const DELIVERED: Verdict = { kind: 'delivered' }
const KEPT: Verdict = { kind: 'kept' }
const AGAIN: Verdict = { kind: 'again' }

/** `failures`: how many in a row there were before this one, `unsent` of them. `random`: from 0 to 1, for the jitter. */
export function judge(
  outcome: Outcome,
  failures: number,
  settings: RetrySettings,
  compat: 'rfc' | 'asterisk',
  random: number,
  unsent: number,
): Verdict {
  if (outcome.kind === 'response' && outcome.response.status < 300) return DELIVERED
  if (outcome.kind === 'unreachable' && outcome.moved) return AGAIN
  const silence = outcome.kind === 'timeout' && !settings.timeout_rm_subs
  if (compat === 'asterisk') return silence ? KEPT : asAsterisk(outcome)
  const why = describe(outcome)
  if (outcome.kind === 'response' && ENDS_USAGE.has(outcome.response.status)) return { kind: 'ended', why }
  const counted = silence || outcome.kind === 'unreachable' ? 0 : failures - unsent
  if (settings.notify_retries > 0 && counted >= settings.notify_retries)
    return { kind: 'ended', why: `${why}, as in the ${counted} attempts before` }
  const asked = outcome.kind === 'response' ? (parseRetryAfter(outcome.response.header('Retry-After')) ?? 0) * 1000 : 0
  return { kind: 'retry', pause: Math.max(asked, growingPause(failures, settings, random)) }
}

/** Milliseconds: doubling, within the most, shortened by up to a fifth so that many do not come back together. */
function growingPause(failures: number, settings: RetrySettings, random: number): number {
  const full = Math.min(settings.notify_retry_max, settings.notify_retry_interval * 2 ** Math.min(failures, 30))
  return Math.round(full * (1 - random / 5))
}

function asAsterisk(outcome: Outcome): Verdict {
  if (outcome.kind === 'unreachable') return KEPT
  if (outcome.kind === 'response' && outcome.response.status !== 481 && outcome.response.header('Retry-After'))
    return KEPT
  return { kind: 'ended', why: describe(outcome) }
}

export function describe(outcome: Outcome): string {
  if (outcome.kind === 'response') return `answered ${outcome.response.status}`
  return outcome.kind === 'timeout' ? 'no answer' : `not sent (${outcome.reason})`
}
