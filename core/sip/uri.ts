/** SIP URIs and name-addr values as data (RFC 3261 19.1, 20.10). Parsing and printing are in parse-uri.ts. */

export interface SipUri {
  readonly scheme: 'sip' | 'sips'
  /** Unescaped. Empty when the URI has no user part. May hold `;` parameters of its own. */
  readonly user: string
  readonly password: string | undefined
  /** As written, lower case; IPv6 without its brackets. */
  readonly host: string
  readonly port: number | undefined
  /** Names in lower case; a parameter without a value is the empty string. */
  readonly params: ReadonlyMap<string, string>
  /** The part after `?`, unparsed. */
  readonly headers: string
  /** The URI as it was written, without angle brackets. */
  readonly text: string
}

export interface NameAddr {
  /** Display name, unquoted and unescaped; empty where there is none. */
  readonly display: string
  /** Any URI, as text; `uri` is undefined where its scheme is neither sip nor sips. */
  readonly uriText: string
  readonly uri: SipUri | undefined
  /** Header parameters, names in lower case: tag, expires, q, +sip.instance … Quoted values are unquoted. */
  readonly params: ReadonlyMap<string, string>
  /** One of them: no table of all is made for it. */
  param(name: string): string | undefined
  /** How many there are. */
  readonly paramCount: number
  /** The `tag` parameter, if any. */
  readonly tag: string | undefined
  /** The whole value as it was written. */
  readonly text: string
}
