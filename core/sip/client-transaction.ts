/**
 * The client side of a request that is not INVITE (RFC 3261 17.1.2):
 *
 *     trying ─1xx→ proceeding ─final→ terminated
 *        └──────────final───────────↗    F or a lost connection: terminated
 *
 * Timers E and F share one slot of the wheel: it fires for what comes first. Of timer K nothing is left but the memory of
 * the branch: duplicates of an answer are expected for a while, and are no strays.
 */
import type { Logger } from '../log.ts'
import { reasonOf } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import type { Undo } from '../scope.ts'
import { Branches } from './branches.ts'
import type { Outcome, OutcomeHandler, SipResponse } from './contract.ts'
import type { Origin } from './origin.ts'
import { Timed, type TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Sender, Wire } from './transport.ts'
import type { Via } from './via.ts'

export class ClientTransactions {
  readonly wheel: TimerWheel
  readonly timers: () => Timers
  readonly retransmitted: Counter
  readonly #log: Logger
  readonly #branches = new Branches()
  /** By the places of their branches. */
  readonly #open: (ClientTransaction | undefined)[] = []
  #size = 0
  readonly #stray: Counter
  readonly #timeouts: Counter
  readonly #unreachable: Counter

  constructor(wheel: TimerWheel, timers: () => Timers, log: Logger, metrics: Metrics) {
    this.wheel = wheel
    this.timers = timers
    this.#log = log
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
    return this.#branches.next(performance.now(), this.timers().t4)
  }

  /** `text` has the branch that was asked for last; answers must say what our Via says (RFC 3261 18.1.2). */
  send(method: string, origin: Origin, text: string, wire: Wire, done: OutcomeHandler): void {
    const place = this.#branches.take()
    const transaction = new ClientTransaction(this, place, method, origin, text, wire, done)
    this.#open[place] = transaction
    this.#size++
    transaction.start()
  }

  /** RFC 3261 17.1.3 and 18.1.2. What belongs to nothing is dropped. */
  receive(response: SipResponse, via: Via): void {
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

class ClientTransaction extends Timed implements Sender {
  readonly #owner: ClientTransactions
  readonly #place: number
  readonly #method: string
  readonly #origin: Origin
  readonly #wire: Wire
  /** Undefined once it is over. */
  #done: OutcomeHandler | undefined
  #text: string
  #isProceeding = false
  #interval: number
  readonly #deadline: number
  #unwatch: Undo | undefined

  constructor(
    owner: ClientTransactions,
    place: number,
    method: string,
    origin: Origin,
    text: string,
    wire: Wire,
    done: OutcomeHandler,
  ) {
    super()
    const { t1, f } = owner.timers()
    this.#owner = owner
    this.#place = place
    this.#method = method
    this.#origin = origin
    this.#wire = wire
    this.#text = text
    this.#done = done
    this.#interval = t1
    this.#deadline = performance.now() + f
    this.#unwatch = undefined
  }

  start(): void {
    const { wheel, timers } = this.#owner
    if (this.#wire.reliable) {
      // A closed one says why when something is sent on it.
      if (this.#wire.open) this.#unwatch = this.#wire.onClose(() => this.fail('the connection was lost'))
      wheel.arm(this, timers().f)
    } else {
      wheel.arm(this, Math.min(this.#interval, timers().f))
    }
    this.#transmit()
  }

  isAnsweredBy(response: SipResponse, via: Via): boolean {
    return this.#method === response.cseq.method && this.#origin.isSentBy(via)
  }

  receive(response: SipResponse): void {
    if (response.status >= 200) return this.#finish({ kind: 'response', response })
    this.#isProceeding = true
    this.#interval = this.#owner.timers().t2
  }

  fail(reason: string): void {
    if (this.#done) this.#finish({ kind: 'unreachable', reason })
  }

  sendFailed(reason: string): void {
    this.fail(reason)
  }

  fire(): void {
    const left = this.#deadline - performance.now()
    if (left <= 0) return this.#finish({ kind: 'timeout' })
    if (this.#wire.reliable) return this.#owner.wheel.arm(this, left)
    this.#owner.retransmitted.add()
    if (!this.#isProceeding) this.#interval = Math.min(this.#interval * 2, this.#owner.timers().t2)
    this.#owner.wheel.arm(this, Math.min(this.#interval, left))
    this.#transmit()
  }

  /** RFC 3261 17.1.4: what cannot be sent is told at once. */
  #transmit(): void {
    this.#wire.send(this.#text, this)
  }

  #finish(outcome: Outcome): void {
    const done = this.#done
    if (!done) return
    this.#done = undefined
    this.#text = ''
    void this.#unwatch?.()
    this.#unwatch = undefined
    this.#owner.wheel.cancel(this)
    this.#owner.forget(this.#place, outcome.kind === 'response' && !this.#wire.reliable)
    this.#owner.report(done, outcome)
  }
}
