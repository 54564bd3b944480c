/** What a subscription is given by the pubsub core. */
import type { Endpoint } from '../core/endpoints.ts'
import type { Logger } from '../core/log.ts'
import type { CredentialsFor, Outcome } from '../core/sip/contract.ts'
import type { PreparedHeaders } from '../core/sip/prepared-headers.ts'
import type { Timed } from '../core/sip/timer-wheel.ts'
import type { DeliveryCounters, Want } from './delivery.ts'
import type { Verdict } from './failure-rule.ts'
import type { Notification } from './notification.ts'
import type { Turns } from './notify-queue.ts'
import type { PubsubSettings } from './options.ts'
import type { Change, Saved } from './storage/storage.ts'
import type { NotifierSubscription } from './subscription.ts'
import type { ShowingSubscription } from './subscription-shown.ts'
import type { WatcherBodies } from './watchers/watcher-bodies.ts'

/** One timer an object, in milliseconds. */
export interface Timers {
  arm(timed: Timed, milliseconds: number): void
  cancel(timed: Timed): void
}

export interface Services {
  readonly settings: () => PubsubSettings
  readonly compat: () => 'rfc' | 'asterisk'
  /** Milliseconds as of steady.ts: a subscription lasts for as long as it was granted, also where the clock is set. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly timers: Timers
  readonly queue: Turns
  readonly counters: DeliveryCounters
  readonly log: Logger
  readonly bodies: Pick<WatcherBodies, 'bodyOf' | 'partOf'>
  /** Allow-Events, User-Agent, and what a list requires. */
  readonly notifyHeaders: (subscription: ShowingSubscription) => PreparedHeaders
  /** For an endpoint that challenges its NOTIFYs. */
  readonly credentialsFor: (endpoint: Endpoint) => CredentialsFor | undefined
  /** Something the store holds of it changed: CSeq and version went up, or it ends. */
  readonly keep: (subscription: NotifierSubscription) => void
  /** Its row is to say what holds now. */
  readonly save: (subscription: NotifierSubscription, change?: Change) => Saved
  /** Whether the number of its next NOTIFY is reserved in the store. */
  readonly mayNotify: (subscription: NotifierSubscription) => boolean
  /** Whether its watcher is told nothing of this change. */
  readonly isNoNews: (subscription: NotifierSubscription, state: unknown) => boolean
  /** Whether the part of the state that it asks for is over. */
  readonly isOver: (subscription: NotifierSubscription, state: unknown, before: unknown) => boolean
  /** It is pending, active, or over now. */
  readonly statusChanged: (subscription: NotifierSubscription) => void
  /** What it watches is away, or not what its watcher is to see by now. `want`: what its next state is wanted for. */
  readonly lookAgain: (subscription: NotifierSubscription, want: Want) => void
  /** A NOTIFY is about to be sent. */
  readonly sending: (subscription: NotifierSubscription, notification: Notification) => void
  readonly notifyAnswered: (subscription: NotifierSubscription, outcome: Outcome, verdict: Verdict) => void
  /** It expired; the final NOTIFY comes next. */
  readonly timedOut: (subscription: NotifierSubscription) => void
  readonly ended: (subscription: NotifierSubscription, why: string) => void
}
