/** The side of message-summary that phones ask for. */
import type { Core } from '../core/core.ts'
import type { Endpoint } from '../core/endpoints.ts'
import type { Logger } from '../core/log.ts'
import { Scope, type Undo } from '../core/scope.ts'
import type { Refusal } from '../core/sip/contract.ts'
import { brief } from '../core/text.ts'
import type { EventPackage, Found, Pubsub, Subscription, Watcher } from '../res_pjsip_pubsub/contract.ts'
import type { MailboxSums } from './mailbox-sums.ts'
import { type AorLookup, fullNames, isInFiles, resourceOf, summaryKey } from './resources.ts'
import type { Look, Summaries } from './summaries.ts'
import type { MessageSummary } from './summary.ts'

export const MESSAGE_SUMMARY = 'message-summary'

interface SolicitedServices {
  readonly core: Pick<Core, 'endpoints' | 'general'>
  readonly log: Logger
  readonly sums: MailboxSums
  readonly pubsub: Pick<Pubsub, 'isPublished' | 'publicationsRead'>
  readonly summaries: Summaries
  /** The first of these mailboxes that the endpoint gets unsolicited NOTIFYs for. */
  readonly served: (endpoint: Endpoint, mailboxes: readonly string[]) => string | undefined
}

/** As Asterisk refuses what it tells unasked. */
const UNASKED_ANYWAY: Refusal = { status: 500 }

export function solicitedFinder({
  core,
  log,
  sums,
  pubsub,
  summaries,
  served,
}: SolicitedServices): EventPackage<MessageSummary>['find'] {
  return async (user: string, { endpoint, request, again }: Watcher): Promise<Found<MessageSummary>> => {
    await pubsub.publicationsRead()
    const resource = await resourceOf(core.endpoints, user, endpoint)
    const sum = resource && (await sums.find(resource.key, resource.define))
    const name = resource?.aor ?? user
    const look: Look = async () => {
      const now = (await core.endpoints.endpoint(endpoint.id)) ?? endpoint
      const there = await resourceOf(core.endpoints, user, now)
      return there && sums.find(there.key, there.define)
    }
    const key = summaryKey(resource, user, endpoint)
    const summary = (): Found<MessageSummary> => summaries.of(key, name, sum, look, resource?.isStillMeant)
    if (!sum && name !== '' && pubsub.isPublished(name)) return summary()
    if (!sum) {
      const lookedFor = resource && user !== '' ? [] : [user, ...endpoint.aors]
      if (lookedFor.some((id) => core.endpoints.mayExist('aor', id))) return 'unavailable'
      // For a restored subscription it is looked for again and again, and may come yet.
      if (!request || again) return undefined
      log.refusal(`Endpoint '${endpoint.id}' MWI subscription failed: there is no AOR '${brief(user)}' with mailboxes`)
      return undefined
    }
    // A restored subscription was granted once. The RFCs know no such conflict: who asks is answered.
    if (!request || core.general.compat === 'rfc' || endpoint.mwi_subscribe_replaces_unsolicited) return summary()
    const mailbox = served(endpoint, sum.definition.mailboxes)
    if (mailbox === undefined) return summary()
    if (again) return UNASKED_ANYWAY
    log.refusal(
      `Endpoint '${endpoint.id}' already configured for unsolicited MWI for mailbox '${mailbox}'. ` +
        `Denying MWI subscription to '${brief(user)}'`,
    )
    return UNASKED_ANYWAY
  }
}

/**
 * Nobody tells of changes on a server: an AOR that is in no file may have other mailboxes since its phone asked last, and
 * is asked for again when the phone renews its subscription.
 */
export function followServers({
  core: { endpoints },
  sums,
  summaries,
  pubsub,
}: Pick<SolicitedServices, 'sums' | 'summaries'> & {
  readonly core: Pick<Core, 'endpoints'>
  readonly pubsub: Pick<Pubsub, 'onSubscription'>
}): Undo {
  const reread = async (resource: string, endpoint: Endpoint): Promise<void> => {
    const found = await resourceOf(endpoints, resource, endpoint)
    await sums.rereadOf(found?.key ?? `aor ${resource}`)
    await summaries.rereadOf(summaryKey(found, resource, endpoint))
  }
  return pubsub.onSubscription((what, subscription) => {
    if (what !== 'refreshed' || subscription.event !== MESSAGE_SUMMARY) return
    const { resources, endpoint } = subscription
    for (const resource of resources)
      if (!isInFiles(resource, endpoint, endpoints.files)) void reread(resource, endpoint)
  })
}

