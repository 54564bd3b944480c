/**
 * A small core for the tests of modules: all of it is real but for what a test leaves out. Without `sip` it listens on
 * a UDP port of its own; with a FakeSip there is no wire at all.
 *
 *     const office = await TestCore.start({ sip: new FakeSip(), endpoints: { 100: {} }, hints: { '200@default': ['Custom:door'] } })
 *     const pubsub = await office.load(res_pjsip_pubsub)
 */
import { createAuthenticator } from '../../core/auth/authenticator.ts'
import { Console } from '../../core/console/console.ts'
import type { Core } from '../../core/core.ts'
import {
  type Acl,
  type Aor,
  type Auth,
  type Endpoint,
  Endpoints,
  type Globals,
  type Identify,
  type PjsipConfig,
  type System,
  type TransportConfig,
} from '../../core/endpoints.ts'
import { Loader } from '../../core/loader.ts'
import { Log } from '../../core/log.ts'
import { Metrics } from '../../core/metrics.ts'
import type { ModuleConfig, ModuleDefinition } from '../../core/module.ts'
import { ConfigError, defaultsOf, type OptionSet, type OptionValues, readSection } from '../../core/options.ts'
import {
  aclOptions,
  aorOptions,
  authOptions,
  endpointOptions,
  globalOptions,
  identifyOptions,
  systemOptions,
  transportOptions,
} from '../../core/pjsip-options.ts'
import type { Contact, Contacts } from '../../core/registrar/registrar.ts'
import { createRegistrar } from '../../core/registrar/registrations.ts'
import { type ResourceList, resourceListOptions } from '../../core/resource-list-options.ts'
import { Scope } from '../../core/scope.ts'
import { generalOptions } from '../../core/settings.ts'
import type { Sip } from '../../core/sip/contract.ts'
import type { NameServer } from '../../core/sip/resolve.ts'
import { createStack } from '../../core/sip/stack.ts'
import { Calls } from '../../core/states/calls.ts'
import { Devices } from '../../core/states/devices.ts'
import { EXTENSION } from '../../core/states/extension-state.ts'
import type { HintDefinition } from '../../core/states/hint.ts'
import { Hints } from '../../core/states/hints.ts'
import { Mailboxes } from '../../core/states/mailboxes.ts'
import { Presences } from '../../core/states/presence.ts'
import { openStore, type Store } from '../../core/store.ts'
import { type OutboundSubscriptionConfig, outboundSubscriptionOptions } from '../../core/subscription-options.ts'

type General = OptionValues<typeof generalOptions>
interface Changing {
  value: General
  stopping: boolean
}
type Section<T> = Readonly<Record<string, Partial<T>>>

export interface TestCoreSettings {
  /** Objects of pjsip.conf: what differs from the defaults, by id. */
  readonly endpoints?: Section<Endpoint>
  readonly aors?: Section<Aor>
  readonly auths?: Section<Auth>
  readonly acls?: Section<Acl>
  readonly identifies?: Section<Identify>
  readonly outboundSubscriptions?: Section<OutboundSubscriptionConfig>
  readonly lists?: Section<ResourceList>
  /** One UDP transport on a free port of 127.0.0.1 where none is given. */
  readonly transports?: Section<TransportConfig>
  readonly global?: Partial<Globals>
  readonly system?: Partial<System>
  readonly general?: Partial<General>
  /** `200@default` → devices. */
  readonly hints?: Readonly<Record<string, readonly string[]>>
  /** `pubsub.conf` → option → text, in [general]; `pubsub.conf [reginfo]` for another section. */
  readonly files?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** In memory where it is left out. */
  readonly storePath?: string
  /** Another one's store, which is not closed with this core. */
  readonly store?: Store
  readonly sip?: Sip
  /** Who is asked for names in place of the system's name servers. */
  readonly names?: NameServer
  /** A registrar, or contacts a test makes up. Without either nobody is registered. */
  readonly contacts?: 'registrar' | Contacts
}

export class TestCore {
  readonly core: Core
  readonly loader: Loader
  readonly store: Store
  /** `udp:127.0.0.1:43210`; empty with a fake. */
  readonly addresses: readonly string[]
  /** All lines of the log, `WARNING text`. */
  readonly logged: readonly string[]
  readonly #scope: Scope
  readonly #files: Map<string, Readonly<Record<string, string>>>
  readonly #general: Changing

