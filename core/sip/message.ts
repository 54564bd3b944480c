/**
 * Messages, read lazily: one pass over the bytes finds the header lines, and nothing in them is interpreted before it is
 * asked for. What is missing or malformed reads as empty here; `check.ts` says what of it makes a message unacceptable.
 */
import type { SipRequest, SipResponse } from './contract.ts'
import { fromWire, isToken, parseDigits, splitList, toWire, trimSpace } from './grammar.ts'
import { headerKey, isListHeader, knownKey } from './headers.ts'
import { parseNameAddr, parseUri } from './parse-uri.ts'
import type { NameAddr, SipUri } from './uri.ts'
import { parseVia, type Via } from './via.ts'

export interface ParseLimits {
  /** Bytes of the whole message. */
  readonly maxBytes: number
  /** Header lines, folded ones counted once. */
  readonly maxHeaders: number
  /** Bytes of one header, or of the start line. */
  readonly maxLine: number
}

export const PARSE_LIMITS: ParseLimits = { maxBytes: 65535, maxHeaders: 256, maxLine: 8192 }

/** What is no message. */
export interface ParseFailure {
  readonly kind: 'failure'
  readonly why: string
  /** The status it would be answered with: 400, 505 or 513. */
  readonly status: number
  /** Set where enough of a request was there (a Via, and it is no ACK) to answer it without a transaction. */
  readonly answerable: SipRequest | undefined
}

export function parseMessage(
  bytes: Buffer,
  limits: ParseLimits = PARSE_LIMITS,
): SipRequest | SipResponse | ParseFailure {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, limits.maxBytes))
  const start = skipEmptyLines(text)
  const newline = text.indexOf('\n', start)
  if (newline === -1) return failure('no start line')
  const lineEnd = text.charCodeAt(newline - 1) === CR ? newline - 1 : newline
  if (lineEnd - start > limits.maxLine) return failure('start line too long', 513)
  const startLine = text.slice(start, lineEnd)
  const lines = indexLines(text, newline + 1, limits)
  // A method is a token and has no slash.
  if (startLine.slice(0, 4).toUpperCase() === 'SIP/') return readResponse(startLine, bytes, text, lines)
  return readRequest(startLine, bytes, text, lines, limits)
}

/** The first Via; undefined where there is none or it is malformed. */
export function topVia(message: SipRequest | SipResponse): Via | undefined {
  if (message instanceof ParsedMessage) return message.topVia
  const text = message.header('Via')
  return text === undefined ? undefined : parseVia(text)
}

/** The lines of a header as they were received: unfolded, one character per byte, comma lists not taken apart. */
export function wireLines(message: SipRequest | SipResponse, key: string): readonly string[] {
  return message instanceof ParsedMessage ? message.lines(key) : message.headers(key).map(toWire)
}

/** How many values of a header there are; for comma lists, how many lines. */
export function lineCount(message: SipRequest | SipResponse, key: string): number {
  return message instanceof ParsedMessage ? message.count(key) : message.headers(key).length
}

const CR = 13

interface Lines {
  /** Keys of the headers, in order. */
  readonly keys: readonly string[]
  /** Where each value begins and ends in the text: two numbers a header. */
  readonly spans: readonly number[]
  readonly bodyStart: number
  /** What stopped the reading, if anything did. */
  readonly why: string | undefined
  readonly status: number
}

function skipEmptyLines(text: string): number {
  let at = 0
  while (text.charCodeAt(at) === CR || text.charCodeAt(at) === 10) at++
  return at
}

