/**
 * Documents of the usual form, read in one pass: elements, attributes, namespaces, text, comments, an XML declaration,
 * the five entities and character references, names of ASCII letters. Whatever has anything else in it, or anything
 * wrong, is left to the library behind `parseXml`, which has words for it.
 */
import { NO_ATTRIBUTES, NO_CHILDREN, XML_LIMITS, type XmlAttribute, XmlNode } from './xml-node.ts'

/** Undefined for a document that is not of the usual form. */
export function readUsualXml(text: string): XmlNode | undefined {
  return text.length > XML_LIMITS.characters ? undefined : new UsualXml(text).read()
}

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const BANG = 0x21
const QUOTE = 0x22
const AMPERSAND = 0x26
const APOSTROPHE = 0x27
const SLASH = 0x2f
const COLON = 0x3a
const LESS = 0x3c
const EQUALS = 0x3d
const GREATER = 0x3e

const NAME_START = classOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_')
const NAME = classOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-')

const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])
const CHARACTER_REFERENCE = /^#(?:[0-9]{1,7}|x[0-9a-fA-F]{1,6})$/
const LONGEST_ENTITY = 8

/** `ns` is the prefix until all declarations of the tag have been seen. */
interface Attribute {
  readonly name: string
  ns: string
  readonly value: string
}

class UsualXml {
  readonly #text: string
  #at = 0
  /** Of the name that was read last; empty for none. */
  #prefix = ''
  /** The default namespace. */
  #home = ''
  /** Prefixes that are declared, and their namespaces, innermost last. */
  readonly #prefixes: string[] = ['xml']
  readonly #namespaces: string[] = [XML_NAMESPACE]

  constructor(text: string) {
    this.#text = text
  }

