/**
 * Which endpoint a request claims to be from: by its source address, a header, its From or its credentials, in the
 * order of endpoint_identifier_order, as far as the identify_by of the endpoint allows. Proving it comes after.
 */

import type { Endpoint, Endpoints } from '../endpoints.ts'
import { type Eventual, whenThere } from '../eventual.ts'
import type { Logger } from '../log.ts'
import type { ServerTransaction } from '../sip/contract.ts'
import { nameIn } from '../user-options.ts'
import { MAX_CREDENTIALS } from './credentials.ts'
import { parseDigest } from './digest.ts'
import type { Resolve } from './host-names.ts'
import { Identifies } from './identifies.ts'

/** Milliseconds after which host names in `match` are looked up again. */
const RESOLVE_INTERVAL = 300_000
/** Of those that have led nowhere yet: the network may come up later than we do, and phones are strangers until then. */
const RESOLVE_AGAIN = 10_000

/** In the words of endpoint_identifier_order. */
const METHODS = ['ip', 'username', 'header', 'auth_username'] as const
type Method = (typeof METHODS)[number]

/** What identify_by must have, one of them, for an endpoint to be found this way. */
const BY_ADDRESS: readonly string[] = ['ip']
const BY_HEADER: readonly string[] = ['header', 'ip']
const BY_USERNAME: readonly string[] = ['username']
const BY_AUTH_USERNAME: readonly string[] = ['auth_username']

/** `unasked`: an Asterisk server that may know the endpoint could not be asked. */
export type Identified = Endpoint | 'unasked' | undefined

