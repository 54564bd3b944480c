/**
 * The other side of a resource list: reads multipart/related and RLMI (RFC 4662) with code of its own, and adds the
 * documents of a subscription up, complaining of whatever a client could not follow.
 */
export interface Part {
  readonly cid: string
  readonly type: string
  readonly content: string
}

export interface Instance {
  readonly id: string
  readonly state: string
  readonly reason: string
  /** Of its body: type and text; undefined where none was carried. */
  readonly body: string | undefined
}

export interface Entry {
  readonly uri: string
  readonly name: string
  readonly instance: Instance | undefined
  /** Where its body is a list. */
  readonly list: Document | undefined
}

export interface Document {
  readonly uri: string
  readonly name: string
  readonly version: number
  readonly full: boolean
  readonly entries: readonly Entry[]
}

/** Parameters of a Content-Type. */
export function parameter(type: string, name: string): string | undefined {
  return new RegExp(`;\\s*${name}=(?:"([^"]*)"|([^;]*))`, 'i')
    .exec(type)
    ?.slice(1)
    .find((one) => one !== undefined)
}

function readParts(type: string, body: string): Part[] {
  const boundary = parameter(type, 'boundary') ?? ''
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`)
  if (boundary === '' || pieces[0] !== '' || pieces.at(-1)?.trim() !== '--') throw new Error(`no multipart: ${body}`)
  return pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    const head = new Map(
      piece
        .slice(2, end)
        .split('\r\n')
        .map((line): [string, string] => [
          line.slice(0, line.indexOf(':')).toLowerCase(),
          line.slice(line.indexOf(':') + 1).trim(),
        ]),
    )
    const cid = head.get('content-id') ?? ''
    if (!cid.startsWith('<')) throw new Error(`a part without Content-ID: ${piece}`)
    return { cid: cid.slice(1, -1), type: head.get('content-type') ?? '', content: piece.slice(end + 4) }
  })
}

export function readList(type: string, body: string): Document {
  if (!type.startsWith('multipart/related;type="application/rlmi+xml"')) throw new Error(`no list: ${type}`)
  const parts = readParts(type, body)
  const start = parameter(type, 'start')
  const [rlmi] = parts
  if (!rlmi?.type.startsWith('application/rlmi+xml')) throw new Error('the first part is no RLMI')
  if (start !== undefined && start !== `<${rlmi.cid}>`) throw new Error(`start is ${start}, not the RLMI`)
  const byCid = new Map(parts.slice(1).map((part) => [part.cid, part]))
  if (byCid.size !== parts.length - 1) throw new Error('two parts have one Content-ID')
  const root = /^(?:<\?xml[^>]*>\s*)<list ([^>]*)>([\s\S]*)<\/list>\s*$/.exec(rlmi.content)
  const attributes = readAttributes(root?.[1] ?? '')
  if (attributes.get('xmlns') !== 'urn:ietf:params:xml:ns:rlmi') throw new Error(`no RLMI: ${rlmi.content}`)
  const [head = '', ...resources] = (root?.[2] ?? '').split('<resource ')
  const entries = resources.map((text) => readEntry(text, byCid))
  if (byCid.size > 0) throw new Error(`parts that nothing names: ${[...byCid.keys()].join(', ')}`)
  const known = ['xmlns', 'uri', 'version', 'fullState']
  if (known.some((name) => !attributes.has(name)) || attributes.size !== known.length)
    throw new Error(`a list with other attributes: ${root?.[1]}`)
  return {
    uri: attributes.get('uri') ?? '',
    name: nameIn(head),
    version: Number(attributes.get('version')),
    full: attributes.get('fullState') === 'true',
    entries,
  }
}

/** From behind `<resource `. */
function readEntry(text: string, byCid: Map<string, Part>): Entry {
  const uri = readAttributes(text.slice(0, text.indexOf('>'))).get('uri') ?? ''
  const entry = { uri, name: nameIn(text) }
  const found = /<instance ([^>]*)\/>/.exec(text)
  if (!found) return { ...entry, instance: undefined, list: undefined }
  const attributes = readAttributes(found[1] ?? '')
  const instance = {
    id: attributes.get('id') ?? '',
    state: attributes.get('state') ?? '',
    reason: attributes.get('reason') ?? '',
  }
  const cid = attributes.get('cid')
  if (cid === undefined) return { ...entry, instance: { ...instance, body: undefined }, list: undefined }
  const part = byCid.get(cid)
  if (!part) throw new Error(`there is no part ${cid}`)
  byCid.delete(cid)
  if (!part.type.startsWith('multipart/'))
    return { ...entry, instance: { ...instance, body: part.content }, list: undefined }
  return { ...entry, instance: { ...instance, body: undefined }, list: readList(part.type, part.content) }
}

function readAttributes(text: string): Map<string, string> {
  return new Map([...text.matchAll(/([\w:]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, unescaped(value)]))
}

function nameIn(text: string): string {
  return unescaped(/<name>([^<]*)<\/name>/.exec(text)?.[1] ?? '')
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}

/** What is known of a resource: its body, or its state where it has none. */
export type Table = Map<string, string>

/** A client that adds up what it is told (RFC 4662 5.2, 5.3). */
export class ListClient {
  readonly #versions = new Map<string, number>()
  readonly #told = new Map<string, Table>()
  readonly documents: Document[] = []

  /** All resources, those of lists within the list with the name of their list before them. */
  get table(): Table {
    const all: Table = new Map()
    for (const [path, table] of this.#told) for (const [uri, text] of table) all.set(`${path}${uri}`, text)
    return all
  }

  take(type: string, body: string): Document {
    const document = readList(type, body)
    this.documents.push(document)
    this.#apply(document, '')
    return document
  }

  #apply({ version, full, entries, uri }: Document, path: string): void {
    const last = this.#versions.get(path)
    if (last !== undefined && version !== last + 1) throw new Error(`version ${version} of ${uri} after ${last}`)
    if (last === undefined && !full) throw new Error(`${uri} begins with a part`)
    this.#versions.set(path, version)
    if (full) {
      const inner = new Set(entries.filter(({ list }) => list).map((entry) => `${path}${entry.uri} `))
      for (const other of this.#told.keys())
        if (other.startsWith(path) && other !== path && ![...inner].some((one) => other.startsWith(one)))
          this.#forget(other)
      this.#told.set(path, new Map())
    }
    const table = this.#told.get(path) ?? new Map<string, string>()
    this.#told.set(path, table)
    for (const entry of entries) this.#entry(entry, table, path)
  }

  #entry({ uri, instance, list }: Entry, table: Table, path: string): void {
    const inner = `${path}${uri} `
    if (list) return this.#apply(list, inner)
    if (!instance) return void table.set(uri, 'unknown')
    if (instance.reason === 'noresource') {
      // Who is gone from the list, and who is not there in the first place, look alike: neither has a lamp.
      table.delete(uri)
      this.#forget(inner)
    } else table.set(uri, instance.body ?? `${instance.state} ${instance.reason}`.trim())
  }

  #forget(path: string): void {
    for (const other of this.#told.keys()) {
      if (!other.startsWith(path)) continue
      this.#told.delete(other)
      this.#versions.delete(other)
    }
  }
}