  read(): XmlNode | undefined {
    if (!this.#declaration() || !this.#misc()) return undefined
    if (this.#text.charCodeAt(this.#at) !== LESS) return undefined
    this.#at++
    const root = this.#element(1)
    return root && this.#misc() && this.#at === this.#text.length ? root : undefined
  }

  /** False where something is unusual about it. */
  #declaration(): boolean {
    if (!this.#text.startsWith('<?')) return true
    const end = this.#text.indexOf('?', 2)
    if (!this.#text.startsWith('<?xml ') || this.#text.charCodeAt(end + 1) !== GREATER) return false
    this.#at = end + 2
    return true
  }

  /** Blanks and comments outside of the root. */
  #misc(): boolean {
    for (;;) {
      this.#at = this.#afterBlanks(this.#at)
      if (!this.#text.startsWith('<!', this.#at)) return true
      if (!this.#comment()) return false
    }
  }

  #comment(): boolean {
    if (!this.#text.startsWith('<!--', this.#at)) return false
    const end = this.#text.indexOf('--', this.#at + 4)
    if (end < 0 || this.#text.charCodeAt(end + 2) !== GREATER) return false
    this.#at = end + 3
    return true
  }

  /** Behind its `<`. */
  #element(depth: number): XmlNode | undefined {
    if (depth > XML_LIMITS.depth) return undefined
    const text = this.#text
    const from = this.#at
    const name = this.#name()
    if (name === undefined) return undefined
    const length = this.#at - from
    const prefix = this.#prefix
    const home = this.#home
    const declared = this.#prefixes.length
    const attributes = this.#attributes()
    const ns = attributes && this.#namespaceOf(prefix)
    if (attributes === undefined || ns === undefined) return undefined
    let node: XmlNode | undefined
    if (text.charCodeAt(this.#at) === SLASH) {
      if (text.charCodeAt(this.#at + 1) !== GREATER) return undefined
      this.#at += 2
      node = new XmlNode(name, ns, attributes, NO_CHILDREN, '')
    } else {
      this.#at++
      node = this.#content(depth, name, ns, attributes)
      if (!node || !this.#endTag(from, length)) return undefined
    }
    this.#home = home
    // V8 has no fast way to set the length of an array.
    if (this.#prefixes.length > declared) {
      this.#prefixes.length = declared
      this.#namespaces.length = declared
    }
    return node
  }

  /** Up to the `</` that ends it. */
  #content(depth: number, name: string, ns: string, attributes: readonly XmlAttribute[]): XmlNode | undefined {
    const text = this.#text
    let children: XmlNode[] | undefined
    let said = ''
    let isBlankBefore = false
    for (;;) {
      const from = this.#at
      const open = text.indexOf('<', from)
      if (open < 0) return undefined
      if (said !== '') {
        const more = resolved(text.slice(from, open))
        if (more === undefined) return undefined
        said += more
      } else if (this.#afterBlanks(from) < open) {
        const first = resolved(text.slice(from, open))
        // Blanks in front of text that is interrupted belong to it.
        if (first === undefined || isBlankBefore) return undefined
        said = first
      } else if (open > from) {
        isBlankBefore = true
      }
      this.#at = open
      const next = text.charCodeAt(open + 1)
      if (next === SLASH) break
      if (next === BANG) {
        if (!this.#comment()) return undefined
        continue
      }
      this.#at = open + 1
      const child = this.#element(depth + 1)
      if (!child) return undefined
      if (children) children.push(child)
      else children = [child]
    }
    return new XmlNode(name, ns, attributes, children ?? NO_CHILDREN, said.trim() === '' ? '' : said)
  }

  /** With the same name, which is `length` long and stands at `from`. */
  #endTag(from: number, length: number): boolean {
    const text = this.#text
    const at = this.#at + 2
    for (let i = 0; i < length; i++) if (text.charCodeAt(at + i) !== text.charCodeAt(from + i)) return false
    const end = this.#afterBlanks(at + length)
    this.#at = end + 1
    return text.charCodeAt(end) === GREATER
  }

  /** Up to the `>` or `/` behind them. */
  #attributes(): readonly XmlAttribute[] | undefined {
    const text = this.#text
    let attributes: Attribute[] | undefined
    let isPrefixed = false
    let hasHome = false
    const declared = this.#prefixes.length
    for (let count = 0; ; count++) {
      const at = this.#afterBlanks(this.#at)
      const c = text.charCodeAt(at)
      if (c === GREATER || c === SLASH) {
        this.#at = at
        break
      }
      if (at === this.#at || count === XML_LIMITS.attributes) return undefined
      this.#at = at
      const name = this.#name()
      const prefix = this.#prefix
      const value = name === undefined ? undefined : this.#value()
      if (name === undefined || value === undefined) return undefined
      if (prefix === 'xmlns') {
        if (value === '' || name === 'xml' || name === 'xmlns') return undefined
        if (this.#prefixes.indexOf(name, declared) >= 0) return undefined
        this.#prefixes.push(name)
        this.#namespaces.push(value)
      } else if (prefix === '' && name === 'xmlns') {
        if (hasHome) return undefined
        hasHome = true
        this.#home = value
      } else {
        const attribute: Attribute = { name, ns: prefix, value }
        if (prefix !== '') isPrefixed = true
        if (!attributes) attributes = [attribute]
        else if (isAmong(attributes, name, prefix)) return undefined
        else attributes.push(attribute)
      }
    }
    if (!attributes) return NO_ATTRIBUTES
    return isPrefixed && !this.#resolve(attributes) ? undefined : attributes
  }

  /** Prefixes of attributes become namespaces; the default one is not for them. */
  #resolve(attributes: readonly Attribute[]): boolean {
    for (const attribute of attributes) {
      const ns = attribute.ns === '' ? '' : this.#namespaceOf(attribute.ns)
      if (ns === undefined) return false
      attribute.ns = ns
    }
    return true
  }

  #namespaceOf(prefix: string): string | undefined {
    if (prefix === '') return this.#home
    const at = this.#prefixes.lastIndexOf(prefix)
    return at < 0 ? undefined : this.#namespaces[at]
  }

  /** The local name; its prefix is noted. */
  #name(): string | undefined {
    const text = this.#text
    let at = this.#at
    if (NAME_START[text.charCodeAt(at)] !== 1) return undefined
    let start = at
    do at++
    while (NAME[text.charCodeAt(at)] === 1)
    this.#prefix = ''
    if (text.charCodeAt(at) === COLON) {
      this.#prefix = text.slice(start, at)
      start = ++at
      while (NAME[text.charCodeAt(at)] === 1) at++
      if (at === start || text.charCodeAt(at) === COLON) return undefined
    }
    this.#at = at
    const name = text.slice(start, at)
    // The library loses what JavaScript itself calls so.
    return name === '__proto__' || this.#prefix === '__proto__' ? undefined : name
  }

  /** `="value"`; a `<` does not belong in one. */
  #value(): string | undefined {
    const text = this.#text
    const quote = text.charCodeAt(this.#at + 1)
    if (text.charCodeAt(this.#at) !== EQUALS || (quote !== QUOTE && quote !== APOSTROPHE)) return undefined
    const start = this.#at + 2
    let isEscaped = false
    for (let at = start; at < text.length; at++) {
      const c = text.charCodeAt(at)
      if (c === quote) {
        this.#at = at + 1
        const value = text.slice(start, at)
        return isEscaped ? resolved(value) : value
      }
      if (c === LESS) return undefined
      if (c === AMPERSAND) isEscaped = true
    }
    return undefined
  }

  #afterBlanks(from: number): number {
    let at = from
    for (;;) {
      const c = this.#text.charCodeAt(at)
      if (c !== SPACE && c !== LF && c !== CR && c !== TAB) return at
      at++
    }
  }
}

function isAmong(attributes: readonly Attribute[], name: string, prefix: string): boolean {
  for (const known of attributes) if (known.name === name && known.ns === prefix) return true
  return false
}

/** With the characters that references stand for; undefined where one is unusual. */
function resolved(text: string): string | undefined {
  let at = text.indexOf('&')
  if (at < 0) return text
  let out = ''
  let from = 0
  for (; at >= 0; at = text.indexOf('&', from)) {
    const end = text.indexOf(';', at)
    if (end < 0 || end - at - 1 > LONGEST_ENTITY) return undefined
    const name = text.slice(at + 1, end)
    const character = ENTITIES.get(name) ?? characterOf(name)
    if (character === undefined) return undefined
    out += text.slice(from, at) + character
    from = end + 1
  }
  return out + text.slice(from)
}

/** Of a reference like `#65` or `#x41`. */
function characterOf(name: string): string | undefined {
  if (!CHARACTER_REFERENCE.test(name)) return undefined
  const code = name.charCodeAt(1) === 0x78 ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
  return isCharacter(code) ? String.fromCodePoint(code) : undefined
}

/** XML 1.0 2.2. */
function isCharacter(code: number): boolean {
  return (
    code === TAB ||
    code === LF ||
    code === CR ||
    (code >= SPACE && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x10000 && code <= 0x10ffff)
  )
}

function classOf(characters: string): Uint8Array {
  const members = new Uint8Array(128)
  for (let at = 0; at < characters.length; at++) members[characters.charCodeAt(at)] = 1
  return members
}
