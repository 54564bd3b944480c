/** Texts that are kept for long. What is cut from a message keeps the whole message in memory, as do its parts. */

/** V8 cuts and joins nothing shorter than this; it copies it. */
const SHORTEST_CUT = 13

/** Characters of what a peer says that the log has. */
const LONGEST_TOLD = 200

/** So that reading a character is not left out. */
let seen = 0

/** A copy that does not keep the message it was cut from in memory. */
export function detached(text: string): string {
  if (text.length < SHORTEST_CUT) return text
  const half = text.length >> 1
  return joined(text.slice(0, half) + text.slice(half))
}

/** A text that was just put together, as one: its parts, and what they were cut from, are let go of. */
export function joined(text: string): string {
  // V8 makes one of the parts as soon as a character is asked for; to write and read it by a Buffer takes four times as long.
  seen ^= text.charCodeAt(0)
  return text
}

/** For the log: what a peer has chosen is as long as a header may be. */
export function brief(text: string): string {
  return text.length <= LONGEST_TOLD ? text : `${text.slice(0, LONGEST_TOLD)}…`
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

  /** `hash`: of the text, by any function that is the same for all of them. */
  of(text: string, hash = hashOf(text)): string {
    const place = hash & this.#mask
    const known = this.#places[place]
    if (known === text) return known
    const kept = detached(text)
    this.#places[place] = kept
    return kept
  }
}

/** One text of several, which no others make: all but the last go with their lengths. */
export function keyOf(first: string, second: string, third?: string): string {
  if (third === undefined) return `${first.length} ${first}${second}`
  return `${first.length} ${second.length} ${first}${second}${third}`
}

/** As FNV-1a mixes characters into a number of 32 bits. `seed`: where others are not to choose what falls together. */
export function hashOf(text: string, seed = 0): number {
  let number = seed ^ text.length
  for (let at = 0; at < text.length; at++) number = Math.imul(number ^ text.charCodeAt(at), 0x01000193)
  return number ^ (number >>> 15)
}
