/** The body of a subscription's NOTIFY: of one resource or of a list, and with what its package has to say to it. */
import type { Core } from '../../core/core.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import type { Bodies, Body, SentBody, Sharing } from '../bodies.ts'
import type { Addressing, EventPackage } from '../contract.ts'
import { plainUri } from '../identity.ts'
import { ListSource } from '../lists/source.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Authorization } from './authorization.ts'

/** Keys that are remembered as one text each. */
const MOST_SHARED = 4096

/** The sharing of a subscription, kept with it until its endpoint changes. */
export interface KeptSharing extends Sharing {
  /** Another one as soon as bodies may be made in another way. */
  readonly epoch: object
  readonly of: EventPackage<unknown>
}

type PackageOf = (event: string) => EventPackage<unknown> | undefined

export class WatcherBodies {
  readonly #bodies: Bodies
  readonly #core: Pick<Core, 'general'>
  readonly #package: PackageOf
  /** One for an endpoint and a generation of bodies. */
  readonly #stamps = new WeakMap<object, WeakMap<object, object>>()
  #epoch = {}
  #generation: object
  #general: Core['general']
  #shared = new Map<string, KeptSharing>()

  constructor(bodies: Bodies, core: Pick<Core, 'general'>, packageOf: PackageOf) {
    this.#bodies = bodies
    this.#core = core
    this.#package = packageOf
    this.#generation = bodies.generation
    this.#general = core.general
  }

  /** Undefined where nothing can make it now. */
  bodyOf(state: unknown, subscription: NotifierSubscription): SentBody | undefined {
    const of = this.#package(subscription.event)
    if (!of) return undefined
    if (!(state instanceof ListSource)) return this.#single(state, of, subscription)
    const { localUri, remoteUri, userAgent, endpoint, dialog } = subscription
    const rendering = {
      stamp: this.#stamp(endpoint),
      isOver: this.#core.general.compat === 'asterisk' && subscription.state === 'terminated',
      displayName: (one: unknown) => of.displayName?.(one) ?? '',
      body: (resource: string, uri: string, one: unknown, authorization: Authorization) =>
        this.#listed(
          one,
          of,
          { resource, localUri: entityOf(uri), remoteUri, userAgent, endpoint },
          subscription,
          authorization,
        ),
    }
    return state.body({ localUri, dialogId: dialog.id }, rendering, dialog.room)
  }

  /** What is new in a state for one who was told `since`; `whole`: this body type has no parts. */
  partOf(state: unknown, since: unknown, subscription: NotifierSubscription): Body | 'whole' | undefined {
    const of = this.#package(subscription.event)
    // What of a list is new is found in its bodies.
    if (!of || state instanceof ListSource) return 'whole'
    const sharing = this.#sharingOf(subscription, of)
    return sharing?.hasParts ? this.#bodies.part(sharing, state, since, subscription) : 'whole'
  }

  #single(state: unknown, of: EventPackage<unknown>, subscription: NotifierSubscription): Body | undefined {
    const sharing = this.#sharingOf(subscription, of)
    const { view, rules } = subscription.authorization
    const body = sharing && this.#bodies.shared(sharing, state, of, subscription, view)
    return body && adapted(body, of, subscription, rules)
  }

  #listed(
    state: unknown,
    of: EventPackage<unknown>,
    to: Addressing,
    subscription: NotifierSubscription,
    { view, rules }: Authorization,
  ): Body | undefined {
    const body = this.#bodies.body(state, of, subscription.contentType, to, view)
    return body && adapted(body, of, subscription, rules)
  }

  #sharingOf(subscription: NotifierSubscription, of: EventPackage<unknown>): Sharing | undefined {
    const epoch = this.#now()
    const kept = subscription.sharing
    if (kept && kept.epoch === epoch && kept.of === of) return kept
    subscription.sharing = this.#findSharing(subscription, of, epoch)
    return subscription.sharing
  }

  #findSharing(subscription: NotifierSubscription, of: EventPackage<unknown>, epoch: object): KeptSharing | undefined {
    const { subject } = subscription
    const variant = this.#bodies.variant(of, subject.contentType, subscription)
    const before = subject.sharing
    if (variant !== undefined && variant === subject.variant && before?.epoch === epoch && before.of === of)
      return before
    const sharing = this.#bodies.sharing(of, subject.contentType, subscription)
    const kept = sharing && this.#kept(sharing, of, epoch)
    subject.sharing = kept
    subject.variant = variant
    return kept
  }

  #kept({ generator, hasParts, key }: Sharing, of: EventPackage<unknown>, epoch: object): KeptSharing {
    const known = this.#shared.get(key)
    if (known?.of === of) return known
    if (this.#shared.size >= MOST_SHARED) this.#shared.clear()
    // Spread, each would have a shape of its own to V8, and be looked through anew at each NOTIFY.
    const kept = { generator, hasParts, key, of, epoch }
    this.#shared.set(key, kept)
    return kept
  }

  /** The epoch. What a body depends on besides its watcher are registrations and options. */
  #now(): object {
    const { generation } = this.#bodies
    const { general } = this.#core
    if (generation !== this.#generation || general !== this.#general) {
      this.#generation = generation
      this.#general = general
      this.#epoch = {}
      this.#shared.clear()
    }
    return this.#epoch
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
  subscription: NotifierSubscription,
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
