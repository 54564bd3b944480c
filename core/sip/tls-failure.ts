/** A TLS handshake that failed: with whom, and why, in words for the log. */
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The TCP connection, which still knows its peer where that has reset it already. Node names it for itself only. */
export function belowTls(socket: Socket): Socket {
  return '_parent' in socket && socket._parent instanceof Socket ? socket._parent : socket
}

/** Whether a connection of ours failed by what was shown or said in the handshake. */
export function isOfTls(error: Error, { authorizationError }: TLSSocket): boolean {
  return 'reason' in error || Boolean(authorizationError)
}

/** What Node 24 adds of an option of its own: here it is `ca_list_file`. */
const ADVICE = /; if the root CA is installed locally.*$/

/** OpenSSL's own text begins with numbers and ends with its source files. */
export function whyNoTls(error: Error, { authorizationError }: TLSSocket): string {
  const reason = 'reason' in error ? String(error.reason) : error.message.replace(ADVICE, '')
  if (/ alert .*(certificate|unknown ca)/.test(reason)) return `it does not accept our certificate (${reason})`
  if (reason === 'wrong version number' || reason === 'http request') return `what it sent is no TLS (${reason})`
  const isLost = 'code' in error && error.code === 'ECONNRESET'
  // Of one that came to us node closes the connection, and then only says that it is closed.
  if (authorizationError) return `its certificate is not accepted (${isLost ? String(authorizationError) : reason})`
  return isLost ? `it closed the connection (${reason}), as some do that do not accept our certificate` : reason
}
