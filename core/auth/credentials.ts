/** Proof of identity: challenges, and what a request answered them with (RFC 3261 22, RFC 7616, RFC 8760). */
import { randomBytes } from 'node:crypto'
import type { Auth, Globals } from '../endpoints.ts'
import type { HeaderLine, SipRequest } from '../sip/contract.ts'
import { parseUri } from '../sip/parse-uri.ts'
import {
  type DigestAlgorithm,
  digestAlgorithm,
  digestResponse,
  digestSecret,
  formatChallenge,
  parseDigest,
  sameDigest,
} from './digest.ts'
import { type NonceSettings, Nonces } from './nonces.ts'

/**
 * `good`: it is them. `stale`: it is them, with a nonce that is too old, was used or is not ours. `elsewhere`: it is
 * them, but the credentials are for another Request-URI. `none`: there are no credentials for our realm and
 * algorithms. `bad`: there are, and they are wrong.
 */
export type Verdict = 'good' | 'stale' | 'elsewhere' | 'none' | 'bad'

/** Seconds that nonces are remembered for whose refreshes are to come: no phone subscribes for longer. */
const A_DAY = 86_400

export interface CheckSettings extends NonceSettings {
  /**
   * With `asterisk` a refresh may come with a nonce that is too old, if it was answered well before and not with this
   * count: Asterisk asks for nothing in a dialog, and Linphone takes a challenge there for its end.
   */
  readonly compat?: () => 'rfc' | 'asterisk'
}

/** More credentials than this in one request are not looked at. */
export const MAX_CREDENTIALS = 8

export class CredentialCheck {
  readonly #nonces: Nonces
  readonly #compat: () => 'rfc' | 'asterisk'
  readonly #secrets = new Secrets()
  readonly #decoyPassword = randomBytes(16).toString('hex')

  constructor({ compat = () => 'rfc', ...settings }: CheckSettings) {
    this.#compat = compat
    this.#nonces = new Nonces(settings)
  }

  /** What an endpoint that does not exist is challenged with, so that its answers look like those of one that does. */
  decoy(global: Globals): Auth {
    return {
      id: '',
      auth_type: 'userpass',
      username: '',
      password: this.#decoyPassword,
      md5_cred: '',
      password_digest: [],
      realm: '',
      nonce_lifetime: 32,
      supported_algorithms_uas: global.default_auth_algorithms_uas,
    }
  }

  /** The best that any of the request's credentials comes to with any of these sections. */
  judge(request: SipRequest, address: string, auths: readonly Auth[], global: Globals): Verdict {
    let best: Verdict = 'none'
    for (const header of request.headers('Authorization').slice(0, MAX_CREDENTIALS)) {
      const params = parseDigest(header)
      if (!params) continue
      for (const auth of auths) {
        const verdict = this.#judgeOne(params, auth, request, address, global)
        if (verdict === 'good') return verdict
        if (RANK[verdict] > RANK[best]) best = verdict
      }
    }
    return best
  }

  #judgeOne(
    params: ReadonlyMap<string, string>,
    auth: Auth,
    request: SipRequest,
    address: string,
    global: Globals,
  ): Verdict {
    const realm = realmOf(auth, global)
    const algorithm = digestAlgorithm(params.get('algorithm') ?? 'MD5')
    if (params.get('realm') !== realm || !algorithm || !algorithmsOf(auth, global).includes(algorithm)) return 'none'
    const nonce = params.get('nonce') ?? ''
    const uri = params.get('uri') ?? ''
    const count = readCount(params)
    if (count === 'malformed' || nonce === '' || uri === '') return 'bad'
    const { username, secret } = this.#secrets.of(auth, algorithm, realm)
    const expected = digestResponse(algorithm, secret ?? this.#decoyPassword, request.method, {
      nonce,
      uri,
      qop: params.get('qop'),
      nc: params.get('nc') ?? '',
      cnonce: params.get('cnonce') ?? '',
    })
    const same = sameDigest(algorithm, expected, params.get('response') ?? '')
    if (!same || params.get('username') !== username) return 'bad'
    if (!isFor(uri, request)) return 'elsewhere'
    const lasting = this.#compat() === 'asterisk'
    const isRefresh = lasting && request.method === 'SUBSCRIBE' && request.to.tag !== undefined
    const isGood =
      (isRefresh && this.#nonces.wasAnswered(nonce, realm, address)) ||
      this.#nonces.fresh(nonce, realm, address, auth.nonce_lifetime)
    const seconds = lasting ? Math.max(A_DAY, auth.nonce_lifetime) : auth.nonce_lifetime
    return isGood && this.#nonces.use(nonce, count, seconds, realm, address) ? 'good' : 'stale'
  }

  /** WWW-Authenticate lines: one for each realm and algorithm, the best algorithm first. */
  challenges(auths: readonly Auth[], address: string, stale: boolean, global: Globals): HeaderLine[] {
    const offered = new Map<string, HeaderLine>()
    for (const auth of auths) {
      const realm = realmOf(auth, global)
      for (const algorithm of algorithmsOf(auth, global)) {
        const key = `${algorithm} ${realm}`
        if (offered.has(key)) continue
        const nonce = this.#nonces.make(realm, address)
        offered.set(key, ['WWW-Authenticate', formatChallenge({ realm, nonce, algorithm, stale })])
      }
    }
    return [...offered.values()]
  }
}

