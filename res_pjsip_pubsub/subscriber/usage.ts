/**
 * One subscription of ours in its dialog (RFC 6665 4.1.2.2 to 4.1.3): NOTIFYs that come in it, the refresh in time, its
 * end, by whoever ends it.
 *
 *     live ──leave()──→ leaving ──→ ended
 *       └── told so, refused, expired, silent ──↗
 */
import { bodyTextOf } from '../../core/documents/encoding.ts'
import type { Logger } from '../../core/log.ts'
import type { CredentialsFor, Dialog, HeaderLine, Outcome, ServerTransaction } from '../../core/sip/contract.ts'
import { Timer } from '../../core/timer.ts'
import type { ResponseData } from '../contract.ts'
import { DatastoreMap } from '../datastores.ts'
import { notDecoded, packed } from '../refusals.ts'
import { encodingOf } from '../request-body.ts'
import { telling } from '../telling.ts'
import type { OutboundDialog, SubscriberHandler } from './contract.ts'
import type { Reader, Reading, WatchedEvent } from './events.ts'
import type { NotifyHead } from './notify.ts'
import { type Comeback, comebackAfter, pauseBefore, refreshAfter, verdictOn } from './rules.ts'

export interface Ending {
  /** In words, for the log. */
  readonly why: string
  readonly comeback: Comeback
}

interface UsageSettings<T> {
  /** The name of its section, or of its module. */
  readonly id: string
  readonly dialog: Dialog
  readonly event: WatchedEvent<T>
  /** Seconds that a refresh asks for. */
  readonly expiration: number
  /** Timer N: 64 times T1, in milliseconds (RFC 6665 4.1.2.2). */
  readonly timerN: number
  /** The longest pause between two tries, in milliseconds. */
  readonly longestPause: number
  readonly credentials: CredentialsFor | undefined
  readonly headers: (expires: number) => readonly HeaderLine[]
  /** It has another state. */
  readonly changed: () => void
  /** It was ended, and not by `leave`. */
  readonly ended: (ending: Ending) => void
  /** Nothing more comes of it, whoever ended it. */
  readonly over: () => void
  readonly say: (what: string) => void
  readonly log: Pick<Logger, 'error'>
}

type Phase = 'live' | 'leaving' | 'ended'

/** A NOTIFY whose expiry differs by no more milliseconds tells nothing new. */
const SAME_EXPIRY = 2000
const OK: ResponseData = { status: 200 }
const AT_ONCE: Comeback = { when: 'at once' }
const NEVER: Comeback = { when: 'never', keeps: true }

export class Usage<T> implements OutboundDialog {
  /** Epoch milliseconds of its first NOTIFY. */
  readonly since = Date.now()
  readonly dialog: Dialog
  readonly datastores = new DatastoreMap()
  readonly #settings: UsageSettings<T>
  readonly #reader: Reader<T>
  readonly #refresh = new Timer()
  readonly #expiry = new Timer()
  readonly #silence = new Timer()
  /** Until the whole state is asked for again. */
  readonly #whole = new Timer()
  readonly #left: Promise<void>
  #resolveLeft: () => void = () => undefined
  #phase: Phase = 'live'
  status: 'active' | 'pending' = 'active'
  /** What its notifier says; undefined while it has said nothing. */
  state: T | undefined
  #expiration: number
  /** Epoch milliseconds. */
  expires = 0
  #expiresTold = false
  #inFlight = false
  #failures = 0
  /** How often the whole state was asked for since it was told. */
  #wanting = 0
  #runsOut = false

