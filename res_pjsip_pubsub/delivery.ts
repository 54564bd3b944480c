/**
 * The NOTIFYs of one subscription: one in flight at a time, and the newest state wins.
 *
 *     idle ──want──▶ queued ──turn──▶ flying ──2xx──▶ idle, or queued where something was wanted meanwhile, or it moved
 *                      ▲  │ │           │
 *                      │  │ └unchanged─▶ idle
 *                      │  └no way──▶ stalled ──want, wake──▶ queued
 *                      └──due── pausing ◀──failed──┘
 *     any ──close──▶ closed
 *
 * What is sent is made when its turn comes, so whatever changed before is in it.
 */
import type { Counter } from '../core/metrics.ts'
import type { Outcome, OutcomeHandler } from '../core/sip/contract.ts'
import { Timed } from '../core/sip/timer-wheel.ts'
import type { Verdict } from './failure-rule.ts'
import type { Turn, Turns } from './notify-queue.ts'

type DeliveryState = 'idle' | 'queued' | 'flying' | 'pausing' | 'stalled' | 'closed'

/** How much a NOTIFY is wanted. Changed: if the body differs from the last. Forced: whatever it is. Final: the last one. */
export const WANT = { nothing: 0, changed: 1, forced: 2, final: 3 } as const
export type Want = (typeof WANT)[keyof typeof WANT]

export interface DeliveryCounters {
  readonly sent: Counter
  readonly answered: Counter
  readonly failed: Counter
  readonly retried: Counter
  readonly coalesced: Counter
  readonly suppressed: Counter
}

/** The part of a subscription that sends its NOTIFYs. `Message` is what is sent, and remembered until it is answered. */
export abstract class Delivery<Message> extends Timed implements Turn {
  #state: DeliveryState = 'idle'
  #want: Want = WANT.nothing
  #failures = 0
  /** Those of them that could not be sent. */
  #unsent = 0
  /** There has been news of the watcher since the NOTIFY that is in flight went out. */
  #woken = false

  protected abstract readonly turns: Turns
  protected abstract readonly counters: DeliveryCounters
  /** Whether there is a way to the watcher now. */
  protected abstract readonly reachable: boolean
  /** Milliseconds that it has to wait still, a mere change longer than others; 0 for none. */
  protected abstract holdBack(want: Want): number
  /** The newest state. Undefined where nothing has to be sent. */
  protected abstract compose(want: Want): Message | undefined
  protected abstract transmit(message: Message, done: OutcomeHandler): void
  /** Ends what is in flight where it took another way than it would take now. */
  protected abstract giveUp(): void
  /** `failures`: in a row, before this one; `unsent` of them said nothing of the watcher. */
  protected abstract judge(outcome: Outcome, failures: number, unsent: number): Verdict
  /** After a final one, whoever wants another final one gets it: this was not all. */
  protected abstract landed(message: Message, outcome: Outcome, verdict: Verdict): void
  /** It is to be `due` after so many milliseconds. */
  protected abstract paused(milliseconds: number): void
  /** Nothing more will be sent: the final one was, or it makes no sense any more. */
  abstract drop(why: string): void

  get deliveryState(): DeliveryState {
    return this.#state
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  protected want(want: Want): void {
    if (this.#state === 'closed') return
    if (this.#want > WANT.nothing && want === WANT.changed) this.counters.coalesced.add()
    if (want > this.#want) this.#want = want
    // A watcher that asks is there: no reason to wait out the pause after a failure. A mere change waits.
    const waits = this.#state === 'pausing' && want === WANT.changed
    if (!waits && this.#state !== 'flying') this.#enqueue()
  }

  /** There may be a way to the watcher again. What is in flight may have taken the old one: if it fails, no time is lost. */
  wake(): void {
    this.#woken = this.#state === 'flying'
    if (this.#state === 'stalled' || (this.#state === 'pausing' && this.#failures > 0)) this.#enqueue()
  }

  /** The way to the watcher is another one now: nobody answers what is in flight. */
  moved(): void {
    if (this.#state === 'flying') this.giveUp()
  }

  /** The pause is over. */
  protected due(): void {
    if (this.#state === 'pausing') this.#enqueue()
  }

  /** Nothing is sent any more. */
  protected stopDelivery(): void {
    this.#enter('closed')
    this.#want = WANT.nothing
  }

  turn(): void {
    if (this.#state !== 'queued') return
    if (!this.reachable) return this.#noWay()
    const holdBack = this.holdBack(this.#want)
    if (holdBack > 0) return this.#rest(holdBack)
    const want = this.#want
    this.#want = WANT.nothing
    const message = this.compose(want)
    if (message === undefined) {
      this.counters.suppressed.add()
      this.#enter('idle')
      if (want === WANT.final) this.#end('nothing to send')
      return
    }
    this.#enter('flying')
    this.#woken = false
    this.counters.sent.add()
    if (this.#failures > 0) this.counters.retried.add()
    this.transmit(message, (outcome) => this.#landed(message, want, outcome))
  }

  #landed(message: Message, want: Want, outcome: Outcome): void {
    if (this.#state !== 'flying') return
    const verdict = this.judge(outcome, this.#failures, this.#unsent)
    this.counters[verdict.kind === 'delivered' ? 'answered' : 'failed'].add()
    this.landed(message, outcome, verdict)
    // Whoever was told of it may have closed it.
    if (this.#state !== 'flying') return
    if (verdict.kind === 'again') return this.#again(want)
    if (want === WANT.final && this.#want < WANT.final) return this.#end('the final NOTIFY is over')
    if (verdict.kind === 'ended') return this.#end(verdict.why)
    if (verdict.kind === 'retry') return this.#failed(outcome, verdict.pause)
    this.#failures = this.#unsent = 0
    if (this.#want > WANT.nothing) this.#enqueue()
    else this.#enter('idle')
  }

  /** It went to where the watcher is no more, the final one as well. */
  #again(want: Want): void {
    this.#failures = this.#unsent = 0
    if (this.#want < want) this.#want = want
    if (this.#want < WANT.forced) this.#want = WANT.forced
    this.#enqueue()
  }

  #failed(outcome: Outcome, pause: number): void {
    this.#failures++
    if (outcome.kind === 'unreachable') this.#unsent++
    // The watcher may have got it or not, so the next one is sent even where its body is the same.
    if (this.#want < WANT.forced) this.#want = WANT.forced
    if (this.#want === WANT.final) {
      if (outcome.kind === 'timeout') return this.#end('no answer')
      return this.#enqueue()
    }
    if (this.#woken) this.#enqueue()
    else this.#rest(pause)
  }

  #noWay(): void {
    if (this.#want === WANT.final) return this.#end('no way to the watcher')
    this.#enter('stalled')
  }

  #rest(milliseconds: number): void {
    this.#enter('pausing')
    this.paused(Math.ceil(milliseconds))
  }

  #enqueue(): void {
    if (this.#state === 'queued') return
    this.#enter('queued')
    this.turns.push(this)
  }

  #end(why: string): void {
    this.stopDelivery()
    this.drop(why)
  }

  /** The only writer of the state. Nothing comes back from closed. */
  #enter(state: DeliveryState): void {
    if (this.#state !== 'closed') this.#state = state
  }
}
