/**
 * Dialogs of several publications, and those Asterisk knows, in one document. The same publications give the same
 * document in whatever order they came, and however often: of what several say about one dialog, what is furthest along
 * its life counts, and documents are sorted by what is in them.
 */

import { DIALOG_STATES, type DialogStateName } from '../core/documents/dialog-info.ts'
import { element, PrintedXml, type XmlElement } from '../core/xml.ts'
import type { AskedDialog } from './asked-dialog.ts'
import { idApart } from './mapping.ts'
import { type DialogSource, dialogKey, type PublishedDialog } from './published.ts'

/** How far along its life a dialog is (RFC 4235 3.7.1). */
const PROGRESS: Readonly<Record<DialogStateName, number>> = {
  trying: 0,
  proceeding: 1,
  early: 2,
  confirmed: 3,
  terminated: 4,
}

const NONE_TAKEN: readonly string[] = []

export interface ComposedDialogs {
  /** Those that are not over. */
  readonly live: readonly PublishedDialog[]
  readonly over: readonly PublishedDialog[]
}

interface Heard {
  readonly dialog: PublishedDialog
  readonly source: string
}

/** `taken`: ids of dialogs that stand in the same document already. */
export function composeDialogs(
  sources: readonly DialogSource[],
  taken: readonly string[] = NONE_TAKEN,
): ComposedDialogs {
  const only = sources.length === 1 ? sources[0] : undefined
  if (only && only.dialogs.length < 2 && taken.length === 0) return parted(only.dialogs)
  const ended = new Set(sources.flatMap((source) => source.ended))
  const furthest = new Map<string, Heard>()
  for (const { source, dialogs } of sources) {
    for (const dialog of dialogs) {
      const known = furthest.get(keyOf(source, dialog))
      const heard = { dialog, source }
      if (dialog.callId === '') {
        // Nothing tells this call from the next: the best source's word counts, however far another has got.
        if (!known) furthest.set(keyOf(source, dialog), heard)
      } else if (dialog.state === 'terminated' || !ended.has(dialogKey(dialog))) {
        if (!known || isFurther(heard, known)) furthest.set(keyOf(source, dialog), heard)
      }
    }
  }
  return parted(withOwnIds([...furthest.values()].sort(byContent), taken))
}

function parted(all: readonly PublishedDialog[]): ComposedDialogs {
  return {
    live: all.filter(({ state }) => state !== 'terminated'),
    over: all.filter(({ state }) => state === 'terminated'),
  }
}

/** Without a Call-ID a dialog is known to its publisher only. */
function keyOf(source: string, dialog: PublishedDialog): string {
  return dialog.callId === '' ? `${source}\0${dialogKey(dialog)}` : dialogKey(dialog)
}

/** Kamailio's order: terminated, trying, proceeding, confirmed, early. What is held is just below what is not. */
export function interest(state: DialogStateName, held = false): number {
  return DIALOG_STATES.indexOf(state) - (held ? 0.5 : 0)
}

/** The one to show where only one is wanted. */
export function mostInteresting(dialogs: readonly PublishedDialog[]): PublishedDialog | undefined {
  return dialogs.toSorted((a, b) => interest(b.state) - interest(a.state))[0]
}

/** As it goes into a document for someone who may not see the other party, or its name. */
export function shownElement(dialog: PublishedDialog, hide: 'no' | 'name' | 'yes', id?: string): XmlElement {
  if (hide === 'no' && (id === undefined || id === dialog.id)) return new PrintedXml(dialog.text, dialog)
  const shown = dialog.element
  if (id !== undefined) shown.attributes.set('id', id)
  if (hide === 'yes')
    shown.children.splice(0, shown.children.length, ...shown.children.filter(({ name }) => !OTHERS.has(name)))
  if (hide === 'name')
    for (const other of shown.children.filter(({ name }) => OTHERS.has(name)))
      for (const named of [other, ...other.children]) named.attributes.delete('display')
  return shown
}

/** Where a dialog names somebody else (RFC 4235 4.1.5, 4.1.6): the other party, and who sent it here. */
const OTHERS: ReadonlySet<string> = new Set(['remote', 'referred-by'])

/** For phones that cannot read a document without a dialog, and for who asked for one that is not there. */
export function endedDialog(id: string, asked?: AskedDialog): XmlElement {
  const { callId, localTag, remoteTag } = asked ?? {}
  const names = { 'call-id': callId, 'local-tag': localTag, 'remote-tag': remoteTag }
  return element('dialog', { id, ...names }, [element('state', {}, 'terminated')])
}

/** An id is unique in a document (RFC 4235 4.1.2): where two dialogs have one, each gets a name of its own. */
function withOwnIds(heard: readonly Heard[], taken: readonly string[]): PublishedDialog[] {
  const uses = new Map<string, number>()
  for (const id of taken) uses.set(id, 1)
  for (const { dialog } of heard) uses.set(dialog.id, (uses.get(dialog.id) ?? 0) + 1)
  return heard.map(({ dialog, source }) => {
    if (uses.get(dialog.id) === 1) return dialog
    const of = dialog.callId === '' ? source : dialog.callId
    return dialog.renamed(idApart(dialog.id, of))
  })
}

function isFurther(a: Heard, b: Heard): boolean {
  const progress = PROGRESS[a.dialog.state] - PROGRESS[b.dialog.state]
  return progress > 0 || (progress === 0 && byContent(a, b) < 0)
}

function byContent(a: Heard, b: Heard): number {
  return (
    compare(dialogKey(a.dialog), dialogKey(b.dialog)) ||
    compare(a.source, b.source) ||
    compare(a.dialog.text, b.dialog.text)
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
