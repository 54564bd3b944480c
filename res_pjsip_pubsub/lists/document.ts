/**
 * What of a list goes into one NOTIFY: all of it, or what is new to who was told the rest before. Where there is no room
 * for all bodies, those that do not fit follow in further NOTIFYs: RFC 4662 5.3 lets a list be told in parts, and a
 * resource be named before anything is known of its state.
 */
import type { Body } from '../body.ts'
import { roomOf } from './rlmi.ts'

/** A resource as its watcher is to see it. Does not change. */
export interface ShownResource {
  /** Its place in the tree, and that of the list it is in. */
  readonly key: string
  readonly parent: string
  readonly uri: string
  readonly name: string
  readonly state: 'active' | 'pending' | 'terminated'
  readonly reason: string
  readonly body: Body | undefined
  /** All of that in a few words: equal where it is equal. */
  readonly says: string
}

export interface ShownList {
  readonly key: string
  readonly parent: string
  readonly uri: string
  readonly name: string
  readonly fullState: boolean
  /** With the whole list, as Asterisk says it. */
  readonly isOver: boolean
  readonly items: readonly Shown[]
}

export type Shown = ShownResource | ShownList

/** What a watcher was told, by key. */
export type Known = ReadonlyMap<string, Shown>

export interface ListDocument {
  readonly list: ShownList
  readonly full: boolean
  readonly lines: readonly Line[]
}

/** `later`: only its name is there. `gone`: it is no more in the list. */
export type Line =
  | { readonly kind: 'told' | 'later'; readonly resource: ShownResource }
  | { readonly kind: 'list'; readonly document: ListDocument }
  | { readonly kind: 'gone'; readonly gone: Shown }

export interface Composition {
  readonly document: ListDocument
  /** What the watcher knows once it has this. */
  readonly known: Known
  /** There is more than there was room for. */
  readonly isCut: boolean
}

/** `room`: bytes for all of the body. */
export function wholeOf(list: ShownList, room: number): Composition {
  const builder = new Builder(room, new Map(), false)
  const skeleton = room === Number.POSITIVE_INFINITY ? 0 : skeletonOf(list)
  return builder.composition(builder.whole(list, skeleton))
}

/** `isGoingOn`: what was told last was cut. Undefined where nothing is new. */
export function newsOf(list: ShownList, told: Known, room: number, isGoingOn: boolean): Composition | undefined {
  const builder = new Builder(room, told, isGoingOn)
  if (!builder.hasNews(list)) return undefined
  if (!list.fullState || isGoingOn) return builder.composition(builder.news(list))
  const skeleton = room === Number.POSITIVE_INFINITY ? 0 : skeletonOf(list)
  return builder.composition(skeleton < room ? builder.whole(list, skeleton) : builder.news(list))
}

export function isList(shown: Shown): shown is ShownList {
  return 'items' in shown
}

/** Bytes of a multipart around its parts. */
const WRAPPING = 400

class Builder {
  #room: number
  readonly #told: Known
  readonly #isGoingOn: boolean
  readonly #known: Map<string, Shown>
  #gone: Map<string, Shown[]> | undefined
  #carried = 0
  #isCut = false

  constructor(room: number, told: Known, isGoingOn: boolean) {
    this.#room = room
    this.#told = told
    this.#isGoingOn = isGoingOn
    this.#known = new Map(told)
  }

