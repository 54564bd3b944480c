/**
 * Device states and message counts between servers, as Asterisk exchanges them: the events asterisk-devicestate and
 * asterisk-mwi, taken and brought.
 */
import { defaultEntityId } from '../core/entity-id.ts'
import { defineModule } from '../core/module.ts'
import { deviceStates, exchange, messageCounts } from './exchange.ts'
import type { IntakeServices } from './intake.ts'
import { SaidTable } from './ledger-store.ts'

interface Api {
  readonly exchanges: readonly ReturnType<typeof exchange>[]
}

export default defineModule<readonly ['res_pjsip_pubsub', 'res_pjsip_outbound_publish'], Api>({
  name: 'res_pjsip_publish_asterisk',
  description: 'Device states and mailboxes between servers: asterisk-devicestate and asterisk-mwi',
  requires: ['res_pjsip_pubsub', 'res_pjsip_outbound_publish'],

  async load({ core, log, own }, { res_pjsip_pubsub: pubsub, res_pjsip_outbound_publish: outbound }) {
    const { devices, mailboxes, endpoints } = core
    const made = defaultEntityId(endpoints.files.transports.map(({ file, bind }) => `${file} ${bind}`).join(' '))
    const eid = (): string => core.general.asterisk_eid.toLowerCase() || made

    let exchanges: Api['exchanges'] = []
    const table = await SaidTable.open(core.store, () => exchanges.flatMap((one) => one.rows()))
    const services: IntakeServices = { core, log, pubsub, outbound, eid }
    exchanges = [exchange(deviceStates(devices), table, services), exchange(messageCounts(mailboxes), table, services)]
    const resources = new Map([...pubsub.allPublications].map(({ id, resource }) => [id, resource]))
    for (const one of exchanges) one.restore(resources)
    for (const one of exchanges) own(one.take())
    for (const one of exchanges) own(one.bring())
    for (const { intake } of exchanges) {
      own(intake.follow())
      own(endpoints.onChange(() => intake.configure()))
      intake.ask()
    }
    return { exchanges }
  },

  reload(_context, { exchanges }) {
    for (const { intake } of exchanges) intake.ask()
  },
})
