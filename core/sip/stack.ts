/**
 * The SIP stack: transports, transactions and dialogs under the one interface that the house uses (contract.ts).
 *
 * The way of a request: parse → check → ACK and CANCEL → may it? (`beforeRequest`) → seen before? → its handler. Where it
 * is refused before that, `beforeRequest` is asked all the same.
 * Whatever is refused before it gets to a handler is answered without keeping anything (RFC 3261 8.2.7).
 */
import type { Globals, System, TransportConfig } from '../endpoints.ts'
import type { Eventual } from '../eventual.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import { Addressing } from './addressing.ts'
import { ClientTransactions } from './client-transaction.ts'
import { Contacts } from './contacts.ts'
import type {
  Address,
  Answer,
  Dialog,
  DialogRecord,
  DialogSettings,
  Flow,
  FlowRecord,
  HeaderLine,
  OutcomeHandler,
  OutOfDialogRequest,
  Refusal,
  ServerTransaction,
  Sip,
  SipRequest,
} from './contract.ts'
import type { DatagramsKind } from './datagrams.ts'
import { Dialogs } from './dialogs.ts'
import { Dispatcher } from './dispatch.ts'
import { OpenFiles } from './open-files.ts'
import { sendOutOfDialog } from './out-of-dialog.ts'
import { Outgoing } from './outgoing.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import { followingRedirects } from './redirects.ts'
import { type NameServer, Resolver } from './resolve.ts'
import { Responder } from './respond.ts'
import { type RequestTransaction, ServerTransactions } from './server-transaction.ts'
import { ownOf } from './shared-flows.ts'
import { TimerWheel } from './timer-wheel.ts'
import { type Timers, timersOf } from './timers.ts'
import { Trace } from './trace.ts'
import { type Wire, wireOf } from './transport.ts'
import { type Listening, Transports } from './transports.ts'
import type { SipUri } from './uri.ts'

export type { Listening } from './transports.ts'

export interface StackSettings {
  readonly transports: readonly TransportConfig[]
  readonly system: System
  readonly global: () => Globals
  readonly log: Logger
  readonly metrics: Metrics
  /** Whether the answer goes to the source port although the Via did not ask for it (endpoint `force_rport`). */
  readonly forceRport?: (request: SipRequest) => boolean
  /** Asked for each request, and each copy of one. A Refusal is sent, and nothing is kept of it. */
  readonly beforeRequest?: (request: SipRequest, source: Address, flow: Flow) => 'accept' | 'drop' | Refusal
  /** Where a call is redirected to, with the user it is for; undefined: it is refused. */
  readonly callsTo?: () => SipUri | undefined
  /** Nothing is handed up before `start()` is called; what comes meanwhile waits. */
  readonly paused?: boolean
  /** Other times than the RFC's. */
  readonly timers?: Partial<Timers>
  /** Who is asked for names; the system's name servers without it. */
  readonly names?: NameServer
  /** Which kind of UDP sockets; the fastest there is without it. */
  readonly datagrams?: DatagramsKind
  /** How many files the process may open; what the system says without it. */
  readonly openFiles?: number
}

/** Opens all transports; throws ConfigError with the section's place where one cannot be opened. */
export async function createStack(settings: StackSettings): Promise<Stack> {
  const stack = new Stack(settings)
  await stack.open()
  return stack
}

export class Stack implements Sip {
  readonly #settings: StackSettings
  readonly #wheel = new TimerWheel()
  readonly #trace = new Trace()
  readonly #addressing = new Addressing()
  readonly #contacts = new Contacts()
  readonly #transports: Transports
  readonly #clients: ClientTransactions
  readonly #resolver: Resolver
  readonly #outgoing: Outgoing
  readonly #dialogs: Dialogs
  readonly #dispatcher: Dispatcher
  readonly #unmeter: Undo[]
  #system: System
  #timers: Timers

