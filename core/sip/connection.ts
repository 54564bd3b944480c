/** One TCP or TLS connection: bytes to messages, keep-alives both ways, and its end. */
import type { Socket } from 'node:net'
import { addedTo, type Undo } from '../scope.ts'
import type { Address } from './contract.ts'
import { StreamFramer } from './frame.ts'
import type { StreamTransport } from './stream.ts'
import { Timed } from './timer-wheel.ts'
import type { Sender, Wire } from './transport.ts'
import type { SipUri } from './uri.ts'

const PING = '\r\n\r\n'
const PONG = '\r\n'
/**
 * Bytes that wait for a peer before it is asked whether it reads. A proxy has a NOTIFY for each of its phones in flight, so
 * that one change may be more: it is given up where it takes nothing for a while.
 */
const MUCH_UNSENT = 1024 * 1024
/** Bytes that nobody is kept for. */
const MOST_UNSENT = 32 * MUCH_UNSENT
/**
 * Bytes of answers that wait for a peer while it is still listened to: whoever asks is to read what it is answered. What we
 * ask does not count, as one that takes no more before we take its answers would wait for us as we wait for it.
 */
const MOST_ANSWERED = 64 * 1024
export const NOT_READ = 'the peer does not read'

/** A phone has a few accounts; a proxy has no end of contacts, and is not known by them. */
const MOST_CONTACTS = 8

export class Connection extends Timed implements Wire {
  readonly reliable = true
  readonly id: string
  readonly carrier: StreamTransport
  readonly local: Address
  readonly remote: Address
  readonly #socket: Socket
  readonly #framer = new StreamFramer()
  readonly #listeners = new Set<(why: string) => void>()
  /** We opened it. */
  readonly outgoing: boolean
  readonly #contacts = new Set<string>()
  readonly #strangers = new Set<string>()
  open = true
  /** A request on it was granted, which OPTIONS is to anybody. */
  isProved = false
  #messages = 0
  readonly #begun = performance.now()
  /** A message that was found half way: how many came before it, and when it was found. */
  #half: { readonly after: number; readonly since: number } | undefined
  /** Much waits for it: how many bytes it had taken then, and when that was. */
  #behind: { readonly taken: number; readonly since: number } | undefined
  /** Bytes written, waiting or not. */
  #written = 0
  /** Bytes of answers written that may wait still. */
  #answered = 0
  /** Of those the ones behind a place in what was written: when that is taken only they may wait. */
  #answeredBehind = 0
  #place = 0
  /** When the last bytes came. */
  #heard = 0
  /** When the last request was sent that had no answer, and nothing else came since either. */
  #passedOver = 0
  #nextPing: number
  /** Why it ended; empty while it has not. */
  why = ''

