/**
 * One subscription, in the role of the notifier (RFC 6665 4.2). Its life is in phase.ts, what its NOTIFYs tell in
 * subscription-shown.ts; here is what happens to it, and when it has to tell.
 */
import type { Endpoint } from '../core/endpoints.ts'
import type { DialogUsage, Outcome, OutcomeHandler } from '../core/sip/contract.ts'
import { steadyNow } from '../core/steady.ts'
import type { EndReason, Watchable, WatchObserver } from '../core/watch.ts'
import type { SentBody } from './body.ts'
import type { TerminationReason, WatcherEvent } from './contract.ts'
import { type DeliveryCounters, WANT, type Want } from './delivery.ts'
import { describe, judge, type Verdict } from './failure-rule.ts'
import { ListSource } from './lists/source.ts'
import type { Notification, Termination } from './notification.ts'
import type { Turns } from './notify-queue.ts'
import { type Happening, NEXT, type Phase, SHOWN } from './phase.ts'
import type { Services } from './services.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'
import { NOTHING, ShowingSubscription } from './subscription-shown.ts'
import { type Asker, type Asking, ask } from './watchers/asking.ts'
import type { Authorization } from './watchers/authorization.ts'

/** Milliseconds until a NOTIFY looks again whether its number is reserved. */
const UNCOVERED = 20

/** Times after this are small numbers, for each of which V8 makes no object. */
const BEGAN = steadyNow()

export class NotifierSubscription extends ShowingSubscription implements WatchObserver<unknown>, Asker, DialogUsage {
  #endpoint: Endpoint
  #phase: Phase = 'waiting'
  #source: Watchable<unknown> | undefined
  /** What the first state is wanted for: forced already where the watcher has to hear of a decision. */
  #first: Want = WANT.changed
  #asking: Asking | undefined
  #lastEvent: WatcherEvent = 'subscribe'
  /** Milliseconds after BEGAN. */
  #lastSent: number | undefined = undefined
  /** As `services.now` has it. */
  #resumeAt: number | undefined = undefined
  #termination: Termination | undefined
  /** Its phone may not know it any more; the answer to the next NOTIFY tells. */
  #contested = false

  constructor(facts: SubscriptionFacts, serial: number, services: Services) {
    super(facts, serial, services)
    this.#endpoint = facts.endpoint
    this.dialog.usage = this
    this.#arm()
  }

  get endpoint(): Endpoint {
    return this.#endpoint
  }

  get phase(): Phase {
    return this.#phase
  }

  get state(): 'active' | 'pending' | 'terminated' {
    return this.#phase === 'active' && this.isPending ? 'pending' : SHOWN[this.#phase]
  }

  /** What it watches; undefined while that is away. */
  get source(): Watchable<unknown> | undefined {
    return this.#source
  }

  get resources(): readonly string[] {
    if (!this.isList) return [this.resource]
    return this.#source instanceof ListSource ? this.#source.resources : []
  }

  get lastEvent(): WatcherEvent {
    return this.#lastEvent
  }

  get terminationReason(): TerminationReason | undefined {
    return this.#termination?.reason
  }

  /** Whole seconds left, for Subscription-State and the console. */
  get secondsLeft(): number {
    return this.#secondsLeftAt(this.services.now())
  }

