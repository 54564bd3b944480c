/** Requests that belong to no dialog: unsolicited NOTIFYs, OPTIONS. */
import type { HeaderLine, OutcomeHandler, OutOfDialogRequest } from './contract.ts'
import { newCallId, newTag } from './id.ts'
import { type Draft, failSoon, type Outgoing } from './outgoing.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import { type Routing, routingOf } from './routing.ts'
import { writeRequest } from './serialize.ts'
import { type Wire, wireOf } from './transport.ts'

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
  if (request.flow?.open) {
    outgoing.send(draft, wireOf(request.flow), parseUri(request.requestUri), done)
  } else if (routing.nextHop) {
    outgoing.sendTo(draft, routing.nextHop, undefined, done)
  } else {
    failSoon(done, `'${request.routes?.[0] ?? request.requestUri}' is no address to send to`)
  }
}

class OutOfDialogDraft implements Draft {
  readonly #request: OutOfDialogRequest
  readonly #routing: Routing
  readonly #outgoing: Outgoing
  readonly #contactFor: (wire: Wire) => string
  readonly #callId = newCallId()
  readonly #tag = newTag()

  constructor(request: OutOfDialogRequest, routing: Routing, outgoing: Outgoing, contactFor: (wire: Wire) => string) {
    this.#request = request
    this.#routing = routing
    this.#outgoing = outgoing
    this.#contactFor = contactFor
  }

  get method(): string {
    return this.#request.method
  }

  write(wire: Wire, branch: string): Buffer {
    const { method, from, to, headers = [], body } = this.#request
    return writeRequest({
      method,
      requestUri: this.#routing.requestUri,
      via: this.#outgoing.viaFor(wire),
      branch,
      maxForwards: this.#outgoing.maxForwards,
      from: `${asNameAddr(from)};tag=${this.#tag}`,
      to,
      callId: this.#callId,
      cseq: 1,
      contact: WITH_CONTACT.has(method) && !hasContact(headers) ? this.#contactFor(wire) : undefined,
      routes: this.#routing.routes,
      headers,
      body,
      compact: this.#outgoing.compact,
    })
  }
}

function hasContact(headers: readonly HeaderLine[]): boolean {
  return headers.some(([name]) => name.toLowerCase() === 'contact')
}

/** A bare URI with parameters of its own would take the tag for one of them. */
function asNameAddr(value: string): string {
  return value.includes('<') || !parseNameAddr(value) ? value : `<${value}>`
}
