/**
 * Messages, read lazily: one pass over the text finds the header lines, and nothing in them is interpreted before it is
 * asked for. The text has one character per byte; what is told to others of it is read as UTF-8. What is missing or malformed reads as empty here; `check.ts` says what of it makes a message unacceptable.
 */
import type { SipRequest, SipResponse } from './contract.ts'
import { fromWire, isToken, parseDigits, skipSpace, splitList } from './grammar.ts'
import { HeaderBlock, PARSE_LIMITS, type ParseLimits } from './header-block.ts'
import { HEADER, headerNumber, isListHeader } from './headers.ts'
import { KNOWN_METHODS } from './methods.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import type { NameAddr, SipUri } from './uri.ts'
import { parseVia, type Via } from './via.ts'

/** What is no message. */
export interface ParseFailure {
  readonly kind: 'failure'
  readonly why: string
  /** The status it would be answered with: 400, 505 or 513. */
  readonly status: number
  /** Set where enough of a request was there (a Via, and it is no ACK) to answer it without a transaction. */
  readonly answerable: ParsedRequest | undefined
}

export function parseMessage(
  message: string,
  limits: ParseLimits = PARSE_LIMITS,
): ParsedRequest | ParsedResponse | ParseFailure {
  const text = message.length > limits.maxBytes ? message.slice(0, limits.maxBytes) : message
  const start = skipEmptyLines(text)
  const newline = text.indexOf('\n', start)
  if (newline === -1) return failure('no start line')
  const lineEnd = text.charCodeAt(newline - 1) === CR ? newline - 1 : newline
  if (lineEnd - start > limits.maxLine) return failure('start line too long', 513)
  const head = new HeaderBlock(text, newline + 1, limits)
  // A method is a token and has no slash.
  if (text.charCodeAt(start + 3) === SLASH) {
    const isSip2 = text.startsWith('SIP/2.0 ', start)
    if (isSip2 || text.slice(start, start + 4).toUpperCase() === 'SIP/')
      return readResponse(text.slice(start, lineEnd), message, head, isSip2)
  }
  return readRequest(text.slice(start, lineEnd), message, head, limits)
}

const CR = 13
const SLASH = 0x2f

function skipEmptyLines(text: string): number {
  let at = 0
  while (text.charCodeAt(at) === CR || text.charCodeAt(at) === 10) at++
  return at
}

function readRequest(
  startLine: string,
  message: string,
  head: HeaderBlock,
  limits: ParseLimits,
): ParsedRequest | ParseFailure {
  const methodEnd = startLine.indexOf(' ')
  const method = methodIn(startLine, 0, methodEnd)
  if (method === undefined) return failure('no SIP start line')
  // The version is what follows the last space, so that a space too many ends up in the Request-URI and is found there.
  const isSip2 = startLine.endsWith(' SIP/2.0')
  const uriEnd = isSip2 ? startLine.length - 8 : startLine.lastIndexOf(' ')
  const requestUri = uriEnd === methodEnd ? '' : startLine.slice(methodEnd + 1, uriEnd)
  const request = new ParsedRequest(message, head, method, head.isAscii ? requestUri : fromWire(requestUri))
  const version = isSip2 ? 'SIP/2.0' : startLine.slice(uriEnd + 1)
  if (!isSip2 && version.toUpperCase() !== 'SIP/2.0') {
    const status = isVersion(version) ? 505 : 400
    return failure(status === 505 ? 'Version Not Supported' : 'Malformed Start-Line', status, request)
  }
  if (message.length > limits.maxBytes) return failure('Message Too Large', 513, request)
  if (head.problem) return failure(head.problem.why, head.problem.status, request)
  return request
}

/** The method that stands from `from` to `to`, as one of the strings that tables have as keys where it is known. */
function methodIn(text: string, from: number, to: number): string | undefined {
  for (const known of KNOWN_METHODS) if (known.length === to - from && text.startsWith(known, from)) return known
  const method = text.slice(from, Math.max(from, to))
  return isToken(method) ? method : undefined
}

