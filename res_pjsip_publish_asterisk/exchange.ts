/** One event by which servers tell each other of states: what is taken of it and kept over a restart, and what is brought. */
import type { Undo } from '../core/scope.ts'
import { deviceCodec, mailboxCodec, type StateCodec } from '../core/states/codecs.ts'
import type { DeviceState, Devices } from '../core/states/devices.ts'
import type { MailboxCounts, Mailboxes } from '../core/states/mailboxes.ts'
import { Intake, type IntakeServices, type TakenStates } from './intake.ts'
import { deviceStateBody, mailboxGoneBody, mailboxStateBody, readDeviceState, readMailboxState } from './json-bodies.ts'
import { Ledger } from './ledger.ts'
import { rowOf, type SaidRow, type SaidTable } from './ledger-store.ts'
import { type PublishedStates, statePublisher } from './state-publisher.ts'

interface ExchangedStates<State> extends TakenStates<State>, Omit<PublishedStates<State>, 'event'> {
  readonly codec: StateCodec<State>
}

interface Exchange {
  readonly intake: Pick<Intake<unknown>, 'follow' | 'configure' | 'ask'>
  /** What is known of whose publications. */
  rows(): readonly SaidRow[]
  /** `resources`: what each publication is about, by its id. */
  restore(resources: ReadonlyMap<string, string>): void
  /** Until undone. */
  take(): Undo
  bring(): Undo
}

export function exchange<State>(of: ExchangedStates<State>, table: SaidTable, services: IntakeServices): Exchange {
  const { event, codec } = of
  const ledger = new Ledger(of.states, table.of(event, codec))
  const intake = new Intake(of, ledger, services)
  return {
    intake,
    rows: () => [...ledger].map((entry) => rowOf(event, codec, entry)),
    restore: (resources) =>
      intake.restore(table.restored(event, codec, (id, name) => intake.takes(resources.get(id), name))),
    take: () => services.pubsub.publicationHandler(intake.handler),
    bring: () => services.outbound.publisher(statePublisher(of, services.eid)),
  }
}

export function deviceStates(devices: Devices): ExchangedStates<DeviceState> {
  return {
    event: 'asterisk-devicestate',
    states: devices,
    codec: deviceCodec,
    read: readDeviceState,
    takes: ({ device_state }) => device_state,
    filter: ({ device_state_filter }) => device_state_filter,
    yields: true,
    back: ({ devicestate_publish }) => devicestate_publish,
    broughtFilter: (section) => section['@device_state_filter'],
    gone: (name, eid) => deviceStateBody(name, 'INVALID', eid),
    body: deviceStateBody,
  }
}

export function messageCounts(mailboxes: Mailboxes): ExchangedStates<MailboxCounts> {
  return {
    event: 'asterisk-mwi',
    states: mailboxes,
    codec: mailboxCodec,
    read: readMailboxState,
    takes: ({ mailbox_state }) => mailbox_state,
    filter: ({ mailbox_state_filter }) => mailbox_state_filter,
    yields: false,
    back: ({ mailboxstate_publish }) => mailboxstate_publish,
    broughtFilter: (section) => section['@mailbox_state_filter'],
    gone: mailboxGoneBody,
    body: mailboxStateBody,
  }
}
