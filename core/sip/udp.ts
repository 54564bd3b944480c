/** A UDP transport: one socket. Its flows are nothing but the peer's address; they are made as they are needed. */
import { isIP } from 'node:net'
import type { TransportConfig } from '../endpoints.ts'
import { type Logger, reasonOf } from '../log.ts'
import type { Counter } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import type { Address } from './contract.ts'
import { type DatagramHandler, type Datagrams, type DatagramsKind, openDatagrams } from './datagrams.ts'
import { NowAndThen } from './now-and-then.ts'
import { bindingResponse, isStun } from './stun.ts'
import type { Trace } from './trace.ts'
import {
  bindAddress,
  hostPort,
  listenError,
  type Receiver,
  type Sender,
  type Transport,
  type TransportContext,
  type Wire,
} from './transport.ts'

/** Shorter datagrams are keep-alives (CRLF, NUL) or noise: no request line fits. */
const SHORTEST = 12
/** Messages begin with a letter. */
const FIRST_LETTER = 0x41

const nothing: Undo = () => undefined

export class UdpFlow implements Wire {
  readonly protocol = 'UDP'
  readonly reliable = false
  readonly carrier: UdpTransport
  readonly remote: Address
  /** Where that is in the terms of the socket. */
  readonly place: readonly number[]
  /** The address that the peer has sent to, where that is known; what goes by this flow comes from there (RFC 3581 4). */
  readonly local: Address
  #id: string | undefined

  constructor(carrier: UdpTransport, remote: Address, place: readonly number[], local: Address) {
    this.carrier = carrier
    this.remote = remote
    this.place = place
    this.local = local
  }

  get id(): string {
    this.#id ??= `udp:${this.transport}:${hostPort(this.remote)}`
    return this.#id
  }

  get transport(): string {
    return this.carrier.config.id
  }

  /** As long as its socket is. */
  get open(): boolean {
    return !this.carrier.closed
  }

  onClose(): Undo {
    return nothing
  }

  send(text: string, sender?: Sender): void {
    this.carrier.send(text, this, sender)
  }
}

export class UdpTransport implements Transport, DatagramHandler {
  readonly protocol = 'UDP'
  readonly family: 4 | 6
  readonly local: Address
  readonly #datagrams: Datagrams
  readonly #receiver: Receiver
  readonly #trace: Trace
  readonly #log: Logger
  readonly #failures: Counter
  config: TransportConfig
  closed = false
  readonly #saysTooLong = new NowAndThen()

  static async open(config: TransportConfig, context: TransportContext): Promise<UdpTransport> {
    const at = bindAddress(config)
    const family = isIP(at.address) === 6 ? 6 : 4
    try {
      const datagrams = await openDatagrams(at, family, context.datagrams)
      return new UdpTransport(config, datagrams, family, context)
    } catch (error) {
      throw listenError(error instanceof Error ? error : new Error(reasonOf(error)), config, at)
    }
  }

  constructor(
    config: TransportConfig,
    datagrams: Datagrams,
    family: 4 | 6,
    { receiver, trace, log, metrics }: TransportContext,
  ) {
    this.config = config
    this.#datagrams = datagrams
    this.#receiver = receiver
    this.#trace = trace
    this.#log = log
    this.#failures = metrics.counter('sip.udp.send.failed')
    this.family = family
    this.local = datagrams.local
    datagrams.start(this)
  }

  get datagrams(): DatagramsKind {
    return this.#datagrams.kind
  }

  wireTo(remote: Address, _name?: string, from?: Wire | string): UdpFlow {
    if (!(from instanceof UdpFlow))
      return this.#datagrams.flowTo(remote, this, typeof from === 'string' ? from : undefined)
    // To another peer the way may lead through another network, where that address is none.
    const isBeside = from.carrier === this && from.remote.address === remote.address
    return this.#datagrams.flowTo(remote, this, isBeside ? from : undefined)
  }

  findWire(remote: Address): UdpFlow {
    return this.wireTo(remote)
  }

  reconfigure(config: TransportConfig): void {
    this.config = config
  }

  send(text: string, to: UdpFlow, sender: Sender | undefined): void {
    if (this.closed) {
      if (sender) process.nextTick(() => sender.sendFailed('the transport is closed'))
      return
    }
    this.#trace.sent(text, 'UDP', to.remote)
    this.#datagrams.send(text, to, sender)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.#datagrams.close()
  }

  makeFlow(remote: Address, place: readonly number[], local: Address): UdpFlow {
    return new UdpFlow(this, remote, place, local)
  }

  received(text: string, from: UdpFlow): void {
    if (text.length < SHORTEST || from.remote.port === 0) return
    if (text.charCodeAt(0) < FIRST_LETTER && this.#answerKeepAlive(text, from)) return
    this.#trace.received(text, 'UDP', from.remote)
    this.#receiver.received(text, from)
  }

  sendFailed(reason: string, sender: Sender | undefined): void {
    this.#failures.add()
    if (reason.startsWith('send EMSGSIZE')) this.#tooLong(reason)
    sender?.sendFailed(reason)
  }

  troubled(reason: string): void {
    this.#log.warning(`[${this.config.id}] ${reason}`)
  }

  /** It is sent again, to each who is told the same. */
  #tooLong(reason: string): void {
    if (!this.#saysTooLong.now()) return
    const to = reason.split(' ')[2] ?? 'its peer'
    this.#log.warning(
      `[${this.config.id}] a message to ${to} is too long for UDP and was not sent; over TCP it gets there`,
    )
  }

  /** Whether it was one. */
  #answerKeepAlive(text: string, from: UdpFlow): boolean {
    const bytes = Buffer.from(text, 'latin1')
    if (!isStun(bytes)) return false
    const answer = bindingResponse(bytes, from.remote)
    if (answer) this.#datagrams.send(answer.toString('latin1'), from, undefined)
    return true
  }
}
