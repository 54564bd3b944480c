/** What modules see of the subscriber's role: subscriptions of their own, to events that only they know. */
import type { Undo } from '../../core/scope.ts'
import type { Dialog, SipRequest } from '../../core/sip/contract.ts'
import type { OutboundSubscriptionConfig } from '../../core/subscription-options.ts'
import type { Datastores, ResponseData } from '../contract.ts'

/** A dialog usage of SUBSCRIBE in the role of the subscriber. */
export interface OutboundDialog {
  /** The name that it was subscribed under. */
  readonly id: string
  readonly dialog: Dialog
  /** As the NOTIFYs before this one said it. */
  readonly status: 'active' | 'pending'
  /** Epoch milliseconds. */
  readonly expires: number
  /** Sends a SUBSCRIBE now, which asks for the whole state and for more time. */
  refresh(): void
  readonly datastores: Datastores
}

/** The callbacks of a subscription handler for the subscriber. */
export interface SubscriberHandler {
  /** As the Event header has it. */
  readonly event: string
  /** Body types that are asked for; a NOTIFY with another is answered 415. */
  readonly accept: readonly [string, ...string[]]
  /** Whether a SUBSCRIBE that was forked may give several subscriptions (RFC 6665 4.1.4). Default false: the first counts. */
  readonly forks?: boolean
  /** A NOTIFY came, with a body or without; also the last one. What is returned is the answer in place of 200. */
  notifyRequest(subscription: OutboundDialog, request: SipRequest): ResponseData | undefined
  /** It is time for a refresh, which follows by itself. False: it is left to run out, and not begun anew. */
  refreshSubscription?(subscription: OutboundDialog): boolean
  /** It is gone, whoever ended it; where it is begun anew, that is another one. */
  subscriptionShutdown?(subscription: OutboundDialog): void
}

/** Options of `type = outbound-subscription`; `id` is what the console calls it. */
export type SubscribeTo = Pick<OutboundSubscriptionConfig, 'id' | 'server_uri'> &
  Partial<Omit<OutboundSubscriptionConfig, 'event' | 'mailbox' | 'device' | 'stale_after'>>

export interface OutboundSubscribing {
  /**
   * Subscribes, and stays subscribed until undone: what is lost or refused is begun anew as that of a section is. An id
   * that is taken throws.
   */
  subscribe(to: SubscribeTo, handler: SubscriberHandler): Undo
}

declare module '../../core/module.ts' {
  interface ModuleApis {
    res_pjsip_outbound_subscribe: OutboundSubscribing
  }
}
