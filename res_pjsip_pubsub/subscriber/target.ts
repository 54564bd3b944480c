/** What the state of a subscription becomes here: an opinion about a device or a mailbox, of an origin of its own. */
import type { DeviceState, Devices } from '../../core/states/devices.ts'
import { type MailboxCounts, type Mailboxes, mailboxName } from '../../core/states/mailboxes.ts'

export interface Target<T> {
  /** For people: `mailbox 100@default`. */
  readonly name: string
  say(state: T): void
  /** Nobody has told of it for too long. */
  stale(): void
  /** There is no such thing, or nobody is asked any more. */
  takeBack(): void
}

/** A device whose notifier is away is unavailable, as those of an Asterisk that is away are. */
export function deviceTarget(devices: Devices, origin: string, device: string): Target<DeviceState> {
  return {
    name: `device ${device}`,
    say: (state) => devices.set(origin, device, state),
    stale: () => {
      if (devices.reportOf(origin, device)) devices.set(origin, device, 'UNAVAILABLE')
    },
    takeBack: () => devices.set(origin, device, undefined),
  }
}

/** Messages are not gone because their server is away. */
export function mailboxTarget(mailboxes: Mailboxes, origin: string, mailbox: string): Target<MailboxCounts> {
  const name = mailboxName(mailbox)
  return {
    name: `mailbox ${name}`,
    say: (counts) => mailboxes.set(origin, name, counts),
    stale: () => undefined,
    takeBack: () => mailboxes.set(origin, name, undefined),
  }
}

/** The module has been told already. */
export function moduleTarget(event: string): Target<true> {
  const nothing = (): void => undefined
  return { name: `module of ${event}`, say: nothing, stale: nothing, takeBack: nothing }
}
