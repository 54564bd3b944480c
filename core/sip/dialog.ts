/** A dialog of the answering side (RFC 3261 12.1.1, 12.2): where its requests go, and what numbers they have. */
import type { Undo } from '../scope.ts'
import { detached } from '../text.ts'
import { answeringChallenges } from './challenged.ts'
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
import type { Origin } from './origin.ts'
import { type Draft, failSoon, type Outgoing } from './outgoing.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import { type Routing, routingOf } from './routing.ts'
import { type Wire, wireOf } from './transport.ts'
import type { Transports } from './transports.ts'
import type { SipUri } from './uri.ts'
import { RequestTemplate } from './write-request.ts'

export interface DialogContext {
  readonly transports: Transports
  readonly outgoing: Outgoing
  /** Our Contact as the peer of this wire is told it. */
  readonly contactFor: (wire: Wire, user: string, secure: boolean) => string
  /** It is over. */
  readonly forget: (dialog: SipDialog) => void
}

/** What UDP carries (RFC 768), less a header block of its longest. */
const DATAGRAM_ROOM = 65507 - 4096

/** The header block of a method's requests from one address of ours. */
interface Prepared {
  readonly method: string
  readonly origin: Origin
  readonly template: RequestTemplate
}

export class SipDialog implements Dialog {
  readonly id: string
  readonly #context: DialogContext
  readonly #record: DialogRecord
  usage: DialogUsage | undefined
  #remoteTarget: string
  #localCseq: number
  #remoteCseq: number
  /** The flow the last request came by; undefined while a connection is gone. */
  #wire: Wire | undefined
  #unwatch: Undo | undefined
  /** What is remembered of the flow while it is gone. */
  #way: { readonly transport: string; readonly protocol: Protocol; readonly remote: Address }
  #routing: Routing | undefined
  #prepared: Prepared | undefined
  #disposed = false

  constructor(context: DialogContext, record: DialogRecord) {
    this.#context = context
    this.#record = record
    this.id = dialogId(record.callId, record.localTag, record.remoteTag)
    this.#remoteTarget = record.remoteTarget
    this.#localCseq = record.localCseq
    this.#remoteCseq = record.remoteCseq
    this.#way = record
  }

  get callId(): string {
    return this.#record.callId
  }

  get localTag(): string {
    return this.#record.localTag
  }

  get remoteTag(): string {
    return this.#record.remoteTag
  }

  get localUri(): string {
    return this.#record.localUri
  }

  get remoteUri(): string {
    return this.#record.remoteUri
  }

  get remoteTarget(): string {
    return this.#remoteTarget
  }

  get localCseq(): number {
    return this.#localCseq
  }

