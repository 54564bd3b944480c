/** What event packages and body generators see of the pubsub core. */
import type { Endpoint } from '../core/endpoints.ts'
import type { Undo } from '../core/scope.ts'
import type { Answer, Dialog, HeaderLine, Outcome, Refusal, SipRequest } from '../core/sip/contract.ts'
import type { Store } from '../core/store-contract.ts'
import type { Watchable } from '../core/watch.ts'
import type { PresenceFunctions } from './kamailio/contract.ts'
import type { PubsubSettings } from './options.ts'
import type { Authorization, Authorizer } from './watchers/authorization.ts'

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
  /** The log need not say that it is not there: it has done so, or does it for all resources of a list together. */
  readonly again?: boolean
}

/** An answer that a package gives in place of the common one: status, reason phrase, headers, body. */
export type ResponseData = Omit<Answer, 'dialog'>

export interface EventPackage<State> {
  /** `presence`; compared as it is written (RFC 6665 8.2.1 makes event types case-sensitive tokens). */
  readonly event: string
  readonly kind: Kind<State>
  /** Body types, best first; the first is used when Accept is absent. */
  readonly accept: readonly [string, ...string[]]
  /**
   * Body types of SUBSCRIBE that it reads itself, from the request of its callbacks: filters (RFC 4660). Others are
   * refused with 415, but for lists of resources and those that are optional (RFC 3261 8.2.3). Default: none.
   */
  readonly subscribeBodies?: readonly string[]
  /** Seconds granted when none are asked for, and the most that is granted. Default 3600. */
  readonly defaultExpires?: number
  /** The state of a resource; undefined is 404. The resource is the user part of the Request-URI, unescaped. */
  find(resource: string, watcher: Watcher): Found<State> | Promise<Found<State>>
  /**
   * The state as those are shown it who may not see it (RFC 5025 3.2.1, polite-block): nobody is there. Bodies that a
   * view cannot cut are made of it too. Without it they get none.
   */
  politeState?(state: State): State
  /** What of a state bodies of this type tell. Absent: all that their generator can say. */
  shownIn?(state: State, type: string): State

  /** What a resource is called in a list that shows names (RFC 4662 5.5); empty for nothing. */
  displayName?(state: State): string

  /**
   * What of the state is asked for by the parameters of Event (names in lower case), as a key for `Addressing.narrowed`;
   * empty for all of it. It is asked for once, and stays over refreshes and restarts.
   */
  narrows?(params: ReadonlyMap<string, string>): string
  /**
   * Whether the part of the state that is asked for is over, so that its subscription ends (`noresource`). Asked at each
   * change. `before`: the state before it, where it was watched then.
   */
  isOver?(narrowed: string, state: State, before: State | undefined): boolean

  // The callbacks of a subscription handler. All are optional, and the core does the common thing without them.
  /** A SUBSCRIBE that would make a subscription, before anything is looked up. What is returned is sent, and nothing is made. */
  newSubscribe?(watcher: Watcher, resource: string): ResponseData | undefined
  /** The subscription stands and its 200 is sent. */
  subscriptionEstablished?(subscription: Subscription): void
  /** A refresh, which an end is not. What is returned is the answer in place of 200; with a status over 299 nothing is refreshed. */
  resubscribe?(subscription: Subscription, request: SipRequest): ResponseData | undefined
  /** It expired. The final NOTIFY follows by itself. */
  subscriptionTimeout?(subscription: Subscription): void
  /** The watcher ended it with Expires 0. The final NOTIFY follows by itself. */
  subscriptionTerminated?(subscription: Subscription, request: SipRequest): void
  /** A NOTIFY was answered, timed out, or could not be sent. */
  notifyResponse?(subscription: Subscription, outcome: Outcome): void
  /** It is gone, for whatever reason; nothing more is sent. */
  subscriptionShutdown?(subscription: Subscription): void
  /**
   * Whether a change is kept from this watcher because it made the change itself. It hears of it with the next NOTIFY.
   * Absent: everybody hears of everything.
   */
  ownChange?(state: State, watcher: string): boolean

