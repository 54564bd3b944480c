import type { Kind } from '../res_pjsip_pubsub/contract.ts'
import type { PublishedState } from './published.ts'

/** What the packages presence and dialog watch, and their body generators say. */
export const extensionStateKind: Kind<PublishedState> = { name: 'exten state' }
