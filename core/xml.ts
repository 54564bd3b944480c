/**
 * XML both ways: documents of peers as plain nodes (the only file that imports xml2js), and element trees of our own,
 * printed as pjproject prints them (LF, one space a level, `<empty />`), because phones have been tried with that.
 *
 *     const root = parseXml(body)                             // throws XmlError
 *     printXml(element('note', { 'xml:lang': 'en' }, 'On the phone'))
 */
import { Parser } from 'xml2js/lib/parser.js'
import { XML_LIMITS, type XmlAttribute, XmlNode } from './xml-node.ts'
import { readUsualXml } from './xml-usual.ts'

export type { XmlAttribute, XmlNode } from './xml-node.ts'

/** The text is not XML, or not XML that we read. */
export class XmlError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'XmlError'
  }
}

/**
 * Reads a document of at most 65536 characters, 64 levels, 64 attributes an element, without document type
 * declaration. Throws XmlError.
 */
export function parseXml(text: string): XmlNode {
  const lines = withLineFeeds(text)
  return readUsualXml(lines) ?? readAnyXml(lines)
}

/** XML 1.0 2.11: whatever ends a line is a line feed to who reads it. Only `&#13;` is a carriage return. */
function withLineFeeds(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

/** Slowly: whatever is XML, and words for what is not. */
export function readAnyXml(text: string): XmlNode {
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
  // It calls back before it returns. What it throws behind the root has been answered by then.
  let outcome: { readonly error: unknown } | { readonly root: unknown } | undefined
  try {
    parser.parseString(text, (error: unknown, root: unknown) => (outcome ??= error ? { error } : { root }))
  } catch (error) {
    outcome ??= { error }
  }
  if (outcome && 'root' in outcome) return toNode(outcome.root)
  const why = outcome?.error instanceof Error ? outcome.error.message : String(outcome?.error)
  throw new XmlError(`not well-formed: ${why.split('\n', 1)[0]}`)
}

/** One pass over the tags, before the parser spends memory and time on them: size, depth, attributes, namespaces, one root, no DTD. */
function checkBounds(text: string): void {
  if (text.length > XML_LIMITS.characters) throw new XmlError(`longer than ${XML_LIMITS.characters} characters`)
  let depth = 0
  let rootSeen = false
  let at = 0
  // The parser copies for each element all namespaces that hold there. How many do in the open ones, innermost last.
  const declared = [0]
  let copies = 0
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
      const namespaces = closes ? 0 : (declared.at(-1) ?? 0) + declarationsIn(text.slice(open, at))
      copies += namespaces
      if (copies > XML_LIMITS.copies) throw new XmlError('too many namespaces for so many elements')
      if (closes) {
        depth--
        declared.pop()
      } else if (text[at - 2] !== '/') {
        depth++
        declared.push(namespaces)
      }
      if (depth < 0) throw new XmlError('an end tag without its start tag')
      if (depth > XML_LIMITS.depth) throw new XmlError(`nested deeper than ${XML_LIMITS.depth} elements`)
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

/** No fewer than there are in a tag. */
function declarationsIn(tag: string): number {
  let count = 0
  for (let at = tag.indexOf('xmlns'); at >= 0; at = tag.indexOf('xmlns', at + 5)) count++
  return count
}

/** Behind the `>` that ends a tag; quoted values may hold one. */
function afterTag(text: string, from: number): number {
  let attributes = 0
  for (let at = from; at < text.length; at++) {
    const c = text[at]
    if (c === '>') return at + 1
    if (c === '<') break
    if (c !== '"' && c !== "'") continue
    if (++attributes > XML_LIMITS.attributes) throw new XmlError(`more than ${XML_LIMITS.attributes} attributes`)
    at = after(text, c, at + 1) - 1
  }
  throw new XmlError('a tag that does not end')
}

function toNode(raw: unknown): XmlNode {
  const qualified: XmlAttribute[] = []
  for (const attribute of Object.values(record(record(raw)[' attributes']))) {
    const { prefix, local, name, value, uri } = record(attribute)
    if (prefix === 'xmlns' || name === 'xmlns') continue
    qualified.push({ name: string(local), ns: prefix === '' ? '' : string(uri), value: string(value) })
  }
  const { uri, local } = record(record(raw)[' attributesns'])
  const children = record(raw)[' children']
  return new XmlNode(
    string(local),
    string(uri),
    qualified,
    Array.isArray(children) ? children.map(toNode) : [],
    string(record(raw)[' text']),
  )
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
  const given = new Map<string, string>()
  for (const key of Object.keys(attributes)) {
    const value = attributes[key]
    if (value !== undefined) given.set(key, value)
  }
  const isText = typeof content === 'string'
  return { name, attributes: given, children: isText ? [] : [...content], text: isText ? content : '' }
}

/** An element that is printed already, one level below a root. Whoever looks into it gets an element that may be changed. */
export class PrintedXml implements XmlElement {
  readonly #printed: string
  readonly #source: { readonly element: XmlElement }
  #open: XmlElement | undefined

  /** `source`: gives the element, one of its own each time. */
  constructor(printed: string, source: { readonly element: XmlElement }) {
    this.#printed = printed
    this.#source = source
  }

  /** Undefined where it may have been changed. */
  get printed(): string | undefined {
    return this.#open ? undefined : this.#printed
  }

  get name(): string {
    return this.#opened.name
  }
  get attributes(): Map<string, string> {
    return this.#opened.attributes
  }
  get children(): XmlElement[] {
    return this.#opened.children
  }
  get text(): string {
    return this.#opened.text
  }
  set text(text: string) {
    this.#opened.text = text
  }

  get #opened(): XmlElement {
    return (this.#open ??= this.#source.element)
  }
}

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** The document with its declaration and a line end behind it. */
export function printXml(root: XmlElement): string {
  return `${XML_DECLARATION}${printElement(root, 0)}\n`
}

/** `depth`: below the root. */
export function printElement(element: XmlElement, depth: number): string {
  const printed = depth === 1 && element instanceof PrintedXml ? element.printed : undefined
  if (printed !== undefined) return printed
  const { name, attributes, children, text } = element
  const indent = indentOf(depth)
  let out = `${indent}<${name}`
  if (attributes.size > 0) for (const [key, value] of attributes) out += ` ${key}="${escapeXml(value)}"`
  if (children.length === 0 && text === '') return `${out} />`
  out += '>'
  for (const child of children) out += `\n${printElement(child, depth + 1)}`
  out += escapeXml(text)
  if (children.length > 0) out += `\n${indent}`
  return `${out}</${name}>`
}

const INDENTS = Array.from({ length: XML_LIMITS.depth }, (_, depth) => ' '.repeat(depth))

export function indentOf(depth: number): string {
  return INDENTS[depth] ?? ' '.repeat(depth)
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

/** Characters that are printed as they are, of those that are ASCII. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) =>
  Number(/[\t\x20-\x7f]/.test(String.fromCharCode(code)) && !'<>"&\''.includes(String.fromCharCode(code))),
)

/** Text for content or an attribute value; characters that XML cannot hold are left out. */
export function escapeXml(text: string): string {
  for (let at = 0; at < text.length; at++)
    if (PLAIN[text.charCodeAt(at)] !== 1) return text.replace(NOT_XML, '').replace(NEEDS_ESCAPE, (c) => ESCAPES[c] ?? c)
  return text
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
