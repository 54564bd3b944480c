/**
 * Whether the one dialog that a watcher asks for is over, and its subscription with it (RFC 4235 3.4). Nothing brings back
 * a subscription that has ended, so this is said only where it is certain: not where the dialog has not been seen yet,
 * nor where nobody is there any more to tell of it.
 */
import type { Call } from '../core/states/calls.ts'
import { type AskedDialog, askedOf, isAsked } from './asked-dialog.ts'
import { type ComposedDialogs, composeDialogs } from './dialog-composition.ts'
import { namesOf } from './dialogs.ts'
import { type DialogSource, dialogKey, type PublishedState } from './published.ts'

/** `before`: the state that was seen before it. */
export function isAskedOver(asked: AskedDialog, now: PublishedState, before: PublishedState | undefined): boolean {
  const { live, over } = published(asked, now)
  if (live.length > 0 || now.calls.some((call) => isCalled(asked, call))) return false
  return over.length > 0 || (before !== undefined && (hasHungUp(asked, now, before) || isLeftOut(asked, now, before)))
}

function published(asked: AskedDialog, { published: said }: PublishedState): ComposedDialogs {
  return askedOf(composeDialogs(said?.dialogs ?? []), asked)
}

function isCalled(asked: AskedDialog, call: Call): boolean {
  return isAsked(asked, namesOf(call))
}

/** Asterisk, which is there, has it no more. It may go on under the names of its SIP dialog, which come after it. */
function hasHungUp(asked: AskedDialog, now: PublishedState, before: PublishedState): boolean {
  const isThere = ({ device }: Call): boolean =>
    now.devices.some(
      (one) =>
        one.device.toLowerCase() === device.toLowerCase() && one.state !== 'UNAVAILABLE' && one.state !== 'INVALID',
    )
  return before.calls
    .filter((call) => isCalled(asked, call))
    .some((call) => isThere(call) && !now.calls.some(({ origin, id }) => origin === call.origin && id === call.id))
}

/** Who said that it goes on tells of its dialogs still, and not of this one. */
function isLeftOut(asked: AskedDialog, now: PublishedState, before: PublishedState): boolean {
  const went = new Set(published(asked, before).live.map(dialogKey))
  if (went.size === 0) return false
  const sources = new Set(now.published?.dialogs.map(({ source }) => source))
  const tells = ({ source, dialogs }: DialogSource): boolean =>
    sources.has(source) && dialogs.some((dialog) => went.has(dialogKey(dialog)))
  return before.published?.dialogs.some(tells) === true
}
