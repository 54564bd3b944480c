/** The registrar: answers REGISTER, and knows where endpoints can be reached (RFC 3261 10). */
import type { Authenticator } from '../auth/auth.ts'
import { parseDigest } from '../auth/digest.ts'
import type { Aor, Endpoint, Endpoints } from '../endpoints.ts'
import type { Log, Logger } from '../log.ts'
import type { Counter, Metrics } from '../metrics.ts'
import { addedTo, Scope, type Undo } from '../scope.ts'
import type { HeaderLine, Refusal, ServerTransaction, Sip, SipRequest } from '../sip/contract.ts'
import { parseNameAddr, parseUri, printHostPort, printNameAddr } from '../sip/parse-uri.ts'
import { hasOptionTag } from '../sip/values.ts'
import { type Steps, takeSteps, wait } from '../steps.ts'
import type { Store } from '../store.ts'
import { brief } from '../text.ts'
import { nameIn } from '../user-options.ts'
import { type Binding, Bindings } from './bindings.ts'
import { planRegister, type RegisterPlan } from './register.ts'
import type { Contact, ContactListener, Contacts, RefreshListener } from './registrar.ts'

export interface RegistrarSettings {
  readonly sip: Sip
  readonly endpoints: Endpoints
  readonly auth: Authenticator
  readonly store: Store
  readonly log: Log
  readonly metrics: Metrics
  /** Whose answers are given; read for each request. Default 'rfc'. */
  readonly compat?: () => 'rfc' | 'asterisk'
  /** Epoch milliseconds. */
  readonly now?: () => number
}

export interface Registrar extends Contacts {
  /** Registered contacts, by AOR. */
  list(): readonly Binding[]
  /** Permanent contacts of an AOR's section. */
  permanent(aor: Aor): readonly Contact[]
  close(): Promise<void>
}

export async function createRegistrar(settings: RegistrarSettings): Promise<Registrar> {
  const registrar = new SipRegistrar(settings)
  await registrar.open()
  return registrar
}

class SipRegistrar implements Registrar {
  readonly #settings: RegistrarSettings
  readonly #endpoints: Endpoints
  readonly #log: Logger
  readonly #now: () => number
  readonly #compat: () => 'rfc' | 'asterisk'
  readonly #refused: Counter
  readonly #listeners = new Set<ContactListener>()
  readonly #refreshListeners = new Set<RefreshListener>()
  readonly #scope = new Scope()
  #bindings: Bindings | undefined
  /** AOR → permanent contacts at the last reading of the files. */
  #known = new Map<string, readonly Contact[]>()

  constructor(settings: RegistrarSettings) {
    this.#settings = settings
    this.#endpoints = settings.endpoints
    this.#log = settings.log.logger('registrar')
    this.#now = settings.now ?? Date.now
    this.#compat = settings.compat ?? ((): 'rfc' => 'rfc')
    this.#refused = settings.metrics.counter('registrar.refused')
  }