  constructor(carrier: StreamTransport, number: number, socket: Socket, remote: Address, outgoing: boolean) {
    super()
    this.carrier = carrier
    this.id = `${carrier.protocol.toLowerCase()}:${carrier.config.id}:${number}`
    this.#socket = socket
    this.outgoing = outgoing
    this.remote = remote
    this.local = { address: socket.localAddress ?? carrier.local.address, port: carrier.local.port }
    this.#nextPing = performance.now() + this.#pingInterval
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    socket.on('data', (chunk) => this.#data(chunk))
    socket.on('error', (error) => this.end(error.message))
    socket.on('drain', () => this.#listenAgain())
    socket.on('end', () => this.end('the peer closed it'))
    socket.on('close', () => this.#closed())
    this.#look()
  }

  get protocol(): 'TCP' | 'TLS' {
    return this.carrier.protocol
  }

  get transport(): string {
    return this.carrier.config.id
  }

  onClose(listener: (why: string) => void): Undo {
    if (!this.open) {
      const soon = setImmediate(listener, this.why)
      return () => clearImmediate(soon)
    }
    // A wrapper, so that one function may listen twice.
    const entry = (why: string): void => listener(why)
    return addedTo(this.#listeners, entry)
  }

  send(text: string, sender?: Sender): void {
    if (!this.open) {
      if (sender) process.nextTick(() => sender.sendFailed(`the connection is closed: ${this.why}`))
      return
    }
    this.carrier.trace.sent(text, this.protocol, this.remote)
    // Of one that is over its sender hears when it is closed, and why: what a write fails of then does not say that.
    this.#write(text, sender && ((error) => error && this.open && sender.sendFailed(error.message)))
  }

  /** Remembers whose connection this is, by the Contact they give. */
  noteContact(contact: SipUri): void {
    if (this.#contacts.size < MOST_CONTACTS) this.#contacts.add(nameOf(contact))
  }

  isOf(contact: SipUri): boolean {
    return this.#contacts.has(nameOf(contact))
  }

  /** Whoever is here knows nothing of dialogs with this Contact: another phone of the same account and address. */
  noteStranger(contact: SipUri): void {
    if (this.#strangers.size < MOST_CONTACTS) this.#strangers.add(contact.text)
  }

  isStrangeTo(contact: SipUri): boolean {
    return this.#strangers.has(contact.text)
  }

  /** It came a while ago, and nobody on it has proved who it is: what it holds is a place. */
  get isIdle(): boolean {
    return !this.outgoing && !this.isProved && performance.now() - this.#begun >= this.carrier.timers.silence
  }

  get unnamed(): boolean {
    return this.#contacts.size === 0
  }

  /**
   * A peer that is gone, or a firewall in between that has forgotten us, lets bytes vanish for a quarter of an hour before
   * the system notices. We can make another connection; whoever made this one does so itself, and has it until then.
   */
  unanswered(since: number): void {
    if (this.#heard >= since) return
    if (this.outgoing) this.end('the peer does not answer')
    else this.#passedOver = since
  }

  get silent(): boolean {
    return this.#heard < this.#passedOver
  }

  /** What is written already is sent, and it is over. */
  end(why: string): void {
    if (!this.open) return
    this.open = false
    this.why = why
    const unsent = this.#socket.writableLength
    if (unsent > 0 && why !== NOT_READ && !this.#socket.connecting) this.#socket.destroySoon()
    else this.#socket.destroy()
    // The listeners are called when the socket says so: never from within a send.
  }

  /** At once, whatever is still to be sent. */
  destroy(): void {
    this.end('the server stops')
    this.#socket.destroy()
  }

  /** The look every now and then. */
  fire(): void {
    if (!this.open) {
      // Somebody who was to get the last bytes does not take them.
      this.#socket.destroy()
      return
    }
    const now = performance.now()
    const problem = this.#problem(now)
    if (problem !== undefined) return this.end(problem)
    if (this.#pingInterval > 0 && now >= this.#nextPing) {
      this.#nextPing = now + this.#pingInterval
      this.#write(PING)
    }
    this.#look()
  }

  get #pingInterval(): number {
    return this.carrier.keepAliveInterval
  }

  #look(): void {
    const { silence } = this.carrier.timers
    this.carrier.wheel.arm(this, this.#pingInterval > 0 ? Math.min(silence, this.#pingInterval) : silence)
  }

  /** Why a connection is not kept: somebody holds it and says nothing. */
  #problem(now: number): string | undefined {
    const { silence } = this.carrier.timers
    if (this.#messages === 0 && !this.outgoing && now - this.#begun >= silence) return 'it never said anything'
    if (!this.#framer.partial || this.#socket.isPaused()) this.#half = undefined
    else if (this.#half?.after !== this.#messages) this.#half = { after: this.#messages, since: now }
    else if (now - this.#half.since >= silence) return 'a message did not become complete'
    return this.#isBehind(now) ? NOT_READ : undefined
  }

  /** Too much waits for it, or much and it takes none of it, or it is not listened to and takes none. */
  #isBehind(now: number): boolean {
    const unsent = this.#socket.writableLength
    const taken = this.#written - unsent
    if (unsent <= MUCH_UNSENT && !this.#socket.isPaused()) this.#behind = undefined
    else if (this.#behind?.taken !== taken) this.#behind = { taken, since: now }
    else if (now - this.#behind.since >= this.carrier.timers.silence) return true
    return unsent > MOST_UNSENT
  }

  #write(text: string, done?: (error: Error | null | undefined) => void): void {
    this.#written += text.length
    this.#socket.write(text, 'latin1', done)
    // Whoever sends a request wants to know what becomes of it.
    if (!done) this.#noteAnswer(text.length)
    if (this.#socket.writableLength > MUCH_UNSENT && this.#isBehind(performance.now())) this.end(NOT_READ)
  }

  #noteAnswer(length: number): void {
    this.#answered += length
    this.#answeredBehind += length
    this.#dropTaken()
  }

  #dropTaken(): void {
    if (this.#written - this.#socket.writableLength < this.#place) return
    this.#answered = this.#answeredBehind
    this.#answeredBehind = 0
    this.#place = this.#written
  }

  get #leavesMuch(): boolean {
    if (Math.min(this.#answered, this.#socket.writableLength) <= MOST_ANSWERED) return false
    this.#dropTaken()
    return this.#answered > MOST_ANSWERED
  }

  #data(chunk: Buffer): void {
    if (!this.open) return
    this.#heard = performance.now()
    for (const frame of this.#framer.push(chunk)) {
      if (!this.open) return
      switch (frame.kind) {
        case 'message':
          this.#messages++
          this.carrier.received(frame.text, this)
          break
        case 'ping':
          this.#write(PONG)
          break
        case 'error':
          this.carrier.broken(frame.status, frame.why, frame.head, this)
          this.end(`what it sent cannot be read: ${frame.why}`)
          break
      }
    }
    if (this.open && this.#leavesMuch) this.#stopListening()
  }

  /** What it asks next stays with the system, and then with itself, until it has read its answers. */
  #stopListening(): void {
    this.#socket.pause()
    this.carrier.waitFor(this)
  }

  #listenAgain(): void {
    if (!this.#socket.isPaused()) return
    this.carrier.waitNoMore(this)
    this.#socket.resume()
  }

  #closed(): void {
    if (this.open) {
      this.open = false
      this.why = 'it was closed'
    }
    this.carrier.wheel.cancel(this)
    this.carrier.forget(this)
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener(this.why)
  }
}

/** Port and parameters differ between a phone's UDP and TCP Contacts. */
function nameOf(contact: SipUri): string {
  return `${contact.user}@${contact.host}`
}
