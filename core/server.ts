/**
 * The whole server: puts the core together, loads the modules, and can read everything again while phones stay
 * subscribed.
 *
 * The order of a start: configuration → log → console socket, which nobody else may have →
 * store and the states in it → SIP sockets (deaf until the end) →
 * Asterisk bridges, and a short wait for what they know → modules → console → a short wait for host names → ears open.
 */
import { Bridges } from './ari/bridges.ts'
import type { Configuration, ConfigurationReading } from './conf/configuration.ts'
import { addressText, registerCoreCommands, setTrace } from './console/commands.ts'
import { Console } from './console/console.ts'
import { registerPjsipCommands } from './console/pjsip-commands.ts'
import { serveConsole } from './console/server.ts'
import { registerSettingsCommands } from './console/settings-commands.ts'
import type { Core } from './core.ts'
import { findModules } from './find-modules.ts'
import { Loader } from './loader.ts'
import { Log, reasonOf } from './log.ts'
import { Metrics } from './metrics.ts'
import type { ModuleDefinition } from './module.ts'
import { ConfigError } from './options.ts'
import { processMetrics } from './process-metrics.ts'
import type { Registrar } from './registrar/registrations.ts'
import { beforeAnything, ConfigurationFaults, logFailure, takeAll } from './reload.ts'
import { Scope } from './scope.ts'
import { readWith, ServerConfiguration, unreadable } from './server-configuration.ts'
import { ServerLog } from './server-log.ts'
import { startSip } from './server-sip.ts'
import { type ServerStates, startStates } from './server-states.ts'
import type { Listening, Stack } from './sip/stack.ts'
import { registerLocalStates } from './states/local-states.ts'
import { openStore } from './store.ts'
import { type Store, StoreInUse } from './store-contract.ts'
import { within } from './within.ts'

/** How long a start waits for what Asterisk says, in milliseconds: a restored lamp is better late than wrong. */
const BRIDGE_WAIT = 5000
/** How long a start waits for the host names of identify sections, in milliseconds. */
const NAMES_WAIT = 3000
/** How long an end may take to save what there is, in milliseconds. */
const STOP_LIMIT = 1500

export interface ServerSettings {
  readonly directory: string
  readonly version: string
  /** `core stop now` was typed, or `core restart now`. */
  readonly onStop: (again: boolean) => void
  /** Resolves when a signal asks for the end: a start does not wait for any Asterisk then. */
  readonly ended?: Promise<void>
}

export interface Server {
  /** `udp:127.0.0.1:5060`, `tls:[::1]:5061`. */
  readonly addresses: readonly string[]
  /** Throws what it has logged: ConfigurationFaults, and then nothing has changed, or ReloadTroubles. */
  reload(): Promise<void>
  /** Saves what there is and lets go of everything. Subscriptions are kept for the next start. */
  stop(): Promise<void>
}

