/** Elements as they were read, made to be written again in a document of ours: same names, namespaces, text and order. */
import { hexDigest } from './hex-digest.ts'
import { escapeXml, indentOf, printElement, type XmlElement, type XmlNode } from './xml.ts'

/** Prefixes by namespace; what has none gets one made from its name, the same every time. */
export type Prefixes = ReadonlyMap<string, string>

/** `xmlns:rpid` → namespace: what the root has to declare. */
export type Declarations = ReadonlyMap<string, string>

const XML = 'http://www.w3.org/XML/1998/namespace'
const NOTHING_DECLARED: Declarations = new Map()

export interface XmlCopy {
  readonly element: XmlElement
  readonly declarations: Declarations
}

/** `home`: the default namespace of the document it goes into. */
export function copyXml(node: XmlNode, home: string, prefixes: Prefixes): XmlCopy {
  const copying = new Copying(home, prefixes)
  const element = copying.element(node)
  return { element, declarations: copying.declarations }
}

/** As its copy is printed, one level below the root. */
export function printCopy(
  node: XmlNode,
  home: string,
  prefixes: Prefixes,
): { readonly text: string; readonly declarations: Declarations } {
  const copying = new Copying(home, prefixes)
  const text = copying.print(node, 1)
  return { text, declarations: copying.declarations }
}

/** What several elements declare. */
export function declaredBy(all: readonly Declarations[]): Declarations {
  const declaring = all.filter(({ size }) => size > 0)
  if (declaring.length < 2) return declaring[0] ?? NOTHING_DECLARED
  return new Map(declaring.flatMap((declarations) => [...declarations]))
}

class Copying {
  readonly #home: string
  readonly #prefixes: Prefixes
  #declared: Map<string, string> | undefined

  constructor(home: string, prefixes: Prefixes) {
    this.#home = home
    this.#prefixes = prefixes
  }

  get declarations(): Declarations {
    return this.#declared ?? NOTHING_DECLARED
  }

  element(from: XmlNode): XmlElement {
    const name = this.#nameOf(from)
    const attributes = new Map<string, string>()
    for (const { name: key, ns, value } of from.qualified)
      attributes.set(ns === '' ? key : this.#prefixed(key, ns), value)
    return { name, attributes, children: from.children.map((child) => this.element(child)), text: from.text }
  }

  print(node: XmlNode, depth: number): string {
    const { qualified, children, text } = node
    // Two prefixes may be one in the copy, and the attribute is one then.
    if (qualified.length > 1 && qualified.some(({ ns }) => ns !== '')) return printElement(this.element(node), depth)
    const indent = indentOf(depth)
    const name = this.#nameOf(node)
    let out = `${indent}<${name}`
    for (const { name: key, ns, value } of qualified)
      out += ` ${ns === '' ? key : this.#prefixed(key, ns)}="${escapeXml(value)}"`
    if (children.length === 0 && text === '') return `${out} />`
    out += '>'
    for (const child of children) out += `\n${this.print(child, depth + 1)}`
    out += escapeXml(text)
    if (children.length > 0) out += `\n${indent}`
    return `${out}</${name}>`
  }

  /** An element in no namespace is taken to be at home: a document of ours has a default namespace. */
  #nameOf({ name, ns }: XmlNode): string {
    return ns === this.#home || ns === '' ? name : this.#prefixed(name, ns)
  }

  #prefixed(name: string, ns: string): string {
    if (ns === XML) return `xml:${name}`
    const prefix = this.#prefixes.get(ns) ?? `n${hexDigest('sha256', ns).slice(0, 6)}`
    this.#declared ??= new Map()
    this.#declared.set(`xmlns:${prefix}`, ns)
    return `${prefix}:${name}`
  }
}

/** Another one like it, so that what is done to one of them is not done to both. */
export function cloneXml({ name, attributes, children, text }: XmlElement): XmlElement {
  return { name, attributes: new Map(attributes), children: children.map(cloneXml), text }
}