  async open(): Promise<void> {
    const { sip, store, metrics } = this.#settings
    const bindings = await Bindings.open({
      store,
      sip,
      log: this.#log,
      now: this.#now,
      changed: (...change) => this.#tell(...change),
      refreshed: (contact) => {
        for (const listener of this.#refreshListeners) listener(contact)
      },
    })
    this.#bindings = bindings
    this.#scope.own(() => bindings.close())
    this.#scope.own(metrics.gauge('registrar.contacts', () => bindings.size))
    this.#known = this.#permanentInFiles()
    this.#scope.own(this.#endpoints.onChange(() => this.#reread()))
    this.#scope.own(sip.advertise(() => [['Supported', 'path, outbound']]))
    this.#scope.own(sip.handle('REGISTER', (tx) => takeSteps(this.#register(tx))))
  }

  async of(aor: string): Promise<readonly Contact[]> {
    const section = await this.#endpoints.aor(aor)
    return [...(section ? this.permanent(section) : []), ...(this.#bindings?.of(aor) ?? [])]
  }

  registered(): readonly string[] {
    return this.#bindings?.aors() ?? []
  }

  list(): readonly Binding[] {
    return this.#bindings?.list() ?? []
  }

  permanent(aor: Aor): readonly Contact[] {
    return aor.contact.flatMap((text) => {
      // It is no header: without angle brackets, too, parameters are the URI's, and say by which transport it is reached.
      const uri = parseUri(text) ?? parseNameAddr(text)?.uri
      return uri ? [permanentContact(aor.id, uri.text)] : []
    })
  }

  onChange(listener: ContactListener): Undo {
    return addedTo(this.#listeners, listener)
  }

  onRefresh(listener: RefreshListener): Undo {
    return addedTo(this.#refreshListeners, listener)
  }

  async close(): Promise<void> {
    await this.#scope.close()
  }

  *#register(tx: ServerTransaction): Steps<void> {
    const endpoint = yield* wait(this.#settings.auth.identify(tx))
    if (!endpoint) return
    const answer = yield* this.#outcome(tx, endpoint)
    if (answer.status >= 300) {
      this.#refused.add()
      this.#log.refusal(
        `endpoint '${endpoint.id}' (${printHostPort(tx.source.address, tx.source.port)}) may not register ` +
          `'${brief(tx.request.to.uriText)}': ${answer.status} ${answer.reason ?? ''}`.trimEnd(),
        'warning',
      )
    }
    tx.answer(answer)
  }

  *#outcome(tx: ServerTransaction, endpoint: Endpoint): Steps<Refusal> {
    const aor = yield* this.#aorOf(tx, endpoint)
    if ('status' in aor) return aor
    const bindings = this.#bindings
    // A connection that closed meanwhile can be neither answered nor kept.
    if (!bindings || !tx.flow.open) return { status: 503 }
    const existing = bindings.of(aor.id)
    const plan = planRegister({ tx, endpoint, aor, existing, compat: this.#compat(), now: this.#now() })
    if ('status' in plan) return plan
    for (const binding of plan.remove) bindings.remove(binding, 'unregistered')
    for (const binding of plan.replaced) bindings.remove(binding, 'replaced')
    for (const binding of plan.put) bindings.put(binding)
    return { status: 200, headers: this.#answerHeaders(tx, bindings.of(aor.id), plan) }
  }

  /**
   * The AOR of To, which must be one of the endpoint's (RFC 3261 10.3 steps 4 and 5). A phone that is known by the user
   * name of its credentials may have any To; as in Asterisk, that name is then the one of its AOR.
   */
  *#aorOf({ request }: ServerTransaction, endpoint: Endpoint): Steps<Aor | Refusal> {
    if (endpoint.aors.length === 0) return { status: 403, reason: 'Endpoint Has No AOR' }
    const { uri } = request.to
    const user = uri ? nameIn(uri, this.#endpoints.global) : ''
    const names = uri && user !== '' ? [`${user}@${uri.host}`, user] : []
    const provable = endpoint.identify_by.includes('auth_username') ? credentialNames(request) : []
    const own = [...names, ...provable].find((name) => endpoint.aors.includes(name))
    if (own === undefined) {
      const isSomebodys = names.some((name) => this.#endpoints.files.aors.has(name))
      return { status: isSomebodys && this.#compat() === 'rfc' ? 403 : 404 }
    }
    const aor = yield* wait(this.#endpoints.aor(own))
    if (!aor && this.#endpoints.mayExist('aor', own)) return { status: 503, headers: [['Retry-After', '10']] }
    if (!aor) return { status: 404 }
    return aor.max_contacts === 0 ? { status: 403, reason: 'AOR Allows No Contacts' } : aor
  }

  #answerHeaders({ request }: ServerTransaction, bindings: readonly Binding[], plan: RegisterPlan): HeaderLine[] {
    const now = this.#now()
    const headers: HeaderLine[] = [['Date', new Date(now).toUTCString()]]
    for (const binding of bindings) headers.push(['Contact', contactValue(binding, now)])
    if (plan.expires !== undefined) headers.push(['Expires', String(plan.expires)])
    const path = plan.put[0]?.path ?? []
    // RFC 3327 5.3: only a phone that knows of it is told the path.
    if (hasOptionTag(request.headers('Supported'), 'path')) for (const hop of path) headers.push(['Path', hop])
    if (plan.outbound) headers.push(['Require', 'outbound'])
    return headers
  }

  #tell(...change: Parameters<ContactListener>): void {
    for (const listener of this.#listeners) listener(...change)
  }

  #permanentInFiles(): Map<string, readonly Contact[]> {
    const known = new Map<string, readonly Contact[]>()
    for (const aor of this.#endpoints.files.aors.values()) {
      const contacts = this.permanent(aor)
      if (contacts.length > 0) known.set(aor.id, contacts)
      if (contacts.length < aor.contact.length)
        this.#log.error(`AOR '${aor.id}': contact = ${aor.contact.join(',')}: expected SIP URIs`)
    }
    return known
  }

  /** The files were read again: permanent contacts come and go. */
  #reread(): void {
    const before = this.#known
    this.#known = this.#permanentInFiles()
    for (const [aor, contacts] of this.#known) {
      const old = new Set(before.get(aor)?.map(({ uri }) => uri))
      for (const contact of contacts) if (!old.has(contact.uri)) this.#tell(aor, contact)
    }
    for (const [aor, contacts] of before) {
      const still = new Set(this.#known.get(aor)?.map(({ uri }) => uri))
      if (contacts.some(({ uri }) => !still.has(uri))) this.#tell(aor, undefined)
    }
  }
}

/** As an AOR may be named that is looked for by credentials. */
function credentialNames(request: SipRequest): readonly string[] {
  return request.headers('Authorization').flatMap((header) => {
    const params = parseDigest(header)
    const user = params?.get('username') ?? ''
    return user === '' ? [] : [`${user}@${params?.get('realm') ?? ''}`, user]
  })
}

function permanentContact(aor: string, uri: string): Contact {
  return { aor, uri, path: [], flow: undefined, expires: Number.POSITIVE_INFINITY, userAgent: '', instance: '' }
}

/** A phone looks for its own Contact in the answer, so it gets back what it wrote, not what we made of it. */
function contactValue(binding: Binding, now: number): string {
  const params: [string, string][] = [['expires', String(Math.max(0, Math.round((binding.expires - now) / 1000)))]]
  if (binding.q !== '') params.push(['q', binding.q])
  if (binding.instance !== '') params.push(['+sip.instance', binding.instance])
  if (binding.regId > 0) params.push(['reg-id', String(binding.regId)])
  return printNameAddr({ uri: binding.registered, params })
}
