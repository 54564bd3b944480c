/** A dialog of the answering side (RFC 3261 12.1.1, 12.2): where its requests go, and what numbers they have. */
import type { Undo } from '../scope.ts'
import { detached, SharedTexts } from '../text.ts'
import { answeringChallenges } from './challenged.ts'
import { userOf } from './contacts.ts'
import type {
  Address,
  CredentialsFor,
  Dialog,
  DialogRecord,
  DialogUsage,
  Flow,
  OutcomeHandler,
  Protocol,
  Refusal,
  RequestContent,
  ServerTransaction,
} from './contract.ts'
import { type DialogHead, headOf, newHead } from './dialog-heads.ts'
import { DialogRequest } from './dialog-request.ts'
import type { Filed } from './dialog-table.ts'
import { formOf, TextOfDialog } from './dialog-text.ts'
import { isAscii, toWire } from './grammar.ts'
import type { Origin } from './origin.ts'
import { type Draft, failSoon, type Outgoing } from './outgoing.ts'
import { parseUri } from './parse-uri.ts'
import { asRequestUri, type Routing, routingOf } from './routing.ts'
import { isSameFlow, type SharedFlows } from './shared-flows.ts'
import { DEFAULT_PORT, type Wire, wireOf } from './transport.ts'
import type { Transports } from './transports.ts'
import type { SipUri } from './uri.ts'
import { writtenUri } from './write-request.ts'

export interface DialogContext {
  readonly transports: Transports
  readonly outgoing: Outgoing
  readonly flows: SharedFlows
  /** Our Contact as the peer of this wire is told it. */
  readonly contactFor: (wire: Wire, user: string, secure: boolean) => string
  /** It is over. */
  readonly forget: (dialog: SipDialog) => void
}

/** What UDP carries (RFC 768), less a header block of its longest. */
const DATAGRAM_ROOM = 65507 - 4096

/** What all who watch something have in common, and what all dialogs of a phone have. */
const things = new SharedTexts(4096)
const phones = new SharedTexts(1024)

const NO_ROUTES: readonly string[] = []

/** A flow, as it can be found again. */
interface Place {
  readonly transport: string
  readonly protocol: Protocol
  readonly remote: Address
  /** As in DialogRecord. */
  readonly own?: string | undefined
}

export class SipDialog extends TextOfDialog implements Dialog, Filed {
  readonly localUri: string
  readonly #context: DialogContext
  readonly #routeSet: readonly string[]
  readonly #secure: boolean
  #followFlow: boolean
  readonly #contact: string | undefined
  usage: DialogUsage | undefined = undefined
  place = -1
  #remoteTarget: string
  #localCseq: number
  #remoteCseq: number
  /** The flow the last request came by; undefined while a connection is gone. */
  #wire: Wire | undefined = undefined
  #unwatch: Undo | undefined = undefined
  /** Where the flow was, while it is gone. */
  #left: Place | undefined
  /** Where requests go, as long as the flow and the target stay; undefined until it is known, and where it may change. */
  #out: Wire | undefined = undefined
  #routing: Routing | undefined = undefined
  /** Nothing of it has to be converted to go on the wire. */
  #isPlain = false
  /** Of requests from this origin, which those before had; undefined where they have to be made anew. */
  #head: DialogHead | undefined = undefined
  #disposed = false

  constructor(context: DialogContext, record: DialogRecord) {
    super(record, formOf(context.outgoing.compact))
    this.#context = context
    this.localUri = things.of(record.localUri)
    this.#routeSet = record.routeSet.length === 0 ? NO_ROUTES : record.routeSet.map(detached)
    this.#secure = record.secure
    this.#followFlow = record.followFlow
    this.#contact = record.contact
    this.#remoteTarget = phones.of(record.remoteTarget)
    this.#localCseq = record.localCseq
    this.#remoteCseq = record.remoteCseq
    const { transport, protocol, remote, own } = record
    this.#left = { transport, protocol, remote, own }
    this.#isPlain = this.#findPlain()
  }

  get remoteTarget(): string {
    return this.#remoteTarget
  }

  get localCseq(): number {
    return this.#localCseq
  }

