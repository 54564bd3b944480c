/** Elements as they were read, made to be written again in a document of ours: same names, namespaces, text and order. */
import { createHash } from 'node:crypto'
import { element, type XmlElement, type XmlNode } from './xml.ts'

/** Prefixes by namespace; what has none gets one made from its name, the same every time. */
export type Prefixes = ReadonlyMap<string, string>

const XML = 'http://www.w3.org/XML/1998/namespace'

export interface XmlCopy {
  readonly element: XmlElement
  /** `xmlns:rpid` → namespace: what the root has to declare. */
  readonly declarations: ReadonlyMap<string, string>
}

/** `home`: the default namespace of the document it goes into. */
export function copyXml(node: XmlNode, home: string, prefixes: Prefixes): XmlCopy {
  const declarations = new Map<string, string>()
  const qualified = (name: string, ns: string): string => {
    if (ns === XML) return `xml:${name}`
    const prefix = prefixes.get(ns) ?? `n${createHash('sha256').update(ns).digest('hex').slice(0, 6)}`
    declarations.set(`xmlns:${prefix}`, ns)
    return `${prefix}:${name}`
  }
  const copy = (from: XmlNode): XmlElement => {
    // An element in no namespace is taken to be at home: a document of ours has a default namespace.
    const made = element(from.ns === home || from.ns === '' ? from.name : qualified(from.name, from.ns))
    for (const { name, ns, value } of from.qualified) made.attributes.set(ns === '' ? name : qualified(name, ns), value)
    made.children.push(...from.children.map(copy))
    made.text = from.text
    return made
  }
  return { element: copy(node), declarations }
}

/** Another one like it, so that what is done to one of them is not done to both. */
export function cloneXml(from: XmlElement): XmlElement {
  const made = element(from.name)
  for (const [name, value] of from.attributes) made.attributes.set(name, value)
  made.children.push(...from.children.map(cloneXml))
  made.text = from.text
  return made
}
