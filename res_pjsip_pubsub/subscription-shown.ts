/**
 * What a subscription shows its watcher: the newest state, as far as the watcher may see it, and what of that it was told.
 * Whether and when a NOTIFY goes out is in subscription.ts.
 *
 *     shown, authorization   the state now, and what of it may be seen
 *     whole, news            a body with all of that, or with what is new since the watcher was told last
 *     say                    the NOTIFY that goes out now, with one of these
 *     heard                  what became of it: what is new counts from there, or all is
 */
import type { Endpoint } from '../core/endpoints.ts'
import { reasonOf } from '../core/log.ts'
import type { Body, SentBody, Told } from './body.ts'
import type { Addressing, Subscription, TerminationReason, WatcherEvent } from './contract.ts'
import { listEvent } from './lists/linphone.ts'
import { Notification, type Termination } from './notification.ts'
import type { Services } from './services.ts'
import { LastingSubscription, type SubscriptionFacts } from './subscription-facts.ts'
import { ALLOWED, type Authorization } from './watchers/authorization.ts'

/** No state was seen yet. */
export const NOTHING = Symbol('nothing')

export abstract class ShowingSubscription extends LastingSubscription implements Subscription, Addressing {
  protected shown: unknown = NOTHING
  #authorization: Authorization
  #version: number
  /** What the watcher was told last, and of which state where a part of what is new may follow. */
  #told: Told | undefined
  #toldState: unknown
  /** Its phone has been told nothing in this dialog, or last that there is nothing. */
  #isBlank: boolean
  /** A Suppress-If-Match: the next NOTIFY carries no body where that says that the watcher has the state (RFC 5839 6.2). */
  protected condition: string | undefined = undefined
  protected readonly services: Services

  constructor(facts: SubscriptionFacts, serial: number, services: Services) {
    super(facts, serial)
    this.#authorization = facts.authorization ?? ALLOWED
    this.#version = facts.version
    this.#isBlank = facts.version === 0
    this.services = services
  }

  abstract get endpoint(): Endpoint
  abstract get resources(): readonly string[]
  abstract get state(): 'active' | 'pending' | 'terminated'
  abstract get lastEvent(): WatcherEvent
  abstract notify(): void
  abstract terminate(reason: TerminationReason, retryAfter?: number): void

  get authorization(): Authorization {
    return this.#authorization
  }

  protected set authorization(decision: Authorization) {
    this.#authorization = decision
  }

  /** RFC 3857 4.7.1: the presentity has not decided yet. */
  get isPending(): boolean {
    return this.#authorization.handling === 'confirm'
  }

  /** Number of the next body; never goes back. */
  get version(): number {
    return this.#version
  }

  /** The entity-tag of the state now, where there is one. */
  entityTag(): string | undefined {
    return this.whole()?.entityTag
  }

  /** Whether the watcher has this state: `*`, or the entity-tag of the state now (RFC 5839 6.2). */
  matches(condition: string | undefined): boolean {
    if (condition === undefined || condition === '') return false
    const tag = this.entityTag()
    return tag !== undefined && (condition === '*' || condition === tag)
  }

  protected get wasTold(): boolean {
    return this.#told !== undefined
  }

  /** Whether there is nothing to show to who is shown nothing. */
  protected isStillBlank(body: SentBody | undefined): boolean {
    return this.#isBlank && (!body || body.isEmpty)
  }

  /** Undefined where there is no body now, or the watcher may not see it. */
  protected whole(isNews = false): SentBody | undefined {
    if (this.shown === NOTHING || this.isPending || this.#authorization.handling === 'block') return undefined
    try {
      return this.services.bodies.bodyOf(this.shown, this, isNews)
    } catch (error) {
      this.services.log.error(`no ${this.contentType} body for ${this.event} of ${this.resource}: ${reasonOf(error)}`)
      return undefined
    }
  }

  /** Undefined where the watcher knows everything, or may not know it yet. */
  protected news(): SentBody | undefined {
    const whole = this.whole(true)
    if (!whole || !this.#told) return whole
    const part = this.#toldState === undefined ? 'whole' : this.part()
    return part === 'whole' ? whole.newsSince(this.#told) : part?.leadingTo(whole)
  }

  /** The whole where its generator fails at the part. For `news` alone: a #method would make each subscription larger. */
  protected part(): Body | 'whole' | undefined {
    try {
      return this.services.bodies.partOf(this.shown, this.#toldState, this)
    } catch (error) {
      const what = `no ${this.contentType} body of what is new for ${this.event} of ${this.resource}`
      this.services.log.error(`${what}, all of it goes out: ${reasonOf(error)}`)
      return 'whole'
    }
  }

  protected say(
    body: SentBody | undefined,
    isKnown: boolean,
    termination: Termination | undefined,
    secondsLeft: number,
  ): Notification {
    this.condition = undefined
    const shown = { termination, pending: this.isPending, secondsLeft, compat: this.services.compat() }
    const common = this.services.notifyHeaders(this)
    const content = isKnown ? undefined : body?.content(this.#version++)
    this.#isBlank = content === undefined && !isKnown
    // Remembered where a part of what is new may follow: each reference from old to new is looked at by the collector.
    const state = this.shown === NOTHING || isKnown || !this.sharing?.hasParts ? undefined : this.shown
    const told = isKnown ? body?.known : body?.told
    const event = this.list && shown.compat === 'rfc' ? listEvent(this.subject) : this.subject.eventHeader
    return new Notification(event, common, shown, state, told, content)
  }

  protected heard({ told, state }: Notification, hasArrived: boolean): void {
    this.#told = hasArrived ? told : undefined
    if (!hasArrived) this.#isBlank = false
    const toldState = this.#told && state
    if (toldState !== this.#toldState) this.#toldState = toldState
  }

  /** The last NOTIFY had no room for all. */
  protected get hasMore(): boolean {
    return this.#told?.isCut === true
  }
}
