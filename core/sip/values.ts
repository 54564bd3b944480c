/** Values of single headers, beyond addresses: Accept, Event, Authorization, Expires … */
import { endOfToken, isToken, parseDigits, parseParams, readParam, skipSpace, splitList } from './grammar.ts'

/** `token;name=value`: Event, Subscription-State, Content-Disposition, option tags with parameters. */
export interface TokenValue {
  readonly token: string
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>
}

/** Undefined where it is malformed. */
export function parseTokenValue(text: string): TokenValue | undefined {
  const start = skipSpace(text, 0)
  const end = endOfToken(text, start)
  const params = end === start ? undefined : parseParams(text, end)
  return params && { token: text.slice(start, end), params }
}

export interface EventValue {
  /** As written: event types compare with case (RFC 6665 8.2.1). */
  readonly event: string
  /** Empty where there is none. */
  readonly id: string
  readonly params: ReadonlyMap<string, string>
}

/** An Event header (RFC 6665 8.2.1); undefined where it is malformed. The id comes back in each NOTIFY, and is a token. */
export function parseEvent(text: string): EventValue | undefined {
  const value = parseTokenValue(text)
  if (!value) return undefined
  const id = value.params.get('id') ?? ''
  return id === '' || isToken(id) ? { event: value.token, id, params: value.params } : undefined
}

export interface MediaType {
  /** `application/pidf+xml`, in lower case. */
  readonly type: string
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>
}

/** `type/subtype;params`, as in Content-Type; undefined where it is malformed. */
export function parseMediaType(text: string): MediaType | undefined {
  const start = skipSpace(text, 0)
  const slash = endOfToken(text, start)
  const subtype = skipSpace(text, slash)
  if (slash === start || text.charCodeAt(subtype) !== 0x2f) return undefined
  const subtypeStart = skipSpace(text, subtype + 1)
  const end = endOfToken(text, subtypeStart)
  const params = end === subtypeStart ? undefined : parseParams(text, end)
  return params && { type: `${text.slice(start, slash)}/${text.slice(subtypeStart, end)}`.toLowerCase(), params }
}

export interface AcceptRange extends MediaType {
  /** From 0 to 1; 1 where none is given. 0 means: not this. */
  readonly q: number
  /** Without q. */
  readonly params: ReadonlyMap<string, string>
}

/** The elements of Accept (RFC 3261 20.1), in their order; malformed and empty elements are left out. */
export function parseAccept(values: readonly string[]): AcceptRange[] {
  return values.flatMap((value) => {
    const range = parseMediaType(value)
    if (!range) return []
    if (range.params.size === 0) return { type: range.type, q: 1, params: range.params }
    const params = new Map(range.params)
    const q = parseQ(params.get('q'))
    params.delete('q')
    return { type: range.type, q, params }
  })
}

/** A qvalue; 1 where there is none or it is malformed. */
export function parseQ(text: string | undefined): number {
  if (text === undefined || text.length > 8) return 1
  const dot = text.indexOf('.')
  const whole = parseDigits(dot === -1 ? text : text.slice(0, dot), 1)
  const rest = dot === -1 || dot === text.length - 1 ? 0 : parseDigits(text.slice(dot + 1), 9_999_999)
  return whole === undefined || rest === undefined ? 1 : Math.min(1, Number(text))
}

/** Seconds (RFC 3261 20.19); what is over 2^32-1 is that, what is no number undefined. */
export function parseDeltaSeconds(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x30 || code > 0x39) return undefined
  }
  return Math.min(Number(text), 0xffffffff)
}

/** Seconds of Retry-After: `120`, `120 (in a meeting);duration=60` (RFC 3261 20.33). */
export function parseRetryAfter(text: string | undefined): number | undefined {
  return parseDeltaSeconds(text?.slice(0, endOfToken(text, 0)))
}

export interface AuthValue {
  /** In lower case: `digest`. */
  readonly scheme: string
  /** Names in lower case, values unquoted. Empty for schemes that have no parameters. */
  readonly params: ReadonlyMap<string, string>
}

/** A challenge or credentials: `Digest realm="…", nonce="…"` (RFC 3261 25.1); undefined where it is malformed. */
export function parseAuthValue(text: string): AuthValue | undefined {
  const start = skipSpace(text, 0)
  const end = endOfToken(text, start)
  if (end === start) return undefined
  const scheme = text.slice(start, end).toLowerCase()
  const params = parseAuthParams(text, end)
  return params && { scheme, params }
}

/**
 * `name=value, name="value"` from `from` on. Undefined where it is malformed or a name comes twice, so that nobody can
 * be shown one value and checked against another.
 */
export function parseAuthParams(text: string, from = 0): ReadonlyMap<string, string> | undefined {
  const params = new Map<string, string>()
  let at = skipSpace(text, from)
  while (at < text.length) {
    at = readParam(text, at, params)
    if (at === -1 || (at < text.length && text.charCodeAt(at) !== 0x2c)) return undefined
    // RFC 7235 7: empty elements of a list are allowed
    while (at < text.length && (text.charCodeAt(at) === 0x2c || text.charCodeAt(at) === 0x20)) at++
    at = skipSpace(text, at)
  }
  return params
}

/** Option tags of Require, Supported and the like, as written; they compare without case. */
export function parseOptionTags(values: readonly string[]): string[] {
  return values.flatMap(splitList).filter(isToken)
}

/** Whether one of these values of Supported or Require names the option. `tag` in lower case. */
export function hasOptionTag(values: readonly string[], tag: string): boolean {
  return parseOptionTags(values).some((one) => one.toLowerCase() === tag)
}
