/** What event packages and body generators see of the pubsub core. */
import type { Endpoint } from '../core/endpoints.ts'
import type { Undo } from '../core/scope.ts'
import type { Answer, Dialog, HeaderLine, Outcome, Refusal, SipRequest } from '../core/sip/contract.ts'
import type { Watchable } from '../core/watch.ts'

/**
 * Names a type of state, so that only generators of the same kind can be chosen for a package, and the compiler knows.
 * The one who defines the state makes the kind: `export const extensionStateKind = { name: 'exten state' } as Kind<ExtensionState>`.
 */
export interface Kind<State> {
  readonly name: string
  /** Never present: carries the type only. */
  readonly state?: State
}

/** Who subscribes. */
export interface Watcher {
  readonly endpoint: Endpoint
  /** From URI of the SUBSCRIBE, without parameters. */
  readonly uri: string
  readonly userAgent: string
  /** Undefined when a subscription is put back after a restart, or when its package was loaded again. */
  readonly request: SipRequest | undefined
}

/** An answer that a package gives in place of the common one: status, reason phrase, headers, body. */
export type ResponseData = Omit<Answer, 'dialog'>

export interface EventPackage<State> {
  /** `presence`; compared as it is written (RFC 6665 8.2.1 makes event types case-sensitive tokens). */
  readonly event: string
  readonly kind: Kind<State>
  /** Body types, best first; the first is used when Accept is absent. */
  readonly accept: readonly [string, ...string[]]
  /** Seconds granted when none are asked for, and the most that is granted. Default 3600. */
  readonly defaultExpires?: number
  /** The state of a resource; undefined is 404. The resource is the user part of the Request-URI, unescaped. */
  find(resource: string, watcher: Watcher): Found<State> | Promise<Found<State>>

  // The callbacks of a subscription handler. All are optional, and the core does the common thing without them.
  /** A SUBSCRIBE that would make a subscription, before anything is looked up. What is returned is sent, and nothing is made. */
  newSubscribe?(watcher: Watcher, resource: string): ResponseData | undefined
  /** The subscription stands and its 200 is sent. */
  subscriptionEstablished?(subscription: Subscription): void
  /** A refresh. What is returned is the answer in place of 200; with a status over 299 nothing is refreshed. */
  resubscribe?(subscription: Subscription, request: SipRequest): ResponseData | undefined
  /** It expired. The final NOTIFY follows by itself. */
  subscriptionTimeout?(subscription: Subscription): void
  /** The watcher ended it with Expires 0. The final NOTIFY follows by itself. */
  subscriptionTerminated?(subscription: Subscription, request: SipRequest): void
  /** A NOTIFY was answered, timed out, or could not be sent. */
  notifyResponse?(subscription: Subscription, outcome: Outcome): void
  /** It is gone, for whatever reason; nothing more is sent. */
  subscriptionShutdown?(subscription: Subscription): void
}

/** `unavailable`: cannot be said now; 500 with Retry-After. */
export type Found<State> = Watchable<State> | Refusal | 'unavailable' | undefined

/** RFC 6665 4.1.3. */
export type TerminationReason =
  | 'deactivated'
  | 'probation'
  | 'rejected'
  | 'timeout'
  | 'giveup'
  | 'noresource'
  | 'invariant'

/** A dialog usage of SUBSCRIBE in the role of the notifier. */
export interface Subscription {
  /** Short and unique while the process lives; what the console shows. */
  readonly id: string
  readonly event: string
  /** The `id` parameter of Event; empty where there is none. */
  readonly eventId: string
  readonly resource: string
  readonly endpoint: Endpoint
  readonly watcher: string
  readonly userAgent: string
  readonly contentType: string
  readonly dialog: Dialog
  /** Epoch milliseconds. */
  readonly expires: number
  readonly state: 'active' | 'pending' | 'terminated'
  /** Sends a NOTIFY with the state now, changed or not. */
  notify(): void
  /** Ends it with a final NOTIFY. */
  terminate(reason: TerminationReason, retryAfter?: number): void
  /** Things modules keep with a subscription. A name taken twice throws. */
  readonly datastores: Datastores
}

export interface Datastores {
  /** Returns its uid: the one given, or one made. */
  add(name: string, value: unknown, uid?: string): string
  get(name: string): unknown
  remove(name: string): boolean
}

/** What a body may depend on, besides the state. */
export interface Addressing {
  readonly resource: string
  /** URI of what is watched, with the resource as user: entity. */
  readonly localUri: string
  /** URI of the watcher. */
  readonly remoteUri: string
  readonly userAgent: string
  readonly endpoint: Endpoint
}

export interface GeneratedBody {
  readonly text: string
  /** Offset at which the version number goes in, for bodies that carry one (RFC 4235 4.1.1). */
  readonly versionAt?: number
}

/** Makes one type of body from one kind of state. Pure: equal state and equal `share` key give the same text. */
export interface BodyGenerator<State, Doc = unknown> {
  readonly type: string
  readonly kind: Kind<State>
  /** Subscriptions whose keys are equal share one generated body for a state. Holds all of `to` that the text depends on. */
  share(to: Addressing): string
  generate(state: State, to: Addressing): Doc
  print(doc: Doc): GeneratedBody
}

/** Adds to the document of a generator before it is printed. */
export interface BodySupplement<State, Doc> {
  /** The body type it supplements. */
  readonly type: string
  readonly kind: Kind<State>
  /** As with generators; empty when it depends on nothing. */
  share(to: Addressing): string
  supplement(doc: Doc, state: State, to: Addressing): void
}

/** What was published about a subscription's life, for whoever wants to know (unsolicited MWI, metrics, tests). */
export type SubscriptionEvent = 'established' | 'refreshed' | 'terminated'

export interface Pubsub {
  /**
   * Registers an event package; a second one for an event throws. After its undoing the package's subscriptions wait
   * for it to come back, and end with `deactivated` when it stays away for `unload_grace` (pubsub.conf).
   */
  eventPackage<State>(definition: EventPackage<State>): Undo
  bodyGenerator<State, Doc>(generator: BodyGenerator<State, Doc>): Undo
  bodySupplement<State, Doc>(supplement: BodySupplement<State, Doc>): Undo
  readonly subscriptions: Iterable<Subscription>
  /** Events with a package, in the order of registration: Allow-Events. */
  readonly events: readonly string[]
  onSubscription(listener: (what: SubscriptionEvent, subscription: Subscription) => void): Undo
  /** Header lines every NOTIFY of ours carries: Allow-Events, User-Agent. */
  notifyHeaders(): readonly HeaderLine[]
}

declare module '../core/module.ts' {
  interface ModuleApis {
    res_pjsip_pubsub: Pubsub
  }
}
