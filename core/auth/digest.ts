/** Digest authentication as data and arithmetic (RFC 7616, RFC 8760; RFC 2617 and RFC 2069 for phones that are older). */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { hexDigest } from '../hex-digest.ts'
import { splitCommas } from '../options.ts'
import { quote } from '../sip/grammar.ts'
import { parseAuthValue } from '../sip/values.ts'

export const DIGEST_ALGORITHMS = ['MD5', 'SHA-256', 'SHA-512-256'] as const
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number]

const HASH: Record<DigestAlgorithm, { readonly name: string; readonly hexDigits: number }> = {
  MD5: { name: 'md5', hexDigits: 32 },
  'SHA-256': { name: 'sha256', hexDigits: 64 },
  'SHA-512-256': { name: 'sha512-256', hexDigits: 64 },
}

/** What of an auth section the arithmetic needs. */
export interface Credentials {
  readonly username: string
  readonly auth_type: 'userpass' | 'md5' | 'digest'
  readonly password: string
  readonly md5_cred: string
  readonly password_digest: readonly string[]
}

export interface DigestInput {
  readonly nonce: string
  readonly uri: string
  /** `auth`, or undefined for the calculation of RFC 2069. */
  readonly qop: string | undefined
  /** As sent: eight hexadecimal digits or fewer. */
  readonly nc: string
  readonly cnonce: string
}

/** Names compare without case. -sess variants are none of ours: nothing in SIP keeps a session. */
export function digestAlgorithm(name: string): DigestAlgorithm | undefined {
  const upper = name.toUpperCase()
  return DIGEST_ALGORITHMS.find((algorithm) => algorithm === upper)
}

/** A comma list of algorithms. Throws an Error that says what is expected. */
export function readAlgorithms(text: string): DigestAlgorithm[] {
  return splitCommas(text).map((name) => {
    const algorithm = digestAlgorithm(name)
    if (!algorithm) throw new Error(`expected ${DIGEST_ALGORITHMS.join(', ')}, not '${name}'`)
    return algorithm
  })
}

/** `ALGORITHM:hash`, with commas between several; as Asterisk has it, a hash alone is one of MD5. Throws an Error that says what is expected. */
export function readDigests(text: string): string[] {
  return splitCommas(text).map((item) => {
    const colon = item.indexOf(':')
    const algorithm = colon < 0 ? 'MD5' : digestAlgorithm(item.slice(0, colon).trim())
    const hash = item
      .slice(colon + 1)
      .trim()
      .toLowerCase()
    if (!algorithm || hash.length !== HASH[algorithm].hexDigits || /[^0-9a-f]/.test(hash))
      throw new Error(`expected ALGORITHM:hash, of ${DIGEST_ALGORITHMS.join(', ')}, the hash in hexadecimal digits`)
    return `${algorithm}:${hash}`
  })
}

export function digestHash(algorithm: DigestAlgorithm, text: string): string {
  return hexDigest(HASH[algorithm].name, text)
}

/**
 * The hash of `username:realm:password` (RFC 7616 3.4.2), or undefined where the section holds none for the algorithm,
 * and no password. What auth_type names goes first; Asterisk takes what there is, and an empty password is none.
 */
export function digestSecret(credentials: Credentials, algorithm: DigestAlgorithm, realm: string): string | undefined {
  const { auth_type, username, password } = credentials
  const hash = auth_type === 'userpass' && password !== '' ? undefined : hashOf(credentials, algorithm)
  if (hash !== undefined || password === '') return hash
  return digestHash(algorithm, `${username}:${realm}:${password}`)
}

function hashOf({ md5_cred, password_digest }: Credentials, algorithm: DigestAlgorithm): string | undefined {
  const prefix = `${algorithm}:`
  const found = password_digest.find((item) => item.toUpperCase().startsWith(prefix))
  if (found !== undefined) return found.slice(prefix.length).trim().toLowerCase()
  return algorithm === 'MD5' && isMd5(md5_cred) ? md5_cred.toLowerCase() : undefined
}

/** Whether anybody can answer for it. */
export function holdsSecret({ password, md5_cred, password_digest }: Omit<Credentials, 'username'>): boolean {
  return password !== '' || isMd5(md5_cred) || password_digest.length > 0
}

