/**
 * A UDP socket whose datagrams come and go many at a time. The kernel is the native part's business
 * (native/datagrams.c); what passes between it and here lies in memory that both see, laid out as follows, so nothing is
 * made for a datagram but its text.
 */
import { getSystemErrorName } from 'node:util'
import type { DatagramAddon, DatagramSocket } from './addon.ts'
import { isWildcard } from './addressing.ts'
import type { Address } from './contract.ts'
import type { DatagramHandler, Datagrams, Peer } from './datagrams.ts'
import { FlowTable } from './flow-table.ts'
import { hostPort, type Sender } from './transport.ts'
import type { UdpFlow } from './udp.ts'

/** Datagrams in one system call, and in the queue. */
const BATCH = 32
/** Bytes of the longest datagram that can come. */
const ROOM = 65_536
/** Bytes of what waits to be sent. The longest datagram fits, and what is used most stays in the processor's cache. */
const QUEUE_ROOM = 2 * ROOM
/** Numbers of the longest address: four of IPv6's, scope, port, and which address of ours it is about. */
const PLACE = 7

// Where the numbers are that both sides see.
const QUEUED = 0
const FILLED = 1
const SENT = 2
const WAITING = 3
const TAKEN = 4
const FAILED = 5
const FAILURES = 6
const INCOMING = FAILURES + 2 * BATCH
const OUTGOING = INCOMING + BATCH * (1 + PLACE)
const NUMBERS = OUTGOING + BATCH * (2 + PLACE)

/** Datagrams between two looks at the clock: while code is cold, or with large documents, one may take a millisecond. */
const STRIDE = 4

/** Datagrams that wait while the kernel takes none; what comes then is refused. */
const MOST_WAITING = 100_000
/** Milliseconds until it is looked again whether this machine has an address. */
const MISSING = 1000
const NOWHERE: readonly number[] = []
const CLOSED = 'the transport is closed'

interface Outgoing<Flow> {
  readonly text: string
  readonly to: Flow
  readonly sender: Sender | undefined
}

export class BatchedDatagrams<Flow extends Peer = UdpFlow> implements Datagrams<Flow> {
  readonly kind = 'batched'
  readonly local: Address
  readonly #addon: DatagramAddon
  readonly #isV6: boolean
  /** Where in a place the port is. */
  readonly #portAt: number
  /** Numbers of a place. Where we are bound to all addresses of this machine the last says which of them. */
  readonly #words: number
  /** Those addresses, by their numbers; any, where it is 0. */
  readonly #locals: Address[]
  readonly #socket: DatagramSocket
  readonly #numbers: Int32Array
  readonly #incoming: Buffer
  readonly #outgoing: Buffer
  /** Of each datagram in the queue. */
  readonly #destinations: (Flow | undefined)[] = Array.from({ length: BATCH })
  readonly #senders: (Sender | undefined)[] = Array.from({ length: BATCH })
  /** For which there is no room in the queue while the kernel takes nothing. */
  #waiting: Outgoing<Flow>[] = []
  #nextWaiting = 0
  readonly #flows: FlowTable<Flow>
  readonly #place = new Int32Array(PLACE)
  /** An address that this machine did not have. */
  #missing = { address: '', until: 0 }
  #handler: DatagramHandler<Flow> | undefined
  #isClosed = false

  static open<Flow extends Peer = UdpFlow>(
    addon: DatagramAddon,
    at: Address,
    family: 4 | 6,
  ): Promise<BatchedDatagrams<Flow>> {
    return new Promise((resolve) => {
      resolve(new BatchedDatagrams<Flow>(addon, at, family === 6))
    })
  }

