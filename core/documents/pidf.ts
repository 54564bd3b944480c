/** Presence documents (RFC 3863, RFC 4479, RFC 4480) as they come from others: whether one is right, and its parts. */
import type { XmlNode } from '../xml.ts'
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
    const status = tuple.children.find((child) => isPidf(child, 'status'))
    if (!status) return 'tuple Without status'
    const basic = status.children.find((child) => isPidf(child, 'basic'))
    if (basic && wordOf(basic) === undefined) return 'basic Is Neither open Nor closed'
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

/** undefined where it says neither. */
export function basicOf(tuple: XmlNode | undefined): Basic | undefined {
  const status = tuple?.children.find((child) => isPidf(child, 'status'))
  const basic = status?.children.find((child) => isPidf(child, 'basic'))
  return basic && wordOf(basic)
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

function wordOf({ text }: XmlNode): Basic | undefined {
  const word = text.trim()
  return word === 'open' || word === 'closed' ? word : undefined
}