/** `isSip2`: it is known already that it begins with the version, as it is printed. */
function readResponse(
  startLine: string,
  message: string,
  head: HeaderBlock,
  isSip2: boolean,
): ParsedResponse | ParseFailure {
  if (head.problem) return failure(head.problem.why)
  const versionEnd = isSip2 ? 7 : startLine.indexOf(' ')
  const codeEnd = versionEnd + 4
  const status = parseDigits(startLine, 699, versionEnd + 1, Math.min(codeEnd, startLine.length))
  const hasReason = startLine.charCodeAt(codeEnd) === 0x20 || startLine.length <= codeEnd
  const isVersion2 = isSip2 || startLine.slice(0, versionEnd).toUpperCase() === 'SIP/2.0'
  if (!isVersion2 || status === undefined || status < 100 || !hasReason) return failure('Malformed Status-Line')
  return new ParsedResponse(message, head, status, startLine)
}

/** `SIP/` digits `.` digits, of any number. */
function isVersion(text: string): boolean {
  const dot = text.indexOf('.')
  return (
    text.slice(0, 4).toUpperCase() === 'SIP/' &&
    parseDigits(text.slice(4, dot), 0xffffffff) !== undefined &&
    parseDigits(text.slice(dot + 1), 0xffffffff) !== undefined
  )
}

function failure(why: string, status = 400, request?: ParsedRequest): ParseFailure {
  const answerable = request && request.method !== 'ACK' && request.topVia ? request : undefined
  return { kind: 'failure', why, status, answerable }
}

const NOTHING: readonly string[] = []
const NO_ADDRESS: NameAddr = {
  display: '',
  uriText: '',
  uri: undefined,
  params: new Map(),
  param: () => undefined,
  paramCount: 0,
  tag: undefined,
  text: '',
}
const NO_CSEQ: Cseq = { number: -1, method: '' }

class ParsedMessage {
  readonly #text: string
  readonly #head: HeaderBlock
  #from: NameAddr | undefined
  #to: NameAddr | undefined
  #cseq: Cseq | undefined
  #via: Via | 'malformed' | undefined
  #bodyEnd = -1

  constructor(text: string, head: HeaderBlock) {
    this.#text = text
    this.#head = head
  }

  header(name: string): string | undefined {
    const number = headerNumber(name)
    const line = number === 0 ? this.#head.allNamed(name)[0] : this.#head.first(number)
    if (line === undefined) return undefined
    return isListHeader(number) && line.includes(',') ? this.#read(splitList(line)[0] ?? '') : this.#read(line)
  }

  headers(name: string): readonly string[] {
    const number = headerNumber(name)
    const isList = isListHeader(number)
    if (number !== 0) {
      const count = this.#head.count(number)
      if (count === 0) return NOTHING
      // Of most there is one, and an array that grows has room for sixteen more.
      const only = count === 1 ? this.#value(number) : undefined
      if (only !== undefined) return isList && only.includes(',') ? splitList(only) : [only]
    }
    const lines = this.#head.allNamed(name)
    const values: string[] = []
    for (const line of lines) {
      const value = this.#read(line)
      if (isList && value.includes(',')) values.push(...splitList(value))
      else values.push(value)
    }
    return values
  }

  /** The lines of a header as they were received: unfolded, one character per byte, comma lists not taken apart. */
  lines(name: string): string[] {
    return this.#head.allNamed(name)
  }

  /** The first of them, by the header's number. */
  line(number: number): string | undefined {
    return this.#head.first(number)
  }

  /** Whether there is this character in the first of them. */
  lineHas(number: number, character: string): boolean {
    return this.#head.firstHas(number, character)
  }

  /** How many lines there are of the header with this number. */
  count(number: number): number {
    return this.#head.count(number)
  }

  get from(): NameAddr {
    this.#from ??= parseNameAddr(this.#value(HEADER.from)) ?? NO_ADDRESS
    return this.#from
  }

  get to(): NameAddr {
    this.#to ??= parseNameAddr(this.#value(HEADER.to)) ?? NO_ADDRESS
    return this.#to
  }

