/** Answers as they are written, and the way they go. */
import { createHash, randomBytes } from 'node:crypto'
import type { Address, Answer } from './contract.ts'
import { SipDialog } from './dialog.ts'
import { newTag } from './id.ts'
import type { ParsedRequest } from './message.ts'
import type { OutgoingContext } from './outgoing.ts'
import { answerWire, type IncomingRequest } from './server-transaction.ts'
import { DEFAULT_PORT, type Wire } from './transport.ts'
import type { Via } from './via.ts'
import { type OwnParts, ownParts, writeOver } from './write-response.ts'

export class Responder {
  readonly #context: Pick<OutgoingContext, 'system' | 'global'>
  readonly #secret = randomBytes(16)

  constructor(context: Pick<OutgoingContext, 'system' | 'global'>) {
    this.#context = context
  }

  /** All of the answer that it does not repeat of the request. */
  make(incoming: IncomingRequest, answer: Answer, toTag?: string): OwnParts {
    const { request, source, forceRport, wire } = incoming
    const { dialog } = answer
    const own = dialog instanceof SipDialog && answer.status < 300 ? dialog : undefined
    return ownParts({
      request,
      status: answer.status,
      reason: answer.reason,
      toTag: dialog?.localTag ?? toTag ?? newTag(),
      contact: own?.contactOn(wire),
      headers: answer.headers,
      body: answer.body,
      contentType: answer.contentType,
      source,
      forceRport,
      recordRoute: own !== undefined,
      server: this.#context.global().user_agent,
      compact: this.#context.system().compact_headers,
    })
  }

  /** RFC 3261 8.2.7: nothing is kept, so a retransmission must get the same tag by itself. */
  stateless(incoming: IncomingRequest, answer: Answer): void {
    const { request, via } = incoming
    const tag = createHash('sha1')
      .update(this.#secret)
      .update(`${via.branch ?? via.text}|${request.callId}|${request.from.tag ?? ''}`)
      .digest('hex')
      .slice(0, 32)
    answerWire(incoming).send(writeOver(incoming.request, this.make(incoming, answer, tag), incoming.source))
  }
}

/**
 * RFC 3261 18.2.1 and 18.2.2, RFC 3581 4: to the source address, and to the source port where that was asked for. A
 * `maddr` is for multicast, which nobody reaches us by, and is not followed to addresses of a stranger's choice.
 */
export function incomingRequest(request: ParsedRequest, via: Via, wire: Wire, forced: boolean): IncomingRequest {
  const source: Address = wire.remote
  const toSource = forced || via.asksRport
  const port = toSource && !wire.reliable ? source.port : (via.port ?? DEFAULT_PORT[wire.protocol])
  const replyTo = port === source.port ? source : { address: source.address, port }
  return { request, via, wire, source, replyTo, forceRport: forced }
}
