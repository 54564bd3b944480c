/**
 * The client side of a request that is not INVITE (RFC 3261 17.1.2):
 *
 *     trying ─1xx→ proceeding ─final→ terminated
 *        └──────────final───────────↗    F or a lost connection: terminated
 *
 * Nothing is kept of a request but how to write it again, and no timer is its own before the first time it has to be. Of
 * timer K nothing is left but the memory of the branch: duplicates of an answer are expected for a while, and are no strays.
 */
import type { Logger } from '../log.ts'
import { reasonOf } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import type { AnsweredVia } from './answered-vias.ts'
import { Branches } from './branches.ts'
import type { Outcome, OutcomeHandler, SipResponse } from './contract.ts'
import { FirstTimers } from './first-timers.ts'
import type { Origin } from './origin.ts'
import { isSameFlow } from './shared-flows.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Sender, Wire } from './transport.ts'

/** RFC 3261 18.1.1: over this size a request goes over a transport with congestion control. */
export const MOST_ON_UDP = 1300

/** What becomes of a request that its sender gives up. */
export const MOVED: Outcome = { kind: 'unreachable', reason: 'its peer is elsewhere now', moved: true }

/** A request that was written. */
export interface Draft {
  readonly method: string
  /** Whose requests may be given up together. */
  readonly sender?: object | undefined
  /** Its sender would send it to another URI by now, whatever way that goes. */
  readonly isOvertaken?: boolean
  /** As it was written last, to the letter. */
  rewrite(branch: string): string
}

export class ClientTransactions {
  readonly wheel: TimerWheel
  readonly timers: () => Timers
  readonly retransmitted: Counter
  readonly #log: Logger
  readonly #branches = new Branches()
  /** By the places of their branches. */
  readonly #open: (ClientTransaction | undefined)[] = []
  #size = 0
  /** When the last branch was made. */
  #now = 0
  readonly #firstTimers: FirstTimers
  readonly #stray: Counter
  readonly #timeouts: Counter
  readonly #unreachable: Counter

