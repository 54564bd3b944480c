/** The SIP contract without a wire: requests are parsed from text, and each NOTIFY waits until the test answers it. */
import type { Undo } from '../../core/scope.ts'
import type {
  Address,
  Answer,
  Dialog,
  DialogRecord,
  DialogSettings,
  DialogUsage,
  Flow,
  HeaderLine,
  OutcomeHandler,
  OutOfDialogRequest,
  Protocol,
  Refusal,
  RequestBody,
  RequestContent,
  ServerTransaction,
  Sip,
  SipRequest,
  SipResponse,
} from '../../core/sip/contract.ts'
import { toWire } from '../../core/sip/grammar.ts'
import { newCallId, newTag } from '../../core/sip/id.ts'
import { parseMessage } from '../../core/sip/message.ts'

const PEER: Address = { address: '192.0.2.7', port: 5062 }
const US: Address = { address: '192.0.2.1', port: 5060 }

export class FakeFlow implements Flow {
  readonly id: string
  readonly protocol: Protocol
  readonly transport = 'fake'
  readonly local = US
  readonly remote: Address
  open = true
  readonly #listeners = new Set<(why: string) => void>()

  constructor(protocol: Protocol = 'UDP', remote: Address = PEER) {
    this.protocol = protocol
    this.remote = remote
    this.id = `${protocol.toLowerCase()}:fake:${remote.address}:${remote.port}`
  }

  onClose(listener: (why: string) => void): Undo {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  close(): void {
    this.open = false
    for (const listener of this.#listeners) listener('the peer closed it')
  }
}

/** A NOTIFY that was sent. */
export class FakeNotify {
  readonly cseq: number
  readonly headers: readonly HeaderLine[]
  readonly body: RequestBody | undefined
  readonly #done: OutcomeHandler
  landed = false

  constructor(cseq: number, headers: readonly HeaderLine[], body: RequestBody | undefined, done: OutcomeHandler) {
    this.cseq = cseq
    this.headers = headers
    this.body = body && { contentType: body.contentType, content: body.content }
    this.#done = done
  }

  header(name: string): string | undefined {
    return this.headers.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1]
  }

  get state(): string {
    return this.header('Subscription-State') ?? ''
  }

  get text(): string {
    return this.body?.content.toString() ?? ''
  }

  answer(status: number, headers: readonly HeaderLine[] = []): void {
    this.landed = true
    this.#done({ kind: 'response', response: response(status, headers) })
  }

  timeout(): void {
    this.landed = true
    this.#done({ kind: 'timeout' })
  }

  unreachable(): void {
    this.landed = true
    this.#done({ kind: 'unreachable', reason: 'no route' })
  }
}

export class FakeDialog implements Dialog {
  readonly #start: DialogRecord
  readonly #sip: FakeSip
  usage: DialogUsage | undefined
  readonly notifies: FakeNotify[] = []
  localCseq: number
  remoteCseq: number
  reachable = true
  disposed = false
  room = Number.POSITIVE_INFINITY

  constructor(record: DialogRecord, sip: FakeSip) {
    this.#start = record
    this.#sip = sip
    this.localCseq = record.localCseq
    this.remoteCseq = record.remoteCseq
  }

  get id(): string {
    return `${this.callId};${this.localTag};${this.remoteTag}`
  }
  get callId(): string {
    return this.#start.callId
  }
  get localTag(): string {
    return this.#start.localTag
  }
  get remoteTag(): string {
    return this.#start.remoteTag
  }
  get localUri(): string {
    return this.#start.localUri
  }
  get remoteUri(): string {
    return this.#start.remoteUri
  }
  get remoteTarget(): string {
    return this.#start.remoteTarget
  }
  /** How often it was asked to end what is in flight. */
  givenUp = 0
  giveUp(): void {
    this.givenUp++
  }
  followFlow(): void {}
  get flow(): Flow | undefined {
    return undefined
  }

  /** NOTIFYs that wait for an answer. */
  get flying(): FakeNotify[] {
    return this.notifies.filter((notify) => !notify.landed)
  }

  get last(): FakeNotify {
    const last = this.notifies.at(-1)
    if (!last) throw new Error('there was no NOTIFY')
    return last
  }

  loseFlow(): void {
    this.reachable = false
    this.usage?.flowLost()
  }

