/** The body of a subscription's NOTIFY: of one resource or of a list, and with what its package has to say to it. */
import type { Core } from '../../core/core.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import type { Bodies, Sharing } from '../bodies.ts'
import type { Body, SentBody } from '../body.ts'
import type { Addressing, EventPackage } from '../contract.ts'
import { plainUri } from '../identity.ts'
import { isLinphone } from '../lists/linphone.ts'
import { ListSource } from '../lists/source.ts'
import type { Registry } from '../registry.ts'
import type { ShowingSubscription } from '../subscription-shown.ts'
import type { Authorization } from './authorization.ts'

export class WatcherBodies {
  readonly #bodies: Bodies
  readonly #registry: Registry
  readonly #core: Pick<Core, 'general'>
  /** One for an endpoint and a generation of bodies. */
  readonly #stamps = new WeakMap<object, WeakMap<object, object>>()
  #general: Core['general']

  constructor(bodies: Bodies, registry: Registry, core: Pick<Core, 'general'>) {
    this.#bodies = bodies
    this.#registry = registry
    this.#core = core
    this.#general = core.general
  }

  /** Undefined where nothing can make it now. `isNews`: it is to tell of a change. */
  bodyOf(state: unknown, subscription: ShowingSubscription, isNews: boolean): SentBody | undefined {
    const of = this.#registry.package(subscription.event)
    if (!of) return undefined
    if (!(state instanceof ListSource)) return this.#single(state, of, subscription, isNews)
    // A list whose resources have no bodies would take away what its watcher knows of them.
    if (!this.#bodies.makes(of, subscription.contentType)) return undefined
    const { localUri, remoteUri, userAgent, endpoint, narrowed, dialog } = subscription
    const rendering = {
      stamp: this.#stamp(endpoint),
      isOver: this.#core.general.compat === 'asterisk' && subscription.state === 'terminated',
      isPolite: isLinphone(subscription),
      displayName: (one: unknown) => of.displayName?.(one) ?? '',
      body: (resource: string, uri: string, one: unknown, authorization: Authorization) =>
        this.#listed(
          one,
          of,
          { resource, localUri: entityOf(uri), remoteUri, userAgent, endpoint, narrowed },
          subscription,
          authorization,
        ),
    }
    return state.body({ localUri, dialogId: dialog.id, userAgent }, rendering, dialog.room)
  }

  /** What is new in a state for one who was told `since`; `whole`: this body type has no parts. */
  partOf(state: unknown, since: unknown, subscription: ShowingSubscription): Body | 'whole' | undefined {
    const of = this.#registry.package(subscription.event)
    // What of a list is new is found in its bodies.
    if (!of || state instanceof ListSource) return 'whole'
    const sharing = this.#sharingOf(subscription, of)
    return sharing?.hasParts ? this.#bodies.part(sharing, state, since, subscription) : 'whole'
  }

  #single(
    state: unknown,
    of: EventPackage<unknown>,
    subscription: ShowingSubscription,
    isNews: boolean,
  ): Body | undefined {
    const sharing = this.#sharingOf(subscription, of)
    const { view, rules } = subscription.authorization
    const body = sharing && this.#bodies.shared(sharing, state, subscription, view, isNews)
    return body && adapted(body, of, subscription, rules)
  }

  #listed(
    state: unknown,
    of: EventPackage<unknown>,
    to: Addressing,
    subscription: ShowingSubscription,
    { view, rules }: Authorization,
  ): Body | undefined {
    const body = this.#bodies.body(state, of, subscription.contentType, to, view)
    return body && adapted(body, of, subscription, rules)
  }

  #sharingOf(subscription: ShowingSubscription, of: EventPackage<unknown>): Sharing | undefined {
    const { general } = this.#core
    if (general !== this.#general) {
      this.#general = general
      this.#bodies.forget()
    }
    const kept = subscription.sharing
    if (this.#holds(kept, of)) return kept
    subscription.sharing = this.#findSharing(subscription, of)
    return subscription.sharing
  }

  #findSharing(subscription: ShowingSubscription, of: EventPackage<unknown>): Sharing | undefined {
    const { subject, endpoint } = subscription
    const variant = this.#bodies.variant(of, subject.contentType, subscription)
    const before = subject.sharing
    const isSame = variant !== undefined && variant === subject.variant && before?.context === endpoint.hintContext
    if (isSame && this.#holds(before, of)) return before
    subject.sharing = this.#bodies.sharing(of, subject.contentType, subscription)
    subject.variant = variant
    return subject.sharing
  }

  #holds(sharing: Sharing | undefined, of: EventPackage<unknown>): boolean {
    return sharing?.generation === this.#bodies.generation && sharing.of === of
  }

  #stamp(endpoint: object): object {
    const { generation } = this.#bodies
    let stamps = this.#stamps.get(generation)
    if (!stamps) this.#stamps.set(generation, (stamps = new WeakMap()))
    let stamp = stamps.get(endpoint)
    if (!stamp) stamps.set(endpoint, (stamp = {}))
    return stamp
  }
}

/** With what its package has to say to it. */
function adapted(
  body: Body,
  of: EventPackage<unknown>,
  subscription: ShowingSubscription,
  rules: Authorization['rules'],
): Body {
  if (!of.applyAuthNbody && !of.auxBodyProcessing) return body
  return body.reworded((text) => {
    const allowed = of.applyAuthNbody?.(text, subscription, rules) ?? text
    return of.auxBodyProcessing?.(allowed, subscription) ?? allowed
  })
}

/** What a body calls a resource that a watcher brought with parameters. */
function entityOf(uri: string): string {
  const parsed = parseUri(uri)
  return parsed ? plainUri(parsed) : uri
}
