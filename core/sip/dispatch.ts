/** What is done with a message that came in: answers to their transactions, requests to their handlers. */
import { type Logger, reasonOf } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import { addedTo, type Undo } from '../scope.ts'
import { AnsweredVias } from './answered-vias.ts'
import { checkRequest, checkResponse } from './check.ts'
import type { ClientTransactions } from './client-transaction.ts'
import type { Address, Flow, HeaderLine, Refusal, ServerTransaction, SipRequest } from './contract.ts'
import { HEADER } from './headers.ts'
import { type ParsedRequest, type ParsedResponse, parseMessage } from './message.ts'
import { KNOWN_METHODS } from './methods.ts'
import { parseNameAddr, parseUri, printUri } from './parse-uri.ts'
import { incomingRequest, type Responder } from './respond.ts'
import {
  type IncomingRequest,
  mergeKey,
  type RequestTransaction,
  type ServerTransactions,
  transactionKey,
} from './server-transaction.ts'
import type { Receiver, Wire } from './transport.ts'
import type { SipUri } from './uri.ts'
import { parseOptionTags } from './values.ts'

/** Parameter of the URI that a call is sent on to: nobody has to know it (RFC 3261 19.1.1). */
const SENT_ON = 'sent-on-by'

export type RequestHandler = (tx: ServerTransaction) => void | Promise<void>

export interface DispatchContext {
  readonly servers: ServerTransactions
  readonly clients: ClientTransactions
  readonly responder: Responder
  readonly hasDialog: (request: SipRequest) => boolean
  readonly forceRport: (request: SipRequest) => boolean
  readonly beforeRequest: (request: SipRequest, source: Address, flow: Flow) => 'accept' | 'drop' | Refusal
  readonly callsTo: () => SipUri | undefined
  readonly paused: boolean
  readonly log: Logger
  readonly metrics: Metrics
}

/** Messages that wait while nobody is there yet to handle them. */
const MOST_WAITING = 2000
/** Milliseconds of one turn in which they are handled then. */
const START_SLICE = 4
/** Methods of INVITE's transaction and CANCEL's own rules: no handler can have them. */
const RESERVED: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL'])

export class Dispatcher implements Receiver {
  readonly #context: DispatchContext
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #advertised = new Set<() => readonly HeaderLine[]>()
  readonly #waiting: { readonly text: string; readonly wire: Wire }[] = []
  readonly #requests: Counter
  readonly #responses: Counter
  readonly #malformed: Counter
  readonly #refused: Counter
  readonly #vias = new AnsweredVias()
  #paused: boolean
  /** Who holds it up in the middle of its work: what belongs to that still comes through. */
  #holds = 0

  constructor(context: DispatchContext) {
    const { metrics } = context
    this.#context = context
    this.#paused = context.paused
    this.#requests = metrics.counter('sip.requests.received')
    this.#responses = metrics.counter('sip.responses.received')
    this.#malformed = metrics.counter('sip.messages.malformed')
    this.#refused = metrics.counter('sip.requests.refused')
    this.#handlers.set('OPTIONS', (tx) => tx.answer({ status: 200, headers: [this.#allow, ...this.#lines] }))
  }

