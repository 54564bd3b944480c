/** The sockets of the generator, connected to the server, and its requests that wait for an answer. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Repeats } from './faults.ts'

/** One socket. */
export interface Wire {
  readonly socket: Socket
  /** `127.0.0.1:40000` */
  readonly local: string
}

interface Request {
  readonly bytes: Buffer
  readonly wire: Wire
  readonly since: number
  /** When it is sent again, and how long after that. */
  next: number
  pause: number
}

/** Several, because each has its own room in the kernel for what we have not read yet. */
const SOCKETS = 4
const ROOM = 4 * 1024 * 1024
/** RFC 3261 17.1.2.2: T1, T2, and 64 T1. */
const T1 = 500
const T2 = 4000
const PATIENCE = 32_000
/** Milliseconds between two looks at what waits. */
const SWEEP = 100

export class Lines {
  readonly wires: readonly [Wire, ...Wire[]]
  readonly repeats: Repeats = { ours: 0, theirs: 0 }
  readonly #waiting = new Map<string, Request>()
  readonly #sweeper: NodeJS.Timeout
  #unanswered: (key: string) => void = () => undefined

  static async open(server: { readonly address: string; readonly port: number }): Promise<Lines> {
    const first = await openWire(server)
    const others = await Promise.all(Array.from({ length: SOCKETS - 1 }, () => openWire(server)))
    return new Lines([first, ...others])
  }

  private constructor(wires: readonly [Wire, ...Wire[]]) {
    this.wires = wires
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP)
  }

  receive(take: (text: string, wire: Wire) => void): void {
    for (const wire of this.wires) wire.socket.on('message', (bytes: Buffer) => take(bytes.toString('latin1'), wire))
  }

  onUnanswered(tell: (key: string) => void): void {
    this.#unanswered = tell
  }

  send(text: string, { socket }: Wire): void {
    socket.send(Buffer.from(text, 'latin1'))
  }

  /** Sent again until `answered(key)`; one at a time for each key. */
  request(key: string, text: string, wire: Wire): void {
    const bytes = Buffer.from(text, 'latin1')
    const now = performance.now()
    this.#waiting.set(key, { bytes, wire, since: now, next: now + T1, pause: T1 })
    wire.socket.send(bytes)
  }

  /** Whether it was waited for. */
  answered(key: string): boolean {
    return this.#waiting.delete(key)
  }

  close(): void {
    clearInterval(this.#sweeper)
    for (const { socket } of this.wires) socket.close()
  }

  #sweep(): void {
    const now = performance.now()
    for (const [key, request] of this.#waiting) {
      if (now < request.next) continue
      if (now - request.since > PATIENCE) {
        this.#waiting.delete(key)
        this.#unanswered(key)
        continue
      }
      request.pause = Math.min(2 * request.pause, T2)
      request.next = now + request.pause
      this.repeats.ours++
      request.wire.socket.send(request.bytes)
    }
  }
}

async function openWire({ address, port }: { readonly address: string; readonly port: number }): Promise<Wire> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: ROOM, sendBufferSize: ROOM })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.connect(port, address)
  await once(socket, 'connect')
  // A server that is being restarted refuses; what matters is sent again.
  socket.on('error', () => undefined)
  return { socket, local: `127.0.0.1:${socket.address().port}` }
}