  constructor(settings: UsageSettings<T>) {
    this.#settings = settings
    this.dialog = settings.dialog
    this.#reader = settings.event.reader()
    this.#expiration = settings.expiration
    this.#left = new Promise((resolve) => {
      this.#resolveLeft = resolve
    })
    this.dialog.usage = { flowLost: () => this.#flowLost() }
  }

  get id(): string {
    return this.#settings.id
  }

  /** By the answer to the SUBSCRIBE that made it: a NOTIFY knows better (RFC 6665 4.1.2.1). */
  accepted(seconds: number): void {
    if (!this.#expiresTold) this.granted(seconds)
  }

  /** For so many seconds from now, by the word of a 2xx or a NOTIFY. */
  granted(seconds: number): void {
    if (this.#phase !== 'live') return
    const expires = Date.now() + seconds * 1000
    if (this.#expiry.armed && Math.abs(expires - this.expires) <= SAME_EXPIRY) return
    this.expires = expires
    this.#expiry.set(seconds * 1000, () => this.#expired())
    if (!this.#inFlight) this.#refresh.set(refreshAfter(seconds), () => this.#refreshDue())
  }

  /** A NOTIFY in its dialog. `first`: it made the dialog. */
  notified(tx: ServerTransaction, head: NotifyHead, first = false): void {
    if (head.event !== this.#settings.event.event || head.eventId !== '') return tx.answer({ status: 481 })
    const refusal = first ? undefined : this.dialog.accept(tx)
    if (refusal) return tx.answer(refusal)
    this.#silence.clear()
    this.#take(tx, head)
  }

  /** Asks for the whole state, and for more time. */
  refresh(): void {
    if (this.#phase !== 'live' || this.#inFlight) return
    this.#runsOut = false
    this.#subscribe(this.#expiration)
  }

  /** RFC 6665 4.1.2.3. Resolves when the notifier has agreed, or cannot be asked. */
  leave(): Promise<void> {
    if (this.#phase === 'live') {
      this.#phase = 'leaving'
      this.#refresh.clear()
      this.#expiry.clear()
      this.#whole.clear()
      // A refresh that is under way goes first.
      if (this.dialog.reachable && !this.#inFlight) this.#subscribe(0)
      else if (!this.#inFlight) this.#end({ why: 'we left', comeback: AT_ONCE })
    }
    return this.#left
  }

  #refreshDue(): void {
    const { event, log } = this.#settings
    const wanted = telling(log, 'refreshSubscription', () => event.handler?.refreshSubscription?.(this), this.#whose)
    this.#runsOut = wanted === false
    if (!this.#runsOut) this.refresh()
  }

  #expired(): void {
    this.#end({ why: 'it expired', comeback: this.#runsOut ? NEVER : AT_ONCE })
  }

  #take(tx: ServerTransaction, head: NotifyHead): void {
    const reading = this.#read(tx, head)
    if (!tx.answered) tx.answer({ status: 200 })
    if (this.#phase === 'ended') return
    const before = this.state
    if (reading && 'state' in reading) this.state = reading.state
    if (head.state === 'terminated') {
      if (this.#phase === 'live' && this.state !== before) this.#settings.changed()
      const why = head.reason === '' ? 'the notifier ended it' : `the notifier ended it: ${head.reason}`
      return this.#end({ why, comeback: comebackAfter(head.reason, head.retryAfter) })
    }
    if (this.#phase !== 'live') return
    this.status = head.state
    if (head.expires !== undefined) {
      this.#expiresTold = true
      this.granted(Math.max(1, head.expires))
    }
    if (reading && 'state' in reading) {
      this.#wanting = 0
      this.#whole.clear()
      this.#settings.changed()
    }
    if (reading && 'incomplete' in reading) this.#askWhole(reading.incomplete)
  }

  /** At once, and then with pauses: there are notifiers that answer that with a part, too. */
  #askWhole(why: string): void {
    if (this.#inFlight || this.#whole.armed) return
    this.#settings.say(`the whole state is asked for: ${why}`)
    if (++this.#wanting === 1) return this.refresh()
    const pause = pauseBefore({ after: undefined, final: false }, this.#wanting, this.#settings.longestPause)
    this.#whole.set(pause, () => this.refresh())
  }

  /** Answers what cannot be read. What a pending subscription shows is for those who may not see the truth. */
  #read(tx: ServerTransaction, { type, state }: NotifyHead): Reading<T> {
    const { accept, handler } = this.#settings.event
    if (type !== '' && !accept.includes(type)) {
      tx.answer({ status: 415, headers: [['Accept', accept.join(', ')]] })
      return undefined
    }
    if (handler && !this.#handled(tx, handler)) return undefined
    if (type === '' && !handler) return undefined
    if (encodingOf(tx.request) !== '') {
      this.#settings.say('a body cannot be read: it is packed')
      tx.answer(packed(accept))
      return undefined
    }
    const text = bodyTextOf(tx.request, type, tx.request.header('Content-Type') ?? '')
    if (typeof text !== 'string') {
      this.#settings.say(`a body cannot be read: ${text.fault}`)
      tx.answer(notDecoded(text, accept))
      return undefined
    }
    const reading = this.#reader.read(text)
    if (reading && 'fault' in reading) {
      this.#settings.say(`a body cannot be read: ${reading.fault}`)
      tx.answer({ status: 400, reason: reading.fault })
      return undefined
    }
    return state === 'pending' ? undefined : reading
  }

  get #whose(): string {
    return `${this.#settings.event.event} (subscription '${this.id}')`
  }

  /** Whether its module took it. */
  #handled(tx: ServerTransaction, handler: SubscriberHandler): boolean {
    const answer = telling(
      this.#settings.log,
      'notifyRequest',
      () => {
        const chosen = handler.notifyRequest(this, tx.request) ?? OK
        tx.answer(chosen)
        return chosen
      },
      this.#whose,
    )
    if (!answer) tx.answer({ status: 500 })
    return (answer?.status ?? 500) < 300
  }

  #subscribe(expires: number): void {
    const { headers, credentials, timerN } = this.#settings
    this.#refresh.clear()
    this.#whole.clear()
    this.#inFlight = true
    this.#silence.set(timerN, () => this.#end({ why: 'no NOTIFY came within Timer N', comeback: AT_ONCE }))
    this.dialog.request(
      'SUBSCRIBE',
      { headers: headers(expires) },
      (outcome) => this.#answered(expires, outcome),
      credentials,
    )
  }

  #answered(asked: number, outcome: Outcome): void {
    this.#inFlight = false
    if (this.#phase === 'ended') return
    const verdict = verdictOn(outcome)
    if (this.#phase === 'leaving') {
      if (asked > 0) return this.#subscribe(0)
      if (verdict.kind !== 'accepted') this.#end({ why: 'we left', comeback: AT_ONCE })
      return
    }
    if (verdict.kind === 'accepted') {
      this.#failures = 0
      if (verdict.silent) this.#silence.clear()
      this.#expiry.clear()
      return this.granted(Math.max(1, verdict.expires ?? asked))
    }
    this.#silence.clear()
    if (verdict.kind === 'brief' && (verdict.minExpires ?? 0) > asked) {
      this.#expiration = verdict.minExpires ?? asked
      return this.#subscribe(this.#expiration)
    }
    const { why, final, retryAfter } =
      verdict.kind === 'brief' ? { why: '423 without a use', final: true, retryAfter: undefined } : verdict
    if (verdict.kind === 'gone') {
      const comeback: Comeback =
        final || retryAfter !== undefined ? { when: 'later', after: retryAfter, final } : AT_ONCE
      return this.#end({ why: `a refresh was answered ${why}`, comeback })
    }
    // It stands until it expires (RFC 6665 4.1.2.2).
    this.#failures++
    this.#settings.say(`a refresh failed: ${why}`)
    const pause = pauseBefore({ after: retryAfter, final }, this.#failures, this.#settings.longestPause)
    this.#refresh.set(pause, () => this.refresh())
  }

  #flowLost(): void {
    if (this.#phase !== 'live') return
    if (this.dialog.reachable) this.refresh()
    else this.#end({ why: 'its connection was lost', comeback: AT_ONCE })
  }

  #end(ending: Ending): void {
    if (this.#phase === 'ended') return
    const told = this.#phase === 'live'
    this.#phase = 'ended'
    for (const timer of [this.#refresh, this.#expiry, this.#silence, this.#whole]) timer.clear()
    this.dialog.dispose()
    this.#resolveLeft()
    this.#settings.over()
    const { event, log } = this.#settings
    telling(log, 'subscriptionShutdown', () => event.handler?.subscriptionShutdown?.(this), this.#whose)
    this.datastores.clear()
    if (told) this.#settings.ended(ending)
  }
}
