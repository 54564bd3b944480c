/** What the body of a SUBSCRIBE may be (RFC 3261 8.2.3): what is not understood is refused, unless it need not be. */
import { unzipSync } from 'node:zlib'
import { bodyTextOf, decodeXml, type EncodingFault } from '../core/documents/encoding.ts'
import type { Refusal, SipRequest } from '../core/sip/contract.ts'
import { parseMediaType, parseTokenValue } from '../core/sip/values.ts'
import type { EventPackage } from './contract.ts'
import { listHeader } from './refusals.ts'

/** RFC 5367. */
export const LIST_TYPE = 'application/resource-lists+xml'

/** How a list may be packed: Linphone packs each of its lists (`deflate`). */
const PACKED: readonly string[] = ['deflate', 'gzip']
/** Bytes of a list that came packed. A message of any size may be made of few. */
const MOST_UNPACKED = 256 * 1024

/** RFC 3261 21.4.13: with what can be read. */
export const NOT_A_LIST = notReadable([LIST_TYPE])

type Reader = Pick<EventPackage<unknown>, 'subscribeBodies'>

export function refuseBody(request: SipRequest, of: Reader | undefined): Refusal | undefined {
  if (request.bodyLength === 0 || isPadding(request) || isOptional(request)) return undefined
  const types = [LIST_TYPE, ...(of?.subscribeBodies ?? [])]
  const encoding = encodingOf(request)
  if (encoding === undefined || !types.includes(typeOf(request))) return notReadable(types)
  if (encoding === '' || typeOf(request) === LIST_TYPE) return undefined
  return { status: 415, headers: [['Accept-Encoding', 'identity']] }
}

function notReadable(types: readonly string[]): Refusal {
  return {
    status: 415,
    headers: [...listHeader('Accept', types), ['Accept-Encoding', [...PACKED, 'identity'].join(', ')]],
  }
}

/** How the body is packed, in lower case; empty for not at all, and undefined for what nobody here unpacks. */
export function encodingOf(request: SipRequest): string | undefined {
  if (request.header('Content-Encoding') === undefined) return ''
  const all = request.headers('Content-Encoding').map((name) => name.toLowerCase())
  const [only = '', ...more] = all.filter((name) => name !== 'identity')
  return more.length === 0 && (only === '' || PACKED.includes(only)) ? only : undefined
}

/** The text of the XML in the body; undefined where it cannot be unpacked. */
export function textOf(request: SipRequest): string | EncodingFault | undefined {
  const contentType = request.header('Content-Type') ?? ''
  if (encodingOf(request) === '') return bodyTextOf(request, typeOf(request), contentType)
  try {
    const bytes = unzipSync(request.body, { maxOutputLength: MOST_UNPACKED })
    return decodeXml(bytes, parseMediaType(contentType)?.params.get('charset'))
  } catch {
    return undefined
  }
}

/** In lower case, without parameters; empty where there is none that can be read. */
export function typeOf(request: SipRequest): string {
  return parseMediaType(request.header('Content-Type') ?? '')?.type ?? ''
}

/** Without Content-Length all of the datagram is body (RFC 3261 18.3), also a line end or NUL too many behind the headers. */
function isPadding(request: SipRequest): boolean {
  return request.header('Content-Length') === undefined && request.header('Content-Type') === undefined
}

/** RFC 3261 20.11: who does not say so means that it is required. */
function isOptional(request: SipRequest): boolean {
  const disposition = parseTokenValue(request.header('Content-Disposition') ?? '')
  return disposition?.params.get('handling')?.toLowerCase() === 'optional'
}
