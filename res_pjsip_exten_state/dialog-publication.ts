/**
 * Dialog information that is published: application/dialog-info+xml (RFC 4235), full and partial.
 *
 * A dialog that has ended does not come back to life: an `early` that was held up on its way and arrives behind the
 * `terminated` of the same dialog id and Call-ID lights no lamp. Without a Call-ID nothing tells the next call from this
 * one, and each word counts.
 */
import {
  DIALOG_INFO,
  DIALOG_INFO_TYPE,
  dialogNodes,
  dialogStateOf,
  readDialogInfo,
} from '../core/documents/dialog-info.ts'
import { element, printXml, type XmlNode } from '../core/xml.ts'
import { cloneXml, copyXml, type Prefixes } from '../core/xml-copy.ts'
import type { PublicationHandler, PublishedBody, ReadBody } from '../res_pjsip_pubsub/contract.ts'
import { EndedDialogs } from './ended-dialogs.ts'
import { dialogKey, dialogsKind, type PublishedDialog, type PublishedDialogs } from './published.ts'

const PREFIXES: Prefixes = new Map([['urn:ietf:params:xml:ns:sa-dialog-info', 'sa']])

/** Ended dialogs that a publication remembers. */
const MOST_ENDED = 64

/** `dialog;sla` keeps its entity-tag, as Kamailio has it: the phones of a line share what they publish. */
export function dialogHandler(event: 'dialog' | 'dialog;sla'): PublicationHandler<PublishedDialogs> {
  const ended = new EndedDialogs()
  return {
    event,
    kind: dialogsKind,
    accept: [DIALOG_INFO_TYPE],
    etagNotNew: event === 'dialog;sla',
    read: (published) => readDialogs(published, ended),
  }
}

export function readDialogs(
  { text, previous, resource }: Pick<PublishedBody<PublishedDialogs>, 'text' | 'previous' | 'resource'>,
  ended: EndedDialogs,
): ReadBody<PublishedDialogs> {
  const { root, fault } = readDialogInfo(text)
  if (fault !== undefined) return { fault }
  const isPartial = root.attributes.get('state') === 'partial'
  const said = dialogsOf(root)
  const state = following(isPartial ? patched(said, previous) : said, previous, (key) => ended.has(resource, key))
  for (const key of state.ended) ended.note(resource, key)
  return isPartial ? { state, body: wholeOf(root, state) } : { state }
}

function dialogsOf(root: XmlNode): PublishedDialogs {
  const declarations = new Map<string, string>()
  const dialogs = dialogNodes(root).map((node): PublishedDialog => {
    const copy = copyXml(node, DIALOG_INFO, PREFIXES)
    for (const [name, namespace] of copy.declarations) declarations.set(name, namespace)
    return {
      id: node.attributes.get('id') ?? '',
      callId: node.attributes.get('call-id') ?? '',
      state: dialogStateOf(node) ?? 'terminated',
      element: copy.element,
    }
  })
  return { dialogs, ended: [], declarations }
}

/** RFC 4235 3.4: a partial document has what changed. What it said last of a dialog that ended is over with that. */
function patched(said: PublishedDialogs, previous: PublishedDialogs | undefined): PublishedDialogs {
  const named = new Set(said.dialogs.map(({ id }) => id))
  const kept = (previous?.dialogs ?? []).filter(({ id, state }) => state !== 'terminated' && !named.has(id))
  return {
    ...said,
    dialogs: [...kept, ...said.dialogs],
    declarations: new Map([...(previous?.declarations ?? []), ...said.declarations]),
  }
}

/** What ended before stays ended, and is shown so. `elsewhere`: another publication said so just now. */
function following(
  said: PublishedDialogs,
  previous: PublishedDialogs | undefined,
  elsewhere: (key: string) => boolean,
): PublishedDialogs {
  const before = new Set([...(previous?.ended ?? []), ...(previous?.dialogs ?? []).filter(hasEnded).map(dialogKey)])
  const isOver = (dialog: PublishedDialog): boolean =>
    dialog.callId !== '' && (before.has(dialogKey(dialog)) || elsewhere(dialogKey(dialog)))
  const dialogs = said.dialogs.map((dialog) => (isOver(dialog) ? asEnded(dialog) : dialog))
  const ended = [...new Set([...before, ...dialogs.filter(hasEnded).map(dialogKey)])].slice(-MOST_ENDED)
  return { ...said, dialogs, ended }
}

function asEnded(dialog: PublishedDialog): PublishedDialog {
  if (dialog.state === 'terminated') return dialog
  const ended = cloneXml(dialog.element)
  for (const child of ended.children) if (child.name === 'state') child.text = 'terminated'
  return { ...dialog, state: 'terminated', element: ended }
}

function hasEnded({ state, callId }: PublishedDialog): boolean {
  return state === 'terminated' && callId !== ''
}

/** The full document that a partial one made, for the store. */
function wholeOf(root: XmlNode, { dialogs, declarations }: PublishedDialogs): string {
  const { entity, version } = { entity: root.attributes.get('entity'), version: root.attributes.get('version') }
  return printXml(
    element(
      'dialog-info',
      { xmlns: DIALOG_INFO, ...Object.fromEntries(declarations), version, state: 'full', entity },
      dialogs.map(({ element: dialog }) => dialog),
    ),
  )
}
