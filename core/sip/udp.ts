/** A UDP transport: one socket. Its flows are nothing but the peer's address; they are made as they are needed. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIP } from 'node:net'
import type { TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import type { Counter } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import type { Address } from './contract.ts'
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

/** Room for bursts: the kernel's default holds about two hundred messages. */
const SOCKET_BUFFER = 4 * 1024 * 1024
/** Shorter datagrams are keep-alives (CRLF, NUL) or noise: no request line fits. */
const SHORTEST = 12

const nothing: Undo = () => undefined

export class UdpFlow implements Wire {
  readonly protocol = 'UDP'
  readonly reliable = false
  readonly open = true
  readonly carrier: UdpTransport
  readonly remote: Address

  constructor(carrier: UdpTransport, remote: Address) {
    this.carrier = carrier
    this.remote = remote
  }

  get id(): string {
    return `udp:${this.transport}:${hostPort(this.remote)}`
  }

  get transport(): string {
    return this.carrier.config.id
  }

  get local(): Address {
    return this.carrier.local
  }

  onClose(): Undo {
    return nothing
  }

  send(text: string, sender?: Sender): void {
    this.carrier.send(text, this.remote, sender)
  }
}

export class UdpTransport implements Transport {
  readonly protocol = 'UDP'
  readonly family: 4 | 6
  readonly local: Address
  readonly #socket: Socket
  readonly #receiver: Receiver
  readonly #trace: Trace
  readonly #failures: Counter
  #config: TransportConfig
  #closed = false

  static async open(config: TransportConfig, context: TransportContext): Promise<UdpTransport> {
    const at = bindAddress(config)
    const family = isIP(at.address) === 6 ? 6 : 4
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      // Only addresses come here, never names; without this each send makes a detour through dns.lookup.
      lookup: (address, _options, done) => done(null, address, family),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(listenError(error, config, at))
      })
      socket.bind({ address: at.address, port: at.port, exclusive: true }, resolve)
    })
    socket.removeAllListeners('error')
    return new UdpTransport(config, socket, family, context)
  }

  constructor(
    config: TransportConfig,
    socket: Socket,
    family: 4 | 6,
    { receiver, trace, log, metrics }: TransportContext,
  ) {
    this.#config = config
    this.#socket = socket
    this.#receiver = receiver
    this.#trace = trace
    this.#failures = metrics.counter('sip.udp.send.failed')
    this.family = family
    const { address, port } = socket.address()
    this.local = { address, port }
    socket.on('error', (error) => log.warning(`[${config.id}] ${error.message}`))
    socket.on('message', (bytes, from) => this.#message(bytes, from))
    enlargeBuffers(socket)
  }

  get config(): TransportConfig {
    return this.#config
  }

  get closed(): boolean {
    return this.#closed
  }

  wireTo(remote: Address): UdpFlow {
    return new UdpFlow(this, remote)
  }

  findWire(remote: Address): UdpFlow {
    return new UdpFlow(this, remote)
  }

  reconfigure(config: TransportConfig): void {
    this.#config = config
  }

  send(text: string, to: Address, sender: Sender | undefined): void {
    if (this.#closed) {
      if (sender) process.nextTick(() => sender.sendFailed('the transport is closed'))
      return
    }
    this.#trace.sent(text, 'UDP', to)
    this.#send(Buffer.from(text, 'latin1'), to, sender)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>((resolve) => {
      this.#socket.close(resolve)
    })
  }

  #send(bytes: Buffer, to: Address, sender: Sender | undefined): void {
    try {
      this.#socket.send(bytes, 0, bytes.length, to.port, to.address, (error) => {
        if (!error) return
        this.#failures.add()
        sender?.sendFailed(error.message)
      })
    } catch (error) {
      // Port 0 and the like are refused at once.
      this.#failures.add()
      if (sender) process.nextTick(() => sender.sendFailed(reasonOf(error)))
    }
  }

  #message(bytes: Buffer, from: RemoteInfo): void {
    if (bytes.length < SHORTEST || from.port === 0) return
    const remote = { address: from.address, port: from.port }
    if (isStun(bytes)) {
      const answer = bindingResponse(bytes, remote)
      if (answer) this.#send(answer, remote, undefined)
      return
    }
    const text = bytes.toString('latin1')
    this.#trace.received(text, 'UDP', remote)
    this.#receiver.received(text, new UdpFlow(this, remote))
  }
}

function enlargeBuffers(socket: Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER)
    socket.setSendBufferSize(SOCKET_BUFFER)
  } catch {
    // The system's own size then.
  }
}
