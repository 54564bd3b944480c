/**
 * The one dialog that a watcher asks for (RFC 4235 3.2): by call-id, to-tag, which is the local tag of the dialog, and
 * from-tag, which is the remote one. Without from-tag those that forked from one INVITE are meant.
 */
import type { ComposedDialogs } from './dialog-composition.ts'
import type { PublishedDialog } from './published.ts'

/** A dialog has to have all that is not undefined. */
export interface AskedDialog {
  readonly callId: string | undefined
  readonly localTag: string | undefined
  readonly remoteTag: string | undefined
}

const PARAMETERS = ['call-id', 'to-tag', 'from-tag'] as const

/** The parameters of Event as one text; empty where they ask for no dialog. */
export function askedBy(params: ReadonlyMap<string, string>): string {
  const values = PARAMETERS.map((name) => params.get(name) ?? '')
  return values.every((value) => value === '') ? '' : values.join('\n')
}

/** What `askedBy` made: a header has no line breaks. */
export function readAsked(text: string): AskedDialog {
  const [callId, localTag, remoteTag] = text.split('\n').map((value) => (value === '' ? undefined : value))
  return { callId, localTag, remoteTag }
}

export function isAsked(asked: AskedDialog, dialog: Partial<AskedDialog>): boolean {
  return (
    (asked.callId === undefined || asked.callId === dialog.callId) &&
    (asked.localTag === undefined || asked.localTag === dialog.localTag) &&
    (asked.remoteTag === undefined || asked.remoteTag === dialog.remoteTag)
  )
}

export function askedOf(all: ComposedDialogs, asked: AskedDialog | undefined): ComposedDialogs {
  if (!asked) return all
  const isIt = (dialog: PublishedDialog): boolean => isPublishedAs(asked, dialog)
  return { live: all.live.filter(isIt), over: all.over.filter(isIt) }
}

/** Its tags are in its document alone, which is read where the Call-ID is the right one. */
function isPublishedAs(asked: AskedDialog, dialog: PublishedDialog): boolean {
  if (asked.callId !== undefined && asked.callId !== dialog.callId) return false
  const { attributes } = dialog.element
  return isAsked(asked, {
    callId: dialog.callId,
    localTag: attributes.get('local-tag'),
    remoteTag: attributes.get('remote-tag'),
  })
}
