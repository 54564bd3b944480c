/**
 * The basic rules of RFC 3261 25.1 by hand: tokens, quoted strings, white space, parameters, comma lists. Everything
 * looks at each character at most a fixed number of times. Lines are unfolded before they come here, so white space is
 * SP and HT only.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const COMMA = 0x2c
const LESS = 0x3c
const GREATER = 0x3e

const TOKEN = classOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")
const HEX = classOf('0123456789abcdefABCDEF')
/** What ends a parameter value that is not quoted. */
const VALUE_END = classOf(' \t;,"<>')

const NO_PARAMS: ReadonlyMap<string, string> = new Map()

export function isToken(text: string): boolean {
  return text !== '' && endOfToken(text, 0) === text.length
}

/** Index after the token that begins at `from`; `from` itself where there is none. */
export function endOfToken(text: string, from: number): number {
  let at = from
  while (at < text.length && TOKEN[text.charCodeAt(at)] === 1) at++
  return at
}

export function skipSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && isSpace(text.charCodeAt(at))) at++
  return at
}

/** Without SP, HT, CR and LF at both ends. `String.trim` would also take A0, which is half of a UTF-8 letter. */
export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a
}

export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** Only decimal digits from `from` to `to`, with any number of zeros before, not over `max`; undefined otherwise. */
export function parseDigits(text: string, max: number, from = 0, to = text.length): number | undefined {
  if (from >= to) return undefined
  let value = 0
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
    if (value > max) return undefined
  }
  return value
}

/** Index after the closing quote of the quoted-string that begins at `from`; -1 where it is not closed. */
export function endOfQuoted(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) at++
  }
  return -1
}

/** The content of a quoted-string between `from` (its opening quote) and `to` (after its closing quote), unescaped. */
export function unquote(text: string, from = 0, to = text.length): string {
  const inner = text.slice(from + 1, to - 1)
  if (!inner.includes('\\')) return inner
  let plain = ''
  let start = 0
  for (let at = inner.indexOf('\\'); at !== -1; at = inner.indexOf('\\', at + 2)) {
    plain += inner.slice(start, at)
    start = at + 1
  }
  return plain + inner.slice(start)
}

/** A quoted-string that says `text`. */
export function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/**
 * `;name=value;name` from `from` to the end of `text`. Names in lower case, values unquoted; a name without a value is
 * the empty string. Undefined where it is malformed or a name comes twice (RFC 3261 7.3.1).
 */
export function parseParams(text: string, from = 0): ReadonlyMap<string, string> | undefined {
  let at = skipSpace(text, from)
  if (at === text.length) return NO_PARAMS
  const params = new Map<string, string>()
  while (at < text.length) {
    if (text.charCodeAt(at) !== SEMICOLON) return undefined
    at = readParam(text, skipSpace(text, at + 1), params)
    if (at === -1) return undefined
  }
  return params
}

/** More parameters than this are read into a table; comparing each with each would take its time. */
const MOST_SPANS = 16
const nameStarts: number[] = []
const nameEnds: number[] = []
const valueStarts: number[] = []
const valueEnds: number[] = []
let spans = 0
let scanned = ''
let table: ReadonlyMap<string, string> | undefined

/** What `parseParams` reads, to be asked for by `scannedParam` before the next scan; false where it is malformed. */
export function scanParams(text: string, from: number): boolean {
  const { length } = text
  spans = 0
  scanned = text
  table = undefined
  let at = skipSpace(text, from)
  while (at < length) {
    if (text.charCodeAt(at) !== SEMICOLON) return false
    const start = skipSpace(text, at + 1)
    const end = endOfToken(text, start)
    if (end === start || isScanned(start, end)) return false
    if (spans === MOST_SPANS) {
      table = parseParams(text, from)
      return table !== undefined
    }
    nameStarts[spans] = start
    nameEnds[spans] = end
    at = scanValue(text, skipSpace(text, end))
    if (at === -1) return false
    spans++
  }
  return true
}

/** The value of a parameter, its name in lower case, of those scanned last; undefined where there is none. */
export function scannedParam(name: string): string | undefined {
  if (table) return table.get(name)
  for (let at = 0; at < spans; at++) {
    const start = nameStarts[at] ?? 0
    if ((nameEnds[at] ?? 0) - start !== name.length || !equalsInAnyCase(scanned, start, name, 0, name.length)) continue
    return valueIn(scanned, valueStarts[at] ?? 0, valueEnds[at] ?? 0)
  }
  return undefined
}

