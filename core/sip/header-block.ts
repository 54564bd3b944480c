/** The header lines of a message: where each is, found in one pass; their values, unfolded when they are asked for. */
import { isToken, trimSpace } from './grammar.ts'
import { knownKey } from './headers.ts'

export interface ParseLimits {
  /** Bytes of the whole message. */
  readonly maxBytes: number
  /** Header lines, folded ones counted once. */
  readonly maxHeaders: number
  /** Bytes of one header, or of the start line. */
  readonly maxLine: number
}

export const PARSE_LIMITS: ParseLimits = { maxBytes: 65535, maxHeaders: 256, maxLine: 8192 }

/** Header lines up to the empty line after them. Characters stand for bytes. */
export class HeaderBlock {
  /** Index after the empty line; the end of the text where there is a problem. */
  readonly end: number
  /** What stopped the reading, if anything did, and the status it is answered with. */
  readonly problem: { readonly why: string; readonly status: number } | undefined
  readonly #text: string
  /** Keys of the headers, in order. */
  readonly #keys: string[] = []
  /** Where each value begins and ends in the text: two numbers a header. */
  readonly #spans: number[] = []

  constructor(text: string, from: number, limits: ParseLimits) {
    this.#text = text
    const stopped = this.#index(from, limits)
    this.problem = typeof stopped === 'number' ? undefined : stopped
    this.end = typeof stopped === 'number' ? stopped : text.length
  }

  /** The value of the first header of this key. */
  first(key: string): string | undefined {
    const at = this.#keys.indexOf(key)
    return at === -1 ? undefined : this.#value(at)
  }

  all(key: string): string[] {
    const found: string[] = []
    for (let at = this.#keys.indexOf(key); at !== -1; at = this.#keys.indexOf(key, at + 1)) found.push(this.#value(at))
    return found
  }

  count(key: string): number {
    let count = 0
    for (const known of this.#keys) if (known === key) count++
    return count
  }

  #value(at: number): string {
    const value = trimSpace(this.#text.slice(this.#spans[2 * at], this.#spans[2 * at + 1]))
    return value.includes('\n') ? unfold(value) : value
  }

  /** Index after the empty line, or what is wrong. */
  #index(from: number, limits: ParseLimits): number | { readonly why: string; readonly status: number } {
    const text = this.#text
    let nextCr = text.indexOf('\r', from)
    let at = from
    for (;;) {
      const newline = text.indexOf('\n', at)
      if (newline === -1) return { why: 'Missing Empty Line After Headers', status: 400 }
      if (nextCr !== -1 && nextCr < at) nextCr = text.indexOf('\r', at)
      const end = nextCr !== -1 && nextCr === newline - 1 ? nextCr : newline
      if (nextCr !== -1 && nextCr < end) return { why: 'CR Without LF', status: 400 }
      if (end === at) return newline + 1
      if (!this.#take(at, end)) return { why: 'Malformed Header Line', status: 400 }
      if (this.#keys.length > limits.maxHeaders) return { why: 'Too Many Headers', status: 513 }
      if (end - (this.#spans.at(-2) ?? end) > limits.maxLine) return { why: 'Header Too Long', status: 513 }
      at = newline + 1
    }
  }

  /** Takes the line from `at` to `end`; false where it is no header line. */
  #take(at: number, end: number): boolean {
    const first = this.#text.charCodeAt(at)
    if (first === 0x20 || first === 0x09) {
      if (this.#keys.length === 0) return false
      this.#spans[this.#spans.length - 1] = end
      return true
    }
    const colon = this.#text.indexOf(':', at)
    const key = colon === -1 || colon > end ? undefined : keyOf(this.#text, at, colon)
    if (key === undefined) return false
    this.#keys.push(key)
    this.#spans.push(colon + 1, end)
    return true
  }
}

// HCOLON = *( SP / HTAB ) ":" SWS
function keyOf(text: string, start: number, colon: number): string | undefined {
  let end = colon
  while (end > start && (text.charCodeAt(end - 1) === 0x20 || text.charCodeAt(end - 1) === 0x09)) end--
  const name = text.slice(start, end)
  return knownKey(name) ?? (isToken(name) ? name.toLowerCase() : undefined)
}

// RFC 3261 7.3.1: a line break with the white space around it says no more than one space.
function unfold(value: string): string {
  return value.split('\n').map(trimSpace).join(' ')
}