  constructor(settings: StackSettings) {
    const { log, metrics, global } = settings
    this.#settings = settings
    this.#system = settings.system
    this.#timers = { ...timersOf(settings.system), ...settings.timers }
    const timers = (): Timers => this.#timers
    const system = (): System => this.#system
    this.#clients = new ClientTransactions(this.#wheel, timers, log, metrics)
    const responder = new Responder({ system, global })
    const servers = new ServerTransactions(
      this.#wheel,
      timers,
      (transaction: RequestTransaction, answer: Answer) => responder.make(transaction.incoming, answer),
      log,
      metrics,
    )
    this.#dispatcher = new Dispatcher({
      servers,
      clients: this.#clients,
      responder,
      hasDialog: (request) => this.#dialogs.find(request) !== undefined,
      forceRport: settings.forceRport ?? (() => false),
      beforeRequest: settings.beforeRequest ?? (() => 'accept'),
      callsTo: settings.callsTo ?? (() => undefined),
      paused: settings.paused ?? false,
      log,
      metrics,
    })
    this.#transports = new Transports({
      receiver: this.#dispatcher,
      wheel: this.#wheel,
      timers,
      trace: this.#trace,
      log,
      metrics,
      global,
      files: new OpenFiles(settings.openFiles),
      datagrams: settings.datagrams,
    })
    this.#resolver = new Resolver({
      offers: (protocol, family) => this.#transports.offers(protocol, family),
      names: settings.names,
    })
    this.#outgoing = new Outgoing({
      transactions: this.#clients,
      transports: this.#transports,
      resolver: this.#resolver,
      addressing: this.#addressing,
      system,
      global,
    })
    this.#dialogs = new Dialogs({
      transports: this.#transports,
      outgoing: this.#outgoing,
      contactFor: (wire, user, secure) => this.#contact(wire, user, secure),
    })
    this.#unmeter = [
      metrics.gauge('sip.dialogs', () => this.#dialogs.size),
      metrics.gauge('sip.transactions.client', () => this.#clients.size),
      metrics.gauge('sip.timers', () => this.#wheel.size),
      metrics.gauge('sip.transactions.server', () => servers.size),
    ]
  }

  open(): Promise<void> {
    return this.#transports.open(this.#settings.transports)
  }

  start(): void {
    this.#dispatcher.start()
  }

  /** Where a request to this URI is sent, best first; the same as long as it is remembered. Never rejects. */
  targetsOf(uri: SipUri): Eventual<readonly Address[]> {
    return this.#resolver.resolve(uri)
  }

  /** Where we listen, ports as they really are. */
  get listening(): readonly Listening[] {
    return this.#transports.listening
  }

  /** Takes over changed transport and system sections. Throws ConfigError before anything is changed. */
  async reload(transports: readonly TransportConfig[], system: System): Promise<void> {
    await this.#transports.reload(transports)
    this.#resolver.expire()
    this.#system = system
    this.#timers = { ...timersOf(system), ...this.#settings.timers }
  }

  /** Requests in flight end as unreachable, connections are closed. */
  async close(): Promise<void> {
    for (const undo of this.#unmeter) void undo()
    this.#clients.abandon('the server stops')
    this.#wheel.stop()
    await this.#transports.close()
  }

  handle(method: string, handler: (tx: ServerTransaction) => void | Promise<void>): Undo {
    return this.#dispatcher.handle(method, handler)
  }

  advertise(lines: () => readonly HeaderLine[]): Undo {
    return this.#dispatcher.advertise(lines)
  }

  hold(): Undo {
    return this.#dispatcher.hold()
  }

  createDialog(tx: ServerTransaction, settings: DialogSettings): Dialog {
    return this.#dialogs.create(tx, settings)
  }

  restoreDialog(record: DialogRecord): Dialog {
    return this.#dialogs.restore(record)
  }

  dialog(id: string): Dialog | undefined {
    return this.#dialogs.get(id)
  }

  findDialog(request: SipRequest): Dialog | undefined {
    return this.#dialogs.find(request)
  }

  request(request: OutOfDialogRequest, done: OutcomeHandler): void {
    if (!request.redirected) return this.#request(request, done)
    followingRedirects(request, (next, answered) => this.#request(next, answered), done)
  }

  #request(request: OutOfDialogRequest, done: OutcomeHandler): void {
    // RFC 3261 8.1.1.8: who is asked by sips answers by sips
    const secure = isSips(request.routes?.[0] ?? request.requestUri)
    sendOutOfDialog(request, this.#outgoing, (wire) => this.#contact(wire, '', secure), done)
  }

  giveUp(sender: object): void {
    this.#outgoing.giveUp(sender)
  }

  flowRecord(flow: Flow): FlowRecord | undefined {
    const wire = wireOf(flow)
    if (wire.reliable) return undefined
    const { transport, remote } = wire
    const own = ownOf(wire)
    return own === undefined ? { transport, remote } : { transport, remote, own }
  }

  restoreFlow({ transport, remote, own }: FlowRecord): Flow | undefined {
    if (this.#transports.get(transport)?.protocol !== 'UDP') return undefined
    return this.#transports.wireTo('UDP', remote, { preferred: transport, from: own })
  }

  contactFor(flow: Flow, user = ''): string {
    return this.#contact(wireOf(flow), user, false)
  }

  trace(sink: ((text: string) => void) | undefined, host?: string): void {
    this.#trace.set(sink, host)
  }

  #contact(wire: Wire, user: string, secure: boolean): string {
    return this.#contacts.of(this.#addressing.ownAddress(wire), wire.protocol, user, secure)
  }
}

function isSips(value: string): boolean {
  return (parseUri(value) ?? parseNameAddr(value)?.uri)?.scheme === 'sips'
}
