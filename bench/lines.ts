/**
 * The sockets of the generator, and its requests that wait for an answer. The sockets are those of Lamplighter's own UDP,
 * many datagrams in a system call: with Node's the generator took more time for a message than the servers.
 */
import type { Address } from '../core/sip/contract.ts'
import { type DatagramHandler, type Datagrams, openDatagrams, type Peer } from '../core/sip/datagrams.ts'
import type { Repeats } from './faults.ts'

/** One socket. */
export class Wire implements DatagramHandler<Peer> {
  /** `127.0.0.1:40000` */
  readonly local: string
  #take: (text: string, wire: Wire) => void = () => undefined
  readonly #datagrams: Datagrams<Peer>
  readonly #server: Peer

  static async open(server: Address, host: string): Promise<Wire> {
    return new Wire(await openDatagrams<Peer>({ address: host, port: 0 }, 4), server)
  }

  private constructor(datagrams: Datagrams<Peer>, server: Address) {
    const { address, port } = datagrams.local
    this.local = `${address}:${port}`
    this.#datagrams = datagrams
    datagrams.start(this)
    this.#server = datagrams.flowTo(server, this)
  }

  receive(take: (text: string, wire: Wire) => void): void {
    this.#take = take
  }

  send(text: string): void {
    this.#datagrams.send(text, this.#server, undefined)
  }

  close(): Promise<void> {
    return this.#datagrams.close()
  }

  makeFlow(remote: Address, place: readonly number[]): Peer {
    return { remote, place }
  }

  received(text: string): void {
    this.#take(text, this)
  }

  // What matters is sent again, and what does not get through is missed.

  sendFailed(): void {}

  troubled(): void {}
}

interface Request {
  readonly text: string
  readonly wire: Wire
  readonly since: number
  /** When it is sent again, and how long after that. */
  next: number
  pause: number
}

const LOOPBACK = '127.0.0.1'
/** Several, because each has its own room in the kernel for what we have not read yet. */
const SOCKETS = 4
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
    const first = await Wire.open(server, phones)
    const others = await Promise.all(Array.from({ length: SOCKETS - 1 }, () => Wire.open(server, phones)))
    return new Lines([first, ...others], phones === LOOPBACK ? first : await Wire.open(server, LOOPBACK))
  }

  private constructor(wires: readonly [Wire, ...Wire[]], publisher: Wire) {
    this.wires = wires
    this.publisher = publisher
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP)
  }

  receive(take: (text: string, wire: Wire) => void): void {
    for (const wire of this.#all) wire.receive(take)
  }

  onUnanswered(tell: (key: string) => void): void {
    this.#unanswered = tell
  }

  /** Sent again until `answered(key)`; one at a time for each key. */
  request(key: string, text: string, wire: Wire): void {
    const now = performance.now()
    this.#waiting.set(key, { text, wire, since: now, next: now + T1, pause: T1 })
    wire.send(text)
  }

  /** Whether it was waited for. */
  answered(key: string): boolean {
    return this.#waiting.delete(key)
  }

  close(): void {
    clearInterval(this.#sweeper)
    for (const wire of this.#all) void wire.close()
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
      request.wire.send(request.text)
    }
  }
}
