/** Presence documents (RFC 3863, RFC 4479, RFC 4480) as they come from others: whether one is right, and its parts. */
import { XmlNode } from '../xml-node.ts'
import { type DocumentReading, readDocument } from './reading.ts'

export const PIDF = 'urn:ietf:params:xml:ns:pidf'
export const PIDF_TYPE = 'application/pidf+xml'
export const DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model'
export const RPID = 'urn:ietf:params:xml:ns:pidf:rpid'

export type Basic = 'open' | 'closed'

export function readPidf(text: string): DocumentReading {
  return readDocument(text, 'Presence Document', pidfFault)
}

/** In words for a reason phrase; undefined where it is right. */
function pidfFault(root: XmlNode): string | undefined {
  if (root.name !== 'presence' || root.ns !== PIDF) return 'Root Element Is Not The presence Of PIDF'
  if (!root.attribute('entity')) return 'presence Without entity'
  const ids = new Set<string>()
  for (const tuple of tuplesOf(root)) {
    const id = tuple.attribute('id') ?? ''
    if (id === '') return 'tuple Without id'
    if (ids.has(id)) return 'Two Tuples With One id'
    ids.add(id)
    if (!statusOf(tuple)) return 'tuple Without status'
  }
  return undefined
}

/** Clients are about that write elements of no namespace at all into a presence document. */
export function isPidf(node: XmlNode, name: string): boolean {
  return node.name === name && (node.ns === PIDF || node.ns === '')
}

export function isModel(node: XmlNode, name: string): boolean {
  return node.name === name && node.ns === DATA_MODEL
}

export function tuplesOf(root: XmlNode): XmlNode[] {
  return root.children.filter((child) => isPidf(child, 'tuple'))
}

function statusOf(tuple: XmlNode | undefined): XmlNode | undefined {
  return tuple?.children.find((child) => isPidf(child, 'status'))
}

/** undefined where it says neither. */
export function basicOf(tuple: XmlNode | undefined): Basic | undefined {
  const basic = statusOf(tuple)?.children.find((child) => isPidf(child, 'basic'))
  return basic && wordOf(basic)
}

/**
 * With one of the two words for a basic that has blanks around it, and without one that says neither, as baresip's
 * `unknown`: that counts as not there, and watchers are shown nothing that RFC 3863 4.1.4 does not know. undefined where
 * nothing is left of its status, which may not be empty (4.1.3).
 */
export function withPlainBasic(tuple: XmlNode): XmlNode | undefined {
  const status = statusOf(tuple)
  if (!status?.children.some(isOddBasic)) return tuple
  const children = status.children.flatMap((child) => (isOddBasic(child) ? plainBasic(child) : child))
  if (children.length === 0) return undefined
  const kept = withChildren(status, children)
  return withChildren(
    tuple,
    tuple.children.map((child) => (child === status ? kept : child)),
  )
}

export function noteIn(tuple: XmlNode | undefined): string | undefined {
  return tuple?.children.find((child) => isPidf(child, 'note'))?.text.trim()
}

export function activitiesOf(person: XmlNode): string[] {
  return person.children
    .filter((child) => child.name === 'activities' && child.ns === RPID)
    .flatMap((activities) => activities.children.filter((child) => child.ns === RPID).map((child) => child.name))
    .filter((name) => name !== 'note' && name !== 'unknown')
}

function isOddBasic(node: XmlNode): boolean {
  return isPidf(node, 'basic') && wordOf(node) !== node.text
}

function plainBasic(basic: XmlNode): XmlNode[] {
  const word = wordOf(basic)
  return word === undefined ? [] : [withText(basic, word)]
}

function withChildren({ name, ns, qualified, text }: XmlNode, children: readonly XmlNode[]): XmlNode {
  return new XmlNode(name, ns, qualified, children, text)
}

function withText({ name, ns, qualified, children }: XmlNode, text: string): XmlNode {
  return new XmlNode(name, ns, qualified, children, text)
}

function wordOf({ text }: XmlNode): Basic | undefined {
  const word = text.trim()
  return word === 'open' || word === 'closed' ? word : undefined
}
