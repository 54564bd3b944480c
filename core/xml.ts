/**
 * XML both ways: documents of peers as plain nodes (the only file that imports xml2js), and element trees of our own,
 * printed as pjproject prints them (LF, one space a level, `<empty />`), because phones have been tried with that.
 *
 *     const root = await parseXml(body)                       // throws XmlError
 *     printXml(element('note', { 'xml:lang': 'en' }, 'On the phone'))
 */
import { Parser } from 'xml2js'

/** An element as read, namespaces resolved. */
export interface XmlNode {
  /** Local name. */
  readonly name: string
  /** Namespace; empty where there is none. */
  readonly ns: string
  /** By local name, without namespace declarations. An attribute without prefix goes before one with. */
  readonly attributes: ReadonlyMap<string, string>
  /** All of them with their namespaces, in the order of the document. */
  readonly qualified: readonly XmlAttribute[]
  readonly children: readonly XmlNode[]
  /** Character data of this element itself; empty where it is blank. */
  readonly text: string
}

export interface XmlAttribute {
  readonly name: string
  /** Empty for those without a prefix. */
  readonly ns: string
  readonly value: string
}

/** The text is not XML, or not XML that we read. */
export class XmlError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'XmlError'
  }
}

const MAX_CHARACTERS = 65536
const MAX_DEPTH = 64
const MAX_ATTRIBUTES = 64

/**
 * Reads a document of at most 65536 characters, 64 levels, 64 attributes an element, without document type
 * declaration. Rejects with XmlError.
 */
export async function parseXml(text: string): Promise<XmlNode> {
  checkBounds(text)
  // Blanks in the keys: no element can be called that.
  const parser = new Parser({
    xmlns: true,
    explicitRoot: false,
    explicitChildren: true,
    preserveChildrenOrder: true,
    explicitCharkey: true,
    attrkey: ' attributes',
    charkey: ' text',
    childkey: ' children',
    emptyTag: () => ({}),
  })
  let root: unknown
  try {
    root = await parser.parseStringPromise(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new XmlError(`not well-formed: ${why.split('\n', 1)[0]}`)
  }
  return toNode(root)
}

/** One pass over the tags, before the parser spends memory on them: size, depth, attributes, one root, no DTD. */
function checkBounds(text: string): void {
  if (text.length > MAX_CHARACTERS) throw new XmlError(`longer than ${MAX_CHARACTERS} characters`)
  let depth = 0
  let rootSeen = false
  let at = 0
  for (;;) {
    const open = text.indexOf('<', at)
    const between = text.slice(at, open < 0 ? undefined : open)
    if (depth === 0 && between.replace('\ufeff', '').trim() !== '')
      throw new XmlError('text outside of the root element')
    if (open < 0) break
    if (text.startsWith('<!--', open)) at = after(text, '-->', open + 4)
    else if (text.startsWith('<![CDATA[', open)) at = after(text, ']]>', open + 9)
    else if (text.startsWith('<?', open)) at = after(text, '?>', open + 2)
    else if (text.startsWith('<!', open)) throw new XmlError('a document type declaration, which is not accepted')
    else {
      const closes = text[open + 1] === '/'
      if (!closes && depth === 0 && rootSeen) throw new XmlError('a second root element')
      rootSeen = true
      at = afterTag(text, open + 1)
      if (closes) depth--
      else if (text[at - 2] !== '/') depth++
      if (depth < 0) throw new XmlError('an end tag without its start tag')
      if (depth > MAX_DEPTH) throw new XmlError(`nested deeper than ${MAX_DEPTH} elements`)
    }
  }
  if (!rootSeen) throw new XmlError('no element')
  if (depth > 0) throw new XmlError('an element that does not end')
}

function after(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from)
  if (found < 0) throw new XmlError(`no '${mark}'`)
  return found + mark.length
}

/** Behind the `>` that ends a tag; quoted values may hold one. */
function afterTag(text: string, from: number): number {
  let attributes = 0
  for (let at = from; at < text.length; at++) {
    const c = text[at]
    if (c === '>') return at + 1
    if (c === '<') break
    if (c !== '"' && c !== "'") continue
    if (++attributes > MAX_ATTRIBUTES) throw new XmlError(`more than ${MAX_ATTRIBUTES} attributes`)
    at = after(text, c, at + 1) - 1
  }
  throw new XmlError('a tag that does not end')
}

function toNode(raw: unknown): XmlNode {
  const attributes = new Map<string, string>()
  const prefixed = new Map<string, string>()
  const qualified: XmlAttribute[] = []
  for (const attribute of Object.values(record(record(raw)[' attributes']))) {
    const { prefix, local, name, value, uri } = record(attribute)
    if (prefix === 'xmlns' || name === 'xmlns') continue
    qualified.push({ name: string(local), ns: prefix === '' ? '' : string(uri), value: string(value) })
    ;(prefix === '' ? attributes : prefixed).set(string(local), string(value))
  }
  for (const [name, value] of prefixed) if (!attributes.has(name)) attributes.set(name, value)
  const { uri, local } = record(record(raw)[' attributesns'])
  const children = record(raw)[' children']
  return {
    name: string(local),
    ns: string(uri),
    attributes,
    qualified,
    children: Array.isArray(children) ? children.map(toNode) : [],
    text: string(record(raw)[' text']),
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** An element as written. Body supplements add children and attributes before it is printed. */
export interface XmlElement {
  /** With its prefix. */
  readonly name: string
  /** Values are escaped when printed; printed in the order they were added. */
  readonly attributes: Map<string, string>
  readonly children: XmlElement[]
  /** Printed behind the children. */
  text: string
}

/** Content is text or children. Attributes that are undefined are left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  content: string | readonly XmlElement[] = [],
): XmlElement {
  const given = Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    name,
    attributes: new Map(given),
    children: typeof content === 'string' ? [] : [...content],
    text: typeof content === 'string' ? content : '',
  }
}

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** The document with its declaration and a line end behind it. */
export function printXml(root: XmlElement): string {
  return `${XML_DECLARATION}${print(root, '')}\n`
}

function print({ name, attributes, children, text }: XmlElement, indent: string): string {
  let out = `${indent}<${name}`
  for (const [key, value] of attributes) out += ` ${key}="${escapeXml(value)}"`
  if (children.length === 0 && text === '') return `${out} />`
  out += '>'
  for (const child of children) out += `\n${print(child, `${indent} `)}`
  out += escapeXml(text)
  if (children.length > 0) out += `\n${indent}`
  return `${out}</${name}>`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '&': '&amp;',
  "'": '&apos;',
  '\r': '&#13;',
  '\n': '&#10;',
}
const NEEDS_ESCAPE = /[<>"&'\r\n]/g
/** What XML 1.0 2.2 does not allow even as a reference, half surrogate pairs among it. */
const NOT_XML =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Text for content or an attribute value; characters that XML cannot hold are left out. */
export function escapeXml(text: string): string {
  return text.replace(NOT_XML, '').replace(NEEDS_ESCAPE, (c) => ESCAPES[c] ?? c)
}

/** The longest beginning of a text whose escaped form has at most so many bytes; Asterisk's buffers hold 511. */
export function cutForEscaping(text: string, bytes = 511): string {
  if (text.length * 6 <= bytes) return text
  let left = bytes
  let kept = ''
  for (const c of text) {
    left -= Buffer.byteLength(escapeXml(c))
    if (left < 0) break
    kept += c
  }
  return kept
}