  constructor(wheel: TimerWheel, timers: () => Timers, log: Logger, metrics: Metrics) {
    this.wheel = wheel
    this.timers = timers
    this.#log = log
    this.#firstTimers = new FirstTimers(
      wheel,
      () => Math.min(timers().t1, timers().f),
      (place, sentAt) => this.#open[place]?.unanswered(sentAt) ?? false,
    )
    this.retransmitted = metrics.counter('sip.requests.retransmitted')
    this.#stray = metrics.counter('sip.responses.stray')
    this.#timeouts = metrics.counter('sip.requests.timeout')
    this.#unreachable = metrics.counter('sip.requests.unreachable')
  }

  get size(): number {
    return this.#size
  }

  /** The branch of the request that is sent next. */
  nextBranch(): string {
    this.#now = performance.now()
    return this.#branches.next(this.#now, this.timers().t4)
  }

  /** `text` is of the draft, with the branch that was asked for last; answers must say what our Via says (RFC 3261 18.1.2). */
  send(draft: Draft, origin: Origin, text: string, wire: Wire, done: OutcomeHandler): void {
    const place = this.#branches.take()
    const transaction = new ClientTransaction(this, place, draft, origin, wire, this.#now, done)
    this.#open[place] = transaction
    this.#size++
    if (wire.reliable) transaction.watch()
    else this.#firstTimers.add(place, this.#now)
    // RFC 3261 17.1.4: what cannot be sent is told at once.
    wire.send(text, transaction)
  }

  branchOf(place: number): string {
    return this.#branches.of(place)
  }

  /** RFC 3261 17.1.3 and 18.1.2. What belongs to nothing is dropped. */
  receive(response: SipResponse, via: AnsweredVia): void {
    const place = this.#branches.placeOf(via.branch ?? '')
    if (place < 0) return this.#stray.add()
    const transaction = this.#open[place]
    if (transaction ? !transaction.isAnsweredBy(response, via) : !this.#isRemembered(place)) return this.#stray.add()
    transaction?.receive(response)
  }

  /** Everything in flight ends as unreachable; for the end of the stack. */
  abandon(reason: string): void {
    for (const transaction of this.#open) transaction?.fail(reason)
  }

  /** It would be waited for until timer F, where nobody is any more. `wire`: where its sender sends to now, where that is known. */
  giveUp(sender: object, wire: Wire | undefined): void {
    for (const transaction of this.#open) if (transaction?.isStraying(sender, wire)) transaction.giveUp()
  }

  /** `remembered`: it was answered, and more of the same may come. */
  forget(place: number, remembered: boolean): void {
    this.#open[place] = undefined
    this.#size--
    this.#branches.leave(place, remembered ? performance.now() : undefined)
  }

  report(done: OutcomeHandler, outcome: Outcome): void {
    if (outcome.kind === 'timeout') this.#timeouts.add()
    else if (outcome.kind === 'unreachable') this.#unreachable.add()
    try {
      done(outcome)
    } catch (error) {
      this.#log.error(
        `what a request's outcome started failed: ${error instanceof Error ? error.stack : reasonOf(error)}`,
      )
    }
  }

  #isRemembered(place: number): boolean {
    return performance.now() < this.#branches.leftAt(place) + this.timers().t4
  }
}

class ClientTransaction implements Sender {
  readonly owner: ClientTransactions
  readonly wire: Wire
  readonly sentAt: number
  readonly #place: number
  readonly #draft: Draft
  readonly #origin: Origin
  /** Undefined once it is over. */
  #done: OutcomeHandler | undefined
  #clock: Clock | undefined = undefined
  #unwatch: Undo | undefined = undefined
  isProceeding = false

  constructor(
    owner: ClientTransactions,
    place: number,
    draft: Draft,
    origin: Origin,
    wire: Wire,
    sentAt: number,
    done: OutcomeHandler,
  ) {
    this.owner = owner
    this.wire = wire
    this.sentAt = sentAt
    this.#place = place
    this.#draft = draft
    this.#origin = origin
    this.#done = done
  }

  /** On a connection there is nothing to repeat, and it may be lost. */
  watch(): void {
    // A closed one says why when something is sent on it.
    if (this.wire.open) this.#unwatch = this.wire.onClose((why) => this.fail(`the connection was lost: ${why}`))
    this.#clock = new Clock(this, this.owner.timers().f)
  }

  isAnsweredBy(response: SipResponse, via: AnsweredVia): boolean {
    return this.#draft.method === response.cseq.method && this.#origin.isSentBy(via)
  }

  receive(response: SipResponse): void {
    if (response.status >= 200) this.finish({ kind: 'response', response })
    else this.isProceeding = true
  }

  isStraying(sender: object, wire: Wire | undefined): boolean {
    if (this.#draft.sender !== sender) return false
    if (this.#draft.isOvertaken) return true
    if (!wire || isSameFlow(this.wire, wire)) return false
    if (!this.wire.reliable || wire.reliable || this.wire.remote.address !== wire.remote.address) return true
    // What is too big for UDP goes by a connection of the same address.
    return this.#draft.rewrite(this.owner.branchOf(this.#place)).length <= MOST_ON_UDP
  }

  giveUp(): void {
    this.finish(MOVED)
  }

  fail(reason: string): void {
    this.finish({ kind: 'unreachable', reason })
  }

  sendFailed(reason: string): void {
    this.fail(reason)
  }

  /** False where this is a later one, in the same place. */
  unanswered(sentAt: number): boolean {
    if (sentAt !== this.sentAt) return false
    this.#clock = new Clock(this, this.owner.timers().t1)
    this.#clock.fire()
    return true
  }

  retransmit(): void {
    this.owner.retransmitted.add()
    this.wire.send(this.#draft.rewrite(this.owner.branchOf(this.#place)), this)
  }

  finish(outcome: Outcome): void {
    const done = this.#done
    if (!done) return
    this.#done = undefined
    void this.#unwatch?.()
    this.#unwatch = undefined
    if (this.#clock) this.owner.wheel.cancel(this.#clock)
    this.owner.forget(this.#place, outcome.kind === 'response' && !this.wire.reliable)
    this.owner.report(done, outcome)
  }
}

/** Timers E and F share one slot of the wheel: it fires for what comes first. */
class Clock extends Timed {
  readonly #transaction: ClientTransaction
  #interval: number

  /** `interval`: milliseconds, the one that is over or the one of a connection, which is the last. */
  constructor(transaction: ClientTransaction, interval: number) {
    super()
    this.#transaction = transaction
    this.#interval = interval
    if (transaction.wire.reliable) transaction.owner.wheel.arm(this, interval)
  }

  fire(): void {
    const { owner, wire, sentAt, isProceeding } = this.#transaction
    const { t2, f } = owner.timers()
    const left = sentAt + f - performance.now()
    if (left <= 0) {
      this.#transaction.finish({ kind: 'timeout' })
      return wire.unanswered?.(sentAt)
    }
    if (wire.reliable) return owner.wheel.arm(this, left)
    this.#interval = isProceeding ? t2 : Math.min(this.#interval * 2, t2)
    owner.wheel.arm(this, Math.min(this.#interval, left))
    this.#transaction.retransmit()
  }
}