  private constructor(made: {
    core: Core
    store: Store
    addresses: readonly string[]
    logged: readonly string[]
    scope: Scope
    general: Changing
    files: Map<string, Readonly<Record<string, string>>>
  }) {
    this.core = made.core
    this.store = made.store
    this.addresses = made.addresses
    this.logged = made.logged
    this.#scope = made.scope
    this.#general = made.general
    this.#files = made.files
    this.loader = new Loader(this.core, (declared) => this.#options(declared))
  }

  static async start(settings: TestCoreSettings = {}): Promise<TestCore> {
    const scope = new Scope()
    const logged: string[] = []
    const log = new Log('debug')
    log.addSink(({ level, message }) => logged.push(`${level.toUpperCase()} ${message}`))
    const metrics = new Metrics()
    const store =
      settings.store ??
      (await openStore({ path: settings.storePath ?? ':memory:', synchronous: 'off', log: log.logger('store') }))
    if (!settings.store) scope.own(() => store.close())
    const config = pjsipConfig(settings)
    const endpoints = new Endpoints(config)
    const auth = createAuthenticator({ endpoints, log, metrics })
    scope.own(() => auth.close())
    let addresses: readonly string[] = []
    let { sip } = settings
    if (!sip) {
      const stack = await createStack({
        transports: config.transports,
        system: config.system,
        global: () => endpoints.global,
        log: log.logger('sip'),
        metrics,
        ...(settings.names ? { names: settings.names } : {}),
      })
      scope.own(() => stack.close())
      addresses = stack.listening.map(({ protocol, address, port }) => `${protocol.toLowerCase()}:${address}:${port}`)
      sip = stack
    }
    const contacts = await makeContacts(settings, { sip, endpoints, auth, store, log, metrics }, scope)
    const devices = new Devices()
    const presences = new Presences()
    const calls = new Calls()
    const hints = new Hints(
      { devices, presences, calls },
      {
        removedHintGrace: () => general.value.removed_hint_grace,
        removedHintState: () => (general.value.compat === 'asterisk' ? EXTENSION.NOT_INUSE : EXTENSION.UNAVAILABLE),
        log: log.logger('hints'),
      },
    )
    hints.addSource(hintSource(settings.hints ?? {}))
    const general: Changing = { value: { ...defaultsOf(generalOptions), ...settings.general }, stopping: false }
    const core: Core = {
      get general() {
        return general.value
      },
      get stopping() {
        return general.stopping
      },
      log,
      console: new Console(),
      metrics,
      store,
      sip,
      endpoints,
      auth,
      contacts,
      devices,
      calls,
      hints,
      presences,
      mailboxes: new Mailboxes(),
    }
    const files = new Map(Object.entries(settings.files ?? {}))
    return new TestCore({ core, store, addresses, logged, scope, general, files })
  }

  /** Port of the first UDP transport. */
  get port(): number {
    return Number(/:(\d+)$/.exec(this.addresses.find((text) => text.startsWith('udp:')) ?? '')?.[1] ?? 0)
  }

  /** Loads modules in this order; resolves with the API of the last, of which the caller says what it is. */
  async load<A = unknown>(...definitions: readonly ModuleDefinition[]): Promise<A> {
    for (const definition of definitions) {
      if (!this.loader.list().some(({ name }) => name === definition.name)) this.loader.add(definition)
      await this.loader.load(definition.name)
    }
    return this.loader.api(definitions.at(-1)?.name ?? '') as A
  }

  /** Other options of lamplighter.conf from now on. */
  general(changed: Partial<General>): void {
    this.#general.value = { ...this.#general.value, ...changed }
  }

  /** Another pubsub.conf, say; the next reload of a module reads it. */
  file(name: string, options: Readonly<Record<string, string>>): void {
    this.#files.set(name, options)
  }

  /** A console command's output. */
  async run(line: string): Promise<string> {
    const lines: string[] = []
    await this.core.console.run(line, { print: (text) => lines.push(text) })
    return lines.join('\n')
  }

  metric(name: string): number {
    return this.core.metrics.read().find(([one]) => one === name)?.[1] ?? 0
  }

  async close(): Promise<void> {
    this.#general.stopping = true
    await this.loader.stop()
    await this.#scope.close()
  }

  /** As `kill -9` leaves it: nothing is unloaded, and what the store has not got is lost. */
  async kill(): Promise<void> {
    await this.#scope.close()
  }

  #options<S extends OptionSet>({ file, section, set }: ModuleConfig<S>): OptionValues<S> {
    const problems: ConfigError[] = []
    const given = this.#files.get(section === 'general' ? file : `${file} [${section}]`)
    const entries = Object.entries(given ?? {}).map(([key, value], at) => ({
      key,
      value,
      file,
      line: at + 2,
    }))
    const values = readSection({ name: section, entries, file, line: 1 }, set, problems)
    if (problems[0]) throw problems[0]
    return values
  }
}

