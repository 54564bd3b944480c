/** The states of the whole server: what is known of devices, presence and mailboxes, and the hints that are made of it. */
import type { Configuration } from './conf/configuration.ts'
import { Dialplan } from './conf/dialplan.ts'
import { isEntityId } from './entity-id.ts'
import type { Log } from './log.ts'
import type { Scope } from './scope.ts'
import { Calls } from './states/calls.ts'
import { Devices } from './states/devices.ts'
import { EXTENSION } from './states/extension-state.ts'
import { Hints } from './states/hints.ts'
import { LOCAL } from './states/local-states.ts'
import { MailboxAliases } from './states/mailbox-aliases.ts'
import { MailboxLamps } from './states/mailbox-lamps.ts'
import { Mailboxes } from './states/mailboxes.ts'
import { Presences } from './states/presence.ts'
import { keepStates, type Origins } from './states/state-store.ts'
import type { Store } from './store-contract.ts'
import { isNotifierOrigin } from './subscription-options.ts'

export interface ServerStates {
  readonly devices: Devices
  readonly presences: Presences
  readonly mailboxes: Mailboxes
  readonly calls: Calls
  readonly hints: Hints
  readonly dialplan: Dialplan
  readonly aliases: MailboxAliases
}

/** With what was stored of them. `configuration`: the one that holds now. */
export async function startStates(
  configuration: () => Configuration,
  store: Store,
  log: Log,
  own: Scope['own'],
): Promise<ServerStates> {
  const started = configuration()
  const devices = new Devices()
  const presences = new Presences()
  const mailboxes = new Mailboxes()
  const calls = new Calls()
  const isAsterisk = (): boolean => configuration().general.compat === 'asterisk'
  const hints = new Hints(
    { devices, presences, calls },
    {
      // Asterisk ends the subscriptions of a hint at once.
      removedHintGrace: () => (isAsterisk() ? 0 : configuration().general.removed_hint_grace),
      // To Asterisk's body generators a hint that is gone is one that is idle.
      removedHintState: () => (isAsterisk() ? EXTENSION.NOT_INUSE : EXTENSION.UNAVAILABLE),
      log: log.logger('hints'),
    },
  )
  const dialplan = new Dialplan(started.dialplan)
  own(hints.addSource(dialplan))
  // Nothing in memory is there after a restart.
  if (started.storePath !== ':memory:')
    own(await keepStates(store, { devices, presences, mailboxes }, originsOf(started)))
  const aliases = new MailboxAliases(mailboxes, started.mailboxes.aliases)
  own(() => aliases.close())
  const mailboxLamps = new MailboxLamps(devices, mailboxes)
  own(() => mailboxLamps.close())
  return { devices, presences, mailboxes, calls, hints, dialplan, aliases }
}

function originsOf({ servers, pjsip }: Configuration): Origins {
  // What others have published is shown until the module that takes it knows which of it still holds.
  const isPublishedTo = (pjsip.inboundPublications?.size ?? 0) > 0
  const isServer = (origin: string): boolean => servers.some(({ name }) => name === origin)
  const isKnown = (origin: string): boolean =>
    origin === LOCAL ||
    isServer(origin) ||
    (isPublishedTo && isEntityId(origin)) ||
    isNotifierOrigin(origin, pjsip.outboundSubscriptions)
  return { isKnown, isServer }
}
