/** application/simple-message-summary (RFC 3842): the same under either compat. */
import { defineModule } from '../core/module.ts'
import type { BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { type MessageSummary, messageSummaryKind, summaryText } from './summary.ts'
import { SIMPLE_MESSAGE_SUMMARY } from './summary-publication.ts'

export default defineModule({
  name: 'res_pjsip_mwi_body_generator',
  description: 'MWI body generator: application/simple-message-summary',
  requires: ['res_pjsip_pubsub'],
  load({ own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(simpleMessageSummary))
  },
})

export const simpleMessageSummary: BodyGenerator<MessageSummary, string> = {
  type: SIMPLE_MESSAGE_SUMMARY,
  kind: messageSummaryKind,
  share: ({ localUri }) => localUri,
  variant: () => '',
  generate: (summary, { localUri }) => summaryText(summary, localUri),
  print: (text) => ({ text }),
}
