/** SIP URIs and name-addr values: reading and printing (RFC 3261 19.1, 20.10, 25.1). */
import { isIPv6 } from 'node:net'
import {
  classOf,
  endOfQuoted,
  endOfToken,
  isHex,
  isSpace,
  parseDigits,
  parseParams,
  quote,
  scannedCount,
  scannedParam,
  scanParams,
  skipSpace,
  toWire,
  unescape,
  unquote,
} from './grammar.ts'
import type { NameAddr, SipUri } from './uri.ts'

const NONE: ReadonlyMap<string, string> = new Map()
const MAX_HOST = 255

/** The scheme in lower case; undefined where the text does not begin with one (RFC 3986 3.1). */
export function schemeOf(uri: string): string | undefined {
  const colon = uri.indexOf(':')
  if (colon < 1 || colon === uri.length - 1) return undefined
  for (let at = 0; at < colon; at++) {
    const code = uri.charCodeAt(at) | 0x20
    const letter = code >= 0x61 && code <= 0x7a
    if (!letter && (at === 0 || !'0123456789+-.'.includes(uri.charAt(at)))) return undefined
  }
  return uri.slice(0, colon).toLowerCase()
}

/** Whether there is nothing in it that would end a URI in a start line or between angle brackets. */
function isUriText(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code === 0x7f) return false
  }
  return text !== ''
}

// What the last scan has found: where its parts are. Looking costs no object; one is made where somebody asks for it.
let scheme: 'sip' | 'sips' = 'sip'
let userStart = 0
/** The colon before a password, and the at sign; -1 where there is none. */
let userColon = -1
let userAt = -1
let isEscaped = false
let hostStart = 0
let hostEnd = 0
let hasCapitals = false
/** 0 where none is said. */
let port = 0
let uriParameters = NONE
/** The question mark; -1 where there is none. */
let query = -1

/** A `sip:` or `sips:` URI; undefined for another scheme and for what is malformed. */
export function parseUri(text: string): SipUri | undefined {
  return scanUri(text, 0, text.length) ? scannedUri(text, 0, text.length) : undefined
}

function scanUri(text: string, start: number, end: number): boolean {
  if (!scanScheme(text, start, end)) return false
  userStart = start + scheme.length + 1
  userAt = userColon = query = -1
  isEscaped = false
  let semicolon = -1
  for (let at = userStart; at < end; at++) {
    const code = text.charCodeAt(at)
    if (isLetterOrDigit(code)) continue
    if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code === 0x7f) return false
    if (code === 0x40 && userAt === -1) {
      userAt = at
      // What stood before was of the user.
      semicolon = query = -1
    } else if (code === 0x3a && userAt === -1 && userColon === -1) userColon = at
    else if (code === 0x3b && semicolon === -1) semicolon = at
    else if (code === 0x3f && query === -1) query = at
    else if (code === 0x25) {
      if (at + 2 >= end || !isHex(text.charCodeAt(at + 1)) || !isHex(text.charCodeAt(at + 2))) return false
      isEscaped = true
    }
  }
  // RFC 3261 25.1: userinfo = user [ ":" password ] "@", and the user is not empty
  if (userAt === -1) userColon = -1
  else if ((userColon === -1 ? userAt : userColon) === userStart) return false
  const last = query === -1 ? end : query
  const placeEnd = semicolon === -1 || semicolon > last ? last : semicolon
  if (!scanHostPort(text, userAt === -1 ? userStart : userAt + 1, placeEnd)) return false
  const parameters = placeEnd === last ? NONE : uriParams(text.slice(placeEnd + 1, last))
  uriParameters = parameters ?? NONE
  return parameters !== undefined
}

/** The URI that was scanned last, without a scan in between. */
function scannedUri(text: string, start: number, end: number): SipUri {
  const user = userAt === -1 ? '' : text.slice(userStart, userColon === -1 ? userAt : userColon)
  return {
    scheme,
    user: isEscaped ? unescape(user) : user,
    password: userColon === -1 ? undefined : unescape(text.slice(userColon + 1, userAt)),
    host: scannedHost(text),
    port: port === 0 ? undefined : port,
    params: uriParameters,
    headers: query === -1 ? '' : text.slice(query + 1, end),
    text: text.slice(start, end),
  }
}

