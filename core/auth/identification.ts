/**
 * Which endpoint a request claims to be from: by its source address, a header, its From or its credentials, in the
 * order of endpoint_identifier_order, as far as the identify_by of the endpoint allows. Proving it comes after.
 */

import type { Endpoint, Endpoints } from '../endpoints.ts'
import type { Logger } from '../log.ts'
import type { ServerTransaction } from '../sip/contract.ts'
import { parseDigest } from './digest.ts'
import { Identifies, type Resolve } from './identifies.ts'
import { type Steps, wait } from './steps.ts'

/** Seconds after which host names in `match` are looked up again. */
const RESOLVE_INTERVAL = 300

/** In the words of endpoint_identifier_order. */
const METHODS = ['ip', 'username', 'header', 'auth_username'] as const
type Method = (typeof METHODS)[number]

/** `unasked`: an Asterisk server that may know the endpoint could not be asked. */
export type Identified = Endpoint | 'unasked' | undefined

export class Identification {
  readonly #endpoints: Endpoints
  readonly #log: Logger
  readonly #resolve: Resolve
  readonly #stopWatching: () => void | Promise<void>
  #identifies: Identifies
  #order: readonly Method[] = []
  #anonymous = false
  #timer: NodeJS.Timeout | undefined
  #ready: Promise<void>
  readonly #by: Record<Method, (tx: ServerTransaction) => Steps<Identified>> = {
    ip: ({ source }) => this.#named(this.#identifies.byAddress(source.address), ['ip']),
    header: ({ request }) => this.#named(this.#identifies.byHeader(request), ['header', 'ip']),
    username: ({ request }) => {
      const from = request.from.uri
      return this.#ofUser(from?.user, from?.host, 'username')
    },
    auth_username: ({ request }) => {
      const params = parseDigest(request.header('Authorization') ?? '')
      return this.#ofUser(params?.get('username'), params?.get('realm'), 'auth_username')
    },
  }

  constructor(endpoints: Endpoints, log: Logger, resolve: Resolve) {
    this.#endpoints = endpoints
    this.#log = log
    this.#resolve = resolve
    this.#identifies = new Identifies([], log)
    this.#ready = this.#prepare()
    this.#stopWatching = endpoints.onChange(() => void this.#prepare())
  }

  /** Resolves when the host names of the present identify sections have been looked up. */
  get ready(): Promise<void> {
    return this.#ready
  }

  close(): void {
    void this.#stopWatching()
    clearTimeout(this.#timer)
  }

  *find(tx: ServerTransaction): Steps<Identified> {
    let unasked = false
    for (const method of this.#order) {
      const endpoint = yield* this.#by[method](tx)
      if (endpoint === 'unasked') unasked = true
      else if (endpoint) return endpoint
    }
    // Whoever may be somebody is not to be taken for nobody.
    if (unasked) return 'unasked'
    if (!this.#anonymous) return undefined
    const { endpoints } = this.#endpoints.files
    return endpoints.get(`anonymous@${tx.request.from.uri?.host ?? ''}`) ?? endpoints.get('anonymous')
  }

  *#named(id: string | undefined, methods: readonly string[]): Steps<Identified> {
    if (id === undefined) return undefined
    const endpoint = yield* wait(this.#endpoints.endpoint(id))
    if (!endpoint && this.#endpoints.mayExist('endpoint', id)) return 'unasked'
    return endpoint?.identify_by.some((method) => methods.includes(method)) ? endpoint : undefined
  }

  /** `user@domain` before `user`, as Asterisk does; a server is only asked for the long name where nobody has the short one. */
  *#ofUser(user = '', domain = '', method: Method): Steps<Identified> {
    if (user === '' || user.toLowerCase() === 'anonymous') return undefined
    const long = `${user}@${domain}`
    if (this.#endpoints.files.endpoints.has(long)) {
      const endpoint = yield* this.#named(long, [method])
      if (endpoint) return endpoint
    }
    return (yield* this.#named(user, [method])) ?? (yield* this.#named(long, [method]))
  }

  /** The files were read (again). What the order does not name comes after what it does. */
  #prepare(): Promise<void> {
    const { identifies, global } = this.#endpoints.files
    const named = global.endpoint_identifier_order.map((name) => name.toLowerCase())
    this.#order = [...METHODS].sort((a, b) => placeIn(named, a) - placeIn(named, b))
    this.#anonymous = named.includes('anonymous')
    this.#identifies = new Identifies(identifies, this.#log)
    this.#ready = this.#resolveNames(this.#identifies)
    return this.#ready
  }

  async #resolveNames(identifies: Identifies): Promise<void> {
    clearTimeout(this.#timer)
    if (!identifies.hasNames) return
    this.#timer = setTimeout(() => void this.#resolveNames(identifies), RESOLVE_INTERVAL * 1000)
    this.#timer.unref()
    await identifies.resolveNames(this.#resolve, this.#log)
  }
}

function placeIn(order: readonly string[], method: Method): number {
  const at = order.indexOf(method)
  return at < 0 ? order.length : at
}
