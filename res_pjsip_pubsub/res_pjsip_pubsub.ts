/** The pubsub core as a loadable module. Its API for event packages and body generators is in contract.ts. */
import { defineModule } from '../core/module.ts'
import { commands } from './console.ts'
import { phaseGauges } from './metrics.ts'
import { pubsubConfig } from './options.ts'
import { PubsubCore } from './pubsub.ts'

export default defineModule<readonly [], PubsubCore>({
  name: 'res_pjsip_pubsub',
  description: 'SIP event notification (RFC 6665): the notifier and its registry of event packages',

  config: [pubsubConfig],

  async load({ core, log, own, options }) {
    const settings = options(pubsubConfig)
    const pubsub = await PubsubCore.start(core, log, settings, own)
    own(phaseGauges(core.metrics, pubsub.subscriptions))
    for (const command of commands(pubsub.subscriptions)) own(core.console.register(command))
    return pubsub
  },

  reload({ options }, pubsub) {
    pubsub.reload(options(pubsubConfig))
  },
})
