/**
 * One publication of ours at another server: initial, modify, refresh, remove (RFC 3903 4.1).
 *
 *     idle ──say──▸ sending ──2xx──▸ published ──say, or before it expires──▸ sending
 *                     │  ▴
 *               fails │  │ the pause is over
 *                     ▾  │
 *                    waiting                        ended: from all of them
 *
 * One PUBLISH is under way at a time at a server, withdrawals too (RFC 3903 4); what is said meanwhile waits, and only
 * the newest under each key.
 *
 * After a dialog that has ended the next one is published anew, and what stands there still is withdrawn then: Kamailio
 * answers each change of a dialog that is terminated 200, and drops it.
 */
import { pauseAfter, refreshAfter, type Verdict } from './answer-rule.ts'
import type { PublishedBody, Saying } from './contract.ts'
import { Sayings } from './sayings.ts'

/** What a server gave us, and what we need to go on with it after a restart. */
export interface Lease {
  readonly serverUri: string
  readonly entityTag: string
  /** Epoch milliseconds. */
  readonly expires: number
}

/** One PUBLISH, before it has headers and URIs. */
export interface Draft {
  readonly serverUri: string
  /** Undefined makes a new publication. */
  readonly entityTag: string | undefined
  /** Seconds; 0 removes. */
  readonly expires: number
  /** Undefined only refreshes. */
  readonly body: PublishedBody | undefined
}

interface PublicationServices {
  readonly servers: readonly string[]
  /** Seconds. */
  readonly expiration: number
  readonly maxChallenges: number
  /** Each PUBLISH says one thing, and all that was said before holds with it. */
  readonly addsUp: boolean
  /** Whether its bodies may end it: of what was published before a start nobody knows. */
  readonly mayEnd: boolean
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly send: (draft: Draft, done: (verdict: Verdict) => void) => void
  /** This one is over, whenever its server hears of it; `failed`: it was told just now. */
  readonly takeBack: (lease: Lease, failed?: Verdict) => void
  /** It is kept over a restart, or forgotten. */
  readonly remember: (lease: Lease | undefined) => void
  /** For the operator: something else than the last time. */
  readonly trouble: (why: string) => void
  readonly recovered: () => void
}

export type Phase = 'idle' | 'sending' | 'published' | 'waiting' | 'ended'

/** Milliseconds; setTimeout knows no longer ones. */
const LONGEST_TIMER = 2 ** 31 - 1
/** Answers in a row, before all is said, that send the same out again at once: one of each that there are. */
const MOST_REPEATED = 2
/** Seconds of rest for who has the wrong password: more attempts may lock the account. */
const AFTER_CHALLENGES = 3600

export class OutboundPublication {
  readonly #services: PublicationServices
  readonly #sayings = new Sayings()
  #phase: Phase = 'idle'
  #timer: NodeJS.Timeout | undefined
  /** When it has ended: its server is told. */
  #withdraws = false

  // What is published.
  #lease: Lease | undefined
  /**
   * The end of what is published, by performance.now(); 0 where nothing is. Of one that is forgotten because the clock was
   * put forward the server would show both.
   */
  #until = 0
  /** What was published before, and is taken back when all is said in its place. */
  #earlier: Lease[] = []
  #beginsAnew = false
  /** What is published says that all is over, or may say so. */
  #saysEnd = false
  /** For how long it is asked for. */
  #seconds: number

  // Where: which of the servers is told, and how many have failed one after the other.
  #server = 0
  #tried = 0

  // How it goes: pauses in a row, challenges in a row, how often something went out again at once since all was said.
  #failures = 0
  #challenges = 0
  #repeated = 0
  #why = ''

  constructor(services: PublicationServices, lease?: Lease) {
    this.#services = services
    this.#seconds = services.expiration
    if (!lease || lease.expires <= services.now()) return
    const server = services.servers.indexOf(lease.serverUri)
    // What the last process has said there may be more than what is known now, and there may be nothing of ours there any more.
    this.#server = Math.max(server, 0)
    if (services.addsUp || server < 0) {
      this.#earlier.push(lease)
    } else {
      this.#lease = lease
      this.#lastsFor(lease.expires - services.now())
      this.#saysEnd = services.mayEnd
    }
  }