  get flow(): Wire | undefined {
    // A UDP transport that a reload has moved.
    if (this.#wire?.carrier.closed && !this.#wire.reliable) this.#leave(this.#wire)
    if (!this.#wire && !this.#disposed) {
      const { transport, protocol, remote, own } = this.#place
      const { transports } = this.#context
      // A connection from the same address and port can only be the one that was there before we were started again.
      const back =
        protocol === 'UDP'
          ? transports.wireTo('UDP', remote, { preferred: transport, from: own })
          : transports.findConnection(remote, protocol)
      if (back) this.take(back)
    }
    return this.#wire
  }

  get reachable(): boolean {
    return this.flow !== undefined || this.#canConnect
  }

  get room(): number {
    const wire = this.flow
    if (!wire || wire.reliable) return Number.POSITIVE_INFINITY
    const stream = this.#context.outgoing.streamInstead(wire, parseUri(this.#remoteTarget))
    return stream ? Number.POSITIVE_INFINITY : DATAGRAM_ROOM
  }

  accept({ request, flow }: ServerTransaction, tolerance = 0): Refusal | undefined {
    const { number } = request.cseq
    if (number + tolerance <= this.#remoteCseq) return { status: 500, reason: 'CSeq Not Higher Than Before' }
    this.#remoteCseq = Math.max(this.#remoteCseq, number)
    const contact = request.contacts[0]
    if (contact?.uri && contact.uriText !== this.#remoteTarget) {
      this.#remoteTarget = phones.of(asRequestUri(contact.uri))
      this.#out = undefined
      this.#routing = undefined
      this.#head = undefined
      this.#isPlain = this.#findPlain()
    }
    this.take(wireOf(flow))
    return undefined
  }

  rebind(flow: Flow): void {
    this.take(wireOf(flow))
  }

  followFlow(follows: boolean): void {
    if (follows === this.#followFlow) return
    this.#followFlow = follows
    this.#out = undefined
  }

  /** Undefined where it is not known without a look at its routes and names. */
  get wayNow(): Wire | undefined {
    return this.#wire && this.#wayOut(this.#wire)
  }

  giveUp(): void {
    this.#context.outgoing.giveUp(this, this.wayNow)
  }

  /** The flow that requests came by is the one that requests go by, as long as it is there. */
  take(wire: Wire): void {
    if (this.#wire && isSameFlow(this.#wire, wire)) return
    void this.#unwatch?.()
    this.#wire = this.#context.flows.of(wire)
    this.#left = undefined
    this.#out = undefined
    this.#unwatch = wire.reliable && !this.#disposed ? wire.onClose(() => this.#lost(wire)) : undefined
  }

  /** It was made with this Contact. Where that says no more than where its request came from, the way there is known. */
  reachedAt({ scheme, params, host, port = DEFAULT_PORT.UDP }: SipUri): void {
    const wire = this.#wire
    if (wire?.protocol !== 'UDP' || this.#routeSet.length > 0 || scheme !== 'sip' || params.size > 0) return
    if (host === wire.remote.address && port === wire.remote.port) this.#out = wire
  }

  request(method: string, content: RequestContent, done: OutcomeHandler, credentials?: CredentialsFor): void {
    if (!credentials) return this.#send(method, content, done)
    const { headers, body } = content
    const answered = answeringChallenges(
      { method, requestUri: this.routing.requestUri, sender: this },
      credentials,
      this.#context.outgoing.waiting,
      (lines, next) => {
        if (this.#disposed) failSoon(done, 'the dialog is over')
        else this.#send(method, { headers: [...headers, ...lines], body }, next)
      },
      done,
    )
    this.#send(method, content, answered)
  }

  #send(method: string, content: RequestContent, done: OutcomeHandler): void {
    const draft = new DialogRequest(this, method, ++this.#localCseq, content)
    const { outgoing } = this.#context
    const wire = this.flow
    const out = wire && this.#wayOut(wire)
    if (out) return outgoing.send(draft, out, this.#remoteTarget, done)
    const { nextHop } = this.routing
    if (nextHop && (wire || this.#canConnect)) {
      const { transport, remote } = this.#place
      // Who is silent may be gone.
      const way = { transport, near: wire?.silent ? undefined : remote.address, from: wire }
      outgoing.sendTo(draft, nextHop, way, wire ? this.#orBy(wire, draft, done) : done)
    } else failSoon(done, 'the connection is gone')
  }

  /** Where no other connection can be made, one that is silent is what there is. */
  #orBy(wire: Wire, draft: Draft, done: OutcomeHandler): OutcomeHandler {
    if (!wire.silent) return done
    return (outcome) => {
      const isLost = outcome.kind === 'unreachable' && !outcome.moved
      if (isLost && wire.open && !this.#disposed) this.#context.outgoing.send(draft, wire, this.#remoteTarget, done)
      else done(outcome)
    }
  }

  /** Undefined where the way has to be looked for each time. */
  #wayOut(wire: Wire): Wire | undefined {
    if (wire.reliable) return wire.silent && this.#canConnect ? undefined : wire
    if (this.#followFlow) return wire
    if (this.#out && !this.#out.carrier.closed) return this.#out
    const { nextHop, routes } = this.routing
    this.#out = nextHop && routes.length === 0 ? this.#context.outgoing.fixedWay(nextHop, wire) : undefined
    // Whatever it said is known now.
    if (this.#out) this.#routing = undefined
    return this.#out
  }

  skipCseqTo(number: number): void {
    this.#localCseq = Math.max(this.#localCseq, number - 1)
  }

  record(): DialogRecord {
    const { transport, protocol, remote } = this.#place
    const own = this.#wire ? ownOf(this.#wire) : this.#left?.own
    const record = {
      callId: this.callId,
      localTag: this.localTag,
      remoteTag: this.remoteTag,
      localUri: this.localUri,
      remoteUri: this.remoteUri,
      remoteTarget: this.#remoteTarget,
      routeSet: this.#routeSet,
      localCseq: this.#localCseq,
      remoteCseq: this.#remoteCseq,
      secure: this.#secure,
      transport,
      protocol,
      remote,
      followFlow: this.#followFlow,
      ...(this.#contact === undefined ? {} : { contact: this.#contact }),
    }
    return own === undefined ? record : { ...record, own }
  }

  get isDisposed(): boolean {
    return this.#disposed
  }

  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    void this.#unwatch?.()
    this.#unwatch = undefined
    this.usage = undefined
    this.#context.forget(this)
  }

  /** Our Contact in answers and requests on this wire. */
  contactOn(wire: Wire): string {
    if (this.#contact !== undefined) return `<${this.#contact}>`
    return this.#context.contactFor(wire, userOf(this.localUri), this.#secure)
  }

  get routing(): Routing {
    this.#routing ??= routingOf(this.#remoteTarget, this.#routeSet)
    return this.#routing
  }

  /** What those from this origin have in common with others. */
  headFor(wire: Wire, origin: Origin): DialogHead {
    if (this.#head?.origin === origin) return this.#head
    const { localUri, form } = this
    const { maxForwards } = this.#context.outgoing
    const facts = { localUri, origin, contact: this.#contact, secure: this.#secure, maxForwards, compact: form.compact }
    const head =
      this.#routeSet.length > 0
        ? newHead(facts, this.routing.routes, this.contactOn(wire))
        : headOf(facts, () => this.contactOn(wire))
    this.#head = head
    return head
  }

  get requestUri(): string {
    const uri = this.#routeSet.length > 0 ? this.routing.requestUri : this.#remoteTarget
    return this.#isPlain && uri === this.#remoteTarget ? uri : writtenUri(uri)
  }

  get afterFrom(): string {
    return this.#isPlain ? this.text : toWire(this.text)
  }

  #findPlain(): boolean {
    return isAscii(this.text) && writtenUri(this.#remoteTarget) === this.#remoteTarget
  }

  /** Whether a new connection may be opened in place of one that is gone: to a proxy, or to a phone that is not behind NAT. */
  get #canConnect(): boolean {
    const { nextHop } = this.routing
    if (!nextHop || this.#routeSet.length > 0) return nextHop !== undefined
    if (this.#followFlow) return false
    const { remote } = this.#place
    return nextHop.host === remote.address && listens(nextHop, remote)
  }

  get #place(): Place {
    const place = this.#wire ?? this.#left
    if (!place) throw new Error(`the dialog ${this.id} was never anywhere`)
    return place
  }

  #leave(wire: Wire): void {
    const { transport, protocol, remote } = wire
    this.#wire = undefined
    this.#left = { transport, protocol, remote, own: ownOf(wire) }
  }

  #lost(wire: Wire): void {
    if (this.#wire !== wire) return
    this.#leave(wire)
    this.#unwatch = undefined
    this.usage?.flowLost()
  }
}

/** As in DialogRecord. */
function ownOf({ reliable, local, carrier }: Wire): string | undefined {
  return reliable || local === carrier.local ? undefined : local.address
}

/** A Contact with the port the connection came from names the connection, not a port that anybody listens on. */
function listens(contact: SipUri, remote: Address): boolean {
  return contact.port !== remote.port
}