  #secondsLeftAt(now: number): number {
    return Math.max(0, Math.ceil((this.expires - now) / 1000))
  }

  // What happens to it.

  /** Watches this state from now on. `want`: whether the first NOTIFY goes out in any case. */
  found(source: Watchable<unknown>, want: Want, condition?: string): void {
    if (!this.#happen('found')) return
    this.condition = condition
    if (this.#first !== WANT.forced) this.#first = want
    this.#source = source
    source.attach(this)
    // It may have ended, and this with it, before it was there to be detached.
    if (this.phase !== 'active') source.detach(this)
  }

  value(state: unknown): void {
    const before = this.shown
    this.shown = state
    const want = this.#first
    this.#first = WANT.changed
    if (this.narrowed !== '' && this.services.isOver(this, state, before === NOTHING ? undefined : before))
      return this.terminate('noresource')
    if (want !== WANT.changed || !this.services.isNoNews(this, state)) this.want(want)
  }

  end(reason: EndReason): void {
    if (reason === 'deactivated') this.lost()
    else this.terminate(reason)
  }

  /** What its watcher may see from now on, and after each change of that. */
  authorize(source: Watchable<Authorization>): void {
    this.#stopAsking()
    this.#asking = ask(source, this)
    if (this.#phase === 'ending' || this.#phase === 'ended') this.#stopAsking()
  }

  /** A fetch (RFC 6665 4.4.3): the state now in one NOTIFY, which is the last; or in several, where one has no room for a list. */
  fetched(source: Watchable<unknown>, condition?: string): void {
    void source.watch({ value: (state) => void (this.shown = state) })()
    this.condition = condition
    this.#terminate({ reason: 'timeout', retryAfter: undefined, inParts: true })
  }

  /** What it watches is away and may come back. */
  lost(): void {
    if (!this.#happen('lost')) return
    this.#stopWatching()
    this.services.lookAgain(this, WANT.changed)
  }

  /** It is about to be `refreshed`: the store is to have that first. A timer that runs out too soon finds its new time. */
  extend(expires: number): void {
    const isSooner = expires < this.expires
    this.expires = expires
    if (isSooner) this.#arm()
  }

  /** RFC 6665 4.2.1.1. The NOTIFY that follows is left out where the watcher has the state already (RFC 5839 6.3). */
  refreshed(isSilent: boolean): void {
    if (isSilent) this.wake()
    else this.want(WANT.forced)
  }

  /** The endpoint's options were read again. In another context its extension is another one. */
  endpointChanged(endpoint: Endpoint): void {
    if (endpoint === this.#endpoint) return
    const moved = endpoint.hintContext !== this.#endpoint.hintContext
    const isElsewhere = endpoint.rewrite_contact !== this.#endpoint.rewrite_contact
    this.#endpoint = endpoint
    this.sharing = undefined
    if (isElsewhere) this.#takeOtherWay()
    if (!moved) return this.bodiesChanged()
    this.lost()
    // What was there is not to be told to one who is elsewhere, whatever asks for a NOTIFY before it is looked up here.
    this.shown = NOTHING
  }

  /** Its NOTIFYs go to the other of source and Contact from now on: what the one did not answer, the other may. */
  #takeOtherWay(): void {
    this.dialog.followFlow(this.#endpoint.rewrite_contact)
    this.moved()
    this.wake()
  }

  /** Its bodies may look different now. */
  bodiesChanged(): void {
    if (this.#phase === 'active') this.want(WANT.changed)
  }

  notify(): void {
    this.want(WANT.forced)
  }

  /**
   * The phone has subscribed to the same thing in another dialog: it has started anew, or has a second key for it. Which,
   * a NOTIFY in this dialog tells: whoever has forgotten it answers 481 (RFC 6665 4.1.3). It is over with anything but a
   * good answer, as the other dialog carries the state.
   */
  contest(): void {
    this.#contested = true
    if (this.#phase === 'active') this.want(WANT.forced)
  }

  terminate(reason: TerminationReason, retryAfter?: number): void {
    this.#terminate({ reason, retryAfter })
  }

  #terminate(termination: Termination): void {
    if (!this.#happen('end')) return
    const { reason } = termination
    this.#termination = termination
    this.#lastEvent = reason === 'invariant' ? 'noresource' : reason
    this.#stopWatching()
    this.#stopAsking()
    this.services.statusChanged(this)
    this.services.keep(this)
    this.#arm()
    this.want(WANT.final)
  }

  override fire(): void {
    const now = this.services.now()
    if (this.#resumeAt !== undefined && now >= this.#resumeAt) {
      this.#resumeAt = undefined
      this.due()
    }
    if (now >= this.expires && this.#phase !== 'ending') {
      this.services.timedOut(this)
      this.terminate('timeout')
    }
    this.#arm()
  }

  // What its deliveries need.

  protected override get turns(): Turns {
    return this.services.queue
  }

  protected override get counters(): DeliveryCounters {
    return this.services.counters
  }

  protected override get reachable(): boolean {
    return this.dialog.reachable
  }

  protected override holdBack(want: Want): number {
    if (!this.services.mayNotify(this)) return UNCOVERED
    const { notify_interval } = this.services.settings()
    if (want !== WANT.changed || notify_interval === 0 || this.#lastSent === undefined) return 0
    return Math.min(notify_interval, this.#lastSent + notify_interval - (this.services.now() - BEGAN))
  }

  protected override compose(want: Want): Notification | undefined {
    const isFurtherPart = this.#termination?.inParts === true && this.wasTold
    const body = want === WANT.changed || isFurtherPart ? this.news() : this.whole()
    if (this.#isIdle(want, body)) return undefined
    const isKnown = this.matches(this.condition)
    // It goes out now: the time is asked for once.
    const now = this.services.now()
    this.#lastSent = now - BEGAN
    const termination = this.#terminationNow(!isKnown && body?.told.isCut === true)
    return this.say(body, isKnown, termination, this.#secondsLeftAt(now))
  }

  /** Whether a NOTIFY would say nothing: nothing is new, or there is nothing to show to who is shown nothing. */
  #isIdle(want: Want, body: SentBody | undefined): boolean {
    if (want === WANT.changed && !body) return true
    if (!this.isStillBlank(body)) return false
    return want !== WANT.final && !this.#contested && !this.services.settings().send_fast_notify
  }

  /** Of several NOTIFYs, where one has no room for all, the last says that it is over. */
  #terminationNow(isMoreToCome: boolean): Termination | undefined {
    const termination = this.#termination
    if (!termination?.inParts) return termination
    if (isMoreToCome) return undefined
    this.#termination = { ...termination, inParts: undefined }
    return this.#termination
  }

  protected override transmit(notification: Notification, done: OutcomeHandler): void {
    this.services.sending(this, notification)
    this.dialog.request('NOTIFY', notification, done, this.services.credentialsFor(this.#endpoint))
    this.services.keep(this)
  }

  protected override judge(outcome: Outcome, failures: number, unsent: number): Verdict {
    const { settings, compat, random } = this.services
    const verdict = judge(outcome, failures, settings(), compat(), random(), unsent)
    if (!this.#contested || verdict.kind === 'ended' || verdict.kind === 'again') return verdict
    if (verdict.kind !== 'delivered')
      return { kind: 'ended', why: `${describe(outcome)}, and its phone subscribed anew` }
    this.#contested = false
    return verdict
  }

  protected override giveUp(): void {
    this.dialog.giveUp()
  }

  protected override landed(notification: Notification, outcome: Outcome, verdict: Verdict): void {
    this.heard(notification, verdict.kind === 'delivered' || verdict.kind === 'kept')
    if (this.hasMore) this.want(this.#termination?.inParts ? WANT.final : WANT.changed)
    this.services.notifyAnswered(this, outcome, verdict)
  }

  protected override paused(milliseconds: number): void {
    this.#resumeAt = this.services.now() + milliseconds
    this.#arm()
  }

  /** Ends it without a word to the watcher. */
  override drop(why: string): void {
    const silently = this.#phase !== 'ending'
    if (!this.#happen('drop')) return
    this.#stopWatching()
    this.#stopAsking()
    if (silently) {
      this.#lastEvent = 'timeout'
      this.services.statusChanged(this)
    }
    const isUnderWay = silently && this.deliveryState === 'flying'
    this.stopDelivery()
    this.services.timers.cancel(this)
    this.services.ended(this, why)
    // Whoever goes on with its dialog has newer things to say.
    if (isUnderWay) this.dialog.giveUp()
    this.sharing?.letGo()
    this.clearDatastores()
  }

  // How it does that.

  /** The only writer of the phase. False where this cannot happen now. */
  #happen(happening: Happening): boolean {
    const next = NEXT[this.#phase][happening]
    if (next === undefined) return false
    this.#phase = next
    return true
  }

  #stopWatching(): void {
    const source = this.#source
    this.#source = undefined
    source?.detach(this)
  }

  #stopAsking(): void {
    this.#asking?.stop()
    this.#asking = undefined
  }

  decided(now: Authorization): void {
    const wasPending = this.isPending
    this.authorization = now
    if (now.handling === 'block') return this.terminate('rejected')
    if (this.isPending !== wasPending) {
      this.#lastEvent = this.isPending ? 'subscribe' : 'approved'
      this.services.statusChanged(this)
      // Its row tells the status, too: of one that is not stored yet it will.
      if (this.reservedCseq > 0) void this.services.save(this, 'altered')
      if (this.#phase === 'active') this.want(WANT.forced)
      else this.#first = WANT.forced
    } else {
      this.bodiesChanged()
    }
  }

  flowLost(): void {
    if (this.services.compat() === 'asterisk') this.drop('its connection is closed')
  }

  /** The one timer: the end of a pause, or of the subscription. */
  #arm(): void {
    if (this.#phase === 'ended') return
    const now = this.services.now()
    const resumeAt = this.#resumeAt ?? Number.POSITIVE_INFINITY
    const at = this.#phase === 'ending' ? resumeAt : Math.min(this.expires, resumeAt)
    if (at === Number.POSITIVE_INFINITY) this.services.timers.cancel(this)
    else this.services.timers.arm(this, Math.max(0, at - now))
  }
}
