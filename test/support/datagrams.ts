/** A UDP transport alone, without a stack over it: whatever comes is kept. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Log } from '../../core/log.ts'
import { Metrics } from '../../core/metrics.ts'
import { defaultsOf } from '../../core/options.ts'
import { globalOptions, systemOptions } from '../../core/pjsip-options.ts'
import type { Address } from '../../core/sip/contract.ts'
import type { DatagramsKind } from '../../core/sip/datagrams.ts'
import { OpenFiles } from '../../core/sip/open-files.ts'
import { TimerWheel } from '../../core/sip/timer-wheel.ts'
import { timersOf } from '../../core/sip/timers.ts'
import { Trace } from '../../core/sip/trace.ts'
import type { TransportContext, Wire } from '../../core/sip/transport.ts'
import { UdpTransport } from '../../core/sip/udp.ts'
import { transportConfig } from './stack.ts'

export interface Came {
  readonly text: string
  readonly wire: Wire
}

export class LoneTransport {
  readonly metrics: Metrics
  readonly came: Came[] = []
  readonly warnings: string[]
  /** What is done with a message beside keeping it. */
  react: (came: Came) => void = () => undefined
  readonly udp: UdpTransport

  static async open(datagrams: DatagramsKind, bind = '127.0.0.1:0'): Promise<LoneTransport> {
    const warnings: string[] = []
    const log = new Log('warning')
    log.addSink(({ message }) => warnings.push(message))
    const context = { ...contextFor(datagrams), log: log.logger('sip') }
    const lone: LoneTransport = new LoneTransport(
      await UdpTransport.open(transportConfig({ bind }), {
        ...context,
        receiver: { received: (text, wire) => lone.#received({ text, wire }), broken: () => undefined },
      }),
      context.metrics,
      warnings,
    )
    return lone
  }

  private constructor(udp: UdpTransport, metrics: Metrics, warnings: string[]) {
    this.udp = udp
    this.metrics = metrics
    this.warnings = warnings
  }

  get texts(): string[] {
    return this.came.map(({ text }) => text)
  }

  #received(came: Came): void {
    this.came.push(came)
    this.react(came)
  }
}

export function contextFor(datagrams: DatagramsKind): TransportContext {
  const global = defaultsOf(globalOptions)
  return {
    receiver: { received: () => undefined, broken: () => undefined },
    wheel: new TimerWheel(),
    timers: () => timersOf(defaultsOf(systemOptions)),
    trace: new Trace(),
    log: new Log('error').logger('sip'),
    metrics: new Metrics(),
    global: () => global,
    files: new OpenFiles(),
    datagrams,
  }
}

/** A peer, with what it was sent. */
export class Peer {
  readonly socket: Socket
  readonly got: Buffer[] = []
  readonly address: Address

  static async open(address = '127.0.0.1'): Promise<Peer> {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 })
    socket.bind(0, address)
    await once(socket, 'listening')
    return new Peer(socket)
  }

  private constructor(socket: Socket) {
    this.socket = socket
    const { address, port } = socket.address()
    this.address = { address, port }
    socket.on('message', (bytes) => this.got.push(bytes))
  }

  get texts(): string[] {
    return this.got.map((bytes) => bytes.toString('latin1'))
  }

  send(text: string, to: Address): void {
    this.socket.send(Buffer.from(text, 'latin1'), to.port, to.address)
  }
}
