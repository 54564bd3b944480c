/** Resource list meta-information (RFC 4662 5) and the multipart/related around it. */
import { element, escapeXml, printXml, type XmlElement } from '../../core/xml.ts'

const NAMESPACE = 'urn:ietf:params:xml:ns:rlmi'
const RLMI_TYPE = 'application/rlmi+xml'

/** One resource as a document tells it. */
export interface ResourceLine {
  readonly uri: string
  readonly name: string
  /** Undefined where nothing is said of its state yet. */
  readonly instance: InstanceLine | undefined
}

export interface InstanceLine {
  readonly id: string
  readonly state: 'active' | 'pending' | 'terminated'
  /** RFC 6665 4.1.3; empty for none. */
  readonly reason: string
  /** Content-ID of its body; undefined where none is carried. */
  readonly cid: string | undefined
}

interface Rlmi {
  readonly uri: string
  readonly name: string
  readonly version: number
  readonly fullState: boolean
  readonly resources: readonly ResourceLine[]
}

function printRlmi({ uri, name, version, fullState, resources }: Rlmi): string {
  const attributes = { xmlns: NAMESPACE, uri, version: String(version), fullState: String(fullState) }
  return printXml(element('list', attributes, [...nameOf(name), ...resources.map(resourceElement)]))
}

function resourceElement({ uri, name, instance }: ResourceLine): XmlElement {
  const children = nameOf(name)
  if (instance) {
    const { id, state, reason, cid } = instance
    children.push(element('instance', { id, state, reason: reason === '' ? undefined : reason, cid }))
  }
  return element('resource', { uri }, children)
}

function nameOf(name: string): XmlElement[] {
  return name === '' ? [] : [element('name', {}, name)]
}

/** Bytes that the name of a resource takes, and those that its instance adds; a little more than needed. */
export function roomOf(uri: string, name: string): { readonly name: number; readonly instance: number } {
  const uriBytes = Buffer.byteLength(escapeXml(uri))
  return { name: 60 + uriBytes + Buffer.byteLength(escapeXml(name)), instance: 130 + uriBytes }
}

export interface Part {
  readonly cid: string
  readonly type: string
  readonly content: string
}

export function rlmiPart(cid: string, rlmi: Rlmi): Part {
  return { cid, type: `${RLMI_TYPE};charset="UTF-8"`, content: printRlmi(rlmi) }
}

/**
 * `start`: Content-ID of the RLMI, which RFC 4662 5.4 wants and Asterisk does not give. `boundary`: a token, which stands
 * without quotes, as in Asterisk: Linphone takes them for a part of it, and ends itself for want of parts.
 */
export function multipartType(boundary: string, start: string | undefined): string {
  const named = start === undefined ? '' : `;start="<${start}>"`
  return `multipart/related;type="${RLMI_TYPE}"${named};boundary=${boundary}`
}

/** Asterisk does not say that its parts are binary; of Linphone see linphone.ts. */
export type PartStyle = 'rfc' | 'asterisk' | 'linphone'

export function printMultipart(boundary: string, parts: readonly Part[], style: PartStyle): string {
  const encoding = style === 'asterisk' ? '' : 'Content-Transfer-Encoding: binary\r\n'
  const [id, end] = style === 'linphone' ? ['Content-Id: ', ''] : ['Content-ID: <', '>']
  const printed = parts.map(
    ({ cid, type, content }) =>
      `--${boundary}\r\n${encoding}${id}${cid}${end}\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`,
  )
  return `${printed.join('')}--${boundary}--\r\n`
}
