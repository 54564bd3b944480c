/**
 * Writing answers, and what all messages are written with. Whatever is given as a value, it stays within its line: CR, LF and NUL become spaces, so nothing a
 * peer said can begin a header of its own. Content-Length is always written, last. What comes out is a string with one
 * character per byte.
 */
import type { Address, HeaderLine, SipRequest } from './contract.ts'
import { isToken, splitList, toWire } from './grammar.ts'
import { writtenName } from './headers.ts'
import { wireLines } from './message.ts'
import { reasonPhrase } from './reason.ts'
import { viaForAnswer } from './via.ts'

export interface ResponseParts {
  readonly request: SipRequest
  readonly status: number
  /** Default: the RFC's phrase. */
  readonly reason?: string
  /** Added to To where the request has no tag there (RFC 3261 8.2.6.2). Not for 100. */
  readonly toTag?: string
  readonly headers?: readonly HeaderLine[]
  readonly body?: string | Buffer
  readonly contentType?: string
  /** Where the request came from: `received` and `rport` of the top Via. */
  readonly source: Address
  /** Write `rport` even where the Via has none. */
  readonly forceRport?: boolean
  /** An answer that makes a dialog carries the Record-Routes of the request (RFC 3261 12.1.1). */
  readonly recordRoute?: boolean
  /** The Server header; none when empty. */
  readonly server?: string
  readonly compact?: boolean
}

export function writeResponse(parts: ResponseParts): string {
  const { request, status, compact = false } = parts
  let head = `SIP/2.0 ${status} ${wireValue(parts.reason ?? reasonPhrase(status))}\r\n`
  wireLines(request, 'via').forEach((line, at) => {
    head += wireLine('Via', at === 0 ? answeredVia(line, parts) : line, compact)
  })
  if (parts.recordRoute)
    for (const line of wireLines(request, 'record-route')) head += wireLine('Record-Route', line, compact)
  for (const line of wireLines(request, 'from').slice(0, 1)) head += wireLine('From', line, compact)
  for (const line of wireLines(request, 'to').slice(0, 1)) head += wireLine('To', taggedTo(line, parts), compact)
  for (const line of wireLines(request, 'call-id').slice(0, 1)) head += wireLine('Call-ID', line, compact)
  for (const line of wireLines(request, 'cseq').slice(0, 1)) head += wireLine('CSeq', line, compact)
  // RFC 3261 8.2.6.1
  if (status === 100) for (const line of wireLines(request, 'timestamp')) head += wireLine('Timestamp', line, compact)
  if (parts.server) head += headerLine('Server', parts.server, compact)
  if (parts.headers) head += headerBlock(parts.headers, compact)
  return withBody(head, parts.contentType, parts.body, compact)
}

/** The top Via may stand in one line with others. */
function answeredVia(line: string, { source, forceRport = false }: ResponseParts): string {
  const [top = line, ...others] = splitList(line)
  return [viaForAnswer(top, source, forceRport), ...others].join(', ')
}

function taggedTo(line: string, { request, status, toTag }: ResponseParts): string {
  return toTag === undefined || status === 100 || request.to.tag !== undefined ? line : `${line};tag=${toTag}`
}

/** Header lines as they go on the wire, each with its CRLF: UTF-8 bytes as characters. */
export function headerBlock(lines: readonly HeaderLine[], compact = false): string {
  let block = ''
  for (const [name, value] of lines) block += headerLine(name, value, compact)
  return block
}

export function headerLine(name: string, value: string, compact: boolean): string {
  return `${headerName(name, compact)}: ${wireValue(value)}\r\n`
}

/** A value that is in its wire form already. */
function wireLine(name: string, value: string, compact: boolean): string {
  return `${compact ? writtenName(name, true) : name}: ${value}\r\n`
}

// The last few names are the same few names, over and over.
const checkedNames = new Set<string>()
function headerName(name: string, compact: boolean): string {
  if (!checkedNames.has(name)) {
    if (!isToken(name)) throw new Error(`'${name}' is no header name`)
    if (checkedNames.size < 500) checkedNames.add(name)
  }
  return compact ? writtenName(name, true) : name
}

const UNSAFE = /[\r\n\0]/
export function wireValue(value: string): string {
  const safe = UNSAFE.test(value) ? value.replace(/[\r\n\0]/g, ' ') : value
  return toWire(safe)
}

function withBody(
  head: string,
  contentType: string | undefined,
  body: string | Buffer | undefined,
  compact: boolean,
): string {
  const content = typeof body === 'string' ? toWire(body) : (body?.toString('latin1') ?? '')
  let text = head
  if (content.length > 0 && contentType !== undefined) text += headerLine('Content-Type', contentType, compact)
  return `${text}${compact ? 'l' : 'Content-Length'}: ${content.length}\r\n\r\n${content}`
}