export const isMd5 = (text: string): boolean => /^[0-9a-f]{32}$/i.test(text)

/** The `response` parameter (RFC 7616 3.4.1). `secret` is what `digestSecret` gives. */
export function digestResponse(algorithm: DigestAlgorithm, secret: string, method: string, input: DigestInput): string {
  const what = digestHash(algorithm, `${method}:${input.uri}`)
  const freshness =
    input.qop === undefined ? input.nonce : `${input.nonce}:${input.nc}:${input.cnonce}:${input.qop.toLowerCase()}`
  return digestHash(algorithm, `${secret}:${freshness}:${what}`)
}

/** Longer than any digest, so that what is given is cut, never taken for equal. */
const SCRATCH = 65
const expectedBytes = Buffer.alloc(SCRATCH)
const givenBytes = Buffer.alloc(SCRATCH)

/** In a time that does not depend on where they differ. No longer than 64 characters; longer ones are different. */
export function sameSecret(expected: string, given: string): boolean {
  expectedBytes.fill(0)
  givenBytes.fill(0)
  expectedBytes.write(expected, 'latin1')
  givenBytes.write(given, 'latin1')
  return timingSafeEqual(expectedBytes, givenBytes) && given.length === expected.length && given.length < SCRATCH
}

/** In a time that does not depend on where they differ. */
export function sameDigest(algorithm: DigestAlgorithm, expected: string, given: string): boolean {
  return sameSecret(expected, given.toLowerCase()) && expected.length === HASH[algorithm].hexDigits
}

/** The parameters of a Digest challenge or of Digest credentials, names in lower case and values unquoted; undefined for anything else. */
export function parseDigest(header: string): ReadonlyMap<string, string> | undefined {
  const value = parseAuthValue(header)
  return value?.scheme === 'digest' && value.params.size > 0 ? value.params : undefined
}

export interface Challenge {
  readonly realm: string
  readonly nonce: string
  readonly algorithm: DigestAlgorithm
  readonly stale: boolean
}

/** The value of a WWW-Authenticate header. */
export function formatChallenge({ realm, nonce, algorithm, stale }: Challenge): string {
  const age = stale ? 'stale=true,' : ''
  return `Digest realm=${quote(realm)},nonce="${nonce}",${age}algorithm=${algorithm},qop="auth"`
}

export interface ChallengedRequest {
  readonly method: string
  readonly requestUri: string
  /** Values of the WWW-Authenticate (401) or Proxy-Authenticate (407) headers with one realm, in order. */
  readonly challenges: readonly string[]
  /** How often their nonces were used, with this time; once where it is left out. */
  readonly count?: number | undefined
}

/**
 * The value of an Authorization or Proxy-Authorization header: for the first challenge that we have a hash for (RFC 8760 2.4).
 * undefined where none can be answered. `cnonce` is for tests.
 */
export function answerChallenge(
  { method, requestUri, challenges, count = 1 }: ChallengedRequest,
  credentials: Credentials,
  cnonce: string = randomBytes(12).toString('hex'),
): string | undefined {
  const nc = count.toString(16).padStart(8, '0')
  for (const challenge of challenges) {
    const params = parseDigest(challenge)
    const algorithm = digestAlgorithm(params?.get('algorithm') ?? 'MD5')
    const realm = params?.get('realm')
    const nonce = params?.get('nonce')
    if (!params || !algorithm || realm === undefined || nonce === undefined) continue
    const offered = params
      .get('qop')
      ?.split(',')
      .map((word) => word.trim().toLowerCase())
    const secret = digestSecret(credentials, algorithm, realm)
    if (secret === undefined || (offered && !offered.includes('auth'))) continue
    const input = { nonce, uri: requestUri, qop: offered && 'auth', nc, cnonce }
    const opaque = params.get('opaque')
    return [
      `Digest username=${quote(credentials.username)}`,
      `realm=${quote(realm)}`,
      `nonce=${quote(nonce)}`,
      `uri=${quote(requestUri)}`,
      `response="${digestResponse(algorithm, secret, method, input)}"`,
      `algorithm=${algorithm}`,
      ...(offered ? ['qop=auth', `nc=${nc}`, `cnonce="${cnonce}"`] : []),
      ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
    ].join(', ')
  }
  return undefined
}
