/** Writing answers. What they repeat of the request is copied as it was received. */
import type { Address, HeaderLine } from './contract.ts'
import { splitList } from './grammar.ts'
import { HEADER, writtenName } from './headers.ts'
import type { ParsedRequest } from './message.ts'
import { reasonPhrase } from './reason.ts'
import { headerBlock, headerLine, wireValue, writtenBody } from './serialize.ts'
import { viaForAnswer } from './via.ts'

export interface ResponseParts {
  readonly request: ParsedRequest
  readonly status: number
  /** Default: the RFC's phrase. */
  readonly reason?: string
  /** Added to To where the request has no tag there (RFC 3261 8.2.6.2). Not for 100. */
  readonly toTag?: string
  /** Ours, where the answer makes or refreshes a dialog. */
  readonly contact?: string
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

/** A string with one character per byte. */
export function writeResponse(parts: ResponseParts): string {
  const { request, status, compact = false } = parts
  const names = compact ? COMPACT_NAMES : NAMES
  let head = statusLine(status, parts.reason) + vias(parts, names.via)
  if (parts.recordRoute && request.count(HEADER.recordRoute) > 0)
    for (const line of request.lines('Record-Route')) head += `Record-Route: ${line}\r\n`
  head += copied(names.from, request.line(HEADER.from))
  head += copied(names.to, taggedTo(parts))
  head += copied(names.callId, request.line(HEADER.callId))
  head += copied(names.cseq, request.line(HEADER.cseq))
  // RFC 3261 8.2.6.1
  if (status === 100) head += copied('Timestamp: ', request.line(HEADER.timestamp))
  if (parts.server) head += serverLine(parts.server)
  if (parts.contact !== undefined) head += headerLine('Contact', parts.contact, compact)
  if (parts.headers) head += headerBlock(parts.headers, compact)
  return head + writtenBody(parts.contentType, parts.body, compact)
}

interface Names {
  readonly via: string
  readonly from: string
  readonly to: string
  readonly callId: string
  readonly cseq: string
}

function namesOf(compact: boolean): Names {
  const name = (long: string): string => `${writtenName(long, compact)}: `
  return { via: name('Via'), from: name('From'), to: name('To'), callId: name('Call-ID'), cseq: name('CSeq') }
}

const NAMES = namesOf(false)
const COMPACT_NAMES = namesOf(true)

function copied(name: string, value: string | undefined): string {
  return value === undefined ? '' : `${name}${value}\r\n`
}

const statusLines: string[] = []
function statusLine(status: number, reason: string | undefined): string {
  if (reason !== undefined) return `SIP/2.0 ${status} ${wireValue(reason)}\r\n`
  const line = statusLines[status] ?? `SIP/2.0 ${status} ${reasonPhrase(status)}\r\n`
  statusLines[status] = line
  return line
}

/** All of them; the top one says where the request came from, and may stand in one line with others. */
function vias(parts: ResponseParts, name: string): string {
  const { request } = parts
  const first = request.line(HEADER.via)
  if (first === undefined) return ''
  const via = request.topVia
  let top = first
  if (via) {
    top = viaForAnswer(via, parts.source, parts.forceRport ?? false)
    if (via.text.length !== first.length) for (const other of splitList(first).slice(1)) top += `, ${other}`
  }
  let lines = `${name}${top}\r\n`
  if (request.count(HEADER.via) > 1) for (const line of request.lines('Via').slice(1)) lines += `${name}${line}\r\n`
  return lines
}

function taggedTo({ request, status, toTag }: ResponseParts): string | undefined {
  const line = request.line(HEADER.to)
  if (line === undefined || toTag === undefined || status === 100 || request.to.tag !== undefined) return line
  return `${line};tag=${toTag}`
}

// The same server says the same of itself, over and over.
let toldServer = ''
let toldServerLine = ''
function serverLine(server: string): string {
  if (server !== toldServer) {
    toldServer = server
    toldServerLine = headerLine('Server', server, false)
  }
  return toldServerLine
}
