/**
 * Messages, read lazily: one pass over the text finds the header lines, and nothing in them is interpreted before it is
 * asked for. The text has one character per byte; what is told to others of it is read as UTF-8. What is missing or malformed reads as empty here; `check.ts` says what of it makes a message unacceptable.
 */
import type { SipRequest, SipResponse } from './contract.ts'
import { fromWire, isToken, parseDigits, splitList, toWire } from './grammar.ts'
import { HeaderBlock, PARSE_LIMITS, type ParseLimits } from './header-block.ts'
import { headerKey, isListHeader } from './headers.ts'
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
  readonly answerable: SipRequest | undefined
}

export function parseMessage(
  message: string,
  limits: ParseLimits = PARSE_LIMITS,
): SipRequest | SipResponse | ParseFailure {
  const text = message.length > limits.maxBytes ? message.slice(0, limits.maxBytes) : message
  const start = skipEmptyLines(text)
  const newline = text.indexOf('\n', start)
  if (newline === -1) return failure('no start line')
  const lineEnd = text.charCodeAt(newline - 1) === CR ? newline - 1 : newline
  if (lineEnd - start > limits.maxLine) return failure('start line too long', 513)
  const startLine = text.slice(start, lineEnd)
  const head = new HeaderBlock(text, newline + 1, limits)
  // A method is a token and has no slash.
  if (startLine.slice(0, 4).toUpperCase() === 'SIP/') return readResponse(startLine, message, head)
  return readRequest(startLine, message, head, limits)
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
): SipRequest | ParseFailure {
  const methodEnd = startLine.indexOf(' ')
  const method = startLine.slice(0, methodEnd)
  if (methodEnd === -1 || !isToken(method)) return failure('no SIP start line')
  // The version is what follows the last space, so that a space too many ends up in the Request-URI and is found there.
  const uriEnd = startLine.lastIndexOf(' ')
  const requestUri = uriEnd === methodEnd ? '' : startLine.slice(methodEnd + 1, uriEnd)
  const version = startLine.slice(uriEnd + 1)
  const request = new ParsedRequest(message, head, method, fromWire(requestUri))
  if (version.toUpperCase() !== 'SIP/2.0') {
    const status = isVersion(version) ? 505 : 400
    return failure(status === 505 ? 'Version Not Supported' : 'Malformed Start-Line', status, request)
  }
  if (message.length > limits.maxBytes) return failure('Message Too Large', 513, request)
  if (head.problem) return failure(head.problem.why, head.problem.status, request)
  return request
}

function readResponse(startLine: string, message: string, head: HeaderBlock): SipResponse | ParseFailure {
  if (head.problem) return failure(head.problem.why)
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
  return new ParsedResponse(message, head, status, fromWire(startLine.slice(codeEnd + 1)))
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
  readonly #text: string
  readonly #head: HeaderBlock
  #from: NameAddr | undefined
  #to: NameAddr | undefined
  #cseq: { readonly number: number; readonly method: string } | undefined
  #via: Via | 'malformed' | undefined

  constructor(text: string, head: HeaderBlock) {
    this.#text = text
    this.#head = head
  }

  header(name: string): string | undefined {
    const key = headerKey(name)
    const line = this.#value(key)
    return line !== undefined && isListHeader(key) ? splitList(line)[0] : line
  }

  headers(name: string): readonly string[] {
    const key = headerKey(name)
    const lines = this.lines(key)
    return isListHeader(key) ? lines.flatMap((line) => splitList(fromWire(line))) : lines.map(fromWire)
  }

  lines(key: string): string[] {
    return this.#head.all(key)
  }

  count(key: string): number {
    return this.#head.count(key)
  }

  get from(): NameAddr {
    this.#from ??= parseNameAddr(this.#value('from') ?? '') ?? NO_ADDRESS
    return this.#from
  }

  get to(): NameAddr {
    this.#to ??= parseNameAddr(this.#value('to') ?? '') ?? NO_ADDRESS
    return this.#to
  }

  get callId(): string {
    return this.#value('call-id') ?? ''
  }

  get cseq(): { readonly number: number; readonly method: string } {
    this.#cseq ??= parseCseq(this.#value('cseq') ?? '')
    return this.#cseq
  }

  get topVia(): Via | undefined {
    if (this.#via === undefined) {
      const text = this.header('via')
      this.#via = (text === undefined ? undefined : parseVia(text)) ?? 'malformed'
    }
    return this.#via === 'malformed' ? undefined : this.#via
  }

  get bodyLength(): number {
    return this.#bodyEnd - this.#bodyStart
  }

  get bodyText(): string {
    return fromWire(this.#text.slice(this.#bodyStart, this.#bodyEnd))
  }

  get body(): Buffer {
    return Buffer.from(this.#text.slice(this.#bodyStart, this.#bodyEnd), 'latin1')
  }

  get raw(): Buffer {
    return Buffer.from(this.#text, 'latin1')
  }

  get #bodyStart(): number {
    return this.#head.end
  }

  /** RFC 3261 18.3: what is beyond Content-Length is not of the message; without one the datagram is. */
  get #bodyEnd(): number {
    const length = parseDigits(this.#value('content-length') ?? '', 0xffffffff)
    return length === undefined ? this.#text.length : Math.min(this.#text.length, this.#bodyStart + length)
  }

  #value(key: string): string | undefined {
    const line = this.#head.first(key)
    return line === undefined ? undefined : fromWire(line)
  }
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

  constructor(text: string, head: HeaderBlock, status: number, reason: string) {
    super(text, head)
    this.status = status
    this.reason = reason
  }
}