  /**
   * What somebody sees who was granted it before a restart of ours, or a reload, while nobody can say whether it is there.
   * It ends as `deactivated` when somebody can. Absent: the subscription ends as `probation`.
   */
  meanwhile?(resource: string, watcher: Watcher): Watchable<State> | undefined

  // The rest of Kamailio's pres_ev_t.
  /** `req_auth`: a watcher needs leave, which getAuthStatus gives. Default false: whoever may subscribe may watch. */
  readonly reqAuth?: boolean
  /** `wipeer`: whether `<event>.winfo` (RFC 3857) is offered as well. Default true. */
  readonly winfo?: boolean
  /** The authorization document of a resource; undefined for none. */
  getRulesDoc?(resource: string): string | undefined | Promise<string | undefined>
  /** What the rules say of a watcher (URI without parameters). */
  getAuthStatus?(resource: string, watcher: string, rules: string | undefined): AuthStatus | Promise<AuthStatus>
  /** What an authorized watcher gets to see of a body. */
  applyAuthNbody?(body: string, subscription: Subscription, rules: string | undefined): string
  /** One body for several published ones, the first counting most. Absent: the first stands for all. */
  aggNbody?(resource: string, bodies: readonly string[]): string | undefined
  /** The last word on a body, for each watcher. */
  auxBodyProcessing?(body: string, subscription: Subscription): string
  /** A PUBLISH for this event, before it is looked at. What is returned is sent, and nothing is published. */
  evsPublHandl?(request: SipRequest, resource: string): ResponseData | undefined
  /** A SUBSCRIBE for this event, new or in a dialog, before it is looked at. What is returned is sent. */
  evsSubsHandl?(request: SipRequest, resource: string): ResponseData | undefined
}

/** RFC 3857 4.7.1; a watcher that is blocked politely is active, and sees what getAuthStatus left it. */
export type AuthStatus = 'active' | 'pending' | 'waiting' | 'terminated'

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

/** RFC 3857 4.7.1. */
export type WatcherEvent = 'subscribe' | 'approved' | Exclude<TerminationReason, 'invariant'>

/** A dialog usage of SUBSCRIBE in the role of the notifier. */
export interface Subscription {
  /** Short and unique while the process lives; what the console shows. */
  readonly id: string
  readonly event: string
  /** The `id` parameter of Event; empty where there is none. */
  readonly eventId: string
  readonly resource: string
  /** That one, or those of the list that it is; none while it is not known what is in the list. */
  readonly resources: readonly string[]
  readonly endpoint: Endpoint
  readonly watcher: string
  readonly userAgent: string
  readonly contentType: string
  readonly dialog: Dialog
  /** Epoch milliseconds, but for how far the clock was set since we began. */
  readonly expires: number
  readonly state: 'active' | 'pending' | 'terminated'
  /** What its watcher may see of it. */
  readonly authorization: Authorization
  /** What brought it into its state (RFC 3857 4.7.1). */
  readonly lastEvent: WatcherEvent
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
  /** What its package made of the parameters of Event (`narrows`); absent or empty for all of the state. */
  readonly narrowed?: string
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
  /** Subscriptions to a resource whose keys are equal share one generated body for a state. Holds all of `to` that the text depends on. */
  share(to: Addressing): string
  /**
   * What of `to` the key depends on besides the resource, localUri and userAgent, so that it need not be made for each
   * subscription. Absent: anything.
   */
  variant?(to: Addressing): string
  generate(state: State, to: Addressing): Doc
  /**
   * For bodies that may tell no more than what is new to a watcher who was told `since` before: the rest of `state`, or
   * undefined where that is nothing. May give the whole where it cannot say.
   */
  partial?(state: State, since: State, to: Addressing): Doc | undefined
  print(doc: Doc): GeneratedBody
}

