/**
 * IPv6 zones: `%eth0` after a link-local address says which link that is on. It means something on this machine alone, and
 * SIP has no place for it (RFC 4007 11.2, RFC 3261 25.1).
 */

export function withoutZone(address: string): string {
  const zone = address.indexOf('%')
  return zone < 0 ? address : address.slice(0, zone)
}

/** An address that a peer has named, as it is reached from here: a link-local one is on the link the peer is on itself. */
export function asSeenFrom(peer: string, address: string): string {
  const zone = peer.indexOf('%')
  return zone >= 0 && isLinkLocal(address) ? address + peer.slice(zone) : address
}

/** fe80::/10, without a zone. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:[^%]*$/i.test(address)
}
