/**
 * Whether the one dialog that a watcher asks for is over, and its subscription with it (RFC 4235 3.4). Nothing brings back
 * a subscription that has ended, so this is said only where it is certain: not where the dialog has not been seen yet,
 * nor where nobody is there any more to tell of it.
 */
import type { Call } from '../core/states/calls.ts'
import type { Devices } from '../core/states/devices.ts'
import { type AskedDialog, askedOf, isAsked } from './asked-dialog.ts'
import { type ComposedDialogs, composeDialogs } from './dialog-composition.ts'
import { namesOf } from './dialogs.ts'
import { type DialogSource, dialogKey, type PublishedState } from './published.ts'

/** `before`: the state that was seen before it. */
export function isAskedOver(
  asked: AskedDialog,
  now: PublishedState,
  before: PublishedState | undefined,
  devices: Pick<Devices, 'reportOf'>,
): boolean {
  const { live, over } = published(asked, now)
  if (live.length > 0 || now.calls.some((call) => isCalled(asked, call))) return false
  if (over.length > 0) return true
  return before !== undefined && (hasHungUp(asked, now, before, devices) || isLeftOut(asked, now, before))
}

function published(asked: AskedDialog, { published: said }: PublishedState): ComposedDialogs {
  return askedOf(composeDialogs(said?.dialogs ?? []), asked)
}

function isCalled(asked: AskedDialog, call: Call): boolean {
  return isAsked(asked, namesOf(call))
}

/**
 * The Asterisk that had it is there, by its own word and not that of another about the device, and has it no more. It may
 * go on under the names of its SIP dialog, which come after it.
 */
function hasHungUp(
  asked: AskedDialog,
  now: PublishedState,
  before: PublishedState,
  devices: Pick<Devices, 'reportOf'>,
): boolean {
  const isThere = ({ origin, device }: Call): boolean => {
    const said = devices.reportOf(origin, device)?.state
    const isShown = now.devices.some((one) => one.device.toLowerCase() === device.toLowerCase())
    return isShown && said !== undefined && said !== 'UNAVAILABLE' && said !== 'INVALID'
  }
  return before.calls
    .filter((call) => isCalled(asked, call))
    .some((call) => isThere(call) && !now.calls.some(({ origin, id }) => origin === call.origin && id === call.id))
}

/** Who said that it goes on tells of its dialogs still, in as many publications, and not of this one. */
function isLeftOut(asked: AskedDialog, now: PublishedState, before: PublishedState): boolean {
  const went = new Set(published(asked, before).live.map(dialogKey))
  if (went.size === 0) return false
  const told = before.published?.dialogs ?? []
  const tells = now.published?.dialogs ?? []
  return told.some(
    ({ source, dialogs }) =>
      dialogs.some((dialog) => went.has(dialogKey(dialog))) && countOf(source, tells) >= countOf(source, told),
  )
}

/** A publisher that does not say which of its phones one is of may have several. */
function countOf(source: string, all: readonly DialogSource[]): number {
  return all.filter((one) => one.source === source).length
}
