/** Presence documents that are published: application/pidf+xml (RFC 3863), with RPID and data-model elements kept. */
import { parseXml, XmlError, type XmlNode } from '../core/xml.ts'
import { copyXml, type Prefixes } from '../core/xml-copy.ts'
import type { PublicationHandler, PublishedBody, ReadBody } from '../res_pjsip_pubsub/contract.ts'
import { type PublishedPresence, presenceKind } from './published.ts'

export const PIDF = 'urn:ietf:params:xml:ns:pidf'
export const DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model'
export const RPID = 'urn:ietf:params:xml:ns:pidf:rpid'

const PREFIXES: Prefixes = new Map([
  [DATA_MODEL, 'dm'],
  [RPID, 'rpid'],
  ['urn:ietf:params:xml:ns:pidf:caps', 'caps'],
  ['urn:ietf:params:xml:ns:pidf:cipid', 'ci'],
  ['urn:ietf:params:xml:ns:pidf:timed-status', 'ts'],
  ['urn:ietf:params:xml:ns:pidf:geopriv10', 'gp'],
])

export const presenceHandler: PublicationHandler<PublishedPresence> = {
  event: 'presence',
  kind: presenceKind,
  accept: ['application/pidf+xml'],
  instanceByContact: true,
  read: readPresence,
}

export async function readPresence({
  body,
}: Pick<PublishedBody<PublishedPresence>, 'body'>): Promise<ReadBody<PublishedPresence>> {
  let root: XmlNode
  try {
    root = await parseXml(body.toString('utf8'))
  } catch (error) {
    if (error instanceof XmlError) return { fault: 'Presence Document Is Not XML' }
    throw error
  }
  const fault = faultOf(root)
  return fault === undefined ? { state: presenceOf(root) } : { fault }
}

/** In words for a reason phrase; undefined where it is right. */
function faultOf(root: XmlNode): string | undefined {
  if (root.name !== 'presence' || root.ns !== PIDF) return 'Root Element Is Not The presence Of PIDF'
  if (!root.attributes.get('entity')) return 'presence Without entity'
  const ids = new Set<string>()
  for (const tuple of tuplesOf(root)) {
    const id = tuple.attributes.get('id') ?? ''
    if (id === '') return 'tuple Without id'
    if (ids.has(id)) return 'Two Tuples With One id'
    ids.add(id)
    const status = tuple.children.find((child) => isPidf(child, 'status'))
    if (!status) return 'tuple Without status'
    const basic = status.children.find((child) => isPidf(child, 'basic'))
    if (basic && basicOf(basic) === undefined) return 'basic Is Neither open Nor closed'
  }
  return undefined
}

function presenceOf(root: XmlNode): PublishedPresence {
  const declarations = new Map<string, string>()
  const copies = (nodes: readonly XmlNode[]): PublishedPresence['tuples'] =>
    nodes.map((node) => {
      const copy = copyXml(node, PIDF, PREFIXES)
      for (const [name, namespace] of copy.declarations) declarations.set(name, namespace)
      return copy.element
    })
  const persons = root.children.filter((child) => isModel(child, 'person'))
  const devices = root.children.filter((child) => isModel(child, 'device'))
  const notes = root.children.filter((child) => isPidf(child, 'note'))
  const tuples = tuplesOf(root)
  const known = new Set([...persons, ...devices, ...notes, ...tuples])
  const status = tuples[0]?.children.find((child) => isPidf(child, 'status'))
  const basic = status?.children.find((child) => isPidf(child, 'basic'))
  return {
    tuples: copies(tuples),
    persons: copies(persons),
    devices: copies(devices),
    notes: copies(notes),
    others: copies(root.children.filter((child) => !known.has(child))),
    declarations,
    basic: basic && basicOf(basic),
    note: notes[0]?.text.trim() ?? noteIn(tuples[0]) ?? '',
    activities: persons.flatMap(activitiesOf),
  }
}

/** Clients are about that write elements of no namespace at all into a presence document. */
function isPidf(node: XmlNode, name: string): boolean {
  return node.name === name && (node.ns === PIDF || node.ns === '')
}

function isModel(node: XmlNode, name: string): boolean {
  return node.name === name && node.ns === DATA_MODEL
}

function tuplesOf(root: XmlNode): XmlNode[] {
  return root.children.filter((child) => isPidf(child, 'tuple'))
}

function basicOf({ text }: XmlNode): 'open' | 'closed' | undefined {
  const word = text.trim()
  return word === 'open' || word === 'closed' ? word : undefined
}

function noteIn(tuple: XmlNode | undefined): string | undefined {
  return tuple?.children.find((child) => isPidf(child, 'note'))?.text.trim()
}

function activitiesOf(person: XmlNode): string[] {
  return person.children
    .filter((child) => child.name === 'activities' && child.ns === RPID)
    .flatMap((activities) => activities.children.filter((child) => child.ns === RPID).map((child) => child.name))
    .filter((name) => name !== 'note' && name !== 'unknown')
}
