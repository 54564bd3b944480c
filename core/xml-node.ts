/** XML as it was read, whoever read it. */

/** More of anything is not read. `copies`: of namespaces, one for each that holds where an element is. */
export const XML_LIMITS = { characters: 65536, depth: 64, attributes: 64, copies: 131_072 } as const

export interface XmlAttribute {
  readonly name: string
  /** Empty for those without a prefix. */
  readonly ns: string
  readonly value: string
}

/** An element as read, namespaces resolved. */
export class XmlNode {
  /** Local name. */
  readonly name: string
  /** Namespace; empty where there is none. */
  readonly ns: string
  /** Attributes with their namespaces, in the order of the document, without namespace declarations. */
  readonly qualified: readonly XmlAttribute[]
  readonly children: readonly XmlNode[]
  /** Character data of this element itself; empty where it is blank. */
  readonly text: string

  constructor(
    name: string,
    ns: string,
    qualified: readonly XmlAttribute[],
    children: readonly XmlNode[],
    text: string,
  ) {
    this.name = name
    this.ns = ns
    this.qualified = qualified
    this.children = children
    this.text = text
  }

  /** The value by local name. An attribute without prefix goes before one with. */
  attribute(name: string): string | undefined {
    let found: string | undefined
    for (const attribute of this.qualified) {
      if (attribute.name !== name) continue
      if (attribute.ns === '') return attribute.value
      found ??= attribute.value
    }
    return found
  }

  /** All that `attribute` finds; made anew each time it is asked for. */
  get attributes(): ReadonlyMap<string, string> {
    const attributes = new Map<string, string>()
    for (const { name, ns, value } of this.qualified) if (ns === '') attributes.set(name, value)
    for (const { name, ns, value } of this.qualified)
      if (ns !== '' && !attributes.has(name)) attributes.set(name, value)
    return attributes
  }
}

export const NO_ATTRIBUTES: readonly XmlAttribute[] = []
export const NO_CHILDREN: readonly XmlNode[] = []