  private constructor(addon: DatagramAddon, at: Address, isV6: boolean) {
    this.#addon = addon
    this.#isV6 = isV6
    this.#portAt = isV6 ? PLACE - 2 : 1
    this.#numbers = new Int32Array(NUMBERS)
    this.#incoming = Buffer.allocUnsafeSlow(BATCH * ROOM)
    this.#outgoing = Buffer.allocUnsafeSlow(QUEUE_ROOM)
    if (!addon.readAddress(at.address, at.port, isV6, this.#place)) throw systemError('EINVAL', at)
    const wake = (from: number, to: number, microseconds: number): void => this.#wake(from, to, microseconds)
    const opened = addon.open(this.#place, isV6, wake, this.#numbers, this.#incoming, this.#outgoing)
    if (typeof opened === 'number') throw systemError(getSystemErrorName(opened), at)
    this.#socket = opened
    this.local = this.#addressIn(this.#place)
    this.#locals = [this.local]
    this.#words = this.#portAt + (isWildcard(this.local.address) ? 2 : 1)
    this.#flows = new FlowTable<Flow>(this.#words)
  }

  start(handler: DatagramHandler<Flow>): void {
    this.#handler = handler
  }

  flowTo(remote: Address, handler: DatagramHandler<Flow>, from?: Flow | string): Flow {
    const { address, port } = remote
    const isPlace = port > 0 && port < 65_536 && this.#addon.readAddress(address, port, this.#isV6, this.#place)
    if (!isPlace) return handler.makeFlow(remote, NOWHERE, this.local)
    this.#place[this.#portAt + 1] =
      typeof from === 'string' ? this.#numberOf(from) : (from?.place[this.#portAt + 1] ?? 0)
    return this.#flowAt(this.#place, 0, handler)
  }

  send(text: string, to: Flow, sender: Sender | undefined): void {
    if (to.place.length === 0) return this.#fail('EINVAL', to, sender)
    if (text.length > ROOM) return this.#fail('EMSGSIZE', to, sender)
    if (this.#waiting.length > 0) return this.#wait(text, to, sender)
    if (!this.#fits(text)) this.#flush()
    if (this.#fits(text)) this.#enqueue(text, to, sender)
    else this.#wait(text, to, sender)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#addon.close(this.#socket)
    this.#reportFailures()
    for (let at = this.#numbers[SENT] ?? 0; at < (this.#numbers[QUEUED] ?? 0); at++) {
      this.#failSoon(CLOSED, this.#senders[at])
    }
    for (const { sender } of this.#waiting.slice(this.#nextWaiting)) this.#failSoon(CLOSED, sender)
    this.#waiting = []
  }

  /**
   * The native part calls: datagrams have come, some could not be sent, or there is room in the queue again. What cannot
   * be handled in so many microseconds it gives again in the next turn of the event loop.
   */
  #wake(from: number, to: number, microseconds: number): void {
    this.#reportFailures()
    if (this.#waiting.length > 0) this.#refill()
    const handler = this.#handler
    if (!handler) return
    const until = performance.now() + microseconds / 1000
    for (let at = from; at < to && !this.#isClosed; at++) {
      if (at > from && at % STRIDE === 0 && performance.now() > until) {
        this.#numbers[TAKEN] = at
        return
      }
      const start = INCOMING + at * (1 + PLACE)
      const text = this.#incoming.toString('latin1', at * ROOM, at * ROOM + (this.#numbers[start] ?? 0))
      handler.received(text, this.#flowAt(this.#numbers, start + 1, handler))
    }
  }

  #fits(text: string): boolean {
    const numbers = this.#numbers
    return (numbers[QUEUED] ?? 0) < BATCH && (numbers[FILLED] ?? 0) + text.length <= QUEUE_ROOM
  }

  #enqueue(text: string, to: Flow, sender: Sender | undefined): void {
    const numbers = this.#numbers
    const at = numbers[QUEUED] ?? 0
    const from = numbers[FILLED] ?? 0
    const start = OUTGOING + at * (2 + PLACE)
    const { place } = to
    numbers[start] = from
    numbers[start + 1] = this.#outgoing.write(text, from, 'latin1')
    for (let word = 0; word < place.length; word++) numbers[start + 2 + word] = place[word] ?? 0
    numbers[QUEUED] = at + 1
    numbers[FILLED] = from + text.length
    this.#destinations[at] = to
    this.#senders[at] = sender
  }

  #flush(): void {
    this.#addon.send(this.#socket)
    this.#reportFailures()
  }

  #wait(text: string, to: Flow, sender: Sender | undefined): void {
    if (this.#waiting.length - this.#nextWaiting >= MOST_WAITING) return this.#fail('ENOBUFS', to, sender)
    this.#waiting.push({ text, to, sender })
    this.#numbers[WAITING] = 1
  }

  #refill(): void {
    for (let next = this.#waiting[this.#nextWaiting]; next; next = this.#waiting[this.#nextWaiting]) {
      if (!this.#fits(next.text)) this.#flush()
      if (!this.#fits(next.text)) return this.#dropSent()
      this.#enqueue(next.text, next.to, next.sender)
      this.#nextWaiting++
    }
    this.#waiting = []
    this.#nextWaiting = 0
    this.#numbers[WAITING] = 0
  }

  /** What has gone out is let go of, as there may never be a time when nothing waits. */
  #dropSent(): void {
    if (2 * this.#nextWaiting < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#nextWaiting)
    this.#nextWaiting = 0
  }

  #reportFailures(): void {
    const numbers = this.#numbers
    const count = numbers[FAILED] ?? 0
    numbers[FAILED] = 0
    for (let failure = FAILURES; failure < FAILURES + 2 * count; failure += 2) {
      const at = numbers[failure] ?? 0
      const to = this.#destinations[at]
      if (to) this.#fail(getSystemErrorName(-(numbers[failure + 1] ?? 0)), to, this.#senders[at])
    }
  }

  #fail(code: string, { remote }: Flow, sender: Sender | undefined): void {
    this.#failSoon(`send ${code} ${hostPort(remote)}`, sender)
  }

  #failSoon(reason: string, sender: Sender | undefined): void {
    process.nextTick(() => this.#handler?.sendFailed(reason, sender))
  }

  #flowAt(numbers: Int32Array, at: number, handler: DatagramHandler<Flow>): Flow {
    const known = this.#flows.find(numbers, at)
    if (known) return known
    const place = numbers.subarray(at, at + this.#words)
    const flow = handler.makeFlow(this.#addressIn(place), [...place], this.#localAt(place[this.#portAt + 1] ?? 0))
    this.#flows.add(flow)
    return flow
  }

  /** Many that were restored ask for one address after the other, which may be another machine's. */
  #numberOf(local: string): number {
    const now = performance.now()
    if (local === this.#missing.address && now < this.#missing.until) return 0
    const found = this.#addon.numberOfLocal(this.#socket, local)
    if (found === 0) this.#missing = { address: local, until: now + MISSING }
    return found
  }

  #localAt(local: number): Address {
    const { port } = this.local
    return (this.#locals[local] ??= { address: this.#addon.printLocal(this.#socket, local), port })
  }

  #addressIn(place: Int32Array): Address {
    return { address: this.#addon.printAddress(place, this.#isV6), port: place[this.#portAt] ?? 0 }
  }
}

function systemError(code: string, at: Address): Error {
  return Object.assign(new Error(`bind ${code} ${hostPort(at)}`), { code })
}
