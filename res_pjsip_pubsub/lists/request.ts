/** Whether a SUBSCRIBE is for a resource list: one of pjsip.conf (RFC 4662 4.1), or one that it brings along (RFC 5367). */
import type { Refusal, SipRequest } from '../../core/sip/contract.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import { parseXml, XmlError, type XmlNode } from '../../core/xml.ts'
import { badRequest, notDecoded } from '../refusals.ts'
import { encodingOf, LIST_TYPE, NOT_A_LIST, textOf, typeOf } from '../request-body.ts'
import { EVENTLIST, hasTag, type ListEntry, RECIPIENT_LIST } from './facts.ts'

const NAMESPACE = 'urn:ietf:params:xml:ns:resource-lists'
const MOST_ENTRIES = 1000

/** RFC 4662 4.1: who asks for a list has to say that it understands one. */
export const EXTENSION_REQUIRED: Refusal = { status: 421, headers: [['Require', EVENTLIST]] }

export function understandsLists(request: SipRequest): boolean {
  return hasTag(request, ['Supported', 'Require'], EVENTLIST)
}

/** RFC 5367 4. */
export function bringsList(request: SipRequest): boolean {
  return hasTag(request, ['Require'], RECIPIENT_LIST) || typeOf(request) === LIST_TYPE
}

export function refuseList(request: SipRequest): Refusal | undefined {
  if (!understandsLists(request)) return EXTENSION_REQUIRED
  return typeOf(request) === LIST_TYPE && encodingOf(request) !== undefined ? undefined : NOT_A_LIST
}

/** The entries of its body, each URI once; lists within the list are flattened (RFC 5363 5), and references left out. */
export function readEntries(request: SipRequest): readonly ListEntry[] | Refusal {
  const text = textOf(request)
  if (text === undefined) return badRequest('Resource List Cannot Be Unpacked')
  if (typeof text !== 'string') return notDecoded(text, [LIST_TYPE])
  let root: XmlNode
  try {
    root = parseXml(text)
  } catch (error) {
    if (error instanceof XmlError) return badRequest('Malformed Resource List')
    throw error
  }
  if (root.name !== 'resource-lists' || root.ns !== NAMESPACE) return badRequest('No Resource List')
  const entries = new Map<string, ListEntry>()
  collect(root, entries)
  if (entries.size === 0) return badRequest('Empty Resource List')
  return entries.size > MOST_ENTRIES ? badRequest('Too Many Entries') : [...entries.values()]
}

function collect({ children }: XmlNode, into: Map<string, ListEntry>): void {
  for (const child of children) {
    if (child.ns !== NAMESPACE) continue
    if (child.name === 'list') collect(child, into)
    if (child.name !== 'entry') continue
    const uri = child.attribute('uri')?.trim() ?? ''
    if (uri === '' || into.has(uri)) continue
    const name = child.children.find((one) => one.name === 'display-name')?.text.trim() ?? ''
    into.set(uri, { uri, resource: parseUri(uri)?.user ?? '', name })
  }
}