function scanScheme(text: string, start: number, end: number): boolean {
  if (text.startsWith('sip:', start) && end - start > 4) {
    scheme = 'sip'
    return true
  }
  const said = schemeOf(text.slice(start, end))
  if (said !== 'sip' && said !== 'sips') return false
  scheme = said
  return true
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`. The host in lower case without brackets; port 0 says nothing and is left out. */
export function parseHostPort(
  text: string,
  start = 0,
  end = text.length,
): { host: string; port: number | undefined } | undefined {
  if (!scanHostPort(text, start, end)) return undefined
  return { host: scannedHost(text), port: port === 0 ? undefined : port }
}

function scanHostPort(text: string, start: number, end: number): boolean {
  port = 0
  hasCapitals = false
  let next = start
  if (start < end && text.charCodeAt(start) === 0x5b) {
    next = text.indexOf(']', start) + 1
    if (next === 0 || next > end || next - start > 64) return false
    hostStart = start + 1
    hostEnd = next - 1
    hasCapitals = true
    if (!isIPv6(text.slice(hostStart, hostEnd))) return false
  } else {
    for (; next < end; next++) {
      const code = text.charCodeAt(next)
      if (!isHostCode(code)) break
      if (code >= 0x41 && code <= 0x5a) hasCapitals = true
    }
    if (next === start || next - start > MAX_HOST) return false
    hostStart = start
    hostEnd = next
  }
  if (next === end) return true
  if (text.charCodeAt(next) !== 0x3a) return false
  const said = parseDigits(text, 65535, next + 1, end)
  port = said ?? 0
  return said !== undefined
}

function scannedHost(text: string): string {
  const host = text.slice(hostStart, hostEnd)
  return hasCapitals ? host.toLowerCase() : host
}

function isLetterOrDigit(code: number): boolean {
  const lower = code | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39)
}

// The underscore is no character of a host name, and is found in names all the same.
function isHostCode(code: number): boolean {
  return isLetterOrDigit(code) || code === 0x2d || code === 0x2e || code === 0x5f
}

/** `a=1;b` without a leading semicolon; undefined where one is empty, or comes with another value again (RFC 3261 19.1.1). */
function uriParams(text: string): ReadonlyMap<string, string> | undefined {
  const params = new Map<string, string>()
  for (const param of text.split(';')) {
    const equals = param.indexOf('=')
    const name = unescape(equals === -1 ? param : param.slice(0, equals)).toLowerCase()
    const value = equals === -1 ? '' : unescape(param.slice(equals + 1))
    if (name === '' || (params.get(name) ?? value) !== value) return undefined
    params.set(name, value)
  }
  return params
}

/** Of a name-addr that was scanned: where its name is, its URI, and the parameters after it. */
let nameStart = 0
let nameEnd = 0
let uriStart = 0
let uriEnd = 0
let paramsStart = 0
let isSip = false

/**
 * `"Name" <uri>;params`, `Name <uri>`, `<uri>` or a bare URI, whose semicolons begin header parameters (RFC 3261 20.10).
 * Undefined where it is malformed, and for `*`.
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  if (!isNameAddr(text)) return undefined
  const isQuoted = nameEnd > nameStart && text.charCodeAt(nameStart) === 0x22
  const display = isQuoted ? unquote(text, nameStart, nameEnd) : text.slice(nameStart, nameEnd)
  const uri = isSip ? scannedUri(text, uriStart, uriEnd) : undefined
  const uriText = uri?.text ?? text.slice(uriStart, uriEnd)
  return new ReadAddress(display, uriText, uri, scannedParam('tag'), text, paramsStart)
}

/** Whether it can be read. */
function isNameAddr(text: string): boolean {
  const start = skipSpace(text, 0)
  nameStart = nameEnd = start
  let open = start
  if (text.charCodeAt(start) === 0x22) {
    nameEnd = endOfQuoted(text, start)
    if (nameEnd === -1) return false
    open = skipSpace(text, nameEnd)
    if (text.charCodeAt(open) !== 0x3c) return false
  } else if (text.charCodeAt(start) !== 0x3c) {
    open = text.indexOf('<', start)
    if (open === -1) return isBareAddress(text, start)
    nameEnd = open
    while (nameEnd > start && isSpace(text.charCodeAt(nameEnd - 1))) nameEnd--
    // A bare URI whose header parameters have an angle bracket in them; or else a name that needed quotes, as phones
    // write `Watson, Thomas`: they are inferred (RFC 4475 3.1.2.15), and what we write of it has them.
    if (text.slice(start, nameEnd).includes(':')) return isBareAddress(text, start)
  }
  const close = text.indexOf('>', open)
  return close !== -1 && isAddress(text, open + 1, close, close + 1)
}

/** RFC 3261 20: a URI with a comma or a question mark needs angle brackets. */
function isBareAddress(text: string, start: number): boolean {
  const semicolon = text.indexOf(';', start)
  const next = semicolon === -1 ? text.length : semicolon
  let end = next
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  nameStart = nameEnd = start
  const uri = text.slice(start, end)
  return !uri.includes('?') && !uri.includes(',') && isAddress(text, start, end, next)
}

function isAddress(text: string, start: number, end: number, next: number): boolean {
  uriStart = start
  uriEnd = end
  paramsStart = next
  isSip = scanUri(text, start, end)
  return (isSip || isOtherUri(text.slice(start, end))) && scanParams(text, next)
}

function isOtherUri(text: string): boolean {
  const said = schemeOf(text)
  return said !== undefined && said !== 'sip' && said !== 'sips' && isUriText(text)
}

class ReadAddress implements NameAddr {
  readonly display: string
  readonly uriText: string
  readonly uri: SipUri | undefined
  readonly tag: string | undefined
  readonly text: string
  readonly #paramsAt: number
  #params: ReadonlyMap<string, string> | undefined

  constructor(
    display: string,
    uriText: string,
    uri: SipUri | undefined,
    tag: string | undefined,
    text: string,
    paramsAt: number,
  ) {
    this.display = display
    this.uriText = uriText
    this.uri = uri
    this.tag = tag
    this.text = text
    this.#paramsAt = paramsAt
  }

  get params(): ReadonlyMap<string, string> {
    this.#params ??= parseParams(this.text, this.#paramsAt) ?? NONE
    return this.#params
  }

  param(name: string): string | undefined {
    return scanParams(this.text, this.#paramsAt) ? scannedParam(name) : undefined
  }

  get paramCount(): number {
    return scanParams(this.text, this.#paramsAt) ? scannedCount() : 0
  }
}

export interface UriParts {
  readonly scheme?: 'sip' | 'sips'
  /** Not escaped yet. */
  readonly user?: string
  readonly host: string
  readonly port?: number
  /** Printed in this order; an empty value prints the name alone. */
  readonly params?: Iterable<readonly [name: string, value: string]>
}

export function printUri({ scheme = 'sip', user = '', host, port, params = [] }: UriParts): string {
  let text = `${scheme}:${user === '' ? '' : `${escapeUser(user)}@`}${printHostPort(host, port)}`
  for (const [name, value] of params) text += printUriParam(name, value)
  return text
}

function printUriParam(name: string, value: string): string {
  return value === ''
    ? `;${escapeWith(PARAM_PLAIN, name)}`
    : `;${escapeWith(PARAM_PLAIN, name)}=${escapeWith(PARAM_PLAIN, value)}`
}

/** IPv6 addresses get their brackets. */
export function printHostPort(host: string, port?: number): string {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return port === undefined ? bracketed : `${bracketed}:${port}`
}

/** The host of such a URI has none. */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

export interface NameAddrParts {
  readonly display?: string
  readonly uri: string
  readonly params?: Iterable<readonly [name: string, value: string]>
}

/** Always with angle brackets, so that nothing in the URI is taken for a header parameter. */
export function printNameAddr({ display = '', uri, params = [] }: NameAddrParts): string {
  let text = display === '' ? `<${uri}>` : `${quote(display)} <${uri}>`
  for (const [name, value] of params) {
    if (value === '') text += `;${name}`
    else text += `;${name}=${endOfToken(value, 0) === value.length ? value : quote(value)}`
  }
  return text
}

const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
const USER_PLAIN = classOf(`${UNRESERVED}&=+$,;?/`)
const PARAM_PLAIN = classOf(`${UNRESERVED}[]/:&+$`)

/** The user part as it is written in a URI. */
export function escapeUser(user: string): string {
  return escapeWith(USER_PLAIN, user)
}

function escapeWith(plain: Uint8Array, text: string): string {
  let at = 0
  while (at < text.length && plain[text.charCodeAt(at)] === 1) at++
  if (at === text.length) return text
  let escaped = ''
  for (const byte of toWire(text)) {
    escaped +=
      plain[byte.charCodeAt(0)] === 1 ? byte : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}
