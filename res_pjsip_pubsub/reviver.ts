/**
 * Subscriptions that wait for their state: restored ones, and those whose package or generator is away. Each is looked
 * up again until it is found or its time is over.
 *
 * Lookups are spread, as each ends in a NOTIFY, and begin when all modules of a start are loaded, or a moment after the
 * last registration, so that a package is there with all of its generators and supplements.
 */
import type { Endpoint } from '../core/endpoints.ts'
import type { Eventual } from '../core/eventual.ts'
import { reasonOf } from '../core/log.ts'
import type { Watchable } from '../core/watch.ts'
import type { Found, TerminationReason } from './contract.ts'
import { WANT, type Want } from './delivery.ts'
import { isSameWatcher } from './identity.ts'
import { afterLookup, sourceOf } from './lookups.ts'
import type { NotifierServices } from './notifier.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { Decision } from './watchers/authorization.ts'

/** Milliseconds. */
const SETTLE = 100
const TICK = 10
const AGAIN = 1000
/** How long one slice of lookups may last, in milliseconds, and the lookups between two looks at the clock. */
const SLICE = 5
const STRIDE = 16

interface Patience {
  /** Epoch milliseconds; after that it ends. */
  readonly until: number
  readonly want: Want
}

type ReviverServices = Pick<NotifierServices, 'lists' | 'registry' | 'watching' | 'settings' | 'now' | 'log'>

export class Reviver {
  readonly #services: ReviverServices
  readonly #patience = new Map<NotifierSubscription, Patience>()
  #last: Patience = { until: 0, want: WANT.nothing }
  #line: NotifierSubscription[] = []
  #next = 0
  #began = 0
  #duration = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #begun = false

  constructor(services: ReviverServices) {
    this.#services = services
  }

  get size(): number {
    return this.#patience.size
  }

