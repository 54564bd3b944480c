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

interface Address {
  readonly address: string
  readonly port: number
}

interface Request {
  readonly bytes: Buffer
  readonly wire: Wire
  readonly since: number
  /** When it is sent again, and how long after that. */
  next: number
  pause: number
}

const LOOPBACK = '127.0.0.1'
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
  /** Of the phones. */
  readonly wires: readonly [Wire, ...Wire[]]
  readonly publisher: Wire
  readonly repeats: Repeats = { ours: 0, theirs: 0 }
  readonly #waiting = new Map<string, Request>()
  readonly #sweeper: NodeJS.Timeout
  #unanswered: (key: string) => void = () => undefined

  /** With another address of the phones the publisher has a socket of its own, at 127.0.0.1. */
  static async open(server: Address, phones = LOOPBACK): Promise<Lines> {
    const first = await openWire(server, phones)
    const others = await Promise.all(Array.from({ length: SOCKETS - 1 }, () => openWire(server, phones)))
    return new Lines([first, ...others], phones === LOOPBACK ? first : await openWire(server, LOOPBACK))
  }

  private constructor(wires: readonly [Wire, ...Wire[]], publisher: Wire) {
    this.wires = wires
    this.publisher = publisher
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP)
  }

  receive(take: (text: string, wire: Wire) => void): void {
    for (const wire of this.#all) wire.socket.on('message', (bytes: Buffer) => take(bytes.toString('latin1'), wire))
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
    for (const { socket } of this.#all) socket.close()
  }

  get #all(): ReadonlySet<Wire> {
    return new Set([...this.wires, this.publisher])
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

async function openWire({ address, port }: Address, host: string): Promise<Wire> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: ROOM, sendBufferSize: ROOM })
  socket.bind(0, host)
  await once(socket, 'listening')
  socket.connect(port, address)
  await once(socket, 'connect')
  // A server that is being restarted refuses; what matters is sent again.
  socket.on('error', () => undefined)
  return { socket, local: `${host}:${socket.address().port}` }
}