  composition(document: ListDocument): Composition {
    return { document, known: this.#known, isCut: this.#isCut }
  }

  whole(list: ShownList, skeleton: number): ListDocument {
    return this.#whole(list, list, this.#reserve(skeleton))
  }

  news(list: ShownList): ListDocument {
    return this.#news(list, list)
  }

  hasNews(list: ShownList, root = list): boolean {
    if (this.#goneFrom(list, root).length > 0) return true
    return list.items.some((item) =>
      isList(item) ? !this.#told.has(item.key) || this.hasNews(item, root) : !this.#isTold(item),
    )
  }

  /** `named`: there is room for all names. Otherwise who gets this sees a list that grows. */
  #whole(list: ShownList, root: ShownList, named: boolean): ListDocument {
    const lines = list.items.flatMap((item): Line[] => {
      const line = named ? 0 : nameBytes(item)
      const fits = isList(item) ? this.#takeList(line) : this.#take(line + stateBytes(item))
      if (fits) this.#known.set(item.key, item)
      else this.#known.delete(item.key)
      if (isList(item)) return fits ? [{ kind: 'list', document: this.#whole(item, root, named) }] : []
      return fits || named ? [{ kind: fits ? 'told' : 'later', resource: item }] : []
    })
    return { list, full: true, lines: [...lines, ...this.#goneLines(list, root)] }
  }

  #news(list: ShownList, root: ShownList): ListDocument {
    const lines: Line[] = []
    for (const item of list.items) {
      if (!isList(item)) {
        if (this.#isTold(item)) continue
        if (!this.#take(nameBytes(item) + stateBytes(item))) continue
        this.#known.set(item.key, item)
        lines.push({ kind: 'told', resource: item })
        continue
      }
      const isNew = !this.#told.has(item.key)
      if (!isNew && !this.hasNews(item, root)) continue
      if (!this.#takeList(nameBytes(item))) continue
      this.#known.set(item.key, item)
      const isWhole = isNew || (item.fullState && !this.#isGoingOn && skeletonOf(item) < this.#room)
      const document = isWhole ? this.#whole(item, root, this.#reserve(skeletonOf(item))) : this.#news(item, root)
      lines.push({ kind: 'list', document })
    }
    return { list, full: false, lines: [...lines, ...this.#goneLines(list, root)] }
  }

  /** False where there is not so much. */
  #reserve(bytes: number): boolean {
    if (bytes >= this.#room) return false
    this.#room -= bytes
    return true
  }

  /** The first resource always fits: what no datagram holds is not held back for ever. */
  #take(bytes: number): boolean {
    const fits = this.#takeList(bytes)
    if (fits) this.#carried++
    return fits
  }

  #takeList(bytes: number): boolean {
    if (bytes > this.#room && this.#carried > 0) {
      this.#isCut = true
      return false
    }
    this.#room -= bytes
    return true
  }

  #isTold(item: ShownResource): boolean {
    const told = this.#told.get(item.key)
    return told !== undefined && !isList(told) && sameResource(told, item)
  }

  #goneLines(list: ShownList, root: ShownList): Line[] {
    return this.#goneFrom(list, root).map((gone) => {
      this.#known.delete(gone.key)
      return { kind: 'gone', gone }
    })
  }

  #goneFrom(list: ShownList, root: ShownList): readonly Shown[] {
    this.#gone ??= this.#findGone(root)
    return this.#gone.get(list.key) ?? []
  }

  #findGone(root: ShownList): Map<string, Shown[]> {
    const gone = new Map<string, Shown[]>()
    if (this.#told.size === 0) return gone
    if (countTold(root, this.#told) === this.#told.size) return gone
    const there = new Set<string>()
    addKeys(root, there)
    for (const shown of this.#told.values()) {
      const { key, parent } = shown
      if (there.has(key)) continue
      const others = gone.get(parent)
      if (others) others.push(shown)
      else gone.set(parent, [shown])
      // With a list goes all that was in it.
      if (!there.has(parent)) this.#known.delete(key)
    }
    return gone
  }
}

/** How many of the keys in the tree are told; the root itself never is. */
function countTold({ items }: ShownList, told: Known): number {
  let count = 0
  for (const item of items) {
    if (told.has(item.key)) count++
    if (isList(item)) count += countTold(item, told)
  }
  return count
}

function addKeys({ key, items }: ShownList, keys: Set<string>): void {
  keys.add(key)
  for (const item of items) {
    if (isList(item)) addKeys(item, keys)
    else keys.add(item.key)
  }
}

function sameResource(a: ShownResource, b: ShownResource): boolean {
  return a === b || a.says === b.says
}

/** Of its instance, and of its body with the headers of the part. */
function stateBytes({ uri, name, body }: ShownResource): number {
  const part = body ? Buffer.byteLength(body.text) + body.type.length + Buffer.byteLength(uri) + 160 : 0
  return roomOf(uri, name).instance + part
}

/** Of a list with its wrapping. */
function nameBytes(shown: Shown): number {
  const room = roomOf(shown.uri, shown.name)
  return isList(shown) ? room.name + room.instance + WRAPPING : room.name
}

/** The names of all, and the wrapping of the lists. */
function skeletonOf(list: ShownList): number {
  let bytes = nameBytes(list)
  for (const item of list.items) bytes += isList(item) ? skeletonOf(item) : nameBytes(item)
  return bytes
}