  /** `want`: forced where the watcher is to hear from us in any case, changed where only news is sent. */
  add(subscription: NotifierSubscription, seconds: number, want: Want): void {
    if (this.#stopped) return
    const until = this.#services.now() + seconds * 1000
    // After a start many have the same.
    if (this.#last.until !== until || this.#last.want !== want) this.#last = { until, want }
    this.#patience.set(subscription, this.#last)
    if (!this.#timer) this.#after(SETTLE)
  }

  delete(subscription: NotifierSubscription): void {
    this.#patience.delete(subscription)
  }

  /** Something was registered: all are looked up again, soon. */
  registered(): void {
    if (this.#patience.size > 0 && !this.#stopped) this.#after(SETTLE)
  }

  /** Nothing more will be registered for now. */
  begin(): void {
    this.#begun = true
    if (this.#patience.size > 0 && !this.#stopped) this.#after(0)
  }

  /** Its watcher asks for it now, and what is told at once need not be told again. */
  hurry(subscription: NotifierSubscription): void {
    if (this.#begun && !this.#stopped && this.#patience.has(subscription)) this.#lookUp(subscription)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#patience.clear()
    this.#line = []
  }

  #after(milliseconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#begin(), milliseconds)
    this.#timer.unref()
  }

  /** A round over all that wait now. */
  #begin(): void {
    this.#line = [...this.#patience.keys()]
    this.#next = 0
    this.#began = performance.now()
    this.#duration = Math.min(this.#services.settings().restore_spread * 1000, this.#line.length * TICK)
    this.#tick()
  }

  /** As many as are due by the time that has passed, so that late ticks do not make it longer; what a slice leaves is next. */
  #tick(): void {
    this.#timer = undefined
    const now = performance.now()
    const passed = now - this.#began + TICK
    const due = passed >= this.#duration ? this.#line.length : (this.#line.length * passed) / this.#duration
    while (this.#next < due) {
      const subscription = this.#line[this.#next++]
      if (subscription) this.#lookUp(subscription)
      if (this.#next % STRIDE === 0 && performance.now() - now > SLICE) break
    }
    if (this.#stopped) return
    if (this.#next < this.#line.length) {
      this.#timer = setTimeout(() => this.#tick(), this.#next < due ? 1 : TICK)
      this.#timer.unref()
      return
    }
    this.#line = []
    if (this.#patience.size > 0 && !this.#timer) this.#after(AGAIN)
  }

  #lookUp(subscription: NotifierSubscription): void {
    const { registry, lists, log } = this.#services
    const { event, resource, contentType, endpoint, watcher: uri, userAgent } = subscription
    if (subscription.phase !== 'waiting') return this.delete(subscription)
    const of = registry.package(event)
    if (!of || !registry.generator(contentType, of.kind)) return this.#notYet(subscription, 'deactivated')
    if (!endpoint.allow_subscribe) {
      // It was allowed before the start.
      this.delete(subscription)
      return subscription.terminate('rejected')
    }
    const find = (): Eventual<Found<unknown>> => of.find(resource, { endpoint, uri, userAgent, request: undefined })
    const anyway = this.#isOverdue(subscription)
    const found = subscription.isList ? lists.reopen(subscription, anyway) : find()
    if (!(found instanceof Promise)) return this.#concluded(subscription, endpoint, found)
    const later = (there: Found<unknown>): void => {
      // Its time may have run out meanwhile: of a list the next round has what can be said anyway.
      if (!subscription.isList || anyway || there !== 'unavailable') this.#concluded(subscription, endpoint, there)
    }
    const concluded = subscription.isList ? found.then(later) : afterLookup(found, find, later)
    concluded.catch((error: unknown) => {
      log.error(`${event} of ${resource}: ${reasonOf(error)}`)
      this.#notYet(subscription, 'noresource')
    })
  }

  /** `asker`: as whom it was looked up. For another one it may be something else, and the next round looks for that. */
  #isAwaited(subscription: NotifierSubscription, asker: Endpoint): boolean {
    const { phase, endpoint } = subscription
    return phase === 'waiting' && isSameWatcher(endpoint, asker) && this.#patience.has(subscription)
  }

  #concluded(subscription: NotifierSubscription, asker: Endpoint, found: Found<unknown>): void {
    if (!this.#isAwaited(subscription, asker)) return
    const source = sourceOf(found === 'unavailable' ? (this.#meanwhile(subscription) ?? found) : found)
    if (typeof source === 'string') return this.#notYet(subscription, source)
    this.#authorize(subscription, asker, source)
  }

  /** That nobody can say whether it is there is waited for as anything else, and is no reason to end what was granted. */
  #meanwhile(subscription: NotifierSubscription): Watchable<unknown> | undefined {
    const { event, resource, endpoint, watcher: uri, userAgent, isList } = subscription
    if (isList || !this.#isOverdue(subscription)) return undefined
    const { registry } = this.#services
    return registry.package(event)?.meanwhile?.(resource, { endpoint, uri, userAgent, request: undefined })
  }

  #authorize(subscription: NotifierSubscription, asker: Endpoint, source: Watchable<unknown>): void {
    const decision = this.#services.watching.of(subscription, true)
    if (!(decision instanceof Promise)) return this.#decided(subscription, asker, source, decision)
    decision.then(
      (later) => this.#decided(subscription, asker, source, later),
      (error: unknown) => {
        this.#services.log.error(`leave for ${subscription.event} of ${subscription.resource}: ${reasonOf(error)}`)
        this.#notYet(subscription, 'probation')
      },
    )
  }

  #decided(subscription: NotifierSubscription, asker: Endpoint, source: Watchable<unknown>, decision: Decision): void {
    const patience = this.#patience.get(subscription)
    if (!patience || !this.#isAwaited(subscription, asker)) return
    if (!decision) return this.#notYet(subscription, 'probation')
    this.delete(subscription)
    subscription.authorize(decision)
    subscription.found(source, patience.want)
  }

  #isOverdue(subscription: NotifierSubscription): boolean {
    const patience = this.#patience.get(subscription)
    return patience !== undefined && this.#services.now() >= patience.until
  }

  #notYet(subscription: NotifierSubscription, reason: TerminationReason): void {
    const { settings, log } = this.#services
    if (!this.#isOverdue(subscription)) return
    this.delete(subscription)
    log.notice(
      `${subscription.event} of ${subscription.resource} for ${subscription.endpoint.id} cannot be shown any more: ${reason}`,
    )
    subscription.terminate(reason, reason === 'probation' ? settings().retry_after : undefined)
  }
}
