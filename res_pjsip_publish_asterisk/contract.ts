/** What the event publication agent (RFC 3903 4) gives to those who have something to publish. */
import type { OutboundPublish, PublishedEventName } from '../core/publication-options.ts'
import type { Undo } from '../core/scope.ts'
import type { RequestBody } from '../core/sip/contract.ts'

export interface PublishedBody extends RequestBody {
  /** It says that all is over: what is said next is for another publication. */
  readonly ends?: boolean
}

/** One thing that is to be said. What was said under a key before, and is not sent yet, is replaced by it. */
export interface Saying {
  /** With multi_user the extension: each is a publication of its own. */
  readonly user?: string
  /** Of that extension. */
  readonly context?: string
  readonly key: string
  /** Made when it is sent, so that it is the newest; undefined where there is nothing to be said after all. */
  readonly body: () => PublishedBody | undefined
  /** It is not said again where the receiver has lost what it knew. */
  readonly once?: boolean
}

/** What publishes for one section of type outbound-publish. */
export interface PublishClient {
  readonly section: OutboundPublish
  say(saying: Saying): void
  /** Says everything again. */
  again(): void
  /** Says everything in a new publication, and takes back the one before it. */
  anew(): void
  /** Whether the receiver is the server that this origin's states come from, or must not be brought them for another reason. */
  isFrom(origin: string): boolean
  /** Takes back what is published for a user, by an earlier process too. */
  end(user: string): void
  /** What an earlier process has published: the context of each user. */
  left(): ReadonlyMap<string, string>
}

/** Whoever has the states of an event. */
export interface EventPublisher {
  readonly event: PublishedEventName
  /** Each PUBLISH says one thing, and all that was said before in the publication holds with it. */
  readonly addsUp?: boolean
  /** Says all that there is, and from then on what changes. `reload`: there may be more or less now. */
  start(client: PublishClient): { readonly stop: Undo; reload?(): void }
}

export interface OutboundPublishing {
  /** Registers who publishes for an event; a second one throws. */
  publisher(publisher: EventPublisher): Undo
  /** By the name of the section; undefined where there is none, or nobody publishes for its event. */
  client(name: string): PublishClient | undefined
  /** Who has shown to be at the other end of a section, by entity id. */
  met(name: string, eid: string): void
}

declare module '../core/module.ts' {
  interface ModuleApis {
    res_pjsip_outbound_publish: OutboundPublishing
  }
}