/** How many parameters were scanned last. */
export function scannedCount(): number {
  return table ? table.size : spans
}

/** Notes the value, if there is one, that follows a name; the index of what follows, or -1 where it is malformed. */
function scanValue(text: string, from: number): number {
  let next = from
  if (text.charCodeAt(from) === EQUALS) {
    const start = skipSpace(text, from + 1)
    next = endOfValue(text, start)
    if (next === -1) return -1
    valueStarts[spans] = start
    valueEnds[spans] = next
    return skipSpace(text, next)
  }
  valueStarts[spans] = valueEnds[spans] = from
  return from
}

/** Index after the value, quoted or not, that begins at `from`; -1 where its quotes are not closed. */
function endOfValue(text: string, from: number): number {
  if (text.charCodeAt(from) === QUOTE) return endOfQuoted(text, from)
  let at = from
  while (at < text.length && VALUE_END[text.charCodeAt(at)] !== 1) at++
  return at
}

function valueIn(text: string, from: number, to: number): string {
  return text.charCodeAt(from) === QUOTE && to > from ? unquote(text, from, to) : text.slice(from, to)
}

function isScanned(start: number, end: number): boolean {
  for (let at = 0; at < spans; at++) {
    const other = nameStarts[at] ?? 0
    if ((nameEnds[at] ?? 0) - other === end - start && equalsInAnyCase(scanned, start, scanned, other, end - start))
      return true
  }
  return false
}

/** Case of letters alone does not count: a token has none of the other characters that the bit changes. */
function equalsInAnyCase(one: string, start: number, other: string, otherStart: number, length: number): boolean {
  for (let at = 0; at < length; at++) {
    const code = one.charCodeAt(start + at)
    const otherCode = other.charCodeAt(otherStart + at)
    if (code !== otherCode && ((code ^ otherCode) !== 0x20 || !isLetter(code))) return false
  }
  return true
}

function isLetter(code: number): boolean {
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

/** Reads `name[=value]` at `at` into `params`; the index of what follows, or -1 where it is malformed. */
export function readParam(text: string, at: number, params: Map<string, string>): number {
  const nameEnd = endOfToken(text, at)
  if (nameEnd === at) return -1
  const name = text.slice(at, nameEnd).toLowerCase()
  let next = skipSpace(text, nameEnd)
  let value = ''
  if (text.charCodeAt(next) === EQUALS) {
    const start = skipSpace(text, next + 1)
    next = endOfValue(text, start)
    if (next === -1) return -1
    value = valueIn(text, start, next)
    next = skipSpace(text, next)
  }
  if (params.has(name)) return -1
  params.set(name, value)
  return next
}

/** The elements of a comma list, trimmed; commas in quotes and angle brackets do not count. Empty elements are kept. */
export function splitList(text: string): string[] {
  if (!text.includes(',')) return [trimSpace(text)]
  const elements: string[] = []
  let start = 0
  let inBrackets = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COMMA && !inBrackets) {
      elements.push(trimSpace(text.slice(start, at)))
      start = at + 1
    } else if (code === QUOTE && !inBrackets) {
      const end = endOfQuoted(text, at)
      if (end === -1) break
      at = end - 1
    } else if (code === LESS) {
      inBrackets = true
    } else if (code === GREATER) {
      inBrackets = false
    }
  }
  elements.push(trimSpace(text.slice(start)))
  return elements
}

export function isHex(code: number): boolean {
  return HEX[code] === 1
}

/** Percent escapes resolved, as UTF-8. Every `%` must begin one. */
export function unescape(text: string): string {
  if (!text.includes('%')) return text
  const bytes: string[] = []
  let start = 0
  for (let at = text.indexOf('%'); at !== -1; at = text.indexOf('%', start)) {
    bytes.push(toWire(text.slice(start, at)), String.fromCharCode(Number.parseInt(text.slice(at + 1, at + 3), 16)))
    start = at + 3
  }
  bytes.push(toWire(text.slice(start)))
  return fromWire(bytes.join(''))
}

/** Text as one character per UTF-8 byte, the form in which messages are put together. */
export function toWire(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The inverse of `toWire`; what is not UTF-8 becomes U+FFFD. */
export function fromWire(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Of a text, or of bytes as characters. */
export function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

/** 1 for each of the characters, by their codes. */
export function classOf(characters: string): Uint8Array {
  const members = new Uint8Array(256)
  for (let at = 0; at < characters.length; at++) members[characters.charCodeAt(at)] = 1
  return members
}
