/** Writing answers. What they repeat of the request is copied as it was received. */
import { joined } from '../text.ts'
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

/** An answer but for what it repeats of its request: with that it can be written, as often as the request is repeated. */
export interface OwnParts {
  readonly common: CommonParts
  /** Added to To; empty where nothing was. */
  readonly toTag: string
  /** As it goes on the wire, with its CRLF; empty where there is none. */
  readonly contactLine: string
  readonly forceRport: boolean
  readonly recordRoute: boolean
  readonly compact: boolean
}

/** Strings with one character per byte. */
export interface CommonParts {
  readonly statusLine: string
  /** From after the Contact to the end. */
  readonly rest: string
  /** Both, where they have been the same for several answers. */
  readonly shared?: string
}

export function ownParts(parts: ResponseParts): OwnParts {
  const { request, toTag, compact = false } = parts
  const isTagged = toTag === undefined || parts.status === 100 || request.to.tag !== undefined
  return {
    common: commonParts(parts, compact),
    toTag: isTagged ? '' : toTag,
    contactLine: parts.contact === undefined ? '' : headerLine('Contact', parts.contact, compact),
    forceRport: parts.forceRport ?? false,
    recordRoute: parts.recordRoute ?? false,
    compact,
  }
}

/** The answer to a request, or to a repetition of it: a string with one character per byte. `source`: where it comes from. */
export function writeOver(request: ParsedRequest, own: OwnParts, source: Address): string {
  const { statusLine, rest } = own.common
  const names = own.compact ? COMPACT_NAMES : NAMES
  let head = statusLine + vias(request, source, own.forceRport, names.via)
  if (own.recordRoute && request.count(HEADER.recordRoute) > 0)
    for (const line of request.lines('Record-Route')) head += `Record-Route: ${line}\r\n`
  head += copied(names.from, request.line(HEADER.from))
  const to = request.line(HEADER.to)
  head += copied(names.to, to !== undefined && own.toTag !== '' ? `${to};tag=${own.toTag}` : to)
  head += copied(names.callId, request.line(HEADER.callId))
  head += copied(names.cseq, request.line(HEADER.cseq))
  return head + own.contactLine + rest
}

/** What was the same twice in a row, and so will be again. Those that are made for one answer do not get here. */
const known: Known[] = []
const MOST_KNOWN = 8
let nextKnown = 0
let last: Known | undefined

type Told = Pick<ResponseParts, 'status' | 'reason' | 'headers' | 'server'>

interface Known {
  readonly told: Told
  readonly compact: boolean
  readonly parts: CommonParts
}

function commonParts(parts: ResponseParts, compact: boolean): CommonParts {
  const { status, reason, headers, server, body, request } = parts
  // RFC 3261 8.2.6.1
  const timestamp = status === 100 ? copied('Timestamp: ', request.line(HEADER.timestamp)) : ''
  if (body !== undefined || timestamp !== '') return newCommonParts(parts, compact, timestamp)
  for (const one of known) if (isSame(one, parts, compact)) return one.parts
  const before = last
  if (before && isSame(before, parts, compact)) {
    last = undefined
    const { statusLine, rest } = before.parts
    const lasting = { statusLine, rest: joined(rest), shared: joined(statusLine + rest) }
    known[nextKnown] = { told: before.told, compact, parts: lasting }
    nextKnown = (nextKnown + 1) % MOST_KNOWN
    return lasting
  }
  last = { told: { status, reason, headers, server }, compact, parts: newCommonParts(parts, compact, '') }
  return last.parts
}

/** Header lines that somebody keeps for many answers are one object. */
function isSame({ told, compact }: Known, parts: ResponseParts, isCompact: boolean): boolean {
  return (
    told.headers === parts.headers &&
    told.status === parts.status &&
    told.reason === parts.reason &&
    told.server === parts.server &&
    compact === isCompact
  )
}

function newCommonParts(parts: ResponseParts, compact: boolean, first: string): CommonParts {
  let rest = first
  if (parts.server) rest += serverLine(parts.server)
  if (parts.headers) rest += headerBlock(parts.headers, compact)
  return {
    statusLine: statusLine(parts.status, parts.reason),
    rest: rest + writtenBody(parts.contentType, parts.body, compact),
  }
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
function vias(request: ParsedRequest, source: Address, forceRport: boolean, name: string): string {
  const first = request.line(HEADER.via)
  if (first === undefined) return ''
  const via = request.topVia
  let top = first
  if (via) {
    top = viaForAnswer(via, source, forceRport)
    if (via.text.length !== first.length) for (const other of splitList(first).slice(1)) top += `, ${other}`
  }
  let lines = `${name}${top}\r\n`
  if (request.count(HEADER.via) > 1) for (const line of request.lines('Via').slice(1)) lines += `${name}${line}\r\n`
  return lines
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