  get flow(): Wire | undefined {
    // A UDP transport that a reload has moved.
    if (this.#wire?.carrier.closed && !this.#wire.reliable) this.#wire = undefined
    if (!this.#wire && !this.#disposed) {
      const { transport, protocol, remote } = this.#way
      const { transports } = this.#context
      // A connection from the same address and port can only be the one that was there before we were started again.
      const back =
        protocol === 'UDP'
          ? transports.wireTo('UDP', remote, { preferred: transport })
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
    const [contact] = request.contacts
    if (contact?.uri && contact.uriText !== this.#remoteTarget) {
      this.#remoteTarget = detached(contact.uriText)
      this.#routing = undefined
      this.#prepared = undefined
    }
    this.take(wireOf(flow))
    return undefined
  }

  rebind(flow: Flow): void {
    this.take(wireOf(flow))
  }

  /** The flow that requests came by is the one that requests go by, as long as it is there. */
  take(wire: Wire): void {
    if (this.#wire === wire) return
    void this.#unwatch?.()
    this.#wire = wire
    this.#way = { transport: wire.transport, protocol: wire.protocol, remote: wire.remote }
    this.#unwatch = wire.reliable && !this.#disposed ? wire.onClose(() => this.#lost(wire)) : undefined
  }

  request(method: string, content: RequestContent, done: OutcomeHandler, credentials?: CredentialsFor): void {
    if (!credentials) return this.#send(method, content, done)
    const { headers, body } = content
    const answered = answeringChallenges(
      { method, requestUri: this.routing.requestUri },
      credentials,
      (lines) => {
        if (this.#disposed) failSoon(done, 'the dialog is over')
        else this.#send(method, { headers: [...headers, ...lines], body }, done)
      },
      done,
    )
    this.#send(method, content, answered)
  }

  #send(method: string, content: RequestContent, done: OutcomeHandler): void {
    const draft = new DialogRequest(this, method, ++this.#localCseq, content)
    const { outgoing } = this.#context
    const wire = this.flow
    if (wire && (wire.reliable || this.#record.followFlow)) return outgoing.send(draft, wire, this.#remoteTarget, done)
    const { nextHop } = this.routing
    if (nextHop && (wire || this.#canConnect)) outgoing.sendTo(draft, nextHop, { transport: this.#way.transport }, done)
    else failSoon(done, 'the connection is gone')
  }

  skipCseqTo(number: number): void {
    this.#localCseq = Math.max(this.#localCseq, number - 1)
  }

  record(): DialogRecord {
    return {
      ...this.#record,
      remoteTarget: this.#remoteTarget,
      localCseq: this.#localCseq,
      remoteCseq: this.#remoteCseq,
      ...this.#way,
    }
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
    if (this.#record.contact !== undefined) return `<${this.#record.contact}>`
    const user = parseNameAddr(this.localUri)?.uri?.user ?? ''
    return this.#context.contactFor(wire, user, this.#record.secure)
  }

  get routing(): Routing {
    this.#routing ??= routingOf(this.#remoteTarget, this.#record.routeSet)
    return this.#routing
  }

  template(method: string, wire: Wire, origin: Origin): RequestTemplate {
    const prepared = this.#prepared
    if (prepared && prepared.method === method && prepared.origin === origin) return prepared.template
    const { requestUri, routes } = this.routing
    const { maxForwards, compact } = this.#context.outgoing
    const template = new RequestTemplate({
      method,
      requestUri,
      maxForwards,
      from: `${this.localUri};tag=${this.localTag}`,
      to: this.remoteTag === '' ? this.remoteUri : `${this.remoteUri};tag=${this.remoteTag}`,
      callId: this.callId,
      contact: this.contactOn(wire),
      routes,
      compact,
    })
    this.#prepared = { method, origin, template }
    return template
  }

  /** Whether a new connection may be opened in place of one that is gone: to a proxy, or to a phone that is not behind NAT. */
  get #canConnect(): boolean {
    if (this.#record.followFlow) return false
    const { nextHop } = this.routing
    if (!nextHop || this.#record.routeSet.length > 0) return nextHop !== undefined
    return nextHop.host === this.#way.remote.address && listens(nextHop, this.#way.remote)
  }

  #lost(wire: Wire): void {
    if (this.#wire !== wire) return
    this.#wire = undefined
    this.#unwatch = undefined
    this.usage?.flowLost()
  }
}

class DialogRequest implements Draft {
  readonly method: string
  readonly #dialog: SipDialog
  readonly #cseq: number
  readonly #content: RequestContent

  constructor(dialog: SipDialog, method: string, cseq: number, content: RequestContent) {
    this.#dialog = dialog
    this.method = method
    this.#cseq = cseq
    this.#content = content
  }

  write(wire: Wire, origin: Origin, branch: string): string {
    return this.#dialog.template(this.method, wire, origin).write(origin, branch, this.#cseq, this.#content)
  }
}

/** A Contact with the port the connection came from names the connection, not a port that anybody listens on. */
function listens(contact: SipUri, remote: Address): boolean {
  return contact.port !== remote.port
}

export function dialogId(callId: string, localTag: string, remoteTag: string): string {
  return `${callId};${localTag};${remoteTag}`
}