  handle(method: string, handler: RequestHandler): Undo {
    if (RESERVED.has(method)) throw new Error(`${method} cannot be handled`)
    if (this.#handlers.has(method)) throw new Error(`${method} has a handler already`)
    this.#handlers.set(method, handler)
    return () => {
      if (this.#handlers.get(method) === handler) this.#handlers.delete(method)
    }
  }

  advertise(lines: () => readonly HeaderLine[]): Undo {
    const entry = (): readonly HeaderLine[] => lines()
    return addedTo(this.#advertised, entry)
  }

  /** What waits is handled first, a few milliseconds at a time; what comes meanwhile waits, too. */
  start(): void {
    if (this.#holds > 0) return
    const until = performance.now() + START_SLICE
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      this.#take(next.text, next.wire)
      if (this.#holds > 0) return
      if (performance.now() > until) return void setImmediate(() => this.start())
    }
    this.#paused = false
  }

  hold(): Undo {
    this.#holds++
    this.#paused = true
    return () => {
      this.#holds--
      this.start()
    }
  }

  received(text: string, wire: Wire): void {
    if (this.#paused) {
      if (this.#isAwaited(text)) return this.#take(text, wire)
      if (this.#waiting.length < MOST_WAITING) this.#waiting.push({ text, wire })
      return
    }
    this.#take(text, wire)
  }

  broken(status: number, why: string, head: string | undefined, wire: Wire): void {
    this.#malformed.add()
    this.#context.log.debug(() => `${wire.id} from ${wire.remote.address} sent what cannot be read: ${why}`)
    if (!head || this.#paused) return
    try {
      const message = parseMessage(head)
      const request = message.kind === 'failure' ? message.answerable : message
      if (request?.kind === 'request') this.#refuseUnread(request, wire, { status, reason: why })
    } catch (error) {
      this.#failed('half a message', wire, error)
    }
  }

  /**
   * An answer: what modules send while they start is repeated as long as it has none. And a NOTIFY where we are held, which
   * whoever ends a subscription of ours waits for (RFC 6665 4.1.2.3).
   */
  #isAwaited(text: string): boolean {
    if (text.startsWith('SIP/2.0 ')) return true
    return this.#holds > 0 && text.startsWith('NOTIFY ') && this.#handlers.has('NOTIFY')
  }

  #take(text: string, wire: Wire): void {
    try {
      this.#receive(text, wire)
    } catch (error) {
      this.#failed('a message', wire, error)
    }
  }

  #receive(text: string, wire: Wire): void {
    const message = parseMessage(text)
    switch (message.kind) {
      case 'failure':
        this.#malformed.add()
        this.#context.log.debug(() => `dropped what came from ${wire.remote.address}: ${message.why}`)
        if (message.answerable) {
          this.#refuseUnread(message.answerable, wire, { status: message.status, reason: message.why })
        }
        return
      case 'response':
        return this.#receiveResponse(message)
      case 'request':
        return this.#receiveRequest(message, wire)
    }
  }

  #receiveResponse(response: ParsedResponse): void {
    this.#responses.add()
    const via = this.#vias.of(response)
    if (!via || checkResponse(response, via) !== undefined) return this.#malformed.add()
    this.#context.clients.receive(response, via)
  }

  #receiveRequest(request: ParsedRequest, wire: Wire): void {
    this.#requests.add()
    const via = request.topVia
    const { servers, forceRport, beforeRequest } = this.#context
    if (!via || request.method === 'ACK') return
    const incoming = incomingRequest(request, via, wire, forceRport(request))
    const problem = checkRequest(request, this.#supported) ?? recordRouteProblem(request)
    if (problem) return this.#refuseCounted(incoming, problem)
    if (request.method === 'CANCEL') return this.#cancel(incoming)
    const key = transactionKey(request, via, wire.remote)
    // Before copies of an answered request as well: whoever floods need not write a new one each time.
    const may = beforeRequest(request, wire.remote, wire)
    if (may === 'drop') return this.#refused.add()
    if (servers.absorb(key, request, wire)) return
    if (may !== 'accept') return this.#refuse(incoming, may)
    const merge = mergeKey(request)
    if (servers.isMerged(merge, incoming)) return this.#refuse(incoming, { status: 482 })
    const handler = this.#handlers.get(request.method)
    if (!handler) return this.#refuse(incoming, this.#unhandled(request))
    this.#run(handler, servers.begin(key, merge, incoming))
  }

  #run(handler: RequestHandler, tx: RequestTransaction): void {
    try {
      const running = handler(tx)
      if (running) running.catch((error: unknown) => this.#threw(tx, error))
    } catch (error) {
      this.#threw(tx, error)
    }
    this.#context.servers.keep(tx)
  }

  #threw(tx: ServerTransaction, error: unknown): void {
    this.#failed(tx.request.method, tx.flow, error)
    tx.answer({ status: 500 })
  }

  /** RFC 3261 9.2: it changes nothing for a request other than INVITE, and we have none of those. */
  #cancel(incoming: IncomingRequest): void {
    const { request, via, wire } = incoming
    const known = [...this.#handlers.keys()].some((method) =>
      this.#context.servers.has(transactionKey(request, via, wire.remote, method)),
    )
    this.#refuseCounted(incoming, { status: known ? 200 : 481 })
  }

  /** RFC 3261 8.2.1, 12.2.2, 21.3.3, 21.5.2. */
  #unhandled(request: SipRequest): Refusal {
    if (!KNOWN_METHODS.includes(request.method)) return { status: 501 }
    if (request.to.tag !== undefined && !this.#context.hasDialog(request)) return { status: 481 }
    return this.#redirected(request) ?? this.#notAllowed
  }

  #redirected(request: SipRequest): Refusal | undefined {
    const to = request.method === 'INVITE' ? this.#context.callsTo() : undefined
    if (!to) return undefined
    const called = parseUri(request.requestUri)
    if (!called?.user) return undefined
    // By a phone that has us as the proxy of its account: it would come here again for ever.
    if (called.params.has(SENT_ON)) return { status: 482 }
    const { scheme, host, port } = to
    const params = [...to.params, [SENT_ON, 'lamplighter'] as const]
    return { status: 302, headers: [['Contact', `<${printUri({ scheme, user: called.user, host, port, params })}>`]] }
  }

