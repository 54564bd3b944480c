/**
 * The server side of a request that is not INVITE (RFC 3261 17.2.2):
 *
 *     trying ─answer→ completed ─J→ terminated
 *
 * A transaction that waits for its answer holds the request. Once it is answered over UDP nothing is kept but its key,
 * what of the answer is its own and where it went, for retransmissions; over TCP and TLS (J is zero there) no more than
 * what copies of it by another way would have in common.
 */
import type { Logger } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import { hashOf } from '../text.ts'
import { AnsweredRequests } from './answered-requests.ts'
import { Connection } from './connection.ts'
import type { Address, Answer, ServerTransaction, SipRequest } from './contract.ts'
import { toWire } from './grammar.ts'
import { HEADER } from './headers.ts'
import { isRfc3261Branch } from './id.ts'
import type { ParsedRequest } from './message.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Wire } from './transport.ts'
import type { Via } from './via.ts'
import { type OwnParts, writeOver } from './write-response.ts'

/** Makes what an answer does not repeat of its request. */
export type AnswerMaker = (transaction: RequestTransaction, answer: Answer) => OwnParts

export interface IncomingRequest {
  readonly request: ParsedRequest
  readonly via: Via
  readonly wire: Wire
  readonly source: Address
  /** Where the answer goes (RFC 3261 18.2.2, RFC 3581 4). */
  readonly replyTo: Address
  /** The answer's Via says the source port although it was not asked for. */
  readonly forceRport: boolean
}

export class ServerTransactions {
  readonly log: Logger
  readonly make: AnswerMaker
  readonly #wheel: TimerWheel
  readonly #timers: () => Timers
  /** What waits for its answer beyond the turn it came in, by its key and by its merge key. */
  readonly #open = new Map<string, RequestTransaction>()
  readonly #merging = new Map<string, RequestTransaction>()
  readonly #answered: AnsweredRequests
  readonly #retransmissions: Counter
  readonly #unanswered: Counter

  constructor(wheel: TimerWheel, timers: () => Timers, make: AnswerMaker, log: Logger, metrics: Metrics) {
    this.#wheel = wheel
    this.#timers = timers
    this.make = make
    this.log = log
    this.#answered = new AnsweredRequests(wheel, () => this.#timers().j)
    this.#retransmissions = metrics.counter('sip.retransmissions.received')
    this.#unanswered = metrics.counter('sip.requests.unanswered')
  }

  get size(): number {
    return this.#open.size + this.#answered.size
  }

  /** True where the request was seen before, and has been answered again or waits for its answer. */
  absorb(key: string, request: ParsedRequest, wire: Wire): boolean {
    if (!this.#answered.repeat(key, request, wire) && !this.#isOpen(key)) return false
    this.#retransmissions.add()
    return true
  }

  has(key: string): boolean {
    return this.#answered.has(key) || this.#isOpen(key)
  }

  /** RFC 3261 8.2.2.2: a proxy has forked the request with this merge key, and it is here already by another way. */
  isMerged(merge: string | undefined, incoming: IncomingRequest): boolean {
    if (merge === undefined) return false
    if (this.#answered.hasMerge(merge) || (this.#merging.size > 0 && this.#merging.has(merge))) return true
    const fork = forkKey(merge, incoming)
    return fork !== undefined && this.#answered.hasFork(fork, incoming.via.branch)
  }

  begin(key: string, merge: string | undefined, incoming: IncomingRequest): RequestTransaction {
    return new RequestTransaction(this, key, merge, incoming)
  }

  /** The turn it came in is over: of a request that is answered nothing is noted but its answer. */
  keep(transaction: RequestTransaction): void {
    if (transaction.answered) return
    transaction.kept = true
    this.#open.set(transaction.key, transaction)
    if (transaction.merge !== undefined) this.#merging.set(transaction.merge, transaction)
    // By then the peer has given up (its timer F), and an answer would only confuse it (RFC 4320 4.2).
    this.#wheel.arm(transaction, this.#timers().j)
  }

  complete(transaction: RequestTransaction, status: number, own: OwnParts, wire: Wire): void {
    if (transaction.kept) this.#forget(transaction)
    // Some phones repeat what was refused with the CSeq it had, and credentials.
    const merge = status < 300 ? transaction.merge : undefined
    if (!wire.reliable) return this.#answered.add(transaction.key, own, wire, merge)
    // J is zero there, and still the copy that a proxy made comes when this one has been answered.
    const fork = merge === undefined ? undefined : forkKey(merge, transaction.incoming)
    if (fork !== undefined) this.#answered.addFork(fork, transaction.incoming.via.branch ?? '')
  }

  expire(transaction: RequestTransaction): void {
    this.#unanswered.add()
    this.#forget(transaction)
  }

  #isOpen(key: string): boolean {
    return this.#open.size > 0 && this.#open.has(key)
  }

  #forget(transaction: RequestTransaction): void {
    this.#wheel.cancel(transaction)
    this.#open.delete(transaction.key)
    if (transaction.merge !== undefined) this.#merging.delete(transaction.merge)
  }
}