function indexLines(text: string, from: number, limits: ParseLimits): Lines {
  const keys: string[] = []
  const spans: number[] = []
  const stop = (why: string, status = 400): Lines => ({ keys, spans, bodyStart: text.length, why, status })
  let nextCr = text.indexOf('\r', from)
  let at = from
  for (;;) {
    const newline = text.indexOf('\n', at)
    if (newline === -1) return stop('Missing Empty Line After Headers')
    if (nextCr !== -1 && nextCr < at) nextCr = text.indexOf('\r', at)
    const end = nextCr === newline - 1 && nextCr >= at ? nextCr : newline
    if (nextCr !== -1 && nextCr < end) return stop('CR Without LF')
    if (end === at) return { keys, spans, bodyStart: newline + 1, why: undefined, status: 0 }
    const first = text.charCodeAt(at)
    if (first === 0x20 || first === 0x09) {
      if (keys.length === 0) return stop('Malformed Header Line')
      spans[spans.length - 1] = end
    } else {
      const colon = text.indexOf(':', at)
      const key = colon === -1 || colon > end ? undefined : keyOf(text, at, colon)
      if (key === undefined) return stop('Malformed Header Line')
      if (keys.length === limits.maxHeaders) return stop('Too Many Headers', 513)
      keys.push(key)
      spans.push(colon + 1, end)
    }
    if (end - (spans[spans.length - 2] ?? end) > limits.maxLine) return stop('Header Too Long', 513)
    at = newline + 1
  }
}

// HCOLON = *( SP / HTAB ) ":" SWS
function keyOf(text: string, start: number, colon: number): string | undefined {
  let end = colon
  while (end > start && (text.charCodeAt(end - 1) === 0x20 || text.charCodeAt(end - 1) === 0x09)) end--
  const name = text.slice(start, end)
  return knownKey(name) ?? (isToken(name) ? name.toLowerCase() : undefined)
}

function readRequest(
  startLine: string,
  bytes: Buffer,
  text: string,
  lines: Lines,
  limits: ParseLimits,
): SipRequest | ParseFailure {
  const methodEnd = startLine.indexOf(' ')
  const method = startLine.slice(0, methodEnd)
  if (methodEnd === -1 || !isToken(method)) return failure('no SIP start line')
  // The version is what follows the last space, so that a space too many ends up in the Request-URI and is found there.
  const uriEnd = startLine.lastIndexOf(' ')
  const requestUri = uriEnd === methodEnd ? '' : startLine.slice(methodEnd + 1, uriEnd)
  const version = startLine.slice(uriEnd + 1)
  const request = new ParsedRequest(bytes, text, lines, method, fromWire(requestUri))
  if (version.toUpperCase() !== 'SIP/2.0') {
    const status = isVersion(version) ? 505 : 400
    return failure(status === 505 ? 'Version Not Supported' : 'Malformed Start-Line', status, request)
  }
  if (bytes.length > limits.maxBytes) return failure('Message Too Large', 513, request)
  if (lines.why !== undefined) return failure(lines.why, lines.status, request)
  return request
}

