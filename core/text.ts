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

/** Texts that come again and again, as the names of what is watched: equal ones become one, as far as they are remembered. */
export class SharedTexts {
  readonly #most: number
  #texts = new Map<string, string>()

  /** `most`: how many are remembered. */
  constructor(most: number) {
    this.#most = most
  }

  of(text: string): string {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    if (this.#texts.size >= this.#most) this.#texts = new Map()
    const kept = detached(text)
    this.#texts.set(kept, kept)
    return kept
  }
}
