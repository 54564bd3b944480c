/** A request of ours that is challenged is sent once more, with credentials (RFC 3261 22.2, 22.3). */
import type { Challenged, CredentialsFor, HeaderLine, OutcomeHandler } from './contract.ts'

const CHALLENGES: ReadonlySet<number> = new Set([401, 407])

/**
 * Passes an outcome on to `done`, but for a challenge that there are credentials for: `again` then sends the request with
 * them, and its outcome is the last, as an answer that was wrong once is wrong again.
 */
export function answeringChallenges(
  request: Pick<Challenged, 'method' | 'requestUri'>,
  credentials: CredentialsFor,
  again: (lines: readonly HeaderLine[]) => void,
  done: OutcomeHandler,
): OutcomeHandler {
  return (outcome) => {
    if (outcome.kind !== 'response' || !CHALLENGES.has(outcome.response.status)) return done(outcome)
    const go = (lines: readonly HeaderLine[]): void => (lines.length > 0 ? again(lines) : done(outcome))
    const lines = credentials({ ...request, response: outcome.response })
    if (lines instanceof Promise) void lines.then(go)
    else go(lines)
  }
}
