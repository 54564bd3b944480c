/**
 * The way of a SUBSCRIBE or PUBLISH: who asks (core/auth), whether a module takes it, as a route does in Kamailio, and
 * where none does, the notifier or the compositor. Nothing is waited for that is there at once.
 */
import type { Authenticator } from '../core/auth/auth.ts'
import type { Endpoint } from '../core/endpoints.ts'
import { type Eventual, whenThere } from '../core/eventual.ts'
import { addedTo, type Undo } from '../core/scope.ts'
import type { ServerTransaction } from '../core/sip/contract.ts'
import type { PresenceRequest, RequestHandler } from './kamailio/contract.ts'
import { FLAGS } from './kamailio/facts.ts'
import { type NotifierServices, type Subscribed, subscribe } from './notifier.ts'
import type { Compositor } from './publishing/compositor.ts'
import type { Published } from './publishing/publish.ts'
import { resubscribe } from './refresh.ts'
import { tryLater } from './refusals.ts'

export class Requests {
  readonly #auth: Authenticator
  readonly #notifier: NotifierServices
  readonly #compositor: Compositor
  readonly #handlers = new Set<RequestHandler>()

  constructor(auth: Authenticator, notifier: NotifierServices, compositor: Compositor) {
    this.#auth = auth
    this.#notifier = notifier
    this.#compositor = compositor
  }

  /** Modules that want to see a request before it is handled as usual. */
  onRequest(handler: RequestHandler): Undo {
    const entry: RequestHandler = (request) => handler(request)
    return addedTo(this.#handlers, entry)
  }

  received(tx: ServerTransaction): void | Promise<void> {
    const endpoint = this.#auth.identify(tx)
    return endpoint instanceof Promise
      ? endpoint.then((later) => this.#identified(tx, later))
      : this.#identified(tx, endpoint)
  }

  #identified(tx: ServerTransaction, endpoint: Endpoint | undefined): void | Promise<void> {
    if (!endpoint) return
    const { closed, settings } = this.#notifier
    if (closed()) return tx.answer(tryLater(503, settings().retry_after))
    const request: PresenceRequest = { tx, endpoint, flags: undefined, priority: undefined }
    return this.#handlers.size === 0 ? this.#handle(request) : this.#offer(request)
  }

  /** Rejects where a module throws: the request is answered 500 then. */
  async #offer(request: PresenceRequest): Promise<void> {
    for (const handler of this.#handlers) if (await handler(request)) return
    await this.#handle(request)
  }

  #handle(request: PresenceRequest): void | Promise<void> {
    const isPublish = request.tx.request.method === 'PUBLISH'
    const handled = isPublish ? this.publish(request) : this.subscribe(request)
    if (handled instanceof Promise) return handled.then(() => undefined)
  }

  publish({ tx, endpoint, priority }: PresenceRequest, sender?: string): Eventual<Published> {
    return this.#compositor.publish(tx, endpoint, { sender, priority })
  }

  subscribe({ tx, endpoint, flags }: PresenceRequest, watcherUri?: string): Eventual<Subscribed> {
    const isNew = tx.request.to.tag === undefined
    const made = isNew ? subscribe(tx, endpoint, this.#notifier, watcherUri) : resubscribe(tx, endpoint, this.#notifier)
    return flags === undefined ? made : whenThere(made, (subscription) => flagged(subscription, flags))
  }
}

function flagged(subscription: Subscribed, flags: number): Subscribed {
  subscription?.datastores.remove(FLAGS)
  subscription?.datastores.add(FLAGS, flags)
  return subscription
}
