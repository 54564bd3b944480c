/** SIP URIs and name-addr values: reading, printing, comparing (RFC 3261 19.1, 20.10, 25.1). */
import { isIPv6 } from 'node:net'
import {
  endOfQuoted,
  endOfToken,
  isEscapedWell,
  parseDigits,
  parseParams,
  quote,
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

/** A `sip:` or `sips:` URI; undefined for another scheme and for what is malformed. */
export function parseUri(text: string): SipUri | undefined {
  const scheme = sipSchemeOf(text)
  if (scheme === undefined) return undefined
  const start = scheme.length + 1
  const { length } = text
  let at = -1
  let semicolon = -1
  let query = -1
  let isEscaped = false
  for (let index = start; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code <= 0x20 || code === 0x22 || code === 0x3c || code === 0x3e || code === 0x7f) return undefined
    if (code === 0x40 && at === -1) {
      at = index
      // What stood before was of the user.
      semicolon = -1
      query = -1
    } else if (code === 0x3b && semicolon === -1) semicolon = index
    else if (code === 0x3f && query === -1) query = index
    else if (code === 0x25) isEscaped = true
  }
  if (isEscaped && !isEscapedWell(text)) return undefined
  const end = query === -1 ? length : query
  const hostEnd = semicolon === -1 || semicolon > end ? end : semicolon
  const place = parseHostPort(text, at === -1 ? start : at + 1, hostEnd)
  if (!place) return undefined
  const params = hostEnd === end ? NONE : uriParams(text.slice(hostEnd + 1, end))
  if (!params) return undefined
  let user = ''
  let password: string | undefined
  if (at !== -1) {
    // RFC 3261 25.1: userinfo = user [ ":" password ] "@", and the user is not empty
    const colon = text.indexOf(':', start)
    const hasPassword = colon !== -1 && colon < at
    user = text.slice(start, hasPassword ? colon : at)
    if (user === '') return undefined
    if (isEscaped) user = unescape(user)
    if (hasPassword) password = unescape(text.slice(colon + 1, at))
  }
  return {
    scheme,
    user,
    password,
    host: place.host,
    port: place.port,
    params,
    headers: query === -1 ? '' : text.slice(query + 1),
    text,
  }
}

