/** A UDP socket of Node's own: one datagram at a time. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { reasonOf } from '../log.ts'
import type { Address } from './contract.ts'
import type { DatagramHandler, Datagrams, Peer } from './datagrams.ts'
import type { Sender } from './transport.ts'
import type { UdpFlow } from './udp.ts'

/** Room for bursts: the kernel's default holds about two hundred messages. */
const SOCKET_BUFFER = 4 * 1024 * 1024
const NOWHERE: readonly number[] = []

export class PlainDatagrams<Flow extends Peer = UdpFlow> implements Datagrams<Flow> {
  readonly kind = 'plain'
  readonly local: Address
  readonly #socket: Socket
  #handler: DatagramHandler<Flow> | undefined

  static async open<Flow extends Peer = UdpFlow>(at: Address, family: 4 | 6): Promise<PlainDatagrams<Flow>> {
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      // Only addresses come here, never names; without this each send makes a detour through dns.lookup.
      lookup: (address, _options, done) => done(null, address, family),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close()
        reject(error)
      })
      socket.bind({ address: at.address, port: at.port, exclusive: true }, resolve)
    })
    socket.removeAllListeners('error')
    return new PlainDatagrams<Flow>(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { address, port }
    socket.on('error', (error) => this.#handler?.troubled(error.message))
    socket.on('message', (bytes, from) => this.#message(bytes, from))
    enlargeBuffers(socket)
  }

  start(handler: DatagramHandler<Flow>): void {
    this.#handler = handler
  }

  flowTo(remote: Address, handler: DatagramHandler<Flow>): Flow {
    return handler.makeFlow(remote, NOWHERE, this.local)
  }

  send(text: string, { remote }: Flow, sender: Sender | undefined): void {
    const bytes = Buffer.from(text, 'latin1')
    try {
      this.#socket.send(bytes, 0, bytes.length, remote.port, remote.address, (error) => {
        if (error) this.#handler?.sendFailed(error.message, sender)
      })
    } catch (error) {
      // Port 0 and the like are refused at once.
      process.nextTick(() => this.#handler?.sendFailed(reasonOf(error), sender))
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#socket.close(resolve)
    })
  }

  #message(bytes: Buffer, { address, port }: RemoteInfo): void {
    const handler = this.#handler
    if (handler) handler.received(bytes.toString('latin1'), handler.makeFlow({ address, port }, NOWHERE, this.local))
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