function readResponse(startLine: string, bytes: Buffer, text: string, lines: Lines): SipResponse | ParseFailure {
  if (lines.why !== undefined) return failure(lines.why)
  const versionEnd = startLine.indexOf(' ')
  const codeEnd = versionEnd + 4
  const status = parseDigits(startLine.slice(versionEnd + 1, codeEnd), 699)
  const hasReason = startLine.charAt(codeEnd) === ' '
  if (
    startLine.slice(0, versionEnd).toUpperCase() !== 'SIP/2.0' ||
    status === undefined ||
    status < 100 ||
    (!hasReason && startLine.length > codeEnd)
  ) {
    return failure('Malformed Status-Line')
  }
  return new ParsedResponse(bytes, text, lines, status, fromWire(startLine.slice(codeEnd + 1)))
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

const NO_ADDRESS: NameAddr = { display: '', uriText: '', uri: undefined, params: new Map(), tag: undefined, text: '' }
const NO_CSEQ = { number: -1, method: '' }

class ParsedMessage {
  readonly raw: Buffer
  readonly #text: string
  readonly #lines: Lines
  #from: NameAddr | undefined
  #to: NameAddr | undefined
  #cseq: { readonly number: number; readonly method: string } | undefined
  #via: Via | 'malformed' | undefined

  constructor(bytes: Buffer, text: string, lines: Lines) {
    this.raw = bytes
    this.#text = text
    this.#lines = lines
  }

  header(name: string): string | undefined {
    const key = headerKey(name)
    const line = this.#first(key)
    return line !== undefined && isListHeader(key) ? splitList(line)[0] : line
  }

  headers(name: string): readonly string[] {
    const key = headerKey(name)
    const lines = this.lines(key)
    return isListHeader(key) ? lines.flatMap((line) => splitList(fromWire(line))) : lines.map(fromWire)
  }

  lines(key: string): string[] {
    const found: string[] = []
    const { keys } = this.#lines
    for (let at = keys.indexOf(key); at !== -1; at = keys.indexOf(key, at + 1)) found.push(this.#value(at))
    return found
  }

  count(key: string): number {
    let count = 0
    for (const known of this.#lines.keys) if (known === key) count++
    return count
  }

  get from(): NameAddr {
    this.#from ??= parseNameAddr(this.#first('from') ?? '') ?? NO_ADDRESS
    return this.#from
  }

  get to(): NameAddr {
    this.#to ??= parseNameAddr(this.#first('to') ?? '') ?? NO_ADDRESS
    return this.#to
  }

  get callId(): string {
    return this.#first('call-id') ?? ''
  }

  get cseq(): { readonly number: number; readonly method: string } {
    this.#cseq ??= parseCseq(this.#first('cseq') ?? '')
    return this.#cseq
  }

  get topVia(): Via | undefined {
    if (this.#via === undefined) {
      const text = this.header('via')
      this.#via = (text === undefined ? undefined : parseVia(text)) ?? 'malformed'
    }
    return this.#via === 'malformed' ? undefined : this.#via
  }

  /** RFC 3261 18.3: what is beyond Content-Length is not of the message; without one the datagram is. */
  get body(): Buffer {
    const start = this.#lines.bodyStart
    const length = parseDigits(this.#first('content-length') ?? '', 0xffffffff)
    return this.raw.subarray(start, length === undefined ? undefined : start + length)
  }

  #first(key: string): string | undefined {
    const at = this.#lines.keys.indexOf(key)
    return at === -1 ? undefined : fromWire(this.#value(at))
  }

  #value(at: number): string {
    const start = this.#lines.spans[2 * at] ?? 0
    const end = this.#lines.spans[2 * at + 1] ?? 0
    const value = trimSpace(this.#text.slice(start, end))
    return value.includes('\n') ? unfold(value) : value
  }
}

// RFC 3261 7.3.1: a line break with the white space around it says no more than one space.
function unfold(value: string): string {
  return value.split('\n').map(trimSpace).join(' ')
}

function parseCseq(value: string): { readonly number: number; readonly method: string } {
  const space = value.search(/[ \t]/)
  const method = space === -1 ? '' : value.slice(space).trimStart()
  const number = space === -1 ? undefined : parseDigits(value.slice(0, space), 0xffffffff)
  return number === undefined || !isToken(method) ? NO_CSEQ : { number, method }
}

class ParsedRequest extends ParsedMessage implements SipRequest {
  readonly kind = 'request'
  readonly method: string
  readonly requestUri: string
  #uri: SipUri | undefined
  #contacts: readonly NameAddr[] | undefined
  #contactValues: readonly string[] | undefined

  constructor(bytes: Buffer, text: string, lines: Lines, method: string, requestUri: string) {
    super(bytes, text, lines)
    this.method = method
    this.requestUri = requestUri
  }

  get uri(): SipUri | undefined {
    this.#uri ??= parseUri(this.requestUri)
    return this.#uri
  }

  get contacts(): readonly NameAddr[] {
    this.#contacts ??= this.contactValues.flatMap((value) => parseNameAddr(value) ?? [])
    return this.#contacts
  }

  get contactIsStar(): boolean {
    return this.contactValues.includes('*')
  }

  get contactValues(): readonly string[] {
    this.#contactValues ??= this.headers('contact')
    return this.#contactValues
  }
}

class ParsedResponse extends ParsedMessage implements SipResponse {
  readonly kind = 'response'
  readonly status: number
  readonly reason: string

  constructor(bytes: Buffer, text: string, lines: Lines, status: number, reason: string) {
    super(bytes, text, lines)
    this.status = status
    this.reason = reason
  }
}