  accept({ request }: ServerTransaction, tolerance = 0): Refusal | undefined {
    if (request.cseq.number + tolerance <= this.remoteCseq) return { status: 500 }
    this.remoteCseq = Math.max(this.remoteCseq, request.cseq.number)
    this.reachable = true
    return undefined
  }

  request(method: string, { headers, body }: RequestContent, done: OutcomeHandler): void {
    if (this.disposed) throw new Error('a request in a dialog that is disposed of')
    const notify = new FakeNotify(++this.localCseq, headers, body, done)
    this.notifies.push(notify)
    this.#sip.wire.push(`${method} ${notify.cseq}`)
    if (this.#sip.autoAnswer !== undefined) notify.answer(this.#sip.autoAnswer)
  }

  rebind(): void {
    this.reachable = true
  }

  skipCseqTo(number: number): void {
    this.localCseq = Math.max(this.localCseq, number - 1)
  }

  record(): DialogRecord {
    return { ...this.#start, localCseq: this.localCseq, remoteCseq: this.remoteCseq }
  }

  dispose(): void {
    this.disposed = true
    this.#sip.dialogs.delete(this.id)
  }
}

export class FakeTransaction implements ServerTransaction {
  readonly request: SipRequest
  readonly flow: Flow
  readonly source: Address
  readonly #sip: FakeSip
  given: Answer | undefined

  constructor(request: SipRequest, flow: Flow, sip: FakeSip) {
    this.request = request
    this.flow = flow
    this.source = flow.remote
    this.#sip = sip
  }

  answer(answer: Answer): void {
    if (this.given) return
    this.given = answer
    this.#sip.wire.push(`${answer.status} ${this.request.method}`)
  }

  get answered(): boolean {
    return this.given !== undefined
  }

  get status(): number {
    return this.given?.status ?? 0
  }

  header(name: string): string | undefined {
    return this.given?.headers?.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[1]
  }

  get dialog(): FakeDialog {
    const dialog = this.given?.dialog
    if (!(dialog instanceof FakeDialog)) throw new Error(`answered ${this.status}, without a dialog`)
    return dialog
  }
}

/** Header values by name; undefined leaves a header out, an array writes several lines. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

export class FakeSip implements Sip {
  /** Status every NOTIFY is answered with at once; undefined leaves them to the test. */
  autoAnswer: number | undefined = 200
  readonly dialogs = new Map<string, FakeDialog>()
  /** In the order in which they came, with those that are disposed of. */
  readonly allDialogs: FakeDialog[] = []
  readonly sent: OutOfDialogRequest[] = []
  /** What went out, in order: `200 SUBSCRIBE`, `NOTIFY 1`. */
  readonly wire: string[] = []
  readonly #handlers = new Map<string, (tx: ServerTransaction) => void | Promise<void>>()
  readonly #lines = new Set<() => readonly HeaderLine[]>()

  get methods(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  get advertised(): readonly HeaderLine[] {
    return [...this.#lines].flatMap((lines) => lines())
  }

  handle(method: string, handler: (tx: ServerTransaction) => void | Promise<void>): Undo {
    this.#handlers.set(method, handler)
    return () => {
      this.#handlers.delete(method)
    }
  }

  advertise(lines: () => readonly HeaderLine[]): Undo {
    this.#lines.add(lines)
    return () => {
      this.#lines.delete(lines)
    }
  }

  hold(): Undo {
    return () => undefined
  }

  createDialog(tx: ServerTransaction, { followFlow, tagPrefix = '', contact }: DialogSettings): FakeDialog {
    const { request, flow } = tx
    return this.restoreDialog({
      callId: request.callId,
      localTag: tagPrefix + newTag(),
      remoteTag: request.from.tag ?? '',
      localUri: `<${request.to.uriText}>`,
      remoteUri: `<${request.from.uriText}>`,
      remoteTarget: request.contacts[0]?.uriText ?? '',
      routeSet: [],
      localCseq: 0,
      remoteCseq: request.cseq.number,
      secure: false,
      transport: flow.transport,
      protocol: flow.protocol,
      remote: flow.remote,
      followFlow,
      ...(contact === undefined ? {} : { contact }),
    })
  }

  flowRecord(): undefined {
    return undefined
  }

  restoreFlow(): undefined {
    return undefined
  }

  restoreDialog(record: DialogRecord): FakeDialog {
    const dialog = new FakeDialog(record, this)
    this.dialogs.set(dialog.id, dialog)
    this.allDialogs.push(dialog)
    return dialog
  }

  dialog(id: string): FakeDialog | undefined {
    return this.dialogs.get(id)
  }

  findDialog({ callId, to, from }: SipRequest): FakeDialog | undefined {
    return this.dialogs.get(`${callId};${to.tag};${from.tag ?? ''}`)
  }

  request(request: OutOfDialogRequest, done: OutcomeHandler): void {
    this.sent.push(request)
    done({ kind: 'response', response: response(this.autoAnswer ?? 200, []) })
  }

  giveUp(): void {
    // Nothing is under way: all is answered at once.
  }

  contactFor(): string {
    return `<sip:${US.address}:${US.port}>`
  }

  trace(): void {
    // There is no wire to be seen.
  }

  /** A request as a phone sends it; `headers` override the usual ones. */
  async receive(
    method: string,
    uri: string,
    headers: Headers = {},
    flow: Flow = new FakeFlow(),
    body: string | Buffer = '',
  ): Promise<FakeTransaction> {
    const tx = new FakeTransaction(requestOf(method, uri, headers, body), flow, this)
    await this.#handlers.get(method)?.(tx)
    return tx
  }

  /** A SUBSCRIBE out of the blue. */
  subscribe(user: string, headers: Headers = {}, flow?: Flow): Promise<FakeTransaction> {
    return this.receive('SUBSCRIBE', `sip:${user === '' ? '' : `${user}@`}pbx.example`, headers, flow)
  }

  /** A PUBLISH about this user; without a body it has no Content-Type either. */
  publish(user: string, body: string | Buffer, headers: Headers = {}): Promise<FakeTransaction> {
    const type = body === '' ? undefined : 'application/lamp'
    return this.receive('PUBLISH', `sip:${user}@pbx.example`, { 'Content-Type': type, ...headers }, undefined, body)
  }

  /** A SUBSCRIBE in a dialog that an earlier one made. */
  again(
    first: FakeTransaction,
    headers: Headers = {},
    cseq = first.dialog.remoteCseq + 1,
    body = '',
  ): Promise<FakeTransaction> {
    const { request, dialog } = first
    const all = {
      'Call-ID': request.callId,
      From: request.from.text,
      To: `<${request.to.uriText}>;tag=${dialog.localTag}`,
      CSeq: `${cseq} SUBSCRIBE`,
      Event: request.header('Event'),
      ...headers,
    }
    return this.receive('SUBSCRIBE', 'sip:192.0.2.1:5060', all, undefined, body)
  }
}

export function requestOf(method: string, uri: string, headers: Headers, body: string | Buffer = ''): SipRequest {
  const all: Headers = {
    Via: `SIP/2.0/UDP ${PEER.address}:${PEER.port};branch=z9hG4bK${newTag()}`,
    'Max-Forwards': '70',
    From: `"Alice" <sip:100@pbx.example>;tag=${newTag()}`,
    To: `<${uri}>`,
    'Call-ID': newCallId(),
    CSeq: `1 ${method}`,
    Contact: `<sip:100@${PEER.address}:${PEER.port}>`,
    Event: 'lamp',
    Expires: '600',
    'User-Agent': 'Phone/1.0',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  }
  let text = `${method} ${uri} SIP/2.0\r\n`
  for (const [name, value] of Object.entries(all)) {
    for (const line of value === undefined ? [] : [value].flat()) text += `${name}: ${line}\r\n`
  }
  const message = parseMessage(
    toWire(`${text}\r\n`) + (typeof body === 'string' ? toWire(body) : body.toString('latin1')),
  )
  if (message.kind !== 'request') throw new Error(`not a request: ${text}`)
  return message
}

function response(status: number, headers: readonly HeaderLine[]): SipResponse {
  let text = `SIP/2.0 ${status} Whatever\r\n`
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`
  const message = parseMessage(
    toWire(
      `${text}Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 NOTIFY\r\n\r\n`,
    ),
  )
  if (message.kind !== 'response') throw new Error(`not a response: ${text}`)
  return message
}
