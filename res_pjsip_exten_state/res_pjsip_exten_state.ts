/** The event packages presence (RFC 3856) and dialog (RFC 4235) over the hints of the dialplan. */
import type { Core } from '../core/core.ts'
import type { Logger } from '../core/log.ts'
import { defineModule } from '../core/module.ts'
import type { ExtensionState } from '../core/states/hints.ts'
import type { EventPackage, Found, Watcher } from '../res_pjsip_pubsub/contract.ts'
import { extensionStateKind } from './kind.ts'

const PRESENCE_TYPES = ['application/pidf+xml', 'application/xpidf+xml', 'application/cpim-pidf+xml'] as const
const DIALOG_TYPES = ['application/dialog-info+xml'] as const

export default defineModule({
  name: 'res_pjsip_exten_state',
  description: 'Extension state packages: presence and dialog',
  requires: ['res_pjsip_pubsub'],
  load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const find = hintFinder(core, log)
    // Either package can be had in the types of the other: phones ask for that, and Asterisk grants it.
    own(pubsub.eventPackage(packageOf('presence', [...PRESENCE_TYPES, ...DIALOG_TYPES], find)))
    own(pubsub.eventPackage(packageOf('dialog', [...DIALOG_TYPES, ...PRESENCE_TYPES], find)))
  },
})

type Find = EventPackage<ExtensionState>['find']

function packageOf(
  event: string,
  accept: EventPackage<ExtensionState>['accept'],
  find: Find,
): EventPackage<ExtensionState> {
  return { event, kind: extensionStateKind, accept, find }
}

/** The hint of an extension, in the context of who subscribes. */
function hintFinder({ hints }: Pick<Core, 'hints'>, log: Logger): Find {
  return async (resource: string, { endpoint }: Watcher): Promise<Found<ExtensionState>> => {
    if (resource === '') return undefined
    const hint = await hints.find(endpoint.hintContext, resource)
    if (hint === 'unreachable') return 'unavailable'
    if (!hint) {
      log.notice(
        `Endpoint '${endpoint.id}' state subscription failed: Extension '${resource}' does not exist in context ` +
          `'${endpoint.hintContext}' or has no associated hint`,
      )
    }
    return hint
  }
}