type State = 'trying' | 'completed' | 'terminated'

export class RequestTransaction extends Timed implements ServerTransaction {
  readonly request: SipRequest
  readonly source: Address
  readonly incoming: IncomingRequest
  readonly key: string
  /** What its copies have in common whichever way they come; undefined where they cannot be told. */
  readonly merge: string | undefined
  /** It waits for its answer longer than the turn it came in. */
  kept = false
  readonly #owner: ServerTransactions
  #state: State = 'trying'

  constructor(owner: ServerTransactions, key: string, merge: string | undefined, incoming: IncomingRequest) {
    super()
    this.#owner = owner
    this.key = key
    this.merge = merge
    this.incoming = incoming
    this.request = incoming.request
    this.source = incoming.source
  }

  get flow(): Wire {
    return this.incoming.wire
  }

  get answered(): boolean {
    return this.#state === 'completed'
  }

  answer(answer: Answer): void {
    if (this.#state !== 'trying') return
    const { status } = answer
    // A module may have chosen it. What is no final answer would leave its request without one for good.
    if (!(status >= 200 && status < 700)) throw new RangeError(`${String(status)} is no status of a final answer`)
    const own = this.#owner.make(this, answer)
    this.#state = 'completed'
    if (status < 300) this.#noteProof()
    const wire = answerWire(this.incoming)
    wire.send(writeOver(this.incoming.request, own, this.source))
    this.#owner.complete(this, status, own, wire)
  }

  fire(): void {
    this.#state = 'terminated'
    this.#owner.log.warning(
      `${this.request.method} from ${this.source.address} was not answered in time; it is forgotten now`,
    )
    this.#owner.expire(this)
  }

  /** A connection belongs to the Contact of a request that was found good, and to nobody who merely claims it: OPTIONS proves nothing. */
  #noteProof(): void {
    const { flow, request } = this
    if (request.method === 'OPTIONS' || !(flow instanceof Connection)) return
    flow.isProved = true
    const contact = request.contacts[0]?.uri
    if (contact) flow.noteContact(contact)
  }
}

/** Keys are added up and no templates: V8 asks of each part of those whether it is a string. */
const BAR = '|'

/** Undefined for requests of a dialog, and for those of peers that know no tags, which cannot be told from each other. */
export function mergeKey({ to, from, callId, cseq }: SipRequest): string | undefined {
  if (to.tag !== undefined || from.tag === undefined) return undefined
  return toWire(callId + BAR + from.tag + BAR + String(cseq.number) + BAR + cseq.method)
}

/**
 * What the copies have in common that a proxy made: the Via of who sent it first, too. Who sends it anew, by another proxy
 * as the first is gone with the answer, has another branch (RFC 3263 4.3). Undefined where it came straight: there is one
 * Via, in a line of its own.
 */
function forkKey(merge: string, { request, via }: IncomingRequest): string | undefined {
  if (request.count(HEADER.via) === 1 && request.line(HEADER.via)?.length === via.text.length) return undefined
  return merge + BAR + toWire(request.headers('Via').at(-1) ?? '')
}

/** RFC 3261 18.2.2: the connection the request came by; if that is gone, a new one to where its Via says. */
export function answerWire({ wire, replyTo }: Pick<IncomingRequest, 'wire' | 'replyTo'>): Wire {
  if (wire.reliable ? wire.open : replyTo === wire.remote) return wire
  return wire.carrier.wireTo(replyTo, undefined, wire)
}

/**
 * RFC 3261 17.2.3, and its rule for RFC 2543 peers. The source address is part of it, so that two phones with one
 * private address and equally poor random numbers, behind two NATs, are not taken for each other; CSeq and Call-ID are,
 * so that a phone that uses a branch again is served, and not told what became of another request.
 */
export function transactionKey(request: SipRequest, via: Via, source: Address, method = request.method): string {
  const { branch } = via
  const { from, to, cseq, callId } = request
  if (isRfc3261Branch(branch)) {
    const sentBy = branch + BAR + via.host + BAR + String(via.port ?? '') + BAR
    const asked = method + BAR + source.address + BAR + String(cseq.number) + BAR
    return toWire(sentBy + asked + String(hashOf(callId)))
  }
  const parts = [
    request.requestUri,
    to.tag ?? '',
    from.tag ?? '',
    callId,
    cseq.number,
    method,
    via.text,
    source.address,
  ]
  return toWire(parts.join('|'))
}