  get phase(): Phase {
    return this.#phase
  }
  get lease(): Lease | undefined {
    return this.#lease
  }
  /** How many things wait to be sent. */
  get waiting(): number {
    return this.#sayings.waiting
  }
  /** Why it is not as it should be; empty where it is. */
  get why(): string {
    return this.#why
  }
  get serverUri(): string {
    return this.#services.servers[this.#server] ?? ''
  }

  say(saying: Saying): void {
    this.#sayings.add(saying)
    this.#wake()
  }

  again(): void {
    this.#sayings.again()
    this.#wake()
  }

  /** What an earlier process has published goes where nothing was said in its place, too. */
  saidAll(): void {
    if (this.#phase === 'idle') this.#next()
  }

  /** Says everything in a new publication, and takes back the one before: not all that it says holds. */
  anew(): void {
    this.#beginsAnew = true
    this.again()
  }

  /** What was refused may be taken now, or somebody does not want to wait. */
  retry(): void {
    if (this.#phase !== 'waiting') return
    this.#failures = 0
    this.#resume()
  }

  /** `withdraw`: the server is told. Without it what is published stays there, for the next start. */
  end(withdraw: boolean): void {
    if (this.#phase === 'ended') return
    const isSending = this.#phase === 'sending'
    this.#enter('ended')
    this.#withdraws = withdraw
    if (!isSending) this.#next()
  }

  #wake(): void {
    if (this.#phase === 'idle' || this.#phase === 'published') this.#next()
  }

  /** Clears the one timer. */
  #enter(phase: Phase): void {
    clearTimeout(this.#timer)
    this.#phase = phase
  }

  #rest(phase: 'published' | 'waiting', seconds: number): void {
    this.#enter(phase)
    this.#timer = setTimeout(() => this.#resume(), Math.min(seconds * 1000, LONGEST_TIMER)).unref()
  }

  #resume(): void {
    if (this.#until > 0 && (!this.#lease || this.#until <= performance.now())) this.#forgotten()
    this.#proceed()
  }

  /** The same once more, or a refresh where there is nothing to be said. */
  #proceed(): void {
    if (this.#sayings.areOpen || !this.#lease) this.#next()
    else this.#send(undefined)
  }

  /** What is to be done when nothing is under way. */
  #next(): void {
    if (this.#phase === 'ended') return this.#leave()
    if (this.#beginsAnew) this.#setAside()
    const body = this.#sayings.take()
    if (body) return this.#send(body)
    if (this.#takesBack()) return
    if (this.#repeated > 0) {
      this.#repeated = 0
      this.#succeeded()
    }
    if (this.#until > 0) return this.#rest('published', refreshAfter((this.#until - performance.now()) / 1000))
    this.#hold(undefined)
    this.#enter('idle')
  }

  #leave(): void {
    if (!this.#withdraws) return
    this.#setAside()
    this.#takesBack()
  }

  #hold(lease: Lease | undefined): void {
    this.#lease = lease
    this.#until = 0
    this.#services.remember(lease)
  }

  #lastsFor(milliseconds: number): void {
    this.#until = performance.now() + milliseconds
  }

  #setAside(): void {
    this.#beginsAnew = false
    if (this.#lease) this.#earlier.push(this.#lease)
    this.#hold(undefined)
  }

  #send(body: PublishedBody | undefined): void {
    this.#enter('sending')
    if (body && this.#saysEnd) this.#setAside()
    const draft: Draft = { serverUri: this.serverUri, entityTag: this.#lease?.entityTag, expires: this.#seconds, body }
    this.#services.send(draft, (verdict) => this.#answered(verdict, draft))
  }

  #answered(verdict: Verdict, draft: Draft): void {
    if (verdict.kind === 'accepted') this.#accepted(verdict, draft)
    this.#sayings.answered(verdict.kind === 'accepted')
    if (verdict.kind === 'accepted' || this.#phase === 'ended') return this.#next()
    switch (verdict.kind) {
      case 'forgotten':
        // Who looks for an entity-tag has taken the credentials.
        this.#challenges = 0
        if (draft.entityTag === undefined)
          return this.#pause({ kind: 'refused', why: '412 to a first PUBLISH', retryAfter: undefined })
        this.#forgotten()
        return this.#repeat('412 again and again')
      case 'too brief':
        this.#seconds = verdict.seconds
        return this.#repeat('423 again and again')
      case 'challenged':
        if (++this.#challenges < this.#services.maxChallenges) return this.#proceed()
        this.#challenges = 0
        return this.#pause({ kind: 'refused', why: 'the credentials are not taken', retryAfter: AFTER_CHALLENGES })
      case 'failed':
        return this.#elsewhere(verdict)
      case 'refused':
        return this.#pause(verdict)
    }
  }

  /** As at two servers behind one address that know nothing of each other. */
  get #goesInCircles(): boolean {
    return this.#repeated > MOST_REPEATED
  }

  /** At once, unless it goes round in circles. */
  #repeat(why: string): void {
    this.#repeated++
    if (this.#goesInCircles) this.#pause({ kind: 'failed', why, retryAfter: undefined })
    else this.#proceed()
  }

  #accepted({ entityTag, seconds }: Extract<Verdict, { kind: 'accepted' }>, { body }: Draft): void {
    if (body) this.#saysEnd = body.ends === true
    this.#challenges = this.#tried = 0
    // Where it goes round in circles nothing is well before all is said.
    if (!this.#goesInCircles) this.#succeeded()
    const expires = this.#services.now() + seconds * 1000
    this.#hold(entityTag === undefined ? undefined : { serverUri: this.serverUri, entityTag, expires })
    // Also where it gives no entity-tag, as RFC 3903 6 would have it: it cannot be refreshed, and all is said anew in time.
    this.#lastsFor(seconds * 1000)
  }

  #succeeded(): void {
    this.#failures = 0
    if (this.#why === '') return
    this.#why = ''
    this.#services.recovered()
  }

  /** The server has to be told everything. */
  #forgotten(): void {
    this.#hold(undefined)
    this.#sayings.again()
  }

  #elsewhere(verdict: Extract<Verdict, { kind: 'failed' }>): void {
    const { servers } = this.#services
    if (this.#tried + 1 < servers.length) {
      this.#tried++
      this.#tell(`${this.serverUri}: ${verdict.why}`)
      this.#goTo((this.#server + 1) % servers.length)
      return this.#proceed()
    }
    this.#tried = 0
    // Told of the one that failed, before another is the one.
    this.#pause(verdict)
    this.#goTo(0)
  }

  #goTo(server: number): void {
    if (server === this.#server) return
    this.#server = server
    this.#forgotten()
  }

  #pause(verdict: Extract<Verdict, { kind: 'failed' | 'refused' }>): void {
    this.#tell(`${this.serverUri}: ${verdict.why}`)
    this.#rest('waiting', pauseAfter(verdict, this.#failures++))
  }

  #tell(why: string): void {
    if (why === this.#why) return
    this.#why = why
    this.#services.trouble(why)
  }

  /** Whether one is taken back now and waited for. What is not taken back by that expires. */
  #takesBack(): boolean {
    const { send, takeBack } = this.#services
    for (let lease = this.#earlier.shift(); lease; lease = this.#earlier.shift()) {
      const { serverUri, entityTag } = lease
      // Where all is over nothing waits, nor for a server that has failed.
      if (serverUri === this.serverUri && this.#phase !== 'ended') {
        this.#enter('sending')
        send({ serverUri, entityTag, expires: 0, body: undefined }, (verdict) => {
          this.#next()
          if (verdict.kind === 'failed') takeBack(lease, verdict)
        })
        return true
      }
      takeBack(lease)
    }
    return false
  }
}
