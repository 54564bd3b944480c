/**
 * The server side of a request that is not INVITE (RFC 3261 17.2.2):
 *
 *     trying ─answer→ completed ─J→ terminated
 *
 * A transaction that waits for its answer holds the request. Once it is answered over UDP nothing is kept but its key,
 * the text of the answer and where it went, for retransmissions; over TCP and TLS nothing at all (J is zero there).
 */
import type { Logger } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import { Connection } from './connection.ts'
import type { Address, Answer, ServerTransaction, SipRequest } from './contract.ts'
import { isRfc3261Branch } from './id.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Wire } from './transport.ts'
import type { Via } from './via.ts'

/** Writes an answer, one character per byte. */
export type AnswerWriter = (transaction: RequestTransaction, answer: Answer) => string

export interface IncomingRequest {
  readonly request: SipRequest
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
  readonly write: AnswerWriter
  readonly #wheel: TimerWheel
  readonly #timers: () => Timers
  readonly #open = new Map<string, RequestTransaction | AnsweredRequest>()
  /** What requests out of a dialog have in common whichever way they come → the key of the one that is open. */
  readonly #merging = new Map<string, string>()
  readonly #retransmissions: Counter
  readonly #unanswered: Counter

  constructor(wheel: TimerWheel, timers: () => Timers, write: AnswerWriter, log: Logger, metrics: Metrics) {
    this.#wheel = wheel
    this.#timers = timers
    this.write = write
    this.log = log
    this.#retransmissions = metrics.counter('sip.retransmissions.received')
    this.#unanswered = metrics.counter('sip.requests.unanswered')
  }

  get size(): number {
    return this.#open.size
  }

  /** True where the request was seen before, and has been answered again or waits for its answer. */
  absorb(key: string): boolean {
    const known = this.#open.get(key)
    if (!known) return false
    this.#retransmissions.add()
    if (known instanceof AnsweredRequest) known.repeat()
    return true
  }

  has(key: string): boolean {
    return this.#open.has(key)
  }

  /** RFC 3261 8.2.2.2: a proxy has forked it, and it is here already by another way. */
  isMerged(request: SipRequest): boolean {
    const merge = mergeKey(request)
    return merge !== undefined && this.#merging.has(merge)
  }

  begin(key: string, incoming: IncomingRequest): RequestTransaction {
    const transaction = new RequestTransaction(this, key, incoming)
    this.#open.set(key, transaction)
    const merge = mergeKey(incoming.request)
    if (merge !== undefined) this.#merging.set(merge, key)
    // By then the peer has given up (its timer F), and an answer would only confuse it (RFC 4320 4.2).
    this.#wheel.arm(transaction, this.#timers().j)
    return transaction
  }

  complete(key: string, transaction: RequestTransaction, status: number, text: string, wire: Wire): void {
    this.#wheel.cancel(transaction)
    let merge = mergeKey(transaction.request)
    // Some phones repeat what was refused with the CSeq it had, and credentials.
    if (wire.reliable || status >= 300) merge = this.#unmerge(merge)
    if (wire.reliable) {
      this.#open.delete(key)
      return
    }
    const answered = new AnsweredRequest(this, key, merge, text, wire)
    this.#open.set(key, answered)
    this.#wheel.arm(answered, this.#timers().j)
  }

  expire(key: string, request: SipRequest): void {
    this.#unanswered.add()
    this.forget(key, mergeKey(request))
  }

  forget(key: string, merge: string | undefined): void {
    this.#open.delete(key)
    this.#unmerge(merge)
  }

  #unmerge(merge: string | undefined): undefined {
    if (merge !== undefined) this.#merging.delete(merge)
    return undefined
  }
}

type State = 'trying' | 'completed' | 'terminated'

export class RequestTransaction extends Timed implements ServerTransaction {
  readonly request: SipRequest
  readonly source: Address
  readonly incoming: IncomingRequest
  readonly #owner: ServerTransactions
  readonly #key: string
  #state: State = 'trying'

  constructor(owner: ServerTransactions, key: string, incoming: IncomingRequest) {
    super()
    this.#owner = owner
    this.#key = key
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
    const text = this.#owner.write(this, answer)
    this.#state = 'completed'
    if (answer.status < 300) this.#noteContact()
    const wire = answerWire(this.incoming)
    this.#owner.complete(this.#key, this, answer.status, text, wire)
    wire.send(text)
  }

  fire(): void {
    this.#state = 'terminated'
    this.#owner.log.warning(
      `${this.request.method} from ${this.source.address} was not answered in time; it is forgotten now`,
    )
    this.#owner.expire(this.#key, this.request)
  }

  /** A connection belongs to the Contact of a request that was found good, and to nobody who merely claims it. */
  #noteContact(): void {
    const contact = this.request.contacts[0]?.uri
    if (contact && this.flow instanceof Connection) this.flow.noteContact(contact)
  }
}

class AnsweredRequest extends Timed {
  readonly #owner: ServerTransactions
  readonly #key: string
  readonly #text: string
  readonly #wire: Wire
  readonly #merge: string | undefined

  constructor(owner: ServerTransactions, key: string, merge: string | undefined, text: string, wire: Wire) {
    super()
    this.#owner = owner
    this.#key = key
    this.#merge = merge
    this.#text = text
    this.#wire = wire
  }

  repeat(): void {
    this.#wire.send(this.#text)
  }

  fire(): void {
    this.#owner.forget(this.#key, this.#merge)
  }
}

/** undefined for requests of a dialog, and for peers that know no tags: theirs cannot be told from each other. */
function mergeKey({ to, from, callId, cseq }: SipRequest): string | undefined {
  if (to.tag !== undefined || from.tag === undefined) return undefined
  return `${callId}|${from.tag}|${cseq.number}|${cseq.method}`
}

/** RFC 3261 18.2.2: the connection the request came by; if that is gone, a new one to where its Via says. */
export function answerWire({ wire, replyTo }: Pick<IncomingRequest, 'wire' | 'replyTo'>): Wire {
  if (wire.reliable && wire.open) return wire
  return wire.carrier.wireTo(replyTo)
}

/**
 * RFC 3261 17.2.3, and its rule for RFC 2543 peers. The source address is part of it, so that two phones with one
 * private address and equally poor random numbers, behind two NATs, are not taken for each other.
 */
export function transactionKey(request: SipRequest, via: Via, source: Address, method = request.method): string {
  const { branch } = via
  if (isRfc3261Branch(branch)) return `${branch}|${via.host}:${via.port ?? ''}|${method}|${source.address}`
  const { from, to, cseq } = request
  return [request.requestUri, to.tag ?? '', from.tag ?? '', request.callId, cseq.number, method, via.text].join('|')
}
