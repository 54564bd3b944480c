/** Whether the certificate of a server that we connect to is one of the name we look for (RFC 5922 7). */
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls'
import { parseUri } from './parse-uri.ts'

/** A connection whose certificate was checked when it was made. */
export class CheckedServer {
  readonly #socket: TLSSocket
  readonly #name: string
  readonly #allowsWildcards: boolean

  constructor(socket: TLSSocket, name: string, allowsWildcards: boolean) {
    this.#socket = socket
    this.#name = name
    this.#allowsWildcards = allowsWildcards
  }

  /** Whether requests to this name may go by it, too. Its certificate is there once it was found to be good. */
  is(name: string): boolean {
    if (name === this.#name) return true
    if (!this.#socket.authorized) return false
    return identityFault(name, this.#socket.getPeerCertificate(), this.#allowsWildcards) === undefined
  }
}

/**
 * Undefined where it is one of that name or address. A domain in a `sip` URI counts, and beside it, as in Asterisk, names of
 * type DNS; a wildcard is no name (RFC 5922 7.2) unless that is allowed.
 */
export function identityFault(name: string, certificate: PeerCertificate, allowsWildcards: boolean): Error | undefined {
  const wanted = plainName(name)
  const names = alternativesOf(certificate.subjectaltname ?? '')
  if (names.some(({ type, value }) => type === 'URI' && domainOf(value) === wanted)) return undefined
  const fault = checkServerIdentity(name, certificate)
  if (fault || allowsWildcards || isIP(wanted) !== 0) return fault
  const dns = names.flatMap(({ type, value }) => (type === 'DNS' ? [value] : []))
  // RFC 5922 7.1: the subject counts where nothing else does.
  const taken = dns.length > 0 ? dns : [certificate.subject.CN ?? ''].flat()
  if (taken.some((value) => plainName(value) === wanted)) return undefined
  return new Error(`the certificate has ${taken.join(', ')}, which is ${name} with allow_wildcard_certs alone`)
}

/** As node writes them: `DNS:a.example, URI:sip:a.example`, and in quotes what is no plain value, which is none we look for. */
function alternativesOf(text: string): { readonly type: string; readonly value: string }[] {
  return [...text.matchAll(/(?:, )?([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy)].map(([, type = '', value = '']) => ({
    type,
    value,
  }))
}

/** RFC 5922 7.1: of a `sip` URI without a user. */
function domainOf(text: string): string | undefined {
  const uri = parseUri(text)
  return uri?.scheme === 'sip' && uri.user === '' && !text.includes('@') ? plainName(uri.host) : undefined
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
