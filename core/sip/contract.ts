/**
 * What the rest of the house may ask of SIP. Messages as bytes, transports, transactions and dialogs live in this
 * folder only; everybody else sees these interfaces.
 */
import type { Eventual } from '../eventual.ts'
import type { Undo } from '../scope.ts'
import type { NameAddr, SipUri } from './uri.ts'

export type Protocol = 'UDP' | 'TCP' | 'TLS'

export interface Address {
  readonly address: string
  readonly port: number
}

/**
 * The way a message came and the way back: a UDP socket of ours and the peer's address and port, or one connection.
 * Two UDP messages with the same socket and source have equal `id`s.
 */
export interface Flow {
  /** Stable while the flow lives: `udp:transport-name:192.0.2.7:5060`, `tcp:transport-name:17`. */
  readonly id: string
  readonly protocol: Protocol
  /** Name of the `type=transport` section. */
  readonly transport: string
  readonly local: Address
  readonly remote: Address
  /** False once a connection is closed, or the UDP socket, as by a reload. */
  readonly open: boolean
  /** Called once when the connection closes, with the reason in words; never for UDP. */
  onClose(listener: (why: string) => void): Undo
}

/** What a UDP flow is made of again, after a restart. */
export interface FlowRecord {
  /** Name of the transport section. */
  readonly transport: string
  readonly remote: Address
  /** The address of ours that the peer sends to, where we are bound to all that this machine has. */
  readonly own?: string
}

export type HeaderLine = readonly [name: string, value: string]

/** A parsed message. Parsing is lazy: nothing is looked at until it is asked for. Names are case-insensitive and compact forms are known. */
export interface SipMessage {
  /** The first value of a header, folded lines joined and trimmed. For list headers the first element. */
  header(name: string): string | undefined
  /** All values, in order. For headers whose grammar is a comma list (Via, Route, Record-Route, Contact, Accept, Supported, Require, Allow, Allow-Events, Path …) split at commas outside quotes and angle brackets. */
  headers(name: string): readonly string[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: { readonly number: number; readonly method: string }
  /** Bytes of the body. */
  readonly bodyLength: number
  /** The body read as UTF-8. */
  readonly bodyText: string
  /** Made anew each time it is asked for. */
  readonly body: Buffer
  /** The whole message as it was received; made anew each time it is asked for. */
  readonly raw: Buffer
}

export interface SipRequest extends SipMessage {
  readonly kind: 'request'
  readonly method: string
  /** The Request-URI as it was sent, and parsed; `uri` is undefined for a scheme other than sip and sips. */
  readonly requestUri: string
  readonly uri: SipUri | undefined
  /** Contact values parsed; `*` is the empty list with `contactIsStar`. */
  readonly contacts: readonly NameAddr[]
  readonly contactIsStar: boolean
}

export interface SipResponse extends SipMessage {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
}

/** An answer that is not the happy one. Reason phrases default to the RFC's. */
export interface Refusal {
  readonly status: number
  readonly reason?: string
  readonly headers?: readonly HeaderLine[]
}

export interface Answer extends Refusal {
  readonly body?: string | Buffer
  readonly contentType?: string
  /** The dialog this answer belongs to: adds its To tag and Contact (RFC 3261 12.1.1). */
  readonly dialog?: Dialog
}

/** A request that waits for its answer. Retransmissions are answered below, from the stored bytes (RFC 3261 17.2.2). */
export interface ServerTransaction {
  readonly request: SipRequest
  readonly flow: Flow
  /** Where it came from (RFC 3261 18.2.1, RFC 3581). */
  readonly source: Address
  /** A second final answer is ignored. Via, From, To (with a tag), Call-ID, CSeq, Server and Content-Length are added. */
  answer(answer: Answer): void
  readonly answered: boolean
}

/** How a request ended: an answer, nothing within timer F, or no way to send it. `moved`: it was given up. */
export type Outcome =
  | { readonly kind: 'response'; readonly response: SipResponse }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'unreachable'; readonly reason: string; readonly moved?: true }

