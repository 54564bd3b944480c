/**
 * Who is asking: which endpoint a request claims to be from, whether it may come from there, and whether it can prove
 * it. Nothing here waits where all objects are in our files.
 */

import type { Auth, Endpoint, Endpoints } from '../endpoints.ts'
import { allThere, type Eventual, whenThere } from '../eventual.ts'
import type { Log, Logger } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import type { Address, CredentialsFor, Refusal, ServerTransaction, SipRequest } from '../sip/contract.ts'
import { printHostPort } from '../sip/parse-uri.ts'
import type { SipUri } from '../sip/uri.ts'
import { Strikes } from '../strikes.ts'
import { brief } from '../text.ts'
import { type AclUse, forbiddenBy, forbiddenByAll, hasAcl, looksAtContacts } from './acl.ts'
import type { Authenticator } from './auth.ts'
import { type CheckSettings, CredentialCheck, type Verdict } from './credentials.ts'
import { parseDigest } from './digest.ts'
import { hostResolver, type Resolve } from './host-names.ts'
import { Identification, type Identified } from './identification.ts'
import type { Limits } from './limits.ts'
import { parseAddress } from './networks.ts'
import { outboundCredentials } from './outbound.ts'

/** Seconds until a phone tries again whose endpoint only an Asterisk server knows that is away. */
const RETRY_AFTER = 10
/** Contacts with names that are looked up for one request; phones have one. */
const MOST_NAMES = 4

export interface AuthenticatorSettings {
  readonly endpoints: Endpoints
  readonly log: Log
  readonly metrics: Metrics
  readonly limits?: Limits
  /** Epoch milliseconds. */
  readonly now?: () => number
  readonly compat?: CheckSettings['compat']
  /** For host names in `match`. */
  readonly resolve?: Resolve
  /** Milliseconds until names that have led nowhere yet are looked up again. */
  readonly resolveAgain?: number
  /** Where a request to a Contact would be sent. Never rejects. Without it nobody knows where a name leads. */
  readonly targetsOf?: (contact: SipUri) => Eventual<readonly Address[]>
}

type AskedFrom = Pick<ServerTransaction, 'request' | 'source'>

const FORBIDDEN: Refusal = { status: 403 }

export interface RunningAuthenticator extends Authenticator {
  /** Resolves when the host names of the identify sections have been looked up. */
  readonly ready: Promise<void>
  /** Whatever is asked, before anybody asks who it is: what an address is answered that a `type=acl` section forbids. */
  refusalFor(request: SipRequest, source: Address): Refusal | undefined
  close(): void
}

export function createAuthenticator(settings: AuthenticatorSettings): RunningAuthenticator {
  return new EndpointAuthenticator(settings)
}

class EndpointAuthenticator implements RunningAuthenticator {
  readonly #endpoints: Endpoints
  readonly #log: Logger
  readonly #limits: Limits | undefined
  readonly #identification: Identification
  readonly #credentials: CredentialCheck
  readonly #strikes: Strikes
  readonly #targetsOf: (contact: SipUri) => Eventual<readonly Address[]>
  readonly #counters: Record<'accepted' | 'challenged' | 'failed' | 'forbidden' | 'unasked' | 'unidentified', Counter>

