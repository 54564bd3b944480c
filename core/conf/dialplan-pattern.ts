/**
 * Extension patterns: `_X.`, `_[1-5]XX`, `_N!`. Which extensions they match, and which of two is the more specific and
 * so is tried first, exactly as Asterisk has it. Dashes and blanks are decoration, but inside of brackets.
 */

/** One place of a pattern: a set of characters, or the rest of the extension. */
type Place =
  | { readonly kind: 'set'; readonly chars: readonly number[] }
  | { readonly kind: 'rest'; readonly sign: '.' | '!' }

export interface ExtenPattern {
  readonly text: string
  readonly places: readonly Place[]
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
const digits = (from: string): readonly number[] => range(from.charCodeAt(0), 0x39)
const CLASSES: Readonly<Record<string, readonly number[]>> = {
  X: digits('0'),
  x: digits('0'),
  Z: digits('1'),
  z: digits('1'),
  N: digits('2'),
  n: digits('2'),
}

export function isPattern(exten: string): boolean {
  return exten.startsWith('_')
}

/** Throws an Error that says what is expected. */
export function readExtenPattern(text: string): ExtenPattern {
  const places: Place[] = []
  for (let at = 1; at < text.length; at++) {
    const c = text.charAt(at)
    if (c === '-' || c === ' ') continue
    if (c === '[') {
      const end = text.indexOf(']', at)
      if (end < 0) throw new Error('expected ] after [ in a pattern')
      const chars = readSet(text.slice(at + 1, end))
      // An empty set stands for nothing.
      if (chars.length > 0) places.push({ kind: 'set', chars })
      at = end
    } else if (c === '.' || c === '!') {
      places.push({ kind: 'rest', sign: c })
    } else {
      places.push({ kind: 'set', chars: CLASSES[c] ?? [c.charCodeAt(0)] })
    }
  }
  return { text, places }
}

export function matchesPattern({ places }: ExtenPattern, exten: string): boolean {
  const dialled = plainExten(exten)
  for (const [at, place] of places.entries()) {
    if (place.kind === 'rest') return place.sign === '!' || at < dialled.length
    if (at >= dialled.length || !place.chars.includes(dialled.charCodeAt(at))) return false
  }
  return dialled.length === places.length
}

/** For sorting: the more specific pattern first. */
export function comparePatterns(a: ExtenPattern, b: ExtenPattern): number {
  const length = Math.max(a.places.length, b.places.length)
  for (let at = 0; at < length; at++) {
    const difference = comparePlaces(a.places[at], b.places[at])
    if (difference !== 0) return difference
  }
  return 0
}

/** What two extensions that are written differently have in common when they mean the same. */
export function plainExten(exten: string): string {
  return exten.replaceAll('-', '')
}

/** The smaller set first, and of equally large ones that of the lower characters; then `.`, then `!`, then the end. */
function comparePlaces(a: Place | undefined, b: Place | undefined): number {
  if (a?.kind !== 'set' || b?.kind !== 'set') return rank(a) - rank(b)
  if (a.chars.length !== b.chars.length) return a.chars.length - b.chars.length
  for (const [at, char] of a.chars.entries()) {
    const difference = char - (b.chars[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function rank(place: Place | undefined): number {
  if (!place) return 3
  if (place.kind === 'set') return 0
  return place.sign === '.' ? 1 : 2
}

/** `1-5a` is 1, 2, 3, 4, 5 and a; in order, each once. */
function readSet(text: string): number[] {
  const chars = new Set<number>()
  for (let at = 0; at < text.length; at++) {
    const from = text.charCodeAt(at)
    const isRange = text[at + 1] === '-' && at + 2 < text.length
    for (const char of isRange ? range(from, Math.min(text.charCodeAt(at + 2), 0xff)) : [from]) chars.add(char)
    if (isRange) at += 2
  }
  return [...chars].sort((a, b) => a - b)
}
