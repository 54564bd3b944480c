/** The pubsub core as a loadable module. Its API for event packages and body generators is in contract.ts. */
import { defineModule } from '../core/module.ts'
import { commands } from './console.ts'
import { presenceCommands } from './kamailio/console.ts'
import { whyCommand } from './kamailio/why.ts'
import { listCommands } from './lists/console.ts'
import { phaseGauges } from './metrics.ts'
import { pubsubConfig } from './options.ts'
import { PubsubCore } from './pubsub.ts'
import { cleanRegularly } from './storage/cleaning.ts'

export default defineModule<readonly [], PubsubCore>({
  name: 'res_pjsip_pubsub',
  description: 'SIP event notification (RFC 6665): the notifier and its registry of event packages',

  config: [pubsubConfig],

  async load({ core, log, own, options }) {
    const pubsub = await PubsubCore.start(core, log, own, () => options(pubsubConfig))
    own(
      cleanRegularly(
        () => pubsub.settings.clean_period,
        () => pubsub.cleanup(),
        log,
      ),
    )
    own(phaseGauges(core.metrics, pubsub.subscriptions))
    const all = [
      ...commands(pubsub.subscriptions),
      ...listCommands(pubsub.lists, pubsub.subscriptions),
      ...presenceCommands(pubsub),
      whyCommand(core, pubsub),
    ]
    for (const command of all) own(core.console.register(command))
    return pubsub
  },

  allLoaded(pubsub) {
    pubsub.allLoaded()
  },

  async reload({ options }, pubsub) {
    await pubsub.reload(options(pubsubConfig))
  },
})
