/** The body of a subscription's NOTIFY: of one resource or of a list, and with what its package has to say to it. */
import type { Core } from '../../core/core.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import type { Bodies, Body, SentBody } from '../bodies.ts'
import type { Addressing, EventPackage } from '../contract.ts'
import { plainUri } from '../identity.ts'
import { ListSource } from '../lists/source.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Authorization } from './authorization.ts'

type PackageOf = (event: string) => EventPackage<unknown> | undefined

export class WatcherBodies {
  readonly #bodies: Bodies
  readonly #core: Pick<Core, 'general'>
  readonly #package: PackageOf
  /** One for an endpoint and a generation of bodies. */
  readonly #stamps = new WeakMap<object, WeakMap<object, object>>()

  constructor(bodies: Bodies, core: Pick<Core, 'general'>, packageOf: PackageOf) {
    this.#bodies = bodies
    this.#core = core
    this.#package = packageOf
  }

  /** Undefined where nothing can make it now. */
  bodyOf(state: unknown, subscription: NotifierSubscription): SentBody | undefined {
    const of = this.#package(subscription.event)
    if (!of) return undefined
    if (!(state instanceof ListSource)) return this.#one(state, of, subscription, subscription)
    const { localUri, remoteUri, userAgent, endpoint, dialog } = subscription
    const rendering = {
      stamp: this.#stamp(endpoint),
      isOver: this.#core.general.compat === 'asterisk' && subscription.state === 'terminated',
      displayName: (one: unknown) => of.displayName?.(one) ?? '',
      body: (resource: string, uri: string, one: unknown, authorization: Authorization) =>
        this.#one(
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
    return this.#bodies.part(state, since, of, subscription.contentType, subscription)
  }

  #one(
    state: unknown,
    of: EventPackage<unknown>,
    to: Addressing,
    subscription: NotifierSubscription,
    { view, rules }: Authorization = subscription.authorization,
  ): Body | undefined {
    const body = this.#bodies.body(state, of, subscription.contentType, to, view)
    if (!body || (!of.applyAuthNbody && !of.auxBodyProcessing)) return body
    return body.reworded((text) => {
      const allowed = of.applyAuthNbody?.(text, subscription, rules) ?? text
      return of.auxBodyProcessing?.(allowed, subscription) ?? allowed
    })
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

/** What a body calls a resource that a watcher brought with parameters. */
function entityOf(uri: string): string {
  const parsed = parseUri(uri)
  return parsed ? plainUri(parsed) : uri
}
