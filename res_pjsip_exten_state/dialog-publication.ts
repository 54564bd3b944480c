/**
 * Dialog information that is published: application/dialog-info+xml (RFC 4235), full and partial.
 *
 * A dialog that has ended does not come back to life: an `early` that was held up on its way and arrives behind the
 * `terminated` of the same dialog id and Call-ID lights no lamp. Without a Call-ID nothing tells the next call from this
 * one, and each word counts.
 */
import {
  asInRfc,
  DIALOG_INFO,
  DIALOG_INFO_TYPE,
  dialogNodes,
  dialogStateOf,
  readDialogInfo,
  withPlainState,
} from '../core/documents/dialog-info.ts'
import { joined } from '../core/text.ts'
import { element, PrintedXml, printXml, type XmlNode } from '../core/xml.ts'
import { type Declarations, declaredBy, printCopy } from '../core/xml-copy.ts'
import { XML_LIMITS } from '../core/xml-node.ts'
import type { PublicationHandler, PublishedBody, ReadBody } from '../res_pjsip_pubsub/contract.ts'
import { EndedDialogs } from './ended-dialogs.ts'
import {
  DIALOG_PREFIXES,
  DialogDocument,
  dialogKey,
  dialogsKind,
  PublishedDialog,
  type PublishedDialogs,
} from './published.ts'

/** Ended dialogs that a publication remembers. */
const MOST_ENDED = 64
/** Of a whole document: xmlns, version, state, entity. */
const ROOT_ATTRIBUTES = 4
const NONE_ENDED: readonly string[] = []
const NOTHING_BEFORE: ReadonlySet<string> = new Set()

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
  { text: written, previous, resource }: Pick<PublishedBody<PublishedDialogs>, 'text' | 'previous' | 'resource'>,
  ended: EndedDialogs,
): ReadBody<PublishedDialogs> {
  const text = asInRfc(written)
  const { root, fault } = readDialogInfo(text)
  if (fault !== undefined) return { fault }
  const isPartial = root.attribute('state') === 'partial'
  const said = dialogsOf(root, text)
  const elsewhere = ended.isEmpty ? undefined : (key: string): boolean => ended.has(resource, key)
  const state = following(isPartial ? patched(said, previous) : said, previous, elsewhere)
  const body = isPartial ? wholeOf(root, state) : undefined
  // What is added and never taken back is told to every watcher. Whoever but takes back gets smaller with the next one.
  const adds = said.dialogs.some((dialog) => dialog.state !== 'terminated')
  if (previous && adds && body !== undefined && body.length > XML_LIMITS.characters)
    return { fault: 'Partial Documents Add Up To Too Much' }
  for (const key of state.ended) ended.note(resource, key)
  if (body === undefined) return { state }
  return { state: state === previous ? state : saidIn(body, state), body }
}

function dialogsOf(root: XmlNode, body: string): PublishedDialogs {
  const document = new DialogDocument(body)
  const declared: Declarations[] = []
  const dialogs = dialogNodes(root).map((node, index) => {
    const { text, declarations } = printCopy(withPlainState(node), DIALOG_INFO, DIALOG_PREFIXES)
    declared.push(declarations)
    const id = node.attribute('id') ?? ''
    const callId = node.attribute('call-id') ?? ''
    return new PublishedDialog(id, callId, dialogStateOf(node) ?? 'terminated', joined(text), document, index)
  })
  return { dialogs, ended: NONE_ENDED, declarations: declaredBy(declared) }
}

/** RFC 4235 3.4: a partial document has what changed. What it said last of a dialog that ended is over with that. */
function patched(said: PublishedDialogs, previous: PublishedDialogs | undefined): PublishedDialogs {
  if (!previous) return said
  const named = new Set(said.dialogs.map(({ id }) => id))
  const kept = previous.dialogs.filter(({ id, state }) => state !== 'terminated' && !named.has(id))
  return {
    dialogs: [...kept, ...said.dialogs],
    ended: said.ended,
    declarations: declaredBy([previous.declarations, said.declarations]),
  }
}

/** What ended before stays ended, and is shown so. `elsewhere`: another publication said so just now; undefined where none did. */
function following(
  said: PublishedDialogs,
  previous: PublishedDialogs | undefined,
  elsewhere: ((key: string) => boolean) | undefined,
): PublishedDialogs {
  const before = endedBefore(previous)
  const isOver = (dialog: PublishedDialog): boolean =>
    dialog.callId !== '' && (before.has(dialogKey(dialog)) || elsewhere?.(dialogKey(dialog)) === true)
  const mayBeOver = before.size > 0 || elsewhere !== undefined
  const dialogs =
    mayBeOver && said.dialogs.some(isOver)
      ? said.dialogs.map((dialog) => (isOver(dialog) ? dialog.asEnded() : dialog))
      : said.dialogs
  const isAnyOver = before.size > 0 || dialogs.some(hasEnded)
  const ended = isAnyOver ? [...new Set([...before, ...dialogs.filter(hasEnded).map(dialogKey)])] : NONE_ENDED
  const state = {
    dialogs,
    ended: ended.length > MOST_ENDED ? ended.slice(-MOST_ENDED) : ended,
    declarations: said.declarations,
  }
  // The same object where nothing has changed, so that nobody has to look for a difference.
  return previous && isSame(state, previous) ? previous : state
}

function isSame(a: PublishedDialogs, b: PublishedDialogs): boolean {
  return (
    a.dialogs.length === b.dialogs.length &&
    a.dialogs.every((dialog, at) => isSameDialog(dialog, b.dialogs[at])) &&
    a.ended.length === b.ended.length &&
    a.ended.every((key, at) => key === b.ended[at]) &&
    a.declarations.size === b.declarations.size &&
    [...a.declarations].every(([name, namespace]) => b.declarations.get(name) === namespace)
  )
}

function isSameDialog(a: PublishedDialog, b: PublishedDialog | undefined): boolean {
  return a.text === b?.text && a.id === b.id && a.callId === b.callId && a.state === b.state
}

function endedBefore(previous: PublishedDialogs | undefined): ReadonlySet<string> {
  if (!previous || (previous.ended.length === 0 && !previous.dialogs.some(hasEnded))) return NOTHING_BEFORE
  return new Set([...previous.ended, ...previous.dialogs.filter(hasEnded).map(dialogKey)])
}

function hasEnded({ state, callId }: PublishedDialog): boolean {
  return state === 'terminated' && callId !== ''
}

/** Of the whole only: what the documents before it said else is not kept. One that could not be read again stays as it is. */
function saidIn(body: string, state: PublishedDialogs): PublishedDialogs {
  const isReadable =
    body.length <= XML_LIMITS.characters && state.declarations.size + ROOT_ATTRIBUTES <= XML_LIMITS.attributes
  if (!isReadable) return state
  const document = new DialogDocument(body)
  return { ...state, dialogs: state.dialogs.map((dialog, index) => dialog.saidIn(document, index)) }
}

/** The full document that a partial one made, for the store. */
function wholeOf(root: XmlNode, { dialogs, declarations }: PublishedDialogs): string {
  const { entity, version } = { entity: root.attribute('entity'), version: root.attribute('version') }
  return printXml(
    element(
      'dialog-info',
      { xmlns: DIALOG_INFO, ...Object.fromEntries(declarations), version, state: 'full', entity },
      dialogs.map((dialog) => new PrintedXml(dialog.text, dialog)),
    ),
  )
}
