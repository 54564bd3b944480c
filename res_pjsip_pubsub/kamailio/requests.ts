/** Modules that want to see a request before it is handled as usual: what a route does in Kamailio. */
import { addedTo, type Undo } from '../../core/scope.ts'
import type { PresenceRequest, RequestHandler } from './contract.ts'

export class RequestHandlers {
  readonly #handlers = new Set<RequestHandler>()

  add(handler: RequestHandler): Undo {
    const entry: RequestHandler = (request) => handler(request)
    return addedTo(this.#handlers, entry)
  }

  /** Whether there is nobody to ask. */
  get none(): boolean {
    return this.#handlers.size === 0
  }

  /** Whether one of them took it. Rejects where one throws: the request is answered 500 then. */
  async take(request: PresenceRequest): Promise<boolean> {
    for (const handler of this.#handlers) if (await handler(request)) return true
    return false
  }
}