export class Identification {
  readonly #endpoints: Endpoints
  readonly #log: Logger
  readonly #resolve: Resolve
  readonly #resolveAgain: number
  readonly #stopWatching: () => void | Promise<void>
  #identifies: Identifies
  #order: readonly Method[] = []
  #anonymous = false
  #timer: NodeJS.Timeout | undefined
  #retry: NodeJS.Timeout | undefined
  #ready: Promise<void>
  #closed = false
  /** Some id of an endpoint of the files has a domain. */
  #domains = false
  readonly #by: Record<Method, (tx: ServerTransaction) => Eventual<Identified>> = {
    ip: ({ source }) => this.#named(this.#identifies.byAddress(source.address), BY_ADDRESS),
    header: ({ request }) => this.#named(this.#identifies.byHeader(request), BY_HEADER),
    username: ({ request }) => {
      const from = request.from.uri
      return this.#ofUser(from && nameIn(from, this.#endpoints.global), from?.host, BY_USERNAME)
    },
    auth_username: ({ request }) => this.#ofCredentials(request.headers('Authorization'), 0),
  }

  /** `resolveAgain`: milliseconds, in place of our own. */
  constructor(endpoints: Endpoints, log: Logger, resolve: Resolve, resolveAgain = RESOLVE_AGAIN) {
    this.#endpoints = endpoints
    this.#log = log
    this.#resolve = resolve
    this.#resolveAgain = resolveAgain
    this.#identifies = new Identifies([], log)
    this.#ready = this.#prepare()
    this.#stopWatching = endpoints.onChange(() => void this.#prepare())
  }

  /** Resolves when the host names of the present identify sections have been looked up. */
  get ready(): Promise<void> {
    return this.#ready
  }

  close(): void {
    this.#closed = true
    void this.#stopWatching()
    clearTimeout(this.#timer)
    clearTimeout(this.#retry)
  }

  /** A promise only where somebody else has to be asked. */
  find(tx: ServerTransaction): Eventual<Identified> {
    return this.#findFrom(0, tx, false)
  }

  #findFrom(at: number, tx: ServerTransaction, unasked: boolean): Eventual<Identified> {
    const method = this.#order[at]
    if (method)
      return whenThere(this.#by[method](tx), (found) =>
        found && found !== 'unasked' ? found : this.#findFrom(at + 1, tx, unasked || found === 'unasked'),
      )
    // Whoever may be somebody is not to be taken for nobody.
    if (unasked) return 'unasked'
    if (!this.#anonymous) return undefined
    const { endpoints } = this.#endpoints.files
    return endpoints.get(`anonymous@${tx.request.from.uri?.host ?? ''}`) ?? endpoints.get('anonymous')
  }

  /** As an identify section names it. */
  #named(id: string | undefined, methods: readonly string[]): Eventual<Identified> {
    return id === undefined ? undefined : this.#asFound(id, this.#endpoints.endpoint(id), methods)
  }

  #claimed(id: string, methods: readonly string[]): Eventual<Identified> {
    return this.#asFound(id, this.#endpoints.claimed(id), methods)
  }

  #asFound(id: string, endpoint: Eventual<Endpoint | undefined>, methods: readonly string[]): Eventual<Identified> {
    return whenThere(endpoint, (found) => this.#identified(id, found, methods))
  }

  #identified(id: string, endpoint: Endpoint | undefined, methods: readonly string[]): Identified {
    if (!endpoint) return this.#endpoints.mayExist('endpoint', id) ? 'unasked' : undefined
    for (const method of endpoint.identify_by) if (methods.includes(method)) return endpoint
    return undefined
  }

  /** The first that name an endpoint: a request may have some for another realm. */
  #ofCredentials(headers: readonly string[], first: number): Eventual<Identified> {
    if (first >= Math.min(headers.length, MAX_CREDENTIALS)) return undefined
    const params = parseDigest(headers[first] ?? '')
    const found = this.#ofUser(params?.get('username'), params?.get('realm'), BY_AUTH_USERNAME)
    return whenThere(found, (one) =>
      one && one !== 'unasked' ? one : whenThere(this.#ofCredentials(headers, first + 1), (next) => next ?? one),
    )
  }

  /** `user@domain` before `user`, as Asterisk does; a server is only asked for the long name where nobody has the short one. */
  #ofUser(user = '', domain = '', methods: readonly string[]): Eventual<Identified> {
    if (user === '' || user.toLowerCase() === 'anonymous') return undefined
    const long = this.#domains ? this.#endpoints.files.endpoints.get(`${user}@${domain}`) : undefined
    const known = long && this.#identified(long.id, long, methods)
    if (known) return known
    return whenThere(this.#claimed(user, methods), (found) => found ?? this.#claimed(`${user}@${domain}`, methods))
  }

  /** The files were read (again). What the order does not name comes after what it does. */
  #prepare(): Promise<void> {
    const { endpoints, identifies, global } = this.#endpoints.files
    this.#domains = [...endpoints.keys()].some((id) => id.includes('@'))
    const named = global.endpoint_identifier_order.map((name) => name.toLowerCase())
    this.#order = [...METHODS].sort((a, b) => placeIn(named, a) - placeIn(named, b))
    this.#anonymous = named.includes('anonymous')
    const before = this.#identifies
    this.#identifies = new Identifies(identifies, this.#log)
    this.#identifies.takeAddresses(before)
    this.#ready = this.#resolveNames(this.#identifies)
    return this.#ready
  }

  async #resolveNames(identifies: Identifies): Promise<void> {
    clearTimeout(this.#timer)
    clearTimeout(this.#retry)
    if (!identifies.hasNames) return
    this.#timer = setTimeout(() => void this.#resolveNames(identifies), RESOLVE_INTERVAL)
    this.#timer.unref()
    await identifies.resolveNames(this.#resolve, this.#log)
    this.#lookAgain(identifies)
  }

  /** One name that is misspelt does not have all the others asked for so often. */
  #lookAgain(identifies: Identifies): void {
    clearTimeout(this.#retry)
    if (this.#closed || identifies !== this.#identifies || !identifies.hasUnknown) return
    const look = async (): Promise<void> => {
      await identifies.resolveUnknown(this.#resolve, this.#log)
      this.#lookAgain(identifies)
    }
    this.#retry = setTimeout(() => void look(), this.#resolveAgain)
    this.#retry.unref()
  }
}

function placeIn(order: readonly string[], method: Method): number {
  const at = order.indexOf(method)
  return at < 0 ? order.length : at
}
