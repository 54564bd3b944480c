/**
 * Dialogs by what requests in them say. They are filed by the hash of our own tag, which is random, so that neither the
 * text of an id has to be put together for a request, nor can others choose what falls together.
 */
import { hashOf } from '../text.ts'
import { HashIndex } from './hash-index.ts'

export interface Filed {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** For the table alone. */
  place: number
  isOf(callId: string, localTag: string, remoteTag: string): boolean
}

export class DialogTable<T extends Filed> {
  readonly #index = new HashIndex()
  readonly #places: (T | undefined)[] = []
  /** Places that became empty. */
  readonly #free: number[] = []

  get size(): number {
    return this.#index.size
  }

  /** In place of one with the same id. */
  set(dialog: T): void {
    const { callId, localTag, remoteTag } = dialog
    const known = this.find(callId, localTag, remoteTag)
    if (known) this.delete(known)
    this.add(dialog)
  }

  /** One whose id no other has. */
  add(dialog: T): void {
    const place = this.#free.pop() ?? this.#places.length
    this.#places[place] = dialog
    dialog.place = place
    this.#index.add(numberOf(dialog.localTag), place)
  }

  /** Nothing happens where another one is in its place. */
  delete(dialog: T): void {
    const { place } = dialog
    if (this.#places[place] !== dialog) return
    this.#places[place] = undefined
    this.#free.push(place)
    this.#index.remove(numberOf(dialog.localTag), place)
  }

  /** By its id: neither tag has a semicolon in it (RFC 3261 25.1). */
  get(id: string): T | undefined {
    const second = id.lastIndexOf(';')
    const first = id.lastIndexOf(';', second - 1)
    return first < 0 ? undefined : this.find(id.slice(0, first), id.slice(first + 1, second), id.slice(second + 1))
  }

  find(callId: string, localTag: string, remoteTag: string): T | undefined {
    const hash = numberOf(localTag)
    for (let others = 0; ; others++) {
      const place = this.#index.find(hash, others)
      if (place < 0) return undefined
      const dialog = this.#places[place]
      if (dialog?.isOf(callId, localTag, remoteTag)) return dialog
    }
  }
}

/** Of characters that are random. */
const ENOUGH = 12

function numberOf(tag: string): number {
  return hashOf(tag.length > ENOUGH ? tag.slice(-ENOUGH) : tag)
}
