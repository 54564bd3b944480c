/** The header lines of a message: where each is, found in one pass; their values, unfolded when they are asked for. */
import { endOfToken, isAscii, isSpace, trimSpace } from './grammar.ts'
import { HEADER_COUNT, headerNumber, numberInText } from './headers.ts'

export interface ParseLimits {
  /** Bytes of the whole message. */
  readonly maxBytes: number
  /** Header lines, folded ones counted once. */
  readonly maxHeaders: number
  /** Bytes of one header, or of the start line. */
  readonly maxLine: number
}

export const PARSE_LIMITS: ParseLimits = { maxBytes: 65535, maxHeaders: 256, maxLine: 8192 }

export interface HeaderProblem {
  readonly why: string
  readonly status: number
}

const NO_END: HeaderProblem = { why: 'Missing Empty Line After Headers', status: 400 }
const BARE_CR: HeaderProblem = { why: 'CR Without LF', status: 400 }
const NO_HEADER: HeaderProblem = { why: 'Malformed Header Line', status: 400 }
const TOO_MANY: HeaderProblem = { why: 'Too Many Headers', status: 513 }
const TOO_LONG: HeaderProblem = { why: 'Header Too Long', status: 513 }

/**
 * Where the lines are, of one message at a time: it is read and answered before the next one comes, as a rule. A message
 * that is asked for something later is read again, which costs a microsecond; a table for each would cost more.
 */
let owner = 0
let made = 0
let lines = 0
/** Of each line: the number of its header, where its name begins and ends, where its value begins and ends. */
const NUMBER = 0
const NAME_START = 1
const NAME_END = 2
const START = 3
const END = 4
const FIELDS = 5
let table: Int32Array = new Int32Array(FIELDS * 300)
/** Of each header: its first line, or -1; how many lines it has. */
const firsts = new Int32Array(HEADER_COUNT).fill(-1)
const counts = new Int32Array(HEADER_COUNT)

/** Header lines up to the empty line after them. Characters stand for bytes. */
export class HeaderBlock {
  /** Index after the empty line; the end of the text where there is a problem. */
  readonly end: number
  /** What stopped the reading, if anything did, and the status it is answered with. */
  readonly problem: HeaderProblem | undefined
  readonly text: string
  readonly #id: number
  readonly #from: number
  readonly #limits: ParseLimits
  #isAscii: boolean | undefined
  readonly #isFolded: boolean

  constructor(text: string, from: number, limits: ParseLimits) {
    this.text = text
    this.#from = from
    this.#limits = limits
    const stopped = index(text, from, limits)
    this.#id = ++made
    owner = this.#id
    this.problem = typeof stopped === 'number' ? undefined : stopped
    this.end = typeof stopped === 'number' ? stopped : text.length
    this.#isFolded = isFolded
  }

  /** Every byte is a character of its own, in UTF-8 too. */
  get isAscii(): boolean {
    this.#isAscii ??= isAscii(this.text)
    return this.#isAscii
  }

  /** The value of the first line of the header with this number, which is not 0. */
  first(number: number): string | undefined {
    this.#own()
    const at = firsts[number] ?? -1
    return at === -1 ? undefined : this.#value(at)
  }

  /** Whether there is this character in that. */
  firstHas(number: number, character: string): boolean {
    this.#own()
    const line = firsts[number] ?? -1
    if (line === -1) return false
    const at = this.text.indexOf(character, table[FIELDS * line + START])
    return at !== -1 && at < (table[FIELDS * line + END] ?? 0)
  }

