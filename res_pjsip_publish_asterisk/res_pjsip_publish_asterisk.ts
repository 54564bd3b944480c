/**
 * Device states and message counts between servers, as Asterisk exchanges them: the events asterisk-devicestate and
 * asterisk-mwi, taken and brought.
 */
import { defaultEntityId } from '../core/entity-id.ts'
import { defineModule } from '../core/module.ts'
import { deviceCodec, mailboxCodec } from '../core/states/codecs.ts'
import type { DeviceState } from '../core/states/devices.ts'
import type { MailboxCounts } from '../core/states/mailboxes.ts'
import { Intake, type IntakeServices, type TakenStates } from './intake.ts'
import { deviceStateBody, mailboxGoneBody, mailboxStateBody, readDeviceState, readMailboxState } from './json-bodies.ts'
import { Ledger } from './ledger.ts'
import { rowOf, SaidTable } from './ledger-store.ts'
import { statePublisher } from './state-publisher.ts'

interface Api {
  readonly intakes: readonly { configure(): void; ask(): void }[]
}

export default defineModule<readonly ['res_pjsip_pubsub', 'res_pjsip_outbound_publish'], Api>({
  name: 'res_pjsip_publish_asterisk',
  description: 'Device states and mailboxes between servers: asterisk-devicestate and asterisk-mwi',
  requires: ['res_pjsip_pubsub', 'res_pjsip_outbound_publish'],

  async load({ core, log, own }, { res_pjsip_pubsub: pubsub, res_pjsip_outbound_publish: outbound }) {
    const { devices, mailboxes, endpoints } = core
    const made = defaultEntityId(endpoints.files.transports.map(({ file, bind }) => `${file} ${bind}`).join(' '))
    const eid = (): string => core.general.asterisk_eid.toLowerCase() || made

    const table = await SaidTable.open(core.store, () => [
      ...[...deviceLedger].map((entry) => rowOf(takenDevices.event, deviceCodec, entry)),
      ...[...mailboxLedger].map((entry) => rowOf(takenMailboxes.event, mailboxCodec, entry)),
    ])
    const resources = new Map([...pubsub.allPublications].map(({ id, resource }) => [id, resource]))
    const takenDevices: TakenStates<DeviceState> = {
      event: 'asterisk-devicestate',
      states: devices,
      read: readDeviceState,
      takes: ({ device_state }) => device_state,
      filter: ({ device_state_filter }) => device_state_filter,
      yields: true,
      back: ({ devicestate_publish }) => devicestate_publish,
    }
    const takenMailboxes: TakenStates<MailboxCounts> = {
      event: 'asterisk-mwi',
      states: mailboxes,
      read: readMailboxState,
      takes: ({ mailbox_state }) => mailbox_state,
      filter: ({ mailbox_state_filter }) => mailbox_state_filter,
      yields: false,
      back: ({ mailboxstate_publish }) => mailboxstate_publish,
    }
    const deviceLedger = new Ledger(devices, table.of(takenDevices.event, deviceCodec))
    const mailboxLedger = new Ledger(mailboxes, table.of(takenMailboxes.event, mailboxCodec))
    const services: IntakeServices = { core, log, pubsub, outbound, eid }
    const deviceIntake = new Intake(takenDevices, deviceLedger, services)
    const mailboxIntake = new Intake(takenMailboxes, mailboxLedger, services)
    const said = {
      devices: table.restored(takenDevices.event, deviceCodec, (id, name) =>
        deviceIntake.takes(resources.get(id), name),
      ),
      mailboxes: table.restored(takenMailboxes.event, mailboxCodec, (id, name) =>
        mailboxIntake.takes(resources.get(id), name),
      ),
    }
    deviceIntake.restore(said.devices)
    mailboxIntake.restore(said.mailboxes)

    own(pubsub.publicationHandler(deviceIntake.handler))
    own(pubsub.publicationHandler(mailboxIntake.handler))
    own(
      outbound.publisher(
        statePublisher<DeviceState>({
          event: takenDevices.event,
          states: devices,
          eid,
          filter: (section) => section['@device_state_filter'],
          gone: (name) => deviceStateBody(name, 'INVALID', eid()),
          body: (name, state) => deviceStateBody(name, state, eid()),
        }),
      ),
    )
    own(
      outbound.publisher(
        statePublisher<MailboxCounts>({
          event: takenMailboxes.event,
          states: mailboxes,
          eid,
          filter: (section) => section['@mailbox_state_filter'],
          gone: (name) => mailboxGoneBody(name, eid()),
          body: (name, state) => mailboxStateBody(name, state, eid()),
        }),
      ),
    )
    const intakes = [deviceIntake, mailboxIntake]
    for (const intake of intakes) {
      own(intake.follow())
      own(endpoints.onChange(() => intake.configure()))
      intake.ask()
    }
    return { intakes }
  },

  reload(_context, { intakes }) {
    for (const intake of intakes) intake.ask()
  },
})