function sipSchemeOf(text: string): 'sip' | 'sips' | undefined {
  if (text.startsWith('sip:') && text.length > 4) return 'sip'
  const scheme = schemeOf(text)
  return scheme === 'sip' || scheme === 'sips' ? scheme : undefined
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`. The host in lower case without brackets; port 0 says nothing and is left out. */
export function parseHostPort(
  text: string,
  start = 0,
  end = text.length,
): { host: string; port: number | undefined } | undefined {
  let hostEnd = start
  let host: string
  if (text.charCodeAt(start) === 0x5b && start < end) {
    hostEnd = text.indexOf(']', start) + 1
    if (hostEnd === 0 || hostEnd > end || hostEnd - start > 64) return undefined
    host = text.slice(start + 1, hostEnd - 1).toLowerCase()
    if (!isIPv6(host)) return undefined
  } else {
    let hasCapitals = false
    for (; hostEnd < end; hostEnd++) {
      const code = text.charCodeAt(hostEnd)
      if (!isHostCode(code)) break
      if (code >= 0x41 && code <= 0x5a) hasCapitals = true
    }
    if (hostEnd === start || hostEnd - start > MAX_HOST) return undefined
    host = text.slice(start, hostEnd)
    if (hasCapitals) host = host.toLowerCase()
  }
  if (hostEnd === end) return { host, port: undefined }
  if (text.charCodeAt(hostEnd) !== 0x3a) return undefined
  const port = parseDigits(text, 65535, hostEnd + 1, end)
  return port === undefined ? undefined : { host, port: port === 0 ? undefined : port }
}

// The underscore is no character of a host name, and is found in names all the same.
function isHostCode(code: number): boolean {
  const lower = code | 0x20
  return (
    (lower >= 0x61 && lower <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f
  )
}

/** `a=1;b` without a leading semicolon; undefined where one is empty or comes twice (RFC 3261 19.1.1). */
function uriParams(text: string): ReadonlyMap<string, string> | undefined {
  const params = new Map<string, string>()
  for (const param of text.split(';')) {
    const equals = param.indexOf('=')
    const name = unescape(equals === -1 ? param : param.slice(0, equals)).toLowerCase()
    if (name === '' || params.has(name)) return undefined
    params.set(name, equals === -1 ? '' : unescape(param.slice(equals + 1)))
  }
  return params
}

/**
 * `"Name" <uri>;params`, `Name <uri>`, `<uri>` or a bare URI, whose semicolons begin header parameters (RFC 3261 20.10).
 * Undefined where it is malformed, and for `*`.
 */
export function parseNameAddr(text: string): NameAddr | undefined {
  const start = skipSpace(text, 0)
  let display = ''
  let open = start
  if (text.charCodeAt(start) === 0x22) {
    const end = endOfQuoted(text, start)
    if (end === -1) return undefined
    display = unquote(text, start, end)
    open = skipSpace(text, end)
    if (text.charCodeAt(open) !== 0x3c) return undefined
  } else if (text.charCodeAt(start) !== 0x3c) {
    open = text.indexOf('<', start)
    if (open === -1) return bareAddress(text, start)
    display = text.slice(start, open).trimEnd()
    // A bare URI whose header parameters have an angle bracket in them, or a name that needed quotes.
    if (!isPlainDisplay(display)) return display.includes(':') ? bareAddress(text, start) : undefined
  }
  const close = text.indexOf('>', open)
  if (close === -1) return undefined
  return nameAddr(text, display, text.slice(open + 1, close), close + 1)
}

/** RFC 3261 20: a URI with a comma or a question mark needs angle brackets. */
function bareAddress(text: string, start: number): NameAddr | undefined {
  let end = text.indexOf(';', start)
  if (end === -1) end = text.length
  const uriText = text.slice(start, end).trimEnd()
  return uriText.includes('?') || uriText.includes(',') ? undefined : nameAddr(text, '', uriText, end)
}

function nameAddr(text: string, display: string, uriText: string, paramsAt: number): NameAddr | undefined {
  const uri = parseUri(uriText)
  if (uri === undefined && !isOtherUri(uriText)) return undefined
  if (!scanParams(text, paramsAt)) return undefined
  return new ReadAddress(display, uriText, uri, scannedParam('tag'), text, paramsAt)
}

function isOtherUri(text: string): boolean {
  const scheme = schemeOf(text)
  return scheme !== undefined && scheme !== 'sip' && scheme !== 'sips' && isUriText(text)
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
}

// Tokens with white space between them, and what phones write besides: anything that cannot be taken for structure.
function isPlainDisplay(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    if ('",;:<>@\\'.includes(text.charAt(at))) return false
  }
  return true
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
const USER_PLAIN = new Set(`${UNRESERVED}&=+$,;?/`)
const PARAM_PLAIN = new Set(`${UNRESERVED}[]/:&+$`)

/** The user part as it is written in a URI. */
export function escapeUser(user: string): string {
  return escapeWith(USER_PLAIN, user)
}

function escapeWith(plain: ReadonlySet<string>, text: string): string {
  let at = 0
  while (at < text.length && plain.has(text.charAt(at))) at++
  if (at === text.length) return text
  let escaped = ''
  for (const byte of toWire(text)) {
    escaped += plain.has(byte) ? byte : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}

/** A parameter that, present in one of two URIs, makes them differ (RFC 3261 19.1.4). */
const DECIDING = ['user', 'ttl', 'method', 'maddr', 'transport'] as const

/** RFC 3261 19.1.4: whether two URIs are equivalent. */
export function equalUris(one: SipUri, other: SipUri): boolean {
  if (
    one.scheme !== other.scheme ||
    one.user !== other.user ||
    one.password !== other.password ||
    one.host !== other.host ||
    one.port !== other.port
  ) {
    return false
  }
  if (DECIDING.some((name) => one.params.has(name) !== other.params.has(name))) return false
  for (const [name, value] of one.params) {
    const there = other.params.get(name)
    if (there !== undefined && there.toLowerCase() !== value.toLowerCase()) return false
  }
  return equalHeaders(one.headers, other.headers)
}

function equalHeaders(one: string, other: string): boolean {
  if (one === other) return true
  const normal = (headers: string): string =>
    headers
      .split('&')
      .map((header) => {
        const equals = header.indexOf('=')
        if (equals === -1) return `${unescape(header).toLowerCase()}=`
        return `${unescape(header.slice(0, equals)).toLowerCase()}=${unescape(header.slice(equals + 1))}`
      })
      .sort()
      .join('&')
  return normal(one) === normal(other)
}
