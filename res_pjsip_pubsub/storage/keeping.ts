/**
 * Where the subscriptions of a loaded core are kept: nowhere until `open`, then as `subs_db_mode` says. What the file has
 * comes back into its dialogs by the restorer, at the start and where another server leaves it to this one.
 */
import type { Core } from '../../core/core.ts'
import type { Endpoint } from '../../core/endpoints.ts'
import type { SipRequest } from '../../core/sip/contract.ts'
import type { Store } from '../../core/store-contract.ts'
import { Restorer, type RestoreServices } from '../restore.ts'
import { memoryStorage } from './memory.ts'
import { openStorage } from './modes.ts'
import { keyOfRequest } from './row.ts'
import type { SubscriptionStorage } from './storage.ts'

interface KeepingServices extends Pick<RestoreServices, 'notifier' | 'restored'> {
  readonly core: Pick<Core, 'endpoints' | 'stopping'>
}

export class Keeping {
  readonly #with: KeepingServices
  readonly restorer: Restorer
  /** Written by `open` alone. */
  storage: SubscriptionStorage = memoryStorage

  constructor(services: KeepingServices) {
    this.#with = services
    this.restorer = new Restorer({ ...services, endpoints: services.core.endpoints, storage: () => this.storage })
  }

  async open(store: Store): Promise<void> {
    const { core, notifier } = this.#with
    const { sip, subscriptions, settings, log } = notifier
    this.storage = await openStorage({
      store,
      subscriptions,
      log,
      settings,
      // Servers that share a file, and began at other times, have the clock of the host in common alone.
      now: Date.now,
      sip,
      stopping: () => core.stopping,
      lost: (dialogIds) => {
        for (const dialogId of dialogIds) subscriptions.disown(dialogId)
        this.restorer.disown(dialogIds)
      },
    })
  }

  /** What this endpoint has in the store is in its dialog before its request is looked at; another server may have it. */
  takeOver(request: SipRequest, endpoint: Endpoint): Promise<boolean> | undefined {
    this.restorer.found(endpoint)
    return this.storage.claim?.(keyOfRequest(request))?.then((row) => {
      if (!row || row === 'unavailable') return row === undefined
      this.restorer.take(row)
      this.restorer.found(endpoint)
      return true
    })
  }
}