/** Final answers only. */
export type OutcomeHandler = (outcome: Outcome) => void

export interface RequestBody {
  readonly contentType: string
  readonly content: string | Buffer
  /** Where it is prepared: Content-Type, Content-Length, the empty line and the content, one character per byte. */
  written?(compact: boolean): string
}

/** What a request says of its own, beside the lines that say where it goes and where it comes from. */
export interface RequestContent {
  readonly headers: readonly HeaderLine[]
  readonly body?: RequestBody | undefined
  /** Where they are prepared: the headers as lines with their CRLF, one character per byte; `compact` with their short names. */
  written?(compact: boolean): string
}

/** A request of ours that was answered 401 or 407. */
export interface Challenged {
  readonly method: string
  readonly requestUri: string
  readonly response: SipResponse
  /** How often its nonces were used, with this time; once where it is left out. */
  readonly count?: number
}

/** The Authorization and Proxy-Authorization lines that a challenged request is sent with once more; empty where there are none for it. Never rejects. */
export type CredentialsFor = (challenged: Challenged) => Eventual<readonly HeaderLine[]>

/** What a dialog is, to both of its ends (RFC 3261 12). */
interface DialogState {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** With display names and parameters, without the tag. */
  readonly localUri: string
  readonly remoteUri: string
  readonly remoteTarget: string
  /** CSeq of the last request sent in this dialog. */
  readonly localCseq: number
}

/** What a dialog needs to live on after a restart. */
export interface DialogRecord extends DialogState {
  readonly routeSet: readonly string[]
  readonly remoteCseq: number
  readonly secure: boolean
  /** Name of the transport section, protocol and remote address of the flow the dialog was made on. */
  readonly transport: string
  readonly protocol: Protocol
  readonly remote: Address
  /** Requests go to the remote address of the flow (rewrite_contact), not to what the Contact says. */
  readonly followFlow: boolean
  /** As in DialogSettings. */
  readonly contact?: string
  /** The address of ours that the peer sends to, where it goes by UDP and we are bound to all that this machine has. */
  readonly own?: string
}

/** RFC 6665 4.5.2: a dialog has one usage with us. */
export interface DialogUsage {
  /** The connection the dialog lives on has closed. */
  flowLost(): void
}

/** A dialog as the answering side sees it. */
export interface Dialog extends DialogState {
  /** `callId;localTag;remoteTag` */
  readonly id: string
  /** The flow requests go out on; undefined after a restart for a connection that has not come back. */
  readonly flow: Flow | undefined
  /** False where nothing can be sent: the flow was a connection (behind NAT, or one that was followed) that is gone. */
  readonly reachable: boolean
  /** The most bytes that the body of a request may have now: what a datagram holds beside the header, or any number on a stream. */
  readonly room: number
  /** What lives in it. */
  usage: DialogUsage | undefined
  /**
   * RFC 3261 12.2.2: a CSeq that is not higher is refused with 500; otherwise target, flow and remote CSeq are taken over.
   * `tolerance`: by how much it may be lower all the same, where requests change their order on the way.
   */
  accept(tx: ServerTransaction, tolerance?: number): Refusal | undefined
  /**
   * RFC 3261 12.2.1. A challenge of the peer and one of a proxy are answered once each, where there are credentials; what
   * comes then is the outcome. A body over 1300 bytes on UDP goes over a TCP flow of the same peer where one is open.
   */
  request(method: string, content: RequestContent, done: OutcomeHandler, credentials?: CredentialsFor): void
  /** Its requests go over this flow from now on: the peer has shown, by other means than a request in this dialog, that it is there. */
  rebind(flow: Flow): void
  /** As DialogSettings.followFlow, which a reload of the endpoint may turn round. */
  followFlow(follows: boolean): void
  /**
   * Requests in flight that went by another way, or to another Contact, than they would now end: nobody may be there to
   * answer them. So do all of a dialog that is disposed of.
   */
  giveUp(): void
  /** Raises the number of the next request, never lowers it. */
  skipCseqTo(number: number): void
  record(): DialogRecord
  /** Forgets it; later requests for it are answered 481. */
  dispose(): void
}

