/** A request of ours that is challenged is sent once more, with credentials (RFC 3261 22.2, 22.3). */
import type { Challenged, CredentialsFor, HeaderLine, OutcomeHandler } from './contract.ts'
import type { WaitingRequests } from './waiting-requests.ts'

const CHALLENGES: ReadonlySet<number> = new Set([401, 407])

/**
 * Passes an outcome on to `done`, but for a challenge that there are credentials for: `again` then sends the request with
 * them, and its outcome is the last, as an answer that was wrong once is wrong again.
 */
export function answeringChallenges(
  { sender, ...request }: Pick<Challenged, 'method' | 'requestUri'> & { readonly sender: object | undefined },
  credentials: CredentialsFor,
  waiting: WaitingRequests,
  again: (lines: readonly HeaderLine[]) => void,
  done: OutcomeHandler,
): OutcomeHandler {
  return (outcome) => {
    if (outcome.kind !== 'response' || !CHALLENGES.has(outcome.response.status)) return done(outcome)
    const go = (lines: readonly HeaderLine[]): void => (lines.length > 0 ? again(lines) : done(outcome))
    const lines = credentials({ ...request, response: outcome.response })
    if (lines instanceof Promise) waiting.until(lines, sender, done, go)
    else go(lines)
  }
}