/** Asterisk gives up what an endpoint asked for, as soon as there is a contact to tell of the same mailboxes unasked. */
export async function endConflicting(pubsub: Pubsub, endpoints: AorLookup, endpoint: Endpoint): Promise<void> {
  if (endpoint.mwi_subscribe_replaces_unsolicited) return
  const unasked = new Set(lowerNames(endpoint.mailboxes))
  for (const subscription of pubsub.subscriptions) {
    if (subscription.event !== MESSAGE_SUMMARY || subscription.endpoint.id !== endpoint.id) continue
    const mailboxes = await mailboxesOf(endpoints, subscription.resource, endpoint)
    if (mailboxes.some((name) => unasked.has(name))) subscription.terminate('deactivated')
  }
}

/** In lower case. */
async function mailboxesOf(endpoints: AorLookup, user: string, endpoint: Endpoint): Promise<string[]> {
  const resource = await resourceOf(endpoints, user, endpoint)
  const definition = await resource?.define()
  return definition && definition !== 'unasked' ? lowerNames(definition.mailboxes) : []
}

function lowerNames(mailboxes: readonly string[]): string[] {
  return fullNames(mailboxes).map((name) => name.toLowerCase())
}

type FollowedEndpoints = AorLookup & Pick<Core['endpoints'], 'files' | 'onChange' | 'onSource'>

/** Mailboxes that an endpoint watches itself, where that replaces unsolicited NOTIFYs for them. */
export class SolicitedMailboxes {
  readonly #endpoints: FollowedEndpoints
  readonly #onChange: (endpointId: string) => void
  /** endpoint → subscription → names in lower case */
  readonly #watched = new Map<string, Map<Subscription, readonly string[]>>()

  constructor(endpoints: FollowedEndpoints, onChange: (endpointId: string) => void) {
    this.#endpoints = endpoints
    this.#onChange = onChange
  }

  /** Follows the subscriptions, those too that were there before. */
  follow(pubsub: Pubsub): Undo {
    const scope = new Scope()
    for (const subscription of pubsub.subscriptions) this.#began(subscription)
    scope.own(
      pubsub.onSubscription((what, subscription) => {
        if (what === 'terminated') this.#ended(subscription)
        else this.#began(subscription)
      }),
    )
    scope.own(
      this.#endpoints.onChange(() => {
        // An AOR may have other mailboxes now, or be known only now.
        this.#reread()
        // What replaces nothing is not followed, and may do so from now on.
        for (const subscription of pubsub.subscriptions)
          if (!this.#watched.get(subscription.endpoint.id)?.has(subscription)) this.#began(subscription)
      }),
    )
    scope.own(this.#endpoints.onSource(() => this.#reread()))
    return () => scope.close()
  }

  watches(endpointId: string, mailbox: string): boolean {
    const name = mailbox.toLowerCase()
    for (const names of this.#watched.get(endpointId)?.values() ?? []) if (names.includes(name)) return true
    return false
  }

  #began(subscription: Subscription): void {
    const { endpoint, event } = subscription
    if (event !== MESSAGE_SUMMARY || !endpoint.mwi_subscribe_replaces_unsolicited) return
    const known = this.#watched.get(endpoint.id)
    if (known?.has(subscription)) {
      if (!isInFiles(subscription.resource, endpoint, this.#endpoints.files)) void this.#read(subscription, known)
      return
    }
    const subscriptions = known ?? new Map<Subscription, readonly string[]>()
    subscriptions.set(subscription, [])
    this.#watched.set(endpoint.id, subscriptions)
    void this.#read(subscription, subscriptions)
  }

  #reread(): void {
    for (const subscriptions of this.#watched.values())
      for (const subscription of subscriptions.keys()) void this.#read(subscription, subscriptions)
  }

  async #read(subscription: Subscription, subscriptions: Map<Subscription, readonly string[]>): Promise<void> {
    const { endpoint, resource } = subscription
    const mailboxes = await mailboxesOf(this.#endpoints, resource, endpoint)
    const before = subscriptions.get(subscription)
    if (!before || before.join() === mailboxes.join()) return
    // Who could not be asked takes nothing away.
    if (mailboxes.length === 0 && [resource, ...endpoint.aors].some((id) => this.#endpoints.mayExist('aor', id))) return
    subscriptions.set(subscription, mailboxes)
    this.#onChange(endpoint.id)
  }

  #ended(subscription: Subscription): void {
    const id = subscription.endpoint.id
    const subscriptions = this.#watched.get(id)
    if (!subscriptions?.delete(subscription)) return
    if (subscriptions.size === 0) this.#watched.delete(id)
    this.#onChange(id)
  }
}
