/** The body of a list's NOTIFY: made of the bodies of its resources, which are shared with everybody else who watches them. */
import { randomBytes } from 'node:crypto'
import { hexDigest } from '../../core/hex-digest.ts'
import type { RequestBody } from '../../core/sip/contract.ts'
import type { SentBody, Told } from '../body.ts'
import {
  type Composition,
  isList,
  type Line,
  type ListDocument,
  newsOf,
  type Shown,
  type ShownList,
  type ShownResource,
  wholeOf,
} from './document.ts'
import {
  type InstanceLine,
  multipartType,
  type Part,
  type PartStyle,
  printMultipart,
  type ResourceLine,
  rlmiPart,
} from './rlmi.ts'

/** What lasts over the NOTIFYs of a subscription. */
export interface ListContext {
  /** No other list has it. */
  readonly dialogId: string
  /** Of the URI that was subscribed to: the right side of Content-IDs. */
  readonly host: string
  readonly style: PartStyle
  /** The number of the next document of a resource or a list within the list. */
  readonly nextVersion: (key: string) => number
}

export class ListBody implements SentBody, Told {
  readonly #context: ListContext
  readonly #list: ShownList
  readonly #room: number
  readonly #boundary: string
  readonly #ids = new Map<string, string>()
  #composition: Composition | undefined
  #entityTag: string | undefined

  /** `room`: the most bytes it may have. Without `composition` it is the whole list. */
  constructor(context: ListContext, list: ShownList, room: number, composition?: Composition) {
    this.#context = context
    this.#list = list
    this.#room = room
    this.#composition = composition
    this.#boundary = boundary(context)
  }

  /** Where nothing is in it, it says so. */
  get isEmpty(): boolean {
    return false
  }

  get type(): string {
    return multipartType(this.#boundary, this.#startOf(this.#list))
  }

  /** More is to follow, as there was no room. */
  get isCut(): boolean {
    return this.#made.isCut
  }

  /** Of what is known to the watcher who has this, so that a part has the same as the whole. */
  get entityTag(): string {
    if (this.#entityTag !== undefined) return this.#entityTag
    const { known } = this.#made
    const said: string[] = []
    const tell = ({ items }: ShownList): void => {
      for (const item of items) {
        if (!known.has(item.key)) continue
        if (!isList(item)) said.push(item.says)
        else {
          said.push(item.key)
          tell(item)
        }
      }
    }
    tell(this.#list)
    return (this.#entityTag = hexDigest('sha1', said.join('\n')).slice(0, 20))
  }

  /** All of it: what is new depends on each resource that was told. */
  get told(): this {
    return this
  }

  /** RFC 4662 5.2: of what stands in no document before it, the first cannot be a part. */
  get known(): Told {
    const { entityTag, isCut } = this
    return { entityTag, isCut }
  }

  newsSince(told: Told): ListBody | undefined {
    if (!(told instanceof ListBody)) return told.isCut || told.entityTag !== this.entityTag ? this : undefined
    if (told.#context !== this.#context) return this
    const news = newsOf(this.#list, told.#made.known, this.#room, told.isCut)
    return news && new ListBody(this.#context, this.#list, this.#room, news)
  }

  /** To be called once: the numbers of its parts go up. */
  content(version: number): RequestBody {
    return { contentType: this.type, content: this.#print(this.#made.document, version, this.#boundary) }
  }

  get #made(): Composition {
    return (this.#composition ??= wholeOf(this.#list, this.#room))
  }

  #print(document: ListDocument, version: number, mark: string): string {
    const { list, full, lines } = document
    const parts: Part[] = []
    const resources = lines.map((line) => this.#line(line, parts))
    const rlmi = { uri: list.uri, name: list.name, version, fullState: full, resources }
    return printMultipart(mark, [rlmiPart(this.#cid(`${list.key}\0rlmi`), rlmi), ...parts], this.#context.style)
  }

  /** Its body, if it has one, goes to the parts. */
  #line(line: Line, parts: Part[]): ResourceLine {
    if (line.kind === 'gone') return this.#resource(line.gone, { state: 'terminated', reason: 'noresource' })
    if (line.kind === 'list') return this.#inner(line.document, parts)
    if (line.kind === 'told') return this.#told(line.resource, parts)
    return { uri: line.resource.uri, name: line.resource.name, instance: undefined }
  }

  #inner(document: ListDocument, parts: Part[]): ResourceLine {
    const { list } = document
    const cid = this.#cid(list.key)
    const mark = boundary(this.#context)
    const content = this.#print(document, this.#context.nextVersion(list.key), mark)
    parts.push({ cid, type: multipartType(mark, this.#startOf(list)), content })
    return this.#resource(list, { state: list.isOver ? 'terminated' : 'active', reason: '', cid })
  }

  #told(resource: ShownResource, parts: Part[]): ResourceLine {
    const { body, key, state, reason } = resource
    const content = body?.withVersion(this.#context.nextVersion(key)) ?? ''
    const cid = content === '' ? undefined : this.#cid(key)
    if (body && cid !== undefined) parts.push({ cid, type: body.type, content })
    return this.#resource(resource, { state, reason, cid })
  }

  #resource(
    { uri, name, key }: Shown,
    { state, reason, cid }: Pick<InstanceLine, 'state' | 'reason'> & { readonly cid?: string | undefined },
  ): ResourceLine {
    const why = this.#context.style === 'asterisk' ? '' : reason
    return { uri, name, instance: { id: this.#idOf(key), state, reason: why, cid } }
  }

  #cid(key: string): string {
    return `${this.#idOf(key)}@${this.#context.host}`
  }

  /** The same for a resource in all NOTIFYs of a subscription; Asterisk makes new ones each time. */
  #idOf(key: string): string {
    const { style, dialogId } = this.#context
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = style === 'asterisk' ? letters() : hexDigest('sha1', `${dialogId}\0${key}`).slice(0, 16)
    this.#ids.set(key, id)
    return id
  }

  #startOf({ key }: ShownList): string | undefined {
    return this.#context.style === 'asterisk' ? undefined : this.#cid(`${key}\0rlmi`)
  }
}

/** What no published document can guess; Asterisk's is short. */
function boundary({ style }: ListContext): string {
  return style === 'asterisk' ? letters() : randomBytes(12).toString('hex')
}

function letters(): string {
  return [...randomBytes(5)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('')
}
