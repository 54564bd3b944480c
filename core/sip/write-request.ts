/** Writing requests: strings with one character per byte. */
import type { RequestContent } from './contract.ts'
import { isToken } from './grammar.ts'
import { writtenName } from './headers.ts'
import type { Origin } from './origin.ts'
import { headerBlock, headerLine, wireValue, writtenBody } from './serialize.ts'

export interface RequestParts {
  readonly method: string
  /** Where it comes from. */
  readonly origin: Origin
  readonly requestUri: string
  readonly maxForwards: number
  /** Header values, with their tags. */
  readonly from: string
  readonly to: string
  readonly callId: string
  readonly contact?: string
  /** Values of Route, topmost first. */
  readonly routes?: readonly string[]
  readonly compact?: boolean
  readonly branch: string
  readonly cseq: number
  readonly content: RequestContent
}

/** The pieces of a header block that many requests have in common, as they go on the wire. */
export interface HeadPieces {
  readonly origin: Origin
  /** From the end of the Via to that of From, or to its tag. */
  readonly upToFrom: string
  /** Contact, if there is one, and what comes before the number of CSeq. */
  readonly beforeCseq: string
  readonly compact: boolean
}

/** The header block of a request, but for its branch and its CSeq. */
export interface RequestPieces {
  readonly method: string
  readonly requestUri: string
  readonly head: HeadPieces
  /** To the end of Call-ID, with the CRLF. */
  readonly afterFrom: string
}

export function writeRequest(parts: RequestParts): string {
  const { compact = false } = parts
  return writePieces(
    {
      method: checkedMethod(parts.method),
      requestUri: writtenUri(parts.requestUri),
      head: {
        origin: parts.origin,
        upToFrom: upToFrom(parts.from, parts.maxForwards, parts.routes ?? [], compact),
        beforeCseq: beforeCseq(parts.contact, compact),
        compact,
      },
      afterFrom: `\r\n${headerLine('To', parts.to, compact)}${headerLine('Call-ID', parts.callId, compact)}`,
    },
    parts.branch,
    parts.cseq,
    parts.content,
  )
}

/** `branch` is a token. */
export function writePieces(pieces: RequestPieces, branch: string, cseq: number, content: RequestContent): string {
  const { method, head } = pieces
  const { compact } = head
  told(method)
  // Added up and not a template, which V8 asks of each piece whether it is a string.
  return (
    lastBeforeUri +
    pieces.requestUri +
    head.origin.afterUri(compact) +
    branch +
    head.upToFrom +
    pieces.afterFrom +
    head.beforeCseq +
    String(cseq) +
    lastAfterCseq +
    (content.written ? content.written(compact) : headerBlock(content.headers, compact)) +
    (content.body?.written?.(compact) ?? writtenBody(content.body?.contentType, content.body?.content, compact))
  )
}

export function writtenUri(uri: string): string {
  return wireValue(uri).replaceAll(' ', '%20')
}

/** Throws where it is none. */
export function checkedMethod(method: string): string {
  if (!isToken(method)) throw new Error(`'${method}' is no method`)
  return method
}

/** HeadPieces.upToFrom. */
export function upToFrom(from: string, maxForwards: number, routes: readonly string[], compact: boolean): string {
  let lines = `\r\nMax-Forwards: ${maxForwards}\r\n`
  for (const route of routes) lines += headerLine('Route', route, compact)
  return `${lines}${writtenName('From', compact)}: ${wireValue(from)}`
}

/** HeadPieces.beforeCseq. */
export function beforeCseq(contact: string | undefined, compact: boolean): string {
  return contact === undefined ? 'CSeq: ' : `${headerLine('Contact', contact, compact)}CSeq: `
}

let lastMethod = ''
let lastBeforeUri = ''
let lastAfterCseq = ''

/** Nearly all are of one method. */
function told(method: string): void {
  if (method === lastMethod) return
  lastMethod = method
  lastBeforeUri = `${method} `
  lastAfterCseq = ` ${method}\r\n`
}
