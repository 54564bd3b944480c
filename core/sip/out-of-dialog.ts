/** Requests that belong to no dialog: unsolicited NOTIFYs, OPTIONS. */
import { answeringChallenges } from './challenged.ts'
import type { HeaderLine, OutcomeHandler, OutOfDialogRequest, RequestIdentity } from './contract.ts'
import { newCallId, newTag } from './id.ts'
import type { Origin } from './origin.ts'
import { type Draft, failSoon, type Outgoing } from './outgoing.ts'
import { parseNameAddr } from './parse-uri.ts'
import { type Routing, routingOf } from './routing.ts'
import { type Wire, wireOf } from './transport.ts'
import { writeRequest } from './write-request.ts'

/** Methods whose requests say where their sender is reached (RFC 3261 table 2, RFC 6665 8.1). */
const WITH_CONTACT: ReadonlySet<string> = new Set(['NOTIFY', 'SUBSCRIBE', 'OPTIONS', 'REFER'])

/** On its flow where that is open, else to its first route or Request-URI. */
export function sendOutOfDialog(
  request: OutOfDialogRequest,
  outgoing: Outgoing,
  contactFor: (wire: Wire) => string,
  done: OutcomeHandler,
): void {
  const routing = routingOf(request.requestUri, request.routes ?? [])
  const draft = new OutOfDialogDraft(request, routing, outgoing, contactFor)
  const send = (finished: OutcomeHandler): void => {
    if (request.flow?.open) {
      outgoing.send(draft, wireOf(request.flow), request.requestUri, finished)
    } else if (routing.nextHop) {
      const from = request.beside && wireOf(request.beside)
      outgoing.sendTo(draft, routing.nextHop, { ...outgoing.wayBy(request.transport), from }, finished)
    } else {
      failSoon(finished, `'${request.routes?.[0] ?? request.requestUri}' is no address to send to`)
    }
  }
  const again = (lines: readonly HeaderLine[], next: OutcomeHandler): void => {
    draft.authorize(lines)
    send(next)
  }
  const { method, credentials, sender } = request
  if (!credentials) return send(done)
  const asked = { method, requestUri: routing.requestUri, sender }
  send(answeringChallenges(asked, credentials, outgoing.waiting, again, done))
}

class OutOfDialogDraft implements Draft {
  readonly #request: OutOfDialogRequest
  readonly #routing: Routing
  readonly #outgoing: Outgoing
  readonly #contactFor: (wire: Wire) => string
  readonly #identity: RequestIdentity
  #cseq: number
  #written = ''
  #credentials: readonly HeaderLine[] = []

  constructor(request: OutOfDialogRequest, routing: Routing, outgoing: Outgoing, contactFor: (wire: Wire) => string) {
    this.#request = request
    this.#routing = routing
    this.#outgoing = outgoing
    this.#contactFor = contactFor
    this.#identity = request.identity ?? { callId: newCallId(), fromTag: newTag(), cseq: 1 }
    this.#cseq = this.#identity.cseq
  }

  get method(): string {
    return this.#request.method
  }

  get sender(): object | undefined {
    return this.#request.sender
  }

  /** It says nothing that its sender would send by now. */
  get isOvertaken(): boolean {
    return true
  }

  /** RFC 3261 22.2: the same request but for its CSeq and the credentials. */
  authorize(credentials: readonly HeaderLine[]): void {
    this.#cseq++
    this.#credentials = credentials
  }

  write(wire: Wire, origin: Origin, branch: string): string {
    const { method, from, to, headers = [], body } = this.#request
    this.#written = writeRequest({
      method,
      requestUri: this.#routing.requestUri,
      origin,
      branch,
      maxForwards: this.#outgoing.maxForwards,
      from: `${asNameAddr(from)};tag=${this.#identity.fromTag}`,
      to,
      callId: this.#identity.callId,
      cseq: this.#cseq,
      contact: WITH_CONTACT.has(method) && !hasContact(headers) ? this.#contactFor(wire) : undefined,
      routes: this.#routing.routes,
      content: { headers: [...headers, ...this.#credentials], body },
      compact: this.#outgoing.compact,
    })
    return this.#written
  }

  rewrite(): string {
    return this.#written
  }
}

function hasContact(headers: readonly HeaderLine[]): boolean {
  return headers.some(([name]) => name.toLowerCase() === 'contact')
}

/** A bare URI with parameters of its own would take the tag for one of them. */
function asNameAddr(value: string): string {
  return value.includes('<') || !parseNameAddr(value) ? value : `<${value}>`
}