/** Throws ConfigurationFaults or ConfigError for what the operator has to mend. */
export async function startServer(settings: ServerSettings): Promise<Server> {
  const modules = await findModules()
  const reading = readWith(modules, settings.directory)
  if (reading.problems.length > 0)
    throw new ConfigurationFaults([...unreadable(modules, reading.configuration), ...reading.problems])
  const server = new LamplighterServer(settings, modules, reading.configuration)
  try {
    await server.start(reading)
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

class LamplighterServer implements Server {
  readonly #settings: ServerSettings
  readonly #scope = new Scope()
  readonly #log: Log
  readonly #started = new Date()
  #reloaded = this.#started
  readonly #serverLog: ServerLog
  readonly #configuration: ServerConfiguration
  #running: Running | undefined
  #reloading: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(settings: ServerSettings, modules: readonly ModuleDefinition[], configuration: Configuration) {
    this.#settings = settings
    this.#configuration = new ServerConfiguration(settings.directory, modules, configuration)
    this.#log = new Log(configuration.console.level)
    this.#serverLog = new ServerLog(this.#log, configuration)
  }

  get addresses(): readonly string[] {
    return this.#parts.stack.listening.map(addressText)
  }

  get #parts(): Running {
    if (!this.#running) throw new Error('the server is not started')
    return this.#running
  }

  async start(found: ConfigurationReading): Promise<void> {
    const own = this.#scope.own
    const { ended } = this.#settings
    const orEnded = (work: Promise<void>): Promise<void> => (ended ? Promise.race([work, ended]) : work)
    this.#serverLog.open(this.#scope)
    this.#serverLog.found(found)

    // First of all, for two on one directory would take each other's store, port and Asterisk away.
    const console = new Console()
    let opened: () => void = () => undefined
    const open = new Promise<void>((resolve) => {
      opened = resolve
    })
    own(await serveConsole(this.#configuration.now.consoleSocket, console, this.#log, open))

    const store = await openServerStore(this.#configuration.now, this.#log)
    own(() => store.close())
    const configuration = (): Configuration => this.#configuration.now
    const { dialplan, aliases, ...states } = await startStates(configuration, store, this.#log, own)
    const metrics = new Metrics()
    own(processMetrics(metrics))
    const parts = { configuration, store, log: this.#log, metrics }
    const { endpoints, stack, auth, registrar } = await startSip(parts, own)

    const core = this.#coreOf({
      ...states,
      servers: () => bridges.servers,
      console,
      metrics,
      store,
      sip: stack,
      endpoints,
      auth,
      contacts: registrar,
    })
    const loader = new Loader(core, this.#configuration.readOptions)
    const isInFiles = (context: string, exten: string): boolean => dialplan.lookup(context, exten) !== undefined
    const bridges = new Bridges(core, core.store, this.#log, isInFiles)
    this.#running = { core, stack, dialplan, aliases, loader, bridges }
    own(() => bridges.close())
    await bridges.configure(this.#configuration.now)
    await orEnded(bridges.settled(BRIDGE_WAIT))

    for (const definition of this.#configuration.modules) loader.add(definition)
    await loader.start(this.#configuration.now.modules)
    own(() => loader.stop())

    this.#registerCommands(registrar)
    setTrace(core, endpoints.global.debug)
    // Before that they lead nowhere, and an Asterisk that is refused with 401 may not publish again by itself.
    await orEnded(within(NAMES_WAIT, auth.ready))
    stack.start()
    opened()
  }

  #coreOf(parts: Omit<Core, 'general' | 'stopping' | 'log'>): Core {
    const general = (): Configuration['general'] => this.#configuration.now.general
    const stopping = (): boolean => this.#stopping
    return {
      ...parts,
      log: this.#log,
      get general() {
        return general()
      },
      get stopping() {
        return stopping()
      },
    }
  }

  #registerCommands(registrar: Registrar): void {
    const own = this.#scope.own
    const { core, stack, loader, bridges, dialplan } = this.#parts
    const { console, endpoints } = core
    const listening = (): readonly Listening[] => stack.listening
    const configuration = (): Configuration => this.#configuration.now
    own(registerLocalStates(console, core))
    own(registerPjsipCommands({ console, endpoints, registrar }))
    own(bridges.registerCommands(console))
    own(registerSettingsCommands({ console, core, configuration, started: this.#configuration.now, listening }))
    own(
      registerCoreCommands(core, loader, {
        version: this.#settings.version,
        started: this.#started,
        listening,
        dialplan,
        reload: () => this.reload(),
        reloadDialplan: () => this.#inTurn(() => this.#reloadDialplan()),
        configuredLevel: () => this.#configuration.now.console.level,
        reopenLog: () => this.#serverLog.reopen(),
        reloaded: () => this.#reloaded,
        stop: () => this.#settings.onStop(false),
        restart: () => this.#restart(),
      }),
    )
  }

  reload(): Promise<void> {
    return this.#inTurn(() => this.#reload())
  }

  #restart(): void {
    if (process.env['SYSTEMD_EXEC_PID'] !== String(process.pid))
      throw new Error('nobody would start it again, for it is not systemd (248 or newer) that runs it')
    this.#configuration.read()
    this.#settings.onStop(true)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#running?.core.console.stop()
    // What comes while modules go is left to the next start: phones send it again, and a refusal would end what is kept.
    void this.#running?.stack.hold()
    const closing = this.#scope
      .close()
      .catch((error: unknown) => this.#log.logger('core').error(`stopping: ${reasonOf(error)}`))
    await within(STOP_LIMIT, closing)
  }

  /** One reload at a time; whoever asked for it, the log says why it failed. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#reloading.then(() => (this.#stopping ? undefined : work()))
    this.#reloading = next.catch((error: unknown) => logFailure(this.#log.logger('core'), error))
    return next
  }

  async #reload(): Promise<void> {
    const log = this.#log.logger('core')
    const { stack, core, dialplan, aliases, bridges, loader } = this.#parts
    const reading = this.#configuration.read()
    const { configuration } = reading
    const { pjsip, modules } = configuration
    const before = this.#configuration.now
    await beforeAnything(() => stack.reload(pjsip.transports, pjsip.system))
    this.#configuration.now = configuration
    this.#serverLog.reloaded(before, configuration)
    this.#serverLog.found(reading)
    const takeFiles = (): void => core.endpoints.replace(pjsip)
    const askServers = (): Promise<void> => bridges.configure(configuration)
    // Who knows the phones from now on is there before those who knew them go.
    const leavesFiles = before.general.asterisk_config !== '' && configuration.general.asterisk_config === ''
    await takeAll([
      () => this.#serverLog.reopen(),
      () => this.#checkListening(),
      ...(leavesFiles ? [askServers, takeFiles] : [takeFiles, askServers]),
      () => dialplan.replace(configuration.dialplan),
      () => core.hints.reread(),
      () => aliases.replace(configuration.mailboxes.aliases),
      () => {
        if (pjsip.global.debug !== before.pjsip.global.debug) setTrace(core, pjsip.global.debug)
      },
      () => loader.change(before.modules, modules),
    ])
    this.#reloaded = new Date()
    log.notice('configuration reloaded')
  }

  async #reloadDialplan(): Promise<void> {
    const { dialplan, bridges, core } = this.#parts
    const { configuration } = this.#configuration.read()
    this.#configuration.now = { ...this.#configuration.now, dialplan: configuration.dialplan }
    await takeAll([
      () => dialplan.replace(configuration.dialplan),
      () => core.hints.reread(),
      () => bridges.rereadHints(),
    ])
  }

  /** A port that is taken has been logged where it was tried. */
  #checkListening(): void {
    const open = new Set(this.#parts.stack.listening.map(({ transport }) => transport))
    const deaf = this.#configuration.now.pjsip.transports.filter(({ id }) => !open.has(id))
    if (deaf.length > 0) throw new Error(deaf.map(({ id }) => `transport [${id}] does not listen`).join('\n'))
  }
}

interface Running extends Pick<ServerStates, 'dialplan' | 'aliases'> {
  readonly core: Core
  readonly stack: Stack
  readonly loader: Loader
  readonly bridges: Bridges
}

/** Throws ConfigError. */
async function openServerStore({ storePath, storePlace, store }: Configuration, log: Log): Promise<Store> {
  return openStore({
    path: storePath,
    synchronous: store.synchronous,
    log: log.logger('store'),
    // Two would restore the same subscriptions, and both speak in their dialogs.
    hold: 'alone',
  }).catch((error: unknown) => {
    if (error instanceof StoreInUse) {
      const why = `path = ${storePath} is the store of another Lamplighter that runs, expected one of its own`
      throw new ConfigError(why, storePlace)
    }
    throw new ConfigError(
      `the store ${storePath} cannot be opened: ${reasonOf(error)}; [store] path in lamplighter.conf names another`,
    )
  })
}
