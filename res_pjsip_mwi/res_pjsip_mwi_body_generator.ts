/** application/simple-message-summary (RFC 3842). */
import type { Core } from '../core/core.ts'
import { defineModule } from '../core/module.ts'
import type { BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { type MessageSummary, messageSummaryKind, summaryText } from './summary.ts'
import { SIMPLE_MESSAGE_SUMMARY } from './summary-publication.ts'

export default defineModule({
  name: 'res_pjsip_mwi_body_generator',
  description: 'MWI body generator: application/simple-message-summary',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(simpleMessageSummary(core)))
  },
})

export function simpleMessageSummary(core: Pick<Core, 'general'>): BodyGenerator<MessageSummary, string> {
  /** Asterisk takes the account from the AOR that is subscribed to; who subscribes to no user has none. */
  const hasNoAccount = (resource: string): boolean => resource === '' && core.general.compat === 'asterisk'
  return {
    type: SIMPLE_MESSAGE_SUMMARY,
    kind: messageSummaryKind,
    share: ({ resource, localUri }) => (hasNoAccount(resource) ? '' : localUri),
    variant: () => '',
    generate: (summary, { resource, localUri }) =>
      summaryText(hasNoAccount(resource) ? { ...summary, account: '' } : summary, localUri),
    print: (text) => ({ text }),
  }
}
