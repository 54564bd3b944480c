/** Where a request goes: Request-URI, Route headers and next hop from a target and its routes (RFC 3261 12.2.1.1). */
import { parseNameAddr, parseUri } from './parse-uri.ts'
import type { SipUri } from './uri.ts'

export interface Routing {
  readonly requestUri: string
  /** Values of Route, topmost first. */
  readonly routes: readonly string[]
  /** undefined where it is no sip URI. */
  readonly nextHop: SipUri | undefined
}

export function routingOf(target: string, routes: readonly string[]): Routing {
  const [first, ...others] = routes
  const uri = parseUri(target)
  const requestUri = uri ? asRequestUri(uri) : target
  if (first === undefined) return { requestUri, routes: [], nextHop: uri }
  const firstUri = parseNameAddr(first)?.uri
  if (!firstUri || firstUri.params.has('lr')) return { requestUri, routes, nextHop: firstUri }
  // A strict router: it finds itself in the Request-URI, and the target at the end of the route.
  return {
    requestUri: asRequestUri(firstUri),
    routes: [...others, `<${requestUri}>`],
    nextHop: firstUri,
  }
}

/** RFC 3261 19.1.1, table 1: no headers in a Request-URI, and no method. */
export function asRequestUri(uri: SipUri): string {
  // A user may have question marks and semicolons.
  const place = uri.user === '' ? 0 : uri.text.indexOf('@')
  const isPlain = uri.headers === '' && !uri.text.endsWith('?')
  const text = isPlain ? uri.text : uri.text.slice(0, uri.text.indexOf('?', place))
  if (!uri.params.has('method')) return text
  return text.slice(0, place) + text.slice(place).replace(/;method(?:=[^;]*)?(?=;|$)/i, '')
}
