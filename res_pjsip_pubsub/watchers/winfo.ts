/**
 * Watcher information as a package (RFC 3857): `presence.winfo` tells who watches presence, and every package has one.
 * Only the owner of a resource is told who watches it, and whoever the administrator names.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import type { Eventual } from '../../core/eventual.ts'
import type { Refusal } from '../../core/sip/contract.ts'
import type { Watchable } from '../../core/watch.ts'
import type { EventPackage, Kind } from '../contract.ts'
import { isOwnName } from '../identity.ts'
import type { PubsubSettings } from '../options.ts'
import type { WatcherInfo } from './watchers.ts'

export const watcherInfoKind = { name: 'watcher info' } as Kind<WatcherInfo>

const SUFFIX = '.winfo'
/** RFC 3857 3: the template may be applied to itself. Once is enough to know who looks at the watchers. */
const MOST = 2

/** Not the resource's owner. */
const NOT_OWNER: Refusal = { status: 403, reason: 'Not Your Watchers' }

type OwnerSettings = Pick<PubsubSettings, 'winfo_admins' | 'sip_uri_match'>

interface WinfoServices {
  readonly list: (event: string, resource: string) => Eventual<Watchable<WatcherInfo>>
  /** Endpoints that may see everybody's watchers. */
  readonly settings: () => OwnerSettings
}

/** The event it tells the watchers of: `presence` for `presence.winfo`; undefined for any other. */
export function watchedEvent(event: string): string | undefined {
  const watched = event.endsWith(SUFFIX) ? event.slice(0, -SUFFIX.length) : ''
  return watched === '' ? undefined : watched
}

/** Its watchers' package; undefined where it wants none, or is one itself too often already. */
export function winfoPackage(
  of: Pick<EventPackage<unknown>, 'event' | 'winfo'>,
  services: WinfoServices,
): EventPackage<WatcherInfo> | undefined {
  const depth = of.event.split(SUFFIX).length
  if (of.winfo === false || depth > MOST) return undefined
  return {
    event: `${of.event}${SUFFIX}`,
    kind: watcherInfoKind,
    accept: ['application/watcherinfo+xml'],
    find: (resource, { endpoint }) => {
      if (resource === '') return undefined
      return maySee(resource, endpoint, services.settings()) ? services.list(of.event, resource) : NOT_OWNER
    },
  }
}

/** Whether it is told who watches a resource: it owns that, or the administrator names it. */
export function maySee(resource: string, endpoint: Endpoint, settings: OwnerSettings): boolean {
  return isOwnName(resource, endpoint, settings) || settings.winfo_admins.includes(endpoint.id)
}