  get callId(): string {
    return this.#value(HEADER.callId)
  }

  get cseq(): Cseq {
    this.#cseq ??= parseCseq(this.#head.first(HEADER.cseq) ?? '')
    return this.#cseq
  }

  get topVia(): Via | undefined {
    if (this.#via === undefined) {
      const line = this.#head.first(HEADER.via)
      const text = line?.includes(',') ? splitList(line)[0] : line
      this.#via = (text === undefined ? undefined : parseVia(text)) ?? 'malformed'
    }
    return this.#via === 'malformed' ? undefined : this.#via
  }

  get bodyLength(): number {
    return this.#findBodyEnd() - this.#head.end
  }

  get bodyText(): string {
    return fromWire(this.#text.slice(this.#head.end, this.#findBodyEnd()))
  }

  get body(): Buffer {
    return Buffer.from(this.#text.slice(this.#head.end, this.#findBodyEnd()), 'latin1')
  }

  get raw(): Buffer {
    return Buffer.from(this.#text, 'latin1')
  }

  /** RFC 3261 18.3: what is beyond Content-Length is not of the message; without one the datagram is. */
  #findBodyEnd(): number {
    if (this.#bodyEnd === -1) {
      const { length } = this.#text
      const said = parseDigits(this.#head.first(HEADER.contentLength) ?? '', 0xffffffff)
      this.#bodyEnd = said === undefined ? length : Math.min(length, this.#head.end + said)
    }
    return this.#bodyEnd
  }

  #value(number: number): string {
    const line = this.#head.first(number)
    return line === undefined ? '' : this.#read(line)
  }

  /** From one character per byte to text. */
  #read(line: string): string {
    return this.#head.isAscii ? line : fromWire(line)
  }
}

interface Cseq {
  readonly number: number
  readonly method: string
}

function parseCseq(value: string): Cseq {
  let at = 0
  let number = 0
  for (; at < value.length; at++) {
    const digit = value.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) break
    number = number * 10 + digit
    if (number > 0xffffffff) return NO_CSEQ
  }
  const start = skipSpace(value, at)
  if (at === 0 || start === at) return NO_CSEQ
  const method = methodIn(value, start, value.length)
  return method === undefined ? NO_CSEQ : { number, method }
}

function parseAll(values: readonly string[]): readonly NameAddr[] {
  const [first] = values
  if (first !== undefined && values.length === 1) {
    const only = parseNameAddr(first)
    return only ? [only] : []
  }
  const parsed: NameAddr[] = []
  for (const value of values) {
    const one = parseNameAddr(value)
    if (one) parsed.push(one)
  }
  return parsed
}

export class ParsedRequest extends ParsedMessage implements SipRequest {
  readonly kind = 'request'
  readonly method: string
  readonly requestUri: string
  #uri: SipUri | undefined
  #contacts: readonly NameAddr[] | undefined
  #contactValues: readonly string[] | undefined

  constructor(text: string, head: HeaderBlock, method: string, requestUri: string) {
    super(text, head)
    this.method = method
    this.requestUri = requestUri
  }

  get uri(): SipUri | undefined {
    this.#uri ??= parseUri(this.requestUri)
    return this.#uri
  }

  get contacts(): readonly NameAddr[] {
    this.#contacts ??= parseAll(this.contactValues)
    return this.#contacts
  }

  get contactIsStar(): boolean {
    return this.contactValues.includes('*')
  }

  get contactValues(): readonly string[] {
    this.#contactValues ??= this.headers('Contact')
    return this.#contactValues
  }
}

export class ParsedResponse extends ParsedMessage implements SipResponse {
  readonly kind = 'response'
  readonly status: number
  readonly #statusLine: string

  constructor(text: string, head: HeaderBlock, status: number, statusLine: string) {
    super(text, head)
    this.status = status
    this.#statusLine = statusLine
  }

  get reason(): string {
    return fromWire(this.#statusLine.slice(this.#statusLine.indexOf(' ') + 5))
  }
}
