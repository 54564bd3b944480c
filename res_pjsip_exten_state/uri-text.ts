/** The little that bodies do with URIs as text. */

/** Host and nothing else: no user, port or parameters; IPv6 keeps its brackets. */
export function hostOf(uri: string): string {
  const afterScheme = uri.slice(uri.indexOf(':') + 1)
  const hostPort = afterScheme.slice(afterScheme.lastIndexOf('@') + 1).split(/[;?>]/, 1)[0] ?? ''
  const bracket = hostPort.indexOf(']')
  if (bracket >= 0) return hostPort.slice(0, bracket + 1)
  return hostPort.split(':', 1)[0] ?? ''
}

/** `sip` or `sips`. */
export function schemeOf(uri: string): string {
  return uri.slice(0, uri.indexOf(':'))
}

/** What RFC 3261 25.1 lets stand in a user part; everything else is escaped. */
export function escapeUser(user: string): string {
  return user.replace(/[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/gu, (c) =>
    [...Buffer.from(c, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
