/**
 * Message waiting indication: the event package message-summary (RFC 3842) over mailboxes, and NOTIFYs that nobody
 * asked for to the contacts of endpoints with `mailboxes`.
 */
import { defineModule } from '../core/module.ts'
import { MailboxSums } from './mailbox-sums.ts'
import { endConflicting, MESSAGE_SUMMARY, SolicitedMailboxes, solicitedFinder } from './solicited.ts'
import { messageSummaryKind, SIMPLE_MESSAGE_SUMMARY } from './summary.ts'
import { showUnsolicited, Unsolicited } from './unsolicited.ts'

export default defineModule({
  name: 'res_pjsip_mwi',
  description: 'MWI: package message-summary, solicited and unsolicited',
  requires: ['res_pjsip_pubsub'],
  load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const sums = new MailboxSums(core.mailboxes)
    own(() => sums.dispose())
    own(sums.follow())
    own(core.endpoints.onChange(() => void sums.reread()))

    const solicited = new SolicitedMailboxes(core.endpoints, (endpointId) => unsolicited.solicitedChanged(endpointId))
    const unsolicited = new Unsolicited(core, {
      log,
      notifyHeaders: () => pubsub.notifyHeaders(),
      replaced: (endpointId, mailbox) => solicited.watches(endpointId, mailbox),
      onRegistered: (endpoint) => {
        if (core.general.compat === 'asterisk') void endConflicting(pubsub, core.endpoints, endpoint)
      },
    })
    own(
      pubsub.eventPackage({
        event: MESSAGE_SUMMARY,
        kind: messageSummaryKind,
        accept: [SIMPLE_MESSAGE_SUMMARY],
        find: solicitedFinder(core, log, sums, (endpoint, mailboxes) => unsolicited.servedMailbox(endpoint, mailboxes)),
      }),
    )
    own(solicited.follow(pubsub))
    own(unsolicited.follow())
    own(core.console.register(showUnsolicited(unsolicited)))
  },
})
