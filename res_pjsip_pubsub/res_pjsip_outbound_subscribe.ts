/**
 * The role of the subscriber (RFC 6665 4.1): what other notifiers tell becomes a mailbox or a device here. It takes all
 * NOTIFYs that come in: those of its subscriptions (`type=outbound-subscription`), and those that providers send without
 * having been asked (`incoming_mwi_mailbox`).
 */
import { defineModule } from '../core/module.ts'
import { subscriberCommands } from './subscriber/console.ts'
import type { OutboundSubscribing } from './subscriber/contract.ts'
import { NotifyRouter } from './subscriber/router.ts'
import { OutboundSubscriptions } from './subscriber/subscriptions.ts'
import { ProviderMailboxes } from './subscriber/unsolicited.ts'

export default defineModule({
  name: 'res_pjsip_outbound_subscribe',
  description: 'The subscriber of RFC 6665: mailboxes and devices that others tell of',
  requires: ['res_pjsip_pubsub'],
  load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const providers = new ProviderMailboxes(core, log)
    const received = core.metrics.counter('subscriber.notify.received')
    const router = new NotifyRouter(core.sip, providers.handle, () => received.add())
    own(core.sip.handle('NOTIFY', router.handle))
    own(providers.follow())
    const subscriptions = new OutboundSubscriptions(core, log, router, () => pubsub.notifyHeaders())
    own(subscriptions.follow())
    own(
      core.metrics.gauge(
        'subscriber.established',
        () => subscriptions.list.filter(({ phase }) => phase === 'established').length,
      ),
    )
    for (const command of subscriberCommands(subscriptions)) own(core.console.register(command))
    const api: OutboundSubscribing = subscriptions
    return api
  },
})