export function pjsipConfig(settings: TestCoreSettings): PjsipConfig {
  const endpoints = objects(settings.endpoints, (id, given): Endpoint => {
    const endpoint = { ...defaultsOf(endpointOptions), id, ...given }
    return { ...endpoint, hintContext: given.hintContext ?? (endpoint.subscribe_context || endpoint.context) }
  })
  const transports = objects(
    settings.transports ?? { udp: {} },
    (id, given): TransportConfig => ({
      ...defaultsOf(transportOptions),
      bind: '127.0.0.1:0',
      id,
      file: 'pjsip.conf',
      line: 1,
      ...given,
    }),
  )
  return {
    endpoints,
    aors: objects(settings.aors, (id, given): Aor => ({ ...defaultsOf(aorOptions), id, ...given })),
    auths: objects(settings.auths, (id, given): Auth => ({ ...defaultsOf(authOptions), id, ...given })),
    acls: objects(settings.acls, (id, given): Acl => ({ ...defaultsOf(aclOptions), id, ...given })),
    identifies: [
      ...objects(
        settings.identifies,
        (id, given): Identify => ({ ...defaultsOf(identifyOptions), id, ...given }),
      ).values(),
    ],
    resourceLists: objects(
      settings.lists,
      (id, given): ResourceList => ({ ...defaultsOf(resourceListOptions), id, source: 'pjsip.conf:1', ...given }),
    ),
    global: { ...defaultsOf(globalOptions), ...settings.global },
    system: { ...defaultsOf(systemOptions), ...settings.system },
    transports: [...transports.values()],
    outboundSubscriptions: objects(
      settings.outboundSubscriptions,
      (id, given): OutboundSubscriptionConfig => ({ ...defaultsOf(outboundSubscriptionOptions), id, ...given }),
    ),
  }
}

function objects<T>(given: Section<T> | undefined, make: (id: string, given: Partial<T>) => T): Map<string, T> {
  return new Map(Object.entries(given ?? {}).map(([id, options]) => [id, make(id, options)]))
}

async function makeContacts(
  { contacts = nobody() }: TestCoreSettings,
  parts: Pick<Core, 'sip' | 'endpoints' | 'auth' | 'store' | 'log' | 'metrics'>,
  scope: Scope,
): Promise<Contacts> {
  if (contacts !== 'registrar') return contacts
  const registrar = await createRegistrar(parts)
  scope.own(() => registrar.close())
  return registrar
}

function nobody(): Contacts {
  const nothing = () => () => undefined
  return {
    of: async (): Promise<readonly Contact[]> => [],
    registered: () => [],
    onChange: nothing,
    onRefresh: nothing,
  }
}

function hintSource(hints: Readonly<Record<string, readonly string[]>>): Parameters<Hints['addSource']>[0] {
  return {
    name: 'test',
    lookup: async (context, exten): Promise<HintDefinition | undefined> => {
      const parts = hints[`${exten}@${context}`]
      if (!parts) return undefined
      const isPresence = (part: string): boolean => part.startsWith('CustomPresence:')
      const devices = parts.filter((part) => !isPresence(part))
      return { context, exten, devices, presence: parts.filter(isPresence), name: '', source: 'test' }
    },
    onChange: () => () => undefined,
  }
}

/** What is begun in `begin` goes by a clock that is so many milliseconds ahead: as if as much time had passed. */
export async function later<T>(milliseconds: number, begin: () => Promise<T>): Promise<T> {
  const trueNow = Date.now
  Date.now = () => trueNow() + milliseconds
  try {
    return await begin()
  } finally {
    Date.now = trueNow
  }
}
