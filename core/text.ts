/** Texts that are kept for long. What is cut from a message keeps the whole message in memory, as do its parts. */

/** The longest that is copied without a buffer of its own. */
const LONGEST = 1000
const scratch = Buffer.allocUnsafeSlow(4 * LONGEST)
/** V8 cuts nothing shorter than this from another text; it copies it. */
const SHORTEST_CUT = 13

/** A copy that does not keep the message it was cut from in memory. */
export function detached(text: string): string {
  if (text.length < SHORTEST_CUT) return text
  if (text.length > LONGEST) return Buffer.from(text, 'utf8').toString('utf8')
  return scratch.toString('utf8', 0, scratch.write(text, 0, 'utf8'))
}

/**
 * Texts that come again and again, as the names of what is watched: equal ones become one, as far as they are remembered.
 * Each has one place, where the last that had it is found; nothing is allocated for what is not found.
 */
export class SharedTexts {
  readonly #mask: number
  readonly #places: string[]

  /** `places`: a power of two. */
  constructor(places: number) {
    this.#mask = places - 1
    this.#places = Array.from({ length: places }, () => '')
  }

  /** `isWhole`: it was cut from nothing, as what was read from a store, and need not be copied. */
  of(text: string, isWhole = false): string {
    const place = hashOf(text) & this.#mask
    const known = this.#places[place]
    if (known === text) return known
    const kept = isWhole ? text : detached(text)
    this.#places[place] = kept
    return kept
  }
}

/** As FNV-1a mixes characters into a number of 32 bits. `seed`: where others are not to choose what falls together. */
export function hashOf(text: string, seed = 0): number {
  let number = seed ^ text.length
  for (let at = 0; at < text.length; at++) number = Math.imul(number ^ text.charCodeAt(at), 0x01000193)
  return number ^ (number >>> 15)
}
