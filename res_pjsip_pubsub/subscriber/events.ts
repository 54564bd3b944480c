/**
 * What the events that we subscribe to mean to us. A body is read by a reader of its dialog's own, as partial documents
 * need what was said before; what several notifiers say of one resource is merged as the event's RFC has it.
 */
import { DIALOG_INFO_TYPE } from '../../core/documents/dialog-info.ts'
import { PIDF_TYPE } from '../../core/documents/pidf.ts'
import { aggregateDeviceStates, type DeviceState } from '../../core/states/devices.ts'
import type { MailboxCounts } from '../../core/states/mailboxes.ts'
import type { SubscriberHandler } from './contract.ts'
import { DialogReader } from './dialogs.ts'
import { readPresence } from './presence.ts'
import { readSummary } from './summary.ts'

/** `fault`: in words for the reason phrase of a 400. `incomplete`: something was missed, and the whole has to be asked for. */
export type Reading<T> =
  | { readonly state: T }
  | { readonly fault: string }
  | { readonly incomplete: string }
  /** It says nothing that is not known. */
  | undefined

export interface Reader<T> {
  read(text: string): Reading<T>
}

export interface WatchedEvent<T> {
  readonly event: string
  /** The body types that it is asked for with; the first is what a NOTIFY without Content-Type has. */
  readonly accept: readonly [string, ...string[]]
  /** Whether a SUBSCRIBE that was forked may give several subscriptions. */
  readonly forks: boolean
  /** The module that the event is of: it takes the NOTIFYs in place of the reader. */
  readonly handler?: SubscriberHandler
  reader(): Reader<T>
  /** Never of none. */
  merge(each: readonly T[]): T
}

/** RFC 4235 3.9: each user agent of the watched tells of its own dialogs. */
export const dialogEvent: WatchedEvent<DeviceState> = {
  event: 'dialog',
  accept: [DIALOG_INFO_TYPE],
  forks: true,
  reader: () => new DialogReader(),
  merge: aggregateDeviceStates,
}

/** RFC 3856 6.9: one SUBSCRIBE makes one dialog, as one presence agent tells of all. */
export const presenceEvent: WatchedEvent<DeviceState> = {
  event: 'presence',
  accept: [PIDF_TYPE],
  forks: false,
  reader: () => ({ read: readPresence }),
  merge: aggregateDeviceStates,
}

/** RFC 3842 3.9: the mailboxes of several notifiers are rendered together, as one. */
export const summaryEvent: WatchedEvent<MailboxCounts> = {
  event: 'message-summary',
  accept: ['application/simple-message-summary'],
  forks: true,
  reader: () => ({ read: readSummary }),
  merge: (each) => ({
    newMessages: each.reduce((sum, { newMessages }) => sum + newMessages, 0),
    oldMessages: each.reduce((sum, { oldMessages }) => sum + oldMessages, 0),
  }),
}

/** All that is known here of a module's event is that its state was told. */
export function moduleEvent(handler: SubscriberHandler): WatchedEvent<true> {
  const { event, accept, forks = false } = handler
  return { event, accept, forks, handler, reader: () => ({ read: () => ({ state: true }) }), merge: () => true }
}
