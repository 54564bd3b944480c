/** Which watchers get one and the same presence document: Asterisk's form of it names the watcher, the RFC's does not. */
import type { Core } from '../core/core.ts'
import { keyOf } from '../core/text.ts'
import type { BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import type { PublishedState } from './published.ts'

export function presenceSharing(core: Pick<Core, 'general'>): Pick<BodyGenerator<PublishedState>, 'share' | 'variant'> {
  return {
    share: ({ resource, localUri, remoteUri }) =>
      core.general.compat === 'asterisk'
        ? `asterisk ${keyOf(localUri, remoteUri, resource)}`
        : keyOf(localUri, resource),
    variant: ({ remoteUri }) => (core.general.compat === 'asterisk' ? remoteUri : ''),
  }
}
