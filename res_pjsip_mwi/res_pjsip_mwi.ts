/**
 * Message waiting indication: the event package message-summary (RFC 3842) over mailboxes, and NOTIFYs that nobody
 * asked for to the contacts of endpoints with `mailboxes`.
 */
import type { Endpoint } from '../core/endpoints.ts'
import { defineModule } from '../core/module.ts'
import { LastChanges } from './last-changes.ts'
import { MailboxSums } from './mailbox-sums.ts'
import { resourceOf } from './resources.ts'
import { endConflicting, followServers, MESSAGE_SUMMARY, SolicitedMailboxes, solicitedFinder } from './solicited.ts'
import { composeSummary, Summaries } from './summaries.ts'
import { messageSummaryKind } from './summary.ts'
import { SIMPLE_MESSAGE_SUMMARY, summaryDocumentKind, summaryHandler } from './summary-publication.ts'
import { showUnsolicited, Unsolicited } from './unsolicited.ts'

export default defineModule({
  name: 'res_pjsip_mwi',
  description: 'MWI: package message-summary, solicited and unsolicited',
  requires: ['res_pjsip_pubsub'],
  load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const changes = new LastChanges(core.mailboxes)
    own(changes.follow())
    const sums = new MailboxSums(core.mailboxes, changes)
    own(() => sums.dispose())
    own(sums.follow())
    const summaries = new Summaries(pubsub)
    const reread = async (): Promise<void> => {
      await summaries.endMoved()
      await sums.reread()
      await summaries.reread()
    }
    const askAgain = async (): Promise<void> => {
      await sums.askAgain()
      await summaries.reread()
    }
    own(core.endpoints.onChange(() => void reread()))
    own(core.endpoints.onSource(() => void askAgain()))

    const solicited = new SolicitedMailboxes(core.endpoints, (endpointId) => unsolicited.solicitedChanged(endpointId))
    const unsolicited = new Unsolicited(core, {
      log,
      notifyHeaders: () => pubsub.notifyHeaders(),
      changed: (mailboxes) => changes.of(mailboxes),
      replaced: (endpointId, mailbox) => solicited.watches(endpointId, mailbox),
      withPublished: (aor, counts, counted) => {
        const published = pubsub.publications(MESSAGE_SUMMARY, aor, summaryDocumentKind).value
        return composeSummary({ ...counts, account: '' }, published, pubsub.settings.message_summary, counted)
      },
      onRegistered: (endpoint) => {
        if (core.general.compat === 'asterisk') void endConflicting(pubsub, core.endpoints, endpoint)
      },
    })
    const exists = async (user: string, endpoint: Endpoint): Promise<boolean> =>
      (await resourceOf(core.endpoints, user, endpoint)) !== undefined
    own(pubsub.publicationHandler(summaryHandler(exists)))
    own(
      pubsub.eventPackage({
        event: MESSAGE_SUMMARY,
        kind: messageSummaryKind,
        accept: [SIMPLE_MESSAGE_SUMMARY],
        find: solicitedFinder({
          core,
          log,
          sums,
          pubsub,
          summaries,
          served: (endpoint, mailboxes) => unsolicited.servedMailbox(endpoint, mailboxes),
        }),
      }),
    )
    own(followServers({ core, pubsub, sums, summaries }))
    own(solicited.follow(pubsub))
    own(unsolicited.follow())
    own(
      pubsub.onPublication((_what, { event, resource }) => {
        if (event === MESSAGE_SUMMARY) unsolicited.publicationsChanged(resource)
      }),
    )
    own(core.console.register(showUnsolicited(unsolicited)))
  },
})