/** Adds to the document of a generator before it is printed. */
export interface BodySupplement<State, Doc> {
  /** The body type it supplements. */
  readonly type: string
  readonly kind: Kind<State>
  /** As with generators; empty when it depends on nothing. */
  share(to: Addressing): string
  /** As with generators. */
  variant?(to: Addressing): string
  supplement(doc: Doc, state: State, to: Addressing): void
}

/**
 * What was published about a subscription's life, for whoever wants to know (unsolicited MWI, metrics, tests). `status`:
 * it is pending, active or over now, and the NOTIFY that says so follows.
 */
export type SubscriptionEvent = 'established' | 'refreshed' | 'status' | 'terminated'

/** A body that was published, for its handler to read. */
export interface PublishedBody<State> {
  /** Content-Type in lower case, without parameters. */
  readonly type: string
  /** In UTF-8. */
  readonly body: Buffer
  /** XML is read by the encoding that it has, and says UTF-8; what else there is is read as UTF-8. */
  readonly text: string
  readonly resource: string
  /** What the publication said until now; undefined for a new one, and for one that comes from the store. */
  readonly previous: State | undefined
}

/**
 * What was read. `body`: the text that is kept in place of the one sent, where that alone does not give the state (a
 * partial document). A fault becomes 400 with these words.
 */
export type ReadBody<State> = { readonly state: State; readonly body?: string } | { readonly fault: string }

/** Takes PUBLISH (RFC 3903) for one event. */
export interface PublicationHandler<State> {
  readonly event: string
  readonly kind: Kind<State>
  /** Body types it reads: Accept of a 415. */
  readonly accept: readonly [string, ...string[]]
  /** Seconds where a PUBLISH asks for none, 3600 by default. What is granted is bound by max_expires. */
  readonly defaultExpires?: number
  /**
   * Seconds that a publication is kept beyond what is granted, and never longer than that again: for publishers who
   * refresh when it is over. Default 0.
   */
  readonly grace?: number
  /** `etag_not_new` of pres_ev_t: a publication keeps its first entity-tag. Default false: a new one with each answer (RFC 3903 6). */
  readonly etagNotNew?: boolean
  /** Whether a publisher without `+sip.instance` is known by its Contact: each phone publishes once. Default false. */
  readonly instanceByContact?: boolean
  /** Whether equal bodies say the same, whatever was said before: one that comes again is not read again. Default false. */
  readonly equalsSayTheSame?: boolean
  read(published: PublishedBody<State>): ReadBody<State> | Promise<ReadBody<State>>
  /**
   * What an endpoint that may not publish about the resource is refused with. With it `allow_publish` says nothing, unless
   * it is `no`.
   */
  permits?(endpoint: Endpoint, resource: string): Refusal | undefined
  /** Whether there is such a resource, besides hints, endpoints, AORs and what is published already. */
  exists?(resource: string, endpoint: Endpoint): boolean | Promise<boolean>

  // The callbacks of a publication handler. All are optional.
  /** A PUBLISH that would make a publication. What is returned is sent, and nothing is made. */
  newPublication?(endpoint: Endpoint, request: SipRequest, resource: string): ResponseData | undefined
  /** A PUBLISH for one that stands, with a new body or without. What is returned is the answer; over 299 nothing changes. */
  publishRefresh?(publication: Publication<State>, request: SipRequest): ResponseData | undefined
  /** It expired, was taken back at the console, or its publisher may not change it any more, and is gone. */
  publishExpire?(publication: Publication<State>): void
  /** Its publisher took it back, and it is gone. What is returned is the answer. */
  publishTermination?(publication: Publication<State>, request: SipRequest): ResponseData | undefined
}

