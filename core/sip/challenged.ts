/** A request of ours that is challenged is sent once more, with credentials (RFC 3261 22.2, 22.3). */
import { allThere } from '../eventual.ts'
import type { Challenged, CredentialsFor, HeaderLine, OutcomeHandler, SipResponse } from './contract.ts'
import type { WaitingRequests } from './waiting-requests.ts'

/** Of whom we ask, and of a proxy on the way there. */
const CHALLENGES: ReadonlySet<number> = new Set([401, 407])
/** How often a request goes out, each time with the next CSeq: as it is, and with what each of those two asks for. */
export const MOST_SENT = 3

interface Asked {
  readonly response: SipResponse
  /** How often its nonce was used (RFC 7616 3.4, nc). */
  count: number
}

/**
 * Passes an outcome on to `done`, but for a challenge that there are credentials for: `again` then sends the request with
 * them, and hands what comes of that to the handler it is given. Each of the two is answered once, as an answer that was
 * wrong once is wrong again; who is behind a proxy gets to ask when that has what it asked for, and then both want theirs.
 */
export function answeringChallenges(
  { sender, ...request }: Pick<Challenged, 'method' | 'requestUri'> & { readonly sender: object | undefined },
  credentials: CredentialsFor,
  waiting: WaitingRequests,
  again: (lines: readonly HeaderLine[], done: OutcomeHandler) => void,
  done: OutcomeHandler,
): OutcomeHandler {
  const asked = new Map<number, Asked>()
  const answered: OutcomeHandler = (outcome) => {
    if (outcome.kind !== 'response') return done(outcome)
    const { response } = outcome
    if (!CHALLENGES.has(response.status) || asked.has(response.status)) return done(outcome)
    asked.set(response.status, { response, count: 0 })
    const lists = allThere(
      [...asked.values()].map((one) => credentials({ ...request, response: one.response, count: ++one.count })),
    )
    const go = (found: readonly (readonly HeaderLine[])[]): void => {
      // The last is for what was asked now.
      if (found.at(-1)?.length === 0) done(outcome)
      else again(found.flat(), answered)
    }
    if (lists instanceof Promise) waiting.until(lists, sender, done, go)
    else go(lists)
  }
  return answered
}
