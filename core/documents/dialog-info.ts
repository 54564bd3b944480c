/** Dialog information (RFC 4235) as it comes from others: whether a document is right, and the dialogs in it. */
import { XmlNode } from '../xml-node.ts'
import { type DocumentReading, readDocument } from './reading.ts'

export const DIALOG_INFO = 'urn:ietf:params:xml:ns:dialog-info'
export const DIALOG_INFO_TYPE = 'application/dialog-info+xml'

export const DIALOG_STATES = ['terminated', 'trying', 'proceeding', 'confirmed', 'early'] as const
/** RFC 4235 3.7.1, from the least to the most interesting for who watches a lamp. */
export type DialogStateName = (typeof DIALOG_STATES)[number]

export function readDialogInfo(text: string): DocumentReading {
  return readDocument(text, 'Dialog Information', dialogInfoFault)
}

/** Each call that Kamailio's pua_dialoginfo tells of begins with `Trying`; RFC 4235 has `trying`, and phones know no other. */
export function asInRfc(text: string): string {
  return text.includes('>Trying<') ? text.replaceAll('<state>Trying</state>', '<state>trying</state>') : text
}

/** In words for a reason phrase; undefined where it is right. */
function dialogInfoFault(root: XmlNode): string | undefined {
  if (!isDialogInfo(root, 'dialog-info')) return 'Root Element Is Not dialog-info'
  if (!root.attribute('entity')) return 'dialog-info Without entity'
  if (!/^[0-9]{1,10}$/.test(root.attribute('version') ?? '')) return 'dialog-info Without A version'
  const state = root.attribute('state')
  if (state !== 'full' && state !== 'partial') return 'state Of dialog-info Is Neither full Nor partial'
  const dialogs = dialogNodes(root)
  const ids = dialogs.length > 1 ? new Set<string>() : undefined
  for (const dialog of dialogs) {
    const id = dialog.attribute('id') ?? ''
    if (id === '') return 'dialog Without id'
    if (ids?.has(id)) return 'Two Dialogs With One id'
    ids?.add(id)
    if (dialogStateOf(dialog) === undefined) return 'dialog Without A State Of RFC 4235'
  }
  return undefined
}

function isDialogInfo(node: XmlNode, name: string): boolean {
  return node.name === name && node.ns === DIALOG_INFO
}

export function dialogNodes(root: XmlNode): XmlNode[] {
  return root.children.filter((child) => isDialogInfo(child, 'dialog'))
}

export function dialogStateOf(dialog: XmlNode): DialogStateName | undefined {
  const word = stateIn(dialog)?.text.trim()
  return DIALOG_STATES.find((state) => state === word)
}

/** Without the blanks around its state, as of who puts each text in a line of its own: phones look for the word alone. */
export function withPlainState(dialog: XmlNode): XmlNode {
  const state = stateIn(dialog)
  const word = state?.text.trim()
  if (!state || word === undefined || word === state.text) return dialog
  const plain = new XmlNode(state.name, state.ns, state.qualified, state.children, word)
  const children = dialog.children.map((child) => (child === state ? plain : child))
  return new XmlNode(dialog.name, dialog.ns, dialog.qualified, children, dialog.text)
}

function stateIn({ children }: XmlNode): XmlNode | undefined {
  for (const child of children) if (isDialogInfo(child, 'state')) return child
  return undefined
}

/** A call on hold says that its own end renders nothing (RFC 4235 4.1.6.2, RFC 3840). Asterisk writes pvalue for pval. */
export function isHeld(dialog: XmlNode): boolean {
  return dialog.children
    .filter((child) => isDialogInfo(child, 'local'))
    .flatMap((local) => local.children.filter((child) => isDialogInfo(child, 'target')))
    .flatMap((target) => target.children.filter((child) => isDialogInfo(child, 'param')))
    .some(({ attributes: a }) => a.get('pname') === '+sip.rendering' && (a.get('pval') ?? a.get('pvalue')) === 'no')
}