export interface DialogSettings {
  /** endpoint `rewrite_contact`: requests go to where the SUBSCRIBE came from. Connections are always followed. */
  readonly followFlow: boolean
  /** What our tag begins with. */
  readonly tagPrefix?: string
  /** The URI of our Contact, in place of the address the peer reaches us at. */
  readonly contact?: string
  /** Our tag, where a request of ours has said it: the dialog of a NOTIFY that answers our SUBSCRIBE (RFC 6665 4.1.2.4). */
  readonly localTag?: string
}

/** What an out-of-dialog request is known by to those who answer it. Dialogs grow from it, one or several (RFC 6665 4.1.4). */
export interface RequestIdentity {
  readonly callId: string
  readonly fromTag: string
  /** CSeq of the request; one more where it is sent again with credentials. */
  readonly cseq: number
}

export interface OutOfDialogRequest {
  readonly method: string
  readonly requestUri: string
  /** Header values with URI; a From tag is added. */
  readonly from: string
  readonly to: string
  readonly headers?: readonly HeaderLine[]
  readonly routes?: readonly string[]
  readonly body?: RequestBody
  /** Made up where the caller does not care. */
  readonly identity?: RequestIdentity
  /** Sent on this flow where given and open; otherwise the Request-URI (or first route) is resolved (RFC 3263). */
  readonly flow?: Flow
  /** By UDP to the address of its peer: from the address of ours that this flow is from. */
  readonly beside?: Flow | undefined
  /**
   * Name of the transport section it starts from where there is no flow. Its protocol is taken where the URI states none;
   * a section that cannot go where the URI leads is passed over.
   */
  readonly transport?: string
  /** As in Dialog.request. */
  readonly credentials?: CredentialsFor
  /**
   * A 3xx is followed (RFC 3261 8.1.3.4): this is told what the request is known by now, and what the last address answers
   * is the outcome. Absent: a 3xx is the outcome.
   */
  readonly redirected?: (identity: RequestIdentity) => void
  /** Whose requests are given up together. */
  readonly sender?: object
}

export interface Sip {
  /** Who answers a method. One handler a method; methods without one are answered 405 with Allow (known methods) or 501. */
  handle(method: string, handler: (tx: ServerTransaction) => void | Promise<void>): Undo
  /** Extra header lines for the answers to OPTIONS and for 405/489, read when needed: Accept, Allow-Events, Supported. */
  advertise(lines: () => readonly HeaderLine[]): Undo
  /**
   * Requests that come wait from now on, until it is undone, as their handlers come and go: a SUBSCRIBE that is refused
   * with 405 or 481 ends a subscription that goes on a moment later (RFC 6665 4.1.2.2).
   */
  hold(): Undo
  /** Makes the dialog of a request that will be answered 2xx (RFC 3261 12.1.1) and enters it in the table. Throws if the request has no usable Contact. */
  createDialog(tx: ServerTransaction, settings: DialogSettings): Dialog
  restoreDialog(record: DialogRecord): Dialog
  findDialog(request: SipRequest): Dialog | undefined
  /** By its id. */
  dialog(id: string): Dialog | undefined
  request(request: OutOfDialogRequest, done: OutcomeHandler): void
  /** What this sender has in flight ends, and is not repeated: it says something newer, by another way. */
  giveUp(sender: object): void
  /** Undefined for a connection. */
  flowRecord(flow: Flow): FlowRecord | undefined
  /** Undefined where there is no such transport any more. From another address of ours where this machine has lost that one. */
  restoreFlow(record: FlowRecord): Flow | undefined
  /** A Contact URI of ours as a peer on this flow reaches us, with external addresses where they apply: `<sip:192.0.2.1:5060>`. */
  contactFor(flow: Flow, user?: string): string
  /** SIP trace for `pjsip set logger`; `host` limits it to one peer. */
  trace(sink: ((text: string) => void) | undefined, host?: string): void
}
