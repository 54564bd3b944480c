/** What a message must have before anybody deals with it (RFC 3261 8.1.1, 8.2, 18.3, 20). */
import type { Refusal } from './contract.ts'
import { parseDigits } from './grammar.ts'
import { HEADER, headerNumber } from './headers.ts'
import type { ParsedRequest, ParsedResponse } from './message.ts'
import { KNOWN_METHODS } from './methods.ts'
import { schemeOf } from './parse-uri.ts'
import { parseOptionTags } from './values.ts'

/** That an answer names; all of some thousands are more than a datagram holds. */
const MOST_UNSUPPORTED = 20

/** Option tags we understand in Require; the others are answered 420. Asked for where a request has a Require alone. */
type Supported = () => readonly string[]
type Step = (request: ParsedRequest, supported: Supported) => Refusal | undefined

const STEPS: readonly Step[] = [
  viaIsThere,
  eachOnce,
  addressesAreReadable,
  callIdIsThere,
  cseqFits,
  maxForwardsIsANumber,
  contentLengthFits,
  requestUriIsReadable,
  methodIsKnown,
  contactIsUsable,
  requirementsAreSupported,
]

/** Why a request is not handed up; undefined where nothing speaks against it. An ACK is never answered, whatever comes out. */
export function checkRequest(request: ParsedRequest, supported: Supported): Refusal | undefined {
  for (const step of STEPS) {
    const refusal = step(request, supported)
    if (refusal) return refusal
  }
  return undefined
}

/** What is wrong with a response, which is then dropped; undefined where nothing is. `via`: whoever has read it knows. */
export function checkResponse(response: ParsedResponse, via: object | undefined = response.topVia): string | undefined {
  if (!via) return 'Via'
  for (const number of SINGLE) if (response.count(number) > 1) return NAMES.get(number)
  // What they say is our own (RFC 3261 8.2.6.2); whoever needs the tag that was added reads it.
  if (!response.lineHas(HEADER.from, ':')) return 'From'
  if (!response.lineHas(HEADER.to, ':')) return 'To'
  if (!response.line(HEADER.callId)) return 'Call-ID'
  if (response.cseq.number < 0) return 'CSeq'
  return contentLengthProblem(response) && 'Content-Length'
}

const bad = (reason: string): Refusal => ({ status: 400, reason })
const SINGLE_NAMES = ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Length']
const EVENT_NAMES = ['Event', 'Expires', 'Content-Type', 'Suppress-If-Match', 'SIP-If-Match']
const NAMES: ReadonlyMap<number, string> = new Map(
  [...SINGLE_NAMES, ...EVENT_NAMES].map((name) => [headerNumber(name), name]),
)
/** Headers of which there is one at most, and on which everything hangs. */
const SINGLE = SINGLE_NAMES.map(headerNumber)
/** Headers a subscription depends on as well; elsewhere a second one is somebody else's matter. */
const SINGLE_IN_EVENTS = [...SINGLE_NAMES, ...EVENT_NAMES].map(headerNumber)

function viaIsThere(request: ParsedRequest): Refusal | undefined {
  if (request.topVia) return undefined
  return bad(request.line(HEADER.via) === undefined ? 'Missing Via' : 'Malformed Via')
}

function eachOnce(request: ParsedRequest): Refusal | undefined {
  const { method } = request
  const isEvent = method === 'SUBSCRIBE' || method === 'PUBLISH' || method === 'NOTIFY'
  for (const number of isEvent ? SINGLE_IN_EVENTS : SINGLE)
    if (request.count(number) > 1) return bad(`Duplicate ${NAMES.get(number)}`)
  return undefined
}

/** A From without a tag is of RFC 2543, and is taken (RFC 3261 8.2.6.2, 12.1.1). */
function addressesAreReadable(request: ParsedRequest): Refusal | undefined {
  if (request.from.uriText === '') return bad(missingOrMalformed(request, 'From'))
  if (request.to.uriText === '') return bad(missingOrMalformed(request, 'To'))
  return undefined
}

function callIdIsThere(request: ParsedRequest): Refusal | undefined {
  return isCallId(request.callId) ? undefined : bad(missingOrMalformed(request, 'Call-ID'))
}

