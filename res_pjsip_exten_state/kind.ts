import type { ExtensionState } from '../core/states/hints.ts'
import type { Kind } from '../res_pjsip_pubsub/contract.ts'

/** What the packages presence and dialog watch, and their body generators say. */
export const extensionStateKind: Kind<ExtensionState> = { name: 'exten state' }