interface Secret {
  readonly algorithm: DigestAlgorithm
  readonly realm: string
  readonly username: string
  /** The hash of user, realm and password; undefined where the section holds none for the algorithm. */
  readonly secret: string | undefined
}

/** What a section was asked for last: its phones answer one algorithm and one realm. */
class Secrets {
  readonly #known = new WeakMap<Auth, Secret>()

  of(auth: Auth, algorithm: DigestAlgorithm, realm: string): Secret {
    const known = this.#known.get(auth)
    if (known && known.algorithm === algorithm && known.realm === realm) return known
    const username = usernameOf(auth)
    const secret = digestSecret({ ...auth, username }, algorithm, realm)
    const made = { algorithm, realm, username, secret }
    this.#known.set(auth, made)
    return made
  }
}

const RANK: Record<Verdict, number> = { none: 0, bad: 1, elsewhere: 2, stale: 3, good: 4 }

/** The user name of the digest. */
export function usernameOf(auth: Auth): string {
  return auth.username === '' ? auth.id : auth.username
}

function realmOf(auth: Auth, global: Globals): string {
  return auth.realm === '' ? global.default_realm : auth.realm
}

/** The algorithms that are offered and that the section has a secret for. */
function algorithmsOf(auth: Auth, global: Globals): readonly DigestAlgorithm[] {
  const wanted =
    auth.supported_algorithms_uas.length > 0 ? auth.supported_algorithms_uas : global.default_auth_algorithms_uas
  const possible = auth.password !== '' ? wanted : wanted.filter((name) => digestSecret(auth, name, '') !== undefined)
  // A section that has nothing for what is offered is still challenged, and never satisfied.
  return possible.length > 0 ? possible : ['MD5']
}

/** undefined: no qop, as in RFC 2069. */
function readCount(params: ReadonlyMap<string, string>): number | 'malformed' | undefined {
  const qop = params.get('qop')
  if (qop === undefined) return undefined
  const nc = params.get('nc') ?? ''
  const count = parseCount(nc)
  return count >= 0 && qop.toLowerCase() === 'auth' && params.has('cnonce') ? count : 'malformed'
}

/** Eight hexadecimal digits, of which some clients leave out zeros that lead; -1 for anything else. */
function parseCount(text: string): number {
  if (text.length === 0 || text.length > 8) return -1
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const letter = code | 0x20
    if (code >= 0x30 && code <= 0x39) count = count * 16 + code - 0x30
    else if (letter >= 0x61 && letter <= 0x66) count = count * 16 + letter - 0x57
    else return -1
  }
  return count
}

/**
 * RFC 7616 3.4.6 wants the same resource. Phones leave out the user, and proxies and gateways rewrite the host, so only
 * two different users are two different resources.
 */
function isFor(digestUri: string, request: SipRequest): boolean {
  if (digestUri === request.requestUri) return true
  const claimed = parseUri(digestUri)
  const asked = request.uri
  if (!claimed || !asked) return claimed === asked
  return claimed.user === '' || asked.user === '' || claimed.user === asked.user
}
