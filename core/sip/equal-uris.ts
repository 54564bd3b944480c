/** Whether two URIs are equivalent (RFC 3261 19.1.4). */
import { unescape } from './grammar.ts'
import type { SipUri } from './uri.ts'

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
