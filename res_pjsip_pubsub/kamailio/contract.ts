/**
 * What Kamailio's presence modules offer to routes and to other modules, under the names of their manual in camelCase.
 * A presentity is named by its URI, or by its user part alone; events as in the Event header.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import type { Undo } from '../../core/scope.ts'
import type { HeaderLine, RequestBody, ServerTransaction } from '../../core/sip/contract.ts'
import type { EventValue } from '../../core/sip/values.ts'
import type { AuthStatus, EventPackage, Publication, Subscription } from '../contract.ts'
import type { PublishedEvent } from '../publishing/published-event.ts'

/** A SUBSCRIBE or PUBLISH from an endpoint that has proved who it is. */
export interface PresenceRequest {
  readonly tx: ServerTransaction
  readonly endpoint: Endpoint
  /** What Kamailio's `xavp_cfg` calls `priority`, for a PUBLISH: the higher goes first in a composed document. */
  priority?: number
  /** Flags of a module's own, which `flags` of the subscription shows until the next start. */
  flags?: number
}

/** Returns true where it takes the request: it answers it, or has it handled. */
export type RequestHandler = (request: PresenceRequest) => boolean | Promise<boolean>

/** 0: the rules of the presentity changed; 1: what is published did, in the database; 2: its hard state did, in the table of an XCAP server or in a file. */
export type RefreshType = 0 | 1 | 2

/** `$subs(name)` of Kamailio, by its names. All are as they are at the time of asking. */
export interface Subs {
  /** The presentity; `pres_uri` is the same. */
  readonly uri: string
  readonly pres_uri: string
  readonly to_user: string
  readonly to_domain: string
  readonly from_user: string
  readonly from_domain: string
  readonly watcher_username: string
  readonly watcher_domain: string
  readonly event: string
  readonly event_id: string
  readonly to_tag: string
  readonly from_tag: string
  readonly callid: string
  readonly remote_cseq: number
  readonly local_cseq: number
  /** Where the watcher is reached, and where it reaches us. */
  readonly contact: string
  readonly local_contact: string
  /** Routes with commas between them. */
  readonly record_route: string
  /** Seconds left. */
  readonly expires: number
  readonly status: AuthStatus
  /** Why it ended; empty while it stands. */
  readonly reason: string
  /** Number of the next body. */
  readonly version: number
  readonly flags: number
  readonly user_agent: string
}

/**
 * `$notify_reply(name)` of Kamailio: the pseudo-variables of a reply by their names. Silence is a 408 without a message,
 * and so is a NOTIFY that could not be sent.
 */
export interface NotifyReply {
  /** Status and reason phrase. */
  readonly rs: number
  readonly rr: string
  /** Method and number of the request. */
  readonly rm: string
  readonly cs: number
  readonly ci: string
  /** From and To: URI, its user and domain, display name, tag. */
  readonly fu: string
  readonly fU: string
  readonly fd: string
  readonly fn: string
  readonly ft: string
  readonly tu: string
  readonly tU: string
  readonly td: string
  readonly tn: string
  readonly tt: string
  /** Contact, User-Agent or Server, Content-Type. */
  readonly ct: string
  readonly ua: string
  readonly cT: string
  /** Body and its size. */
  readonly rb: string
  readonly bs: number
  /** The whole message and its size. */
  readonly mb: string
  readonly ml: number
  /** `$hdr(name)`: the first value of a header. */
  hdr(name: string): string | undefined
}

/** Kamailio's `tm:local-request`: a NOTIFY is about to be sent. */
export interface LocalRequest {
  readonly subs: Subs
  readonly headers: readonly HeaderLine[]
  readonly body: RequestBody | undefined
}

/** Kamailio's `presence:notify-reply`: it was answered, or was not. */
export interface NotifyReplied {
  readonly subs: Subs
  readonly notify_reply: NotifyReply
  /** `delete_subscription`: the subscription is over, without another word to the watcher. */
  readonly drop: () => void
}

export interface FactsByName {
  readonly 'local-request': LocalRequest
  readonly 'notify-reply': NotifyReplied
}

export interface PresenceFunctions {
  /** Asked before the default handling, in the order of registration, until one takes the request. */
  onRequest(handler: RequestHandler): Undo
  on<N extends keyof FactsByName>(fact: N, listener: (fact: FactsByName[N]) => void): Undo
  subs(subscription: Subscription): Subs

  /** `senderUri`: the watcher that is not told of it (BLA). The publication, or undefined where it was refused or taken back; answered in any case. */
  handlePublish(request: PresenceRequest, senderUri?: string): Promise<Publication | undefined>
  /**
   * `watcherUri`: who watches, in place of From. res_pjsip_presence_rules asks who the endpoint is all the same, unless it
   * has `trust_id_inbound`; a package's own `getAuthStatus` is asked about the URI. The subscription, or undefined where it
   * was refused; answered in any case.
   */
  handleSubscribe(request: PresenceRequest, watcherUri?: string): Promise<Subscription | undefined>
  /** What a watcher may have of a presentity. Whoever asks vouches for the URI: it is that of an endpoint, by its id or an AOR, or of a stranger. */
  presAuthStatus(watcherUri: string, presentityUri: string, event?: string): Promise<AuthStatus>
  /**
   * Tells the watchers of a change that came by another way than PUBLISH. How many there are. Of type 2: `fileUri`, the
   * document in the table `xcap`; `filename`, the file where it is not there.
   */
  presRefreshWatchers(
    presentityUri: string,
    event: string,
    type: RefreshType,
    fileUri?: string,
    filename?: string,
  ): Promise<number>
  /** Asks the rules again for each watcher of the presentity. How many have another status now. */
  presUpdateWatchers(presentityUri: string, event: string): Promise<number>
  /** By itself, or as one of a resource list. */
  presHasSubscribers(presentityUri: string, event: string): boolean

  /** The same as `eventPackage`; without a `find` what is published is all there is, and PUBLISH is taken as well. */
  addEvent<State>(definition: EventPackage<State> | PublishedEvent): Undo
  /** By an Event header, with or without parameters. */
  containsEvent(header: string): EventPackage<unknown> | undefined
  searchEvent(event: EventValue): EventPackage<unknown> | undefined
  /** With commas between them, as in Allow-Events. */
  getEventList(): string
  /** As presUpdateWatchers; `rulesDoc`: the document that holds from now on, kept by res_pjsip_presence_rules. Rejects where it is none, or `rules_directory` has another. */
  updateWatchersStatus(presentityUri: string, event: string, rulesDoc?: string): Promise<number>
  /** The sphere that the presentity publishes (RFC 4480 3.9); undefined for none. */
  getSphere(presentityUri: string): string | undefined
  /**
   * The document of the presentity as its package would show it to a watcher who may see everything; undefined for none.
   * An extension that is no endpoint is looked for in every context there is.
   */
  getPresentity(presentityUri: string, event: string): Promise<string | undefined>
}