  /** The values of all lines of it. */
  all(number: number): string[] {
    this.#own()
    const found: string[] = []
    if (counts[number] === 0) return found
    for (let at = firsts[number] ?? 0; at < lines; at++) if (numberAt(at) === number) found.push(this.#value(at))
    return found
  }

  count(number: number): number {
    this.#own()
    return counts[number] ?? 0
  }

  /** As `all`, for any name. */
  allNamed(name: string): string[] {
    const number = headerNumber(name)
    if (number !== 0) return this.all(number)
    this.#own()
    const key = name.toLowerCase()
    const found: string[] = []
    for (let at = 0; at < lines; at++)
      if (numberAt(at) === 0 && this.#name(at).toLowerCase() === key) found.push(this.#value(at))
    return found
  }

  #own(): void {
    if (owner === this.#id) return
    index(this.text, this.#from, this.#limits)
    owner = this.#id
  }

  #name(at: number): string {
    return this.text.slice(table[FIELDS * at + NAME_START], table[FIELDS * at + NAME_END])
  }

  #value(at: number): string {
    const value = this.text.slice(table[FIELDS * at + START], table[FIELDS * at + END])
    return this.#isFolded ? unfold(value) : value
  }
}

const LF = 10
const CR = 13
let isFolded = false

/** Fills the tables: the index after the empty line, or what is wrong. */
function index(text: string, from: number, limits: ParseLimits): number | HeaderProblem {
  for (let at = 0; at < lines; at++) {
    const number = numberAt(at)
    firsts[number] = -1
    counts[number] = 0
  }
  lines = 0
  isFolded = false
  const { length } = text
  let nextCr = text.indexOf('\r', from)
  let at = from
  while (at < length) {
    const first = text.charCodeAt(at)
    if (first === LF) return at + 1
    if (first === CR && text.charCodeAt(at + 1) === LF) return at + 2
    let value = at
    if (isSpace(first)) {
      if (lines === 0) return NO_HEADER
      isFolded = true
    } else {
      value = startLine(text, at)
      if (value === -1) return NO_HEADER
      if (lines > limits.maxHeaders) return without(TOO_MANY)
    }
    let end = text.indexOf('\n', value)
    if (end === -1) return isSpace(first) ? NO_END : without(NO_END)
    at = end + 1
    if (nextCr !== -1 && nextCr < value) nextCr = text.indexOf('\r', value)
    if (nextCr !== -1 && nextCr < end) {
      end--
      if (nextCr !== end) return isSpace(first) ? BARE_CR : without(BARE_CR)
    }
    const row = FIELDS * (lines - 1)
    const start = table[row + START] ?? 0
    while (end > start && isSpace(text.charCodeAt(end - 1))) end--
    table[row + END] = end
    if (end - start > limits.maxLine) return TOO_LONG
  }
  return NO_END
}

/** Forgets the line that was noted last: it has no end. */
function without(problem: HeaderProblem): HeaderProblem {
  lines--
  const number = numberAt(lines)
  if (firsts[number] === lines) firsts[number] = -1
  counts[number] = (counts[number] ?? 1) - 1
  return problem
}

/** Notes the line that begins at `at`; where its value begins, or -1 where it is no header line. */
function startLine(text: string, at: number): number {
  const colon = text.indexOf(':', at)
  if (colon === -1) return -1
  // HCOLON = *( SP / HTAB ) ":" SWS
  let end = colon
  while (end > at && isSpace(text.charCodeAt(end - 1))) end--
  const number = numberInText(text, at, end)
  if (number === 0 && (end === at || endOfToken(text, at) !== end)) return -1
  let value = colon + 1
  while (isSpace(text.charCodeAt(value))) value++
  const row = FIELDS * lines
  if (row >= table.length) table = enlarged(table)
  table[row + NUMBER] = number
  table[row + NAME_START] = at
  table[row + NAME_END] = end
  table[row + START] = value
  if (firsts[number] === -1) firsts[number] = lines
  counts[number] = (counts[number] ?? 0) + 1
  lines++
  return value
}

function enlarged(full: Int32Array): Int32Array {
  const larger = new Int32Array(2 * full.length)
  larger.set(full)
  return larger
}

function numberAt(line: number): number {
  return table[FIELDS * line + NUMBER] ?? 0
}

// RFC 3261 7.3.1: a line break with the white space around it says no more than one space.
function unfold(value: string): string {
  const trimmed = trimSpace(value)
  return trimmed.includes('\n') ? trimmed.split('\n').map(trimSpace).join(' ') : trimmed
}
