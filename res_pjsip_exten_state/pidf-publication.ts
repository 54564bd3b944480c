/** Presence documents that are published: application/pidf+xml (RFC 3863), with RPID and data-model elements kept. */
import {
  activitiesOf,
  basicOf,
  DATA_MODEL,
  isModel,
  isPidf,
  noteIn,
  PIDF,
  PIDF_TYPE,
  RPID,
  readPidf,
  tuplesOf,
  withPlainBasic,
} from '../core/documents/pidf.ts'
import type { XmlNode } from '../core/xml.ts'
import { copyXml, type Prefixes } from '../core/xml-copy.ts'
import type { PublicationHandler, PublishedBody, ReadBody } from '../res_pjsip_pubsub/contract.ts'
import { type PublishedPresence, presenceKind } from './published.ts'

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
  accept: [PIDF_TYPE],
  instanceByContact: true,
  equalsSayTheSame: true,
  read: readPresence,
}

export function readPresence({ text }: Pick<PublishedBody<PublishedPresence>, 'text'>): ReadBody<PublishedPresence> {
  const { root, fault } = readPidf(text)
  return fault === undefined ? { state: presenceOf(root) } : { fault }
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
  const all = tuplesOf(root)
  const tuples = all.map(withPlainBasic).filter((tuple) => tuple !== undefined)
  // Of some services no more is said than what RPID has for it: a basic is optional (RFC 3863 4.1.3).
  const best = tuples.find((tuple) => basicOf(tuple) !== undefined) ?? tuples[0]
  const known = new Set([...persons, ...devices, ...notes, ...all])
  return {
    tuples: copies(tuples),
    persons: copies(persons),
    devices: copies(devices),
    notes: copies(notes),
    others: copies(root.children.filter((child) => !known.has(child))),
    declarations,
    basic: basicOf(best),
    note: notes[0]?.text.trim() ?? noteIn(best) ?? '',
    activities: persons.flatMap(activitiesOf),
  }
}