  get #notAllowed(): Refusal {
    return { status: 405, headers: [this.#allow, ...this.#lines] }
  }

  get #allow(): HeaderLine {
    return ['Allow', [...this.#handlers.keys()].join(', ')]
  }

  get #lines(): HeaderLine[] {
    return [...this.#advertised].flatMap((lines) => lines())
  }

  /** Option tags we said we support are those that may be required. */
  readonly #supported = (): string[] =>
    parseOptionTags(this.#lines.filter(([name]) => name.toLowerCase() === 'supported').map(([, value]) => value))

  /** What no handler gets is a request as any other for those who are too many, or are not to be answered. */
  #refuseCounted(incoming: IncomingRequest, refusal: Refusal): void {
    const { request, wire } = incoming
    const may = this.#context.beforeRequest(request, wire.remote, wire)
    if (may === 'drop') return this.#refused.add()
    this.#refuse(incoming, may === 'accept' ? refusal : may)
  }

  #refuse(incoming: IncomingRequest, refusal: Refusal): void {
    // A CANCEL may be in order.
    if (refusal.status >= 300) {
      this.#refused.add()
      this.#context.log.debug(
        () =>
          `${incoming.request.method} from ${incoming.source.address} refused: ${refusal.status} ${refusal.reason ?? ''}`,
      )
    }
    this.#context.responder.stateless(incoming, refusal)
  }

  #refuseUnread(request: ParsedRequest, wire: Wire, refusal: Refusal): void {
    const via = request.topVia
    if (!via || request.method === 'ACK') return
    this.#refuseCounted(incomingRequest(request, via, wire, this.#context.forceRport(request)), refusal)
  }

  #failed(what: string, flow: Flow, error: unknown): void {
    const trace = error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)
    this.#context.log.error(`${what} from ${flow.remote.address} could not be handled: ${trace}`)
  }
}

/** It becomes the route of a dialog's requests, so it must be one (RFC 3261 12.1.1). */
function recordRouteProblem(request: ParsedRequest): Refusal | undefined {
  if (request.count(HEADER.recordRoute) === 0) return undefined
  const fine = request.headers('Record-Route').every((route) => parseNameAddr(route)?.uri !== undefined)
  return fine ? undefined : { status: 400, reason: 'Malformed Record-Route' }
}