/** What one publisher says about a resource. The object stays the same while the publication lives. */
export interface Publication<State = unknown> {
  /** Short and unique while the process lives. */
  readonly id: string
  readonly event: string
  /** User part of the Request-URI, unescaped, and its host. */
  readonly resource: string
  readonly domain: string
  /** RFC 3903 6: what SIP-If-Match has to say next. */
  readonly entityTag: string
  /** Who published; the endpoint is undefined where it is gone since a restart. */
  readonly endpointId: string
  readonly endpoint: Endpoint | undefined
  /** From URI of the PUBLISH, without parameters. */
  readonly publisher: string
  /** What tells one phone of a publisher from another; empty where nothing does. A new publication replaces one with the same. */
  readonly instance: string
  /** The watcher that the last change is not told to (BLA); empty for none. */
  readonly sender: string
  /** The higher goes first in a composed document. */
  readonly priority: number
  /** Epoch milliseconds: when its body came, and when it ends. */
  readonly received: number
  readonly expires: number
  readonly contentType: string
  readonly body: string
  readonly state: State
  /** Whether its body came here; false where it was read of a table that servers share. */
  readonly isTakenHere: boolean
  readonly datastores: Datastores
}

export type PublicationEvent = 'published' | 'changed' | 'refreshed' | 'removed' | 'expired' | 'replaced'

/** The half of the pubsub core that takes publications: the event state compositor. */
export interface Publishing {
  /**
   * Registers who takes PUBLISH for an event; a second one for an event throws. After its undoing the publications wait
   * for it to come back until they expire, and nobody sees them.
   */
  publicationHandler<State>(handler: PublicationHandler<State>): Undo
  /** What is published about a resource, best first (`retrieve_order`); a new array with each change. `kind` is that of the event's handler. */
  publications<State>(event: string, resource: string, kind: Kind<State>): Watchable<readonly Publication<State>[]>
  readonly allPublications: Iterable<Publication>
  /** Whether there is such a resource because something is published about it, or because anything is taken (`accept_unknown`). */
  isPublished(resource: string): boolean
  /** Resolves when what came from the store has been read by its handlers; undefined where nothing has to be waited for. */
  publicationsRead(): Promise<void> | undefined
  /** Whether something is published about it that its handler has not read yet, or cannot read, as it is away. */
  hasUnread(event: string, resource: string): boolean
  /** `[general]` of pubsub.conf. Read it when it is used: a reload replaces it. */
  readonly settings: PubsubSettings
  onPublication(listener: (what: PublicationEvent, publication: Publication) => void): Undo
}

export interface Pubsub extends Publishing, PresenceFunctions {
  /**
   * Registers an event package; a second one for an event throws. After its undoing the package's subscriptions wait
   * for it to come back, and end with `deactivated` when it stays away for `unload_grace` (pubsub.conf).
   */
  eventPackage<State>(definition: EventPackage<State>): Undo
  bodyGenerator<State, Doc>(generator: BodyGenerator<State, Doc>): Undo
  bodySupplement<State, Doc>(supplement: BodySupplement<State, Doc>): Undo
  readonly subscriptions: Iterable<Subscription>
  /** The database of presence (`db_url`). */
  readonly store: Store
  /** One is about to register, and reads first what it decides by: nobody new gets in meanwhile, and decisions stand. */
  expectAuthorizer(): Undo
  /**
   * The one that was expected cannot read what it decides by, which may hide something: everybody waits for a decision
   * (`pending`), until one is expected again.
   */
  authorizerFailed(why: string): void
  /** Who decides on the watchers of packages with `reqAuth`. A second one throws. */
  authorizer(authorizer: Authorizer): Undo
  /** Events with a package, in the order of registration: Allow-Events. */
  readonly events: readonly string[]
  onSubscription(listener: (what: SubscriptionEvent, subscription: Subscription) => void): Undo
  /**
   * A body of a package's state outside of any subscription, as PUBLISH carries it; `version` is put in where the type has
   * one. Undefined where nobody makes that type for the event.
   */
  document(event: string, type: string, state: unknown, to: Addressing, version: number): string | undefined
  /** Header lines every NOTIFY of ours carries: Allow-Events, User-Agent. */
  notifyHeaders(): readonly HeaderLine[]
}

declare module '../core/module.ts' {
  interface ModuleApis {
    res_pjsip_pubsub: Pubsub
  }
}