  constructor({
    endpoints,
    log,
    metrics,
    limits,
    now = Date.now,
    resolve = hostResolver(),
    resolveAgain,
    targetsOf = () => [],
    compat = () => 'rfc',
  }: AuthenticatorSettings) {
    this.#endpoints = endpoints
    this.#log = log.logger('authenticator')
    this.#limits = limits
    this.#identification = new Identification(endpoints, this.#log, resolve, resolveAgain)
    this.#credentials = new CredentialCheck({ now, compat })
    this.#strikes = new Strikes(now)
    this.#targetsOf = targetsOf
    this.#counters = {
      accepted: metrics.counter('auth.accepted'),
      challenged: metrics.counter('auth.challenged'),
      failed: metrics.counter('auth.failed'),
      forbidden: metrics.counter('auth.forbidden'),
      unasked: metrics.counter('auth.unasked'),
      unidentified: metrics.counter('auth.unidentified'),
    }
  }

  get ready(): Promise<void> {
    return this.#identification.ready
  }

  close(): void {
    this.#identification.close()
  }

  refusalFor(request: SipRequest, source: Address): Refusal | undefined {
    const { files } = this.#endpoints
    const address = files.acls.size > 0 ? parseAddress(source.address) : undefined
    const why = address && forbiddenByAll(files, 'source', address)
    if (why === undefined) return undefined
    this.#noteForbidden({ request, source }, why)
    return FORBIDDEN
  }

  identify(tx: ServerTransaction): Eventual<Endpoint | undefined> {
    const everybody = this.#forbidden(tx, undefined)
    if (everybody !== undefined) return this.#refuse(tx, everybody)
    return whenThere(this.#identification.find(tx), (found) => this.#identified(tx, found))
  }

  credentialsFor({ id, outbound_auth }: Endpoint): CredentialsFor | undefined {
    if (outbound_auth.length === 0) return undefined
    return outboundCredentials(this.#endpoints, outbound_auth, (realms) => {
      if (this.#strikes.strike('outbound', id, 1, this.#period) === undefined) return
      const names = realms.map((realm) => `'${realm}'`).join(', ')
      this.#log.notice(`endpoint '${id}' challenges for realm ${names}, which none of its outbound_auth can answer`)
    })
  }

  #identified(tx: ServerTransaction, endpoint: Identified): Eventual<Endpoint | undefined> {
    if (endpoint === 'unasked') return this.#comeLater(tx)
    if (!endpoint) return this.#turnAway(tx)
    const acl = this.#forbidden(tx, endpoint)
    if (acl !== undefined) return this.#refuse(tx, acl)
    if (endpoint.auth.length === 0) return this.#accept(tx, endpoint)
    const found = allThere(endpoint.auth.map((id) => this.#endpoints.auth(id)))
    return whenThere(found, (auths) => this.#prove(tx, endpoint, this.#usable(endpoint, auths)))
  }

  #prove(
    tx: ServerTransaction,
    endpoint: Endpoint,
    auths: readonly Auth[] | 'unasked',
  ): Eventual<Endpoint | undefined> {
    if (auths === 'unasked') return this.#comeLater(tx)
    const verdict = this.#credentials.judge(tx.request, tx.source.address, auths, this.#endpoints.global)
    return verdict === 'good' ? this.#accept(tx, endpoint) : this.#challenge(tx, auths, verdict, endpoint.id)
  }

  #accept(tx: ServerTransaction, endpoint: Endpoint): Eventual<Endpoint | undefined> {
    const refusal = this.#limits?.endpoint(endpoint)
    if (refusal) {
      tx.answer(refusal)
      return undefined
    }
    const { files } = this.#endpoints
    const isChecked = (files.acls.size > 0 || hasAcl(endpoint)) && looksAtContacts(endpoint, files)
    return whenThere(isChecked ? this.#forbiddenName(tx, endpoint) : undefined, (why) => {
      if (why !== undefined) return this.#refuse(tx, why)
      this.#counters.accepted.add()
      return endpoint
    })
  }

  /**
   * Why a Contact with a name is forbidden, by where it leads: looked up for those only who have proved who they are. One
   * that leads nowhere now could lead anywhere later.
   */
  #forbiddenName({ request }: ServerTransaction, endpoint: Endpoint): Eventual<string | undefined> {
    // Nothing is sent there.
    if (endpoint.rewrite_contact) return undefined
    const named = request.contacts.flatMap(({ uri }) => (uri && !parseAddress(leadsTo(uri)) ? [uri] : []))
    if (named.length === 0) return undefined
    const asked = named.slice(0, MOST_NAMES).map(async (uri) => this.#targetsOf(uri))
    return Promise.all(asked).then((found) => {
      if (named.length > MOST_NAMES) return `more than ${MOST_NAMES} Contacts with names`
      const nowhere = found.findIndex((targets) => targets.length === 0)
      if (nowhere >= 0) return `Contact ${brief(named[nowhere]?.text ?? '')}, which leads to no address`
      const { files } = this.#endpoints
      for (const target of found.flat()) {
        const address = parseAddress(target.address)
        const why =
          address && (forbiddenByAll(files, 'contact', address) ?? forbiddenBy(endpoint, files, 'contact', address))
        if (why !== undefined) return why
      }
      return undefined
    })
  }

  /** `found`: what each of its `auth` is. */
  #usable(endpoint: Endpoint, found: readonly (Auth | undefined)[]): readonly Auth[] | 'unasked' {
    const auths: Auth[] = []
    let unasked = false
    for (const [at, id] of endpoint.auth.entries()) {
      const auth = found[at]
      if (auth) auths.push(auth)
      else if (this.#endpoints.mayExist('auth', id)) unasked = true
      else if (this.#strikes.strike('auth', id, 1, 60) !== undefined)
        this.#log.error(`endpoint '${endpoint.id}' has auth '${id}', which does not exist: nobody can answer for it`)
    }
    if (auths.length > 0) return auths
    return unasked ? 'unasked' : [this.#credentials.decoy(this.#endpoints.global)]
  }

  /** Why it is forbidden, to everybody or to the endpoint. */
  #forbidden({ request, source }: ServerTransaction, endpoint: Endpoint | undefined): string | undefined {
    const { files } = this.#endpoints
    if (endpoint ? !hasAcl(endpoint) : files.acls.size === 0) return undefined
    const check = (use: AclUse, text: string): string | undefined => {
      const address = parseAddress(text)
      if (!address) return undefined
      return endpoint ? forbiddenBy(endpoint, files, use, address) : forbiddenByAll(files, use, address)
    }
    const name = check('source', source.address)
    if (name !== undefined) return name
    for (const { uri } of request.contacts) {
      if (!uri) continue
      const contact = check('contact', uri.host) ?? check('contact', leadsTo(uri))
      if (contact !== undefined) return contact
    }
    return undefined
  }

  #refuse(tx: ServerTransaction, why: string): undefined {
    this.#noteForbidden(tx, why)
    tx.answer(FORBIDDEN)
    return undefined
  }

  #noteForbidden(asked: AskedFrom, why: string): void {
    this.#counters.forbidden.add()
    if (this.#strikes.strike('acl', asked.source.address, 1, this.#period) !== undefined)
      this.#log.warning(`${describe(asked)} is refused: ${why}`)
  }

  /** A 401 would make a phone ask its user for another password. */
  #comeLater(tx: ServerTransaction): undefined {
    this.#counters.unasked.add()
    tx.answer({ status: 503, headers: [['Retry-After', String(RETRY_AFTER)]] })
    return undefined
  }

  /** Nobody we know: the same answers, by the same way, as for a wrong password. */
  #turnAway(tx: ServerTransaction): undefined {
    this.#counters.unidentified.add()
    const { unidentified_request_count: count } = this.#endpoints.global
    const took = this.#strikes.strike('unidentified', tx.source.address, count, this.#period)
    if (took !== undefined)
      this.#log.notice(`${describe(tx)} failed: no matching endpoint found after ${count} tries in ${took} ms`)
    const decoys = [this.#credentials.decoy(this.#endpoints.global)]
    const verdict = this.#credentials.judge(tx.request, tx.source.address, decoys, this.#endpoints.global)
    return this.#challenge(tx, decoys, verdict === 'good' ? 'bad' : verdict, undefined)
  }

  #challenge(tx: ServerTransaction, auths: readonly Auth[], verdict: Verdict, id: string | undefined): undefined {
    this.#counters.challenged.add()
    const why = whyRefused(verdict, tx)
    if (why !== undefined) {
      this.#counters.failed.add()
      if (
        id !== undefined &&
        this.#strikes.strike('failed', `${tx.source.address} ${id}`, 1, this.#period) !== undefined
      )
        this.#log.notice(`${describe(tx)} failed: endpoint '${id}', ${why}`)
    }
    if (verdict === 'elsewhere') {
      tx.answer({ status: 400, reason: 'Digest URI Is Not The Request-URI' })
      return undefined
    }
    const global = this.#endpoints.global
    tx.answer({
      status: 401,
      headers: this.#credentials.challenges(auths, tx.source.address, verdict === 'stale', global),
    })
    return undefined
  }

  get #period(): number {
    return Math.max(1, this.#endpoints.global.unidentified_request_period)
  }
}

/** RFC 3261 19.1.1: what a request to it is sent to, and not its host. */
function leadsTo({ host, params }: SipUri): string {
  return params.get('maddr') ?? host
}

/** undefined where nothing was wrong yet: no credentials, or a nonce that is only too old. */
function whyRefused(verdict: Verdict, { request }: ServerTransaction): string | undefined {
  if (verdict === 'bad') return 'failed to authenticate'
  if (verdict === 'elsewhere') return 'credentials are for another Request-URI'
  const header = verdict === 'none' ? request.header('Authorization') : undefined
  if (header === undefined) return undefined
  const params = parseDigest(header)
  if (!params) return 'malformed credentials'
  const [realm, algorithm] = [brief(params.get('realm') ?? ''), brief(params.get('algorithm') ?? 'MD5')]
  return `credentials are for realm '${realm}' and algorithm '${algorithm}', which are not offered`
}

function describe({ request, source }: AskedFrom): string {
  const at = printHostPort(source.address, source.port)
  return `Request '${brief(request.method)}' from '${brief(request.from.uriText)}' at ${at} (Call-ID ${brief(request.callId)})`
}