function cseqFits(request: ParsedRequest): Refusal | undefined {
  const { number, method } = request.cseq
  if (number < 0) return bad(missingOrMalformed(request, 'CSeq'))
  return method === request.method ? undefined : bad('CSeq Method Mismatch')
}

/** Whatever it counts, here it ends: only a proxy refuses 0 (RFC 3261 16.3; 11 for OPTIONS). Elements of RFC 2543 send none. */
function maxForwardsIsANumber(request: ParsedRequest): Refusal | undefined {
  const value = request.line(HEADER.maxForwards)
  return value === undefined || parseDigits(value, 255) !== undefined ? undefined : bad('Malformed Max-Forwards')
}

function contentLengthFits(request: ParsedRequest): Refusal | undefined {
  const problem = contentLengthProblem(request)
  return problem === undefined ? undefined : bad(problem)
}

/** RFC 3261 18.3: a datagram that ends before its body does is refused; one that goes on is cut. */
function contentLengthProblem(message: ParsedRequest | ParsedResponse): string | undefined {
  const value = message.line(HEADER.contentLength)
  if (value === undefined) return undefined
  const length = parseDigits(value, 0xffffffff)
  if (length === undefined) return 'Malformed Content-Length'
  return message.bodyLength < length ? 'Content-Length Beyond Message' : undefined
}

function requestUriIsReadable(request: ParsedRequest): Refusal | undefined {
  // RFC 3261 19.1.1, table 1: headers have no place in a Request-URI
  if (request.uri?.headers === '') return undefined
  const scheme = schemeOf(request.requestUri)
  const isOther = scheme !== undefined && scheme !== 'sip' && scheme !== 'sips'
  return isOther && !hasSpace(request.requestUri) ? { status: 416 } : bad('Malformed Request-URI')
}

function methodIsKnown(request: ParsedRequest): Refusal | undefined {
  return KNOWN_METHODS.includes(request.method) ? undefined : { status: 501 }
}

function contactIsUsable(request: ParsedRequest): Refusal | undefined {
  const rule = CONTACT_RULES.get(request.method)
  if (!rule) return undefined
  const values = request.contactValues
  if (values.length === 0) return rule === 'one' && request.to.tag === undefined ? bad('Missing Contact') : undefined
  if (request.contactIsStar) return rule === 'any' && values.length === 1 ? undefined : bad('Malformed Contact')
  if (request.contacts.length < values.length) return bad('Malformed Contact')
  if (rule === 'any') return undefined
  if (values.length > 1) return bad('Duplicate Contact')
  return request.contacts[0]?.uri ? undefined : bad('Contact Is No SIP URI')
}

/** `one`: where requests of the dialog go (RFC 3261 8.1.1.8); within a dialog it may stay what it was. */
const CONTACT_RULES: ReadonlyMap<string, 'one' | 'any'> = new Map([
  ['SUBSCRIBE', 'one'],
  ['REFER', 'one'],
  ['REGISTER', 'any'],
])

const OF_CALLS: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL'])

/**
 * RFC 3261 8.2.2.3. In CANCEL and ACK it is ignored, and Proxy-Require is none of our business. What a call requires is for
 * whoever it is redirected to (8.3), and one that is refused is refused for its method (8.2.1).
 */
function requirementsAreSupported(request: ParsedRequest, supported: Supported): Refusal | undefined {
  if (request.count(HEADER.require) === 0) return undefined
  const required = request.headers('Require')
  if (required.length === 0 || OF_CALLS.has(request.method)) return undefined
  const known = new Set(supported().map((tag) => tag.toLowerCase()))
  const unsupported = parseOptionTags(required).filter((tag) => !known.has(tag.toLowerCase()))
  if (unsupported.length === 0) return undefined
  return { status: 420, headers: [['Unsupported', unsupported.slice(0, MOST_UNSUPPORTED).join(', ')]] }
}

function missingOrMalformed(request: ParsedRequest, name: string): string {
  return `${request.header(name) === undefined ? 'Missing' : 'Malformed'} ${name}`
}

function hasSpace(text: string): boolean {
  return text.includes(' ') || text.includes('\t')
}

/** callid = word [ "@" word ]: no white space, no controls. */
function isCallId(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 0x20 || code === 0x7f) return false
  }
  return text !== ''
}
