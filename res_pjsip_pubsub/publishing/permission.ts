/** Who may publish about what, and whether there is such a thing at all. */
import { compilePattern, type Pattern } from '../../core/auth/pattern.ts'
import type { Endpoint, Endpoints } from '../../core/endpoints.ts'
import type { Eventual } from '../../core/eventual.ts'
import type { Hints } from '../../core/states/hints.ts'
import type { PublicationHandler } from '../contract.ts'
import { isOwnName } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'

export interface PermissionServices {
  readonly settings: () => PubsubSettings
  readonly endpoints: Endpoints
  readonly hints: Pick<Hints, 'find'>
}

export class Permission {
  readonly #services: PermissionServices
  readonly #isPublished: (resource: string) => boolean
  readonly #patterns = new Map<string, Pattern>()

  /** `isPublished`: whether anything is published about a resource, or anything may be. */
  constructor(services: PermissionServices, isPublished: (resource: string) => boolean) {
    this.#services = services
    this.#isPublished = isPublished
  }

  /** `allow_publish` of the endpoint. Whatever else it allows, its own names are its own. */
  mayPublish(endpoint: Endpoint, resource: string): boolean {
    const { allow_publish } = endpoint
    if (allow_publish === 'no') return false
    if (allow_publish === 'any') return true
    if (isOwnName(resource, endpoint, this.#services.settings())) return true
    if (allow_publish === 'own') return false
    let pattern = this.#patterns.get(allow_publish)
    if (!pattern) this.#patterns.set(allow_publish, (pattern = compilePattern(allow_publish)))
    return pattern.test(resource)
  }

  /** `unavailable`: nobody can say now. */
  exists(
    handler: PublicationHandler<unknown>,
    resource: string,
    endpoint: Endpoint,
  ): Eventual<boolean | 'unavailable'> {
    return this.#isPublished(resource) || this.#isThere(handler, resource, endpoint)
  }

  async #isThere(
    handler: PublicationHandler<unknown>,
    resource: string,
    endpoint: Endpoint,
  ): Promise<boolean | 'unavailable'> {
    const { endpoints, hints } = this.#services
    if (resource === '') return false
    if ((await endpoints.endpoint(resource)) || (await endpoints.aor(resource))) return true
    if (await handler.exists?.(resource, endpoint)) return true
    const hint = await hints.find(endpoint.hintContext, resource)
    if (hint === undefined || hint === 'unreachable') {
      const unsure = endpoints.mayExist('endpoint', resource) || endpoints.mayExist('aor', resource)
      return hint === 'unreachable' || unsure ? 'unavailable' : false
    }
    return true
  }
}
