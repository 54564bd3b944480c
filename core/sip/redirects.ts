/** A request of ours that is answered 3xx goes on to where it was sent (RFC 3261 8.1.3.4). */
import { MOST_SENT } from './challenged.ts'
import type { Outcome, OutcomeHandler, OutOfDialogRequest, SipResponse } from './contract.ts'
import { equalUris } from './equal-uris.ts'
import { newCallId, newTag } from './id.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import { asRequestUri } from './routing.ts'
import type { SipUri } from './uri.ts'
import { parseQ } from './values.ts'

/** More addresses than this are not tried for one request. */
const MOST_TARGETS = 8

/** A proxy that is to be used (305), and services that only the body names (380), are no addresses of whom we ask. */
const REDIRECTIONS: ReadonlySet<number> = new Set([300, 301, 302])
/** These are about the request, wherever it is sent. */
const ABOUT_THE_REQUEST: ReadonlySet<number> = new Set([412, 423])

interface Target {
  readonly uri: SipUri
  readonly q: number
}

/** Sends it by `send`, one address after the other; the last outcome is that of all. */
export function followingRedirects(
  request: OutOfDialogRequest,
  send: (request: OutOfDialogRequest, done: OutcomeHandler) => void,
  done: OutcomeHandler,
): void {
  let identity = request.identity ?? { callId: newCallId(), fromTag: newTag(), cseq: 1 }
  const targets = new Targets(parseUri(request.requestUri))
  const answered = (outcome: Outcome): void => {
    if (isRedirection(outcome)) targets.add(outcome.response)
    const next = isOver(outcome) ? undefined : targets.next()
    if (!next) return done(outcome)
    // It may have gone out again, with credentials.
    identity = { ...identity, cseq: identity.cseq + MOST_SENT }
    request.redirected?.(identity)
    const { flow: _onlyFirst, ...rest } = request
    send({ ...rest, requestUri: asRequestUri(next), identity }, answered)
  }
  send({ ...request, identity }, answered)
}

function isRedirection(outcome: Outcome): outcome is Extract<Outcome, { kind: 'response' }> {
  return outcome.kind === 'response' && REDIRECTIONS.has(outcome.response.status)
}

/** Whether there is no use in asking anybody else. */
function isOver(outcome: Outcome): boolean {
  if (outcome.kind !== 'response') return false
  const { status } = outcome.response
  return status < 300 || status >= 600 || ABOUT_THE_REQUEST.has(status)
}

/** Each address once, so that nothing goes round in circles; the best first. */
class Targets {
  readonly #all: SipUri[]
  readonly #isSecure: boolean
  #waiting: Target[] = []

  constructor(first: SipUri | undefined) {
    this.#all = first ? [first] : []
    this.#isSecure = first?.scheme === 'sips'
  }

  add(response: SipResponse): void {
    for (const value of response.headers('Contact')) {
      const contact = parseNameAddr(value)
      const uri = contact?.uri && parseUri(asRequestUri(contact.uri))
      if (!contact || !uri || this.#all.length >= MOST_TARGETS) continue
      // Who was asked in secret is not asked for all to hear.
      if (this.#isSecure && uri.scheme !== 'sips') continue
      if (this.#all.some((known) => equalUris(known, uri))) continue
      this.#all.push(uri)
      this.#waiting.push({ uri, q: parseQ(contact.param('q')) })
    }
    this.#waiting.sort((a, b) => b.q - a.q)
  }

  next(): SipUri | undefined {
    return this.#waiting.shift()?.uri
  }
}
