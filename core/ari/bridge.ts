/**
 * The bridge to one Asterisk server.
 *
 * A connection comes up: subscribe first, then read whatever is needed, so that nothing falls between. It serves until it
 * goes down; then lamps keep their last state for stale_after seconds, and the supervisor tries again. Only what differs
 * from what was believed reaches the state model, and so the phones.
 */
import type { Place } from '../config.ts'
import type { Core } from '../core.ts'
import type { Logger } from '../log.ts'
import { ConfigError } from '../options.ts'
import { Scope } from '../scope.ts'
import { within } from '../within.ts'
import { baseOf, faultOfApp } from './address.ts'
import type { Bridge, BridgeStatus, ServerOptions } from './bridge-contract.ts'
import { CallTracker } from './call-tracker.ts'
import { checkUp } from './checkup.ts'
import { Complaints } from './complaints.ts'
import { DeviceReader } from './device-reader.ts'
import { AriEndpointSource } from './endpoint-source.ts'
import { Health } from './health.ts'
import { AriHintSource, type IsInFiles } from './hint-source.ts'
import { MailboxReader } from './mailbox-reader.ts'
import { PresenceReader } from './presence-reader.ts'
import { Probe } from './probe.ts'
import type { AriAnswer, AriEvent, AsteriskInfo } from './protocol.ts'
import { type Reconciliation, reconcile } from './reconcile.ts'
import { Repeating } from './repeating.ts'
import { subscribe, unsubscribe } from './subscribe.ts'
import { type LinkSettings, Supervisor } from './supervisor.ts'
import type { LinkEnd } from './worker-link.ts'

/** Milliseconds that the end of a connection waits for an Asterisk that hangs. */
const LEAVE_LIMIT = 300

export interface BridgeSettings {
  readonly server: { readonly name: string; readonly options: ServerOptions; readonly place?: Place }
  readonly core: Pick<Core, 'devices' | 'mailboxes' | 'presences' | 'calls' | 'hints' | 'endpoints' | 'metrics'>
  readonly log: Logger
  /** Asterisk's files are read: it is asked only for the hints that they do not tell. */
  readonly isInFiles?: IsInFiles
  /** Endpoints, AORs and auths come from files: this Asterisk is not asked for them. */
  readonly endpointsFromFiles: boolean
  /** Told when the connection is lost. */
  readonly lost?: () => void
}

/** Throws a ConfigError where the options are not valid. Returns at once; the connection comes when it comes. */
export function startBridge(settings: BridgeSettings): Bridge {
  return new AriBridge(settings)
}

class AriBridge implements Bridge {
  readonly name: string
  readonly settled: Promise<void>
  readonly #core: BridgeSettings['core']
  readonly #log: Logger
  readonly #scope = new Scope()
  readonly #link: Supervisor
  readonly #complaints: Complaints
  readonly #probe: Probe
  readonly #devices: DeviceReader
  readonly #mailboxes: MailboxReader
  readonly #presences: PresenceReader
  readonly #calls: CallTracker
  readonly #hints: AriHintSource
  readonly #objects: AriEndpointSource | undefined
  readonly #loops: readonly Repeating[]
  readonly #health: Health
  readonly #lost: (() => void) | undefined
  #options: ServerOptions
  #staleTimer: NodeJS.Timeout | undefined
  /** ARI was switched off while everything was to be read: what nobody needed then may be as it was, or not. */
  #isUnread = false
  #reconciling: Promise<Reconciliation> | undefined
  #settle: () => void = () => undefined

  constructor({ server, core, log, isInFiles, endpointsFromFiles, lost }: BridgeSettings) {
    const { name, options } = server
    this.name = name
    this.#core = core
    this.#log = log
    this.#lost = lost
    this.#options = options
    this.settled = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#health = new Health(name, core.metrics)
    this.#complaints = new Complaints(log)
    this.#link = new Supervisor(
      linkSettings(options, server.place),
      {
        up: (info) => void this.#up(info),
        event: (event) => this.#event(event),
        timedOut: (operation) => this.#health.timedOut(operation),
        cutOff: (reason) =>
          this.#complaints.say(
            'requests',
            `Asterisk cuts requests off (${reason}), and what they ask for stays as it was; raise sessionlimit in its ` +
              'http.conf where all of its HTTP sessions are in use',
          ),
        roundTrip: (milliseconds) => this.#health.tookRoundTrip(milliseconds),
        answered: (answer) => this.#answered(answer),
        down: (end, pause) => this.#down(end, pause),
      },
      log,
    )
    const limit = (): number => this.#options.request_timeout
    const link = this.#link
    const complaints = this.#complaints
    const probe = new Probe(link, () => this.#options.app, complaints, log)
    this.#probe = probe
    this.#devices = new DeviceReader(name, core.devices, link, probe, limit)
    this.#mailboxes = new MailboxReader(name, core.mailboxes, link, probe, complaints, limit)
    this.#presences = new PresenceReader(name, core.presences, link, probe, complaints, limit)
    this.#calls = new CallTracker(name, core.calls, core.devices, link)
    this.#hints = new AriHintSource(
      name,
      core.hints,
      { link, probe, complaints, log },
      { unknownTtl: () => this.#options.unknown_hint_ttl, contexts: () => this.#options.contexts, isInFiles },
    )
    this.#objects = endpointsFromFiles ? undefined : new AriEndpointSource(name, link, complaints, log)
    this.#loops = [
      new Repeating(
        () => this.#options.mailbox_interval,
        () => this.#mailboxes.refresh(core.mailboxes.needed()),
      ),
      new Repeating(
        () => this.#options.presence_interval,
        () => this.#presences.refresh(core.presences.needed()),
      ),
      new Repeating(
        () => this.#options.hint_interval,
        () => this.#hints.reread(),
      ),
      new Repeating(
        () => this.#options.reconcile_interval,
        () => this.#reconcile(),
      ),
    ]
    this.#register()
    this.#armStaleTimer()
    this.#link.start()
  }

  status(): BridgeStatus {
    const { devices, mailboxes, presences } = this.#core
    return {
      name: this.name,
      url: this.#options.url,
      app: this.#options.app,
      ...this.#health.status,
      devices: devices.namesOf(this.name).length,
      mailboxes: mailboxes.namesOf(this.name).length,
      presences: presences.namesOf(this.name).length,
      calls: this.#calls.size,
      hints: this.#hints.remembered,
      complaints: this.#complaints.open,
    }
  }

  async reconcile(): Promise<Reconciliation> {
    const { state, reason } = this.#health.status
    if (state !== 'serving') throw new Error(`${this.name} is ${state}: ${reason || 'not read yet'}`)
    const result = await this.#reconcile()
    // What could not be asked did not differ, either.
    if (this.#health.state !== 'serving') throw new Error(`${this.name} went away while it was compared`)
    return result
  }

  async rereadHints(): Promise<readonly string[]> {
    this.#objects?.refresh()
    return this.#link.connected ? this.#hints.reread() : []
  }

  async reload(options: ServerOptions, place?: Place): Promise<void> {
    const settings = linkSettings(options, place)
    const before = this.#options
    const other = (['url', 'username', 'password', 'app'] as const).some((name) => options[name] !== before[name])
    if (other) await this.#takeLeave()
    this.#options = options
    if (other) await this.#link.restart('the configuration changed', settings)
    else this.#link.configure(settings)
    if (this.#health.state === 'serving') for (const loop of this.#loops) loop.start()
  }

  async close({ forget = false }: { readonly forget?: boolean } = {}): Promise<void> {
    if (this.#health.state === 'closed') return
    this.#health.become('closed')
    this.#settle()
    clearTimeout(this.#staleTimer)
    for (const loop of this.#loops) loop.stop()
    await this.#takeLeave()
    await this.#link.close()
    await this.#scope.close()
    if (!forget) return
    for (const states of [this.#core.devices, this.#core.mailboxes, this.#core.presences]) states.dropOrigin(this.name)
    this.#calls.drop()
  }

  /** Before the connection is ended on purpose: nothing of ours stays there, and Asterisk has nothing to end with it. */
  async #takeLeave(): Promise<void> {
    await within(LEAVE_LIMIT, Promise.all([this.#probe.close(), unsubscribe(this.#link, this.#options.app)]))
  }

  #register(): void {
    const { devices, mailboxes, presences, hints, endpoints, metrics } = this.#core
    this.#scope.own(
      devices.addReader({
        origin: this.name,
        // Its state is told of every device, who is on the other end is asked for only where somebody looks.
        asksAgain: true,
        read: async (device) => {
          const state = devices.reportOf(this.name, device) ? undefined : this.#devices.read(device)
          await Promise.all([state, this.#calls.needed(device)])
        },
      }),
    )
    this.#scope.own(metrics.gauge(`ari.${this.name}.serving`, () => (this.#health.state === 'serving' ? 1 : 0)))
    this.#scope.own(mailboxes.addReader(this.#mailboxes))
    this.#scope.own(presences.addReader(this.#presences))
    this.#scope.own(hints.addSource(this.#hints))
    if (this.#objects) this.#scope.own(endpoints.addSource(this.#objects))
  }

  async #up(info: AsteriskInfo): Promise<void> {
    const restarted = this.#health.connected(info) ? ', which has restarted' : ''
    this.#log.notice(`connected to Asterisk ${info.version} at ${this.#options.url}${restarted}`)
    const { connects } = this.#health.status
    const current = (): boolean => this.#health.state === 'reading' && connects === this.#health.status.connects
    this.#complaints.settle('connection')
    await this.#probe.cleanUp()
    if (!(await subscribe(this.#link, this.#options.app, this.#complaints, this.#log))) {
      if (current()) await this.#link.restart('the events could not be subscribed to')
      return
    }
    await this.#checkUp()
    if (current()) await this.#readAll()
    if (!current()) return
    clearTimeout(this.#staleTimer)
    this.#staleTimer = undefined
    this.#core.mailboxes.hear(this.name)
    this.#core.presences.hear(this.name)
    this.#health.become('serving')
    for (const loop of this.#loops) loop.start()
    this.#settle()
  }

  async #checkUp(): Promise<void> {
    const { externalMailboxes } = await checkUp(this.#link, this.#complaints)
    this.#mailboxes.external = externalMailboxes
  }

  /** Whether what was wrong in Asterisk has been mended, which no event tells. */
  async #lookAgain(): Promise<void> {
    if (this.#complaints.has('subscription') || this.#complaints.has('calls'))
      await subscribe(this.#link, this.#options.app, this.#complaints, this.#log)
    if (this.#complaints.has('module ')) await this.#checkUp()
    if (this.#complaints.has('objects')) await this.#objects?.lookAgain()
  }

  /**
   * Everything somebody needs is read; what nobody needs any more is forgotten, for no event will have told its end. At a
   * start nobody may need anything yet: where nothing can be read, what was stored is all that those who come will see.
   */
  async #readAll(): Promise<void> {
    const { devices, mailboxes, presences } = this.#core
    this.#isUnread = !(await this.#canRead())
    mailboxes.speak(this.name)
    presences.speak(this.name)
    if (!this.#isUnread) this.#forgetUnneeded()
    this.#objects?.refresh()
    const [device, mailbox, presence, calls] = await Promise.all([
      this.#devices.refresh(devices.needed()),
      this.#mailboxes.refresh(mailboxes.needed()),
      this.#presences.refresh(presences.needed()),
      this.#calls.refresh(),
      this.#hints.reread(),
    ])
    this.#hints.changed()
    this.#log.verbose(
      `read; ${device} devices, ${mailbox} mailboxes, ${presence} presence states and ${calls.length} calls ` +
        'were other than believed',
    )
  }

  #forgetUnneeded(): void {
    const { devices, mailboxes, presences } = this.#core
    for (const states of [devices, mailboxes, presences]) {
      for (const name of states.namesOf(this.name)) {
        if (!states.isNeeded(name)) states.set(this.name, name, undefined)
      }
    }
  }

  /** Not where ARI is switched off, which leaves an event socket open. */
  async #canRead(): Promise<boolean> {
    return (await this.#link.request('asterisk.getInfo', {})).kind === 'ok'
  }

  #event(event: AriEvent): void {
    this.#health.heardEvent()
    switch (event.type) {
      case 'device':
        this.#devices.event(event.name, event.state)
        return this.#mailboxes.event(event.name)
      case 'channel':
      case 'channel-gone':
      case 'dial':
        return this.#calls.event(event)
      case 'replaced':
        return undefined
    }
  }

  /** A user that was changed or removed keeps its event socket, and lamps go on following it; nothing can be read. */
  #answered(answer: AriAnswer): void {
    if (answer.kind === 'refused' && answer.status === 401) {
      this.#health.failed('401 Unauthorized')
      this.#complaints.connection({ cause: 'credentials', reason: '401' }, this.#options.url, this.#options.username)
    } else if (answer.kind === 'ok') {
      this.#complaints.settle('requests', 'Asterisk answers requests again')
      this.#complaints.settle('connection', `Asterisk accepts the ARI user '${this.#options.username}' again`)
    }
  }

  #down(end: LinkEnd, pause: number): void {
    if (this.#health.state === 'closed') return
    this.#probe.forget()
    for (const loop of this.#loops) loop.stop()
    const wasConnected = this.#health.isConnected
    this.#health.away(end.reason, pause)
    if (wasConnected) {
      this.#lost?.()
      this.#log.warning(
        `the connection to Asterisk is lost (${end.reason}); lamps keep their state for ` +
          `${this.#options.stale_after} s`,
      )
      this.#armStaleTimer()
    }
    if (end.cause !== 'lost') this.#complaints.connection(end, this.#options.url, this.#options.username)
    else if (!wasConnected) this.#complaints.say('connection', `cannot connect to Asterisk: ${end.reason}; trying on`)
    this.#settle()
  }

  #armStaleTimer(): void {
    this.#staleTimer ??= setTimeout(() => {
      this.#staleTimer = undefined
      // It is back, and what it says is about to be known; should it go again, the time begins anew.
      if (this.#health.state === 'reading') return
      this.#health.become('stale')
      // First of all: a call that goes while its device is there has ended.
      this.#core.devices.expireOrigin(this.name)
      this.#calls.drop()
      // What is kept where nobody else knows better: counts and presence are as good as they were last heard.
      this.#core.mailboxes.silence(this.name)
      this.#core.presences.silence(this.name)
      this.#log.warning(`Asterisk has been away for ${this.#options.stale_after} s; its devices are unavailable`)
    }, this.#options.stale_after * 1000)
    this.#staleTimer.unref()
  }

  /** One at a time: who asks during a run gets that run's result. */
  #reconcile(): Promise<Reconciliation> {
    this.#reconciling ??= this.#reconcileNow().finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  async #reconcileNow(): Promise<Reconciliation> {
    const { devices, mailboxes, presences } = this.#core
    await this.#lookAgain()
    if (this.#isUnread) await this.#readAll()
    const comparable = { compare: (unread: (name: string) => void) => this.#devices.compare(devices.needed(), unread) }
    const result = await reconcile([comparable, this.#calls], this.#log)
    // A module may have been unloaded since the connect, which no event tells.
    if (result.unread.length > 0) await this.#checkUp()
    // Nothing tells of these but reading them: that they changed since the last time is no drift.
    await Promise.all([
      this.#mailboxes.refresh(mailboxes.needed()),
      this.#presences.refresh(presences.needed()),
      this.#hints.reread(),
    ])
    this.#health.reconciled(result)
    return result
  }
}

function linkSettings(options: ServerOptions, place?: Place): LinkSettings {
  const fault = faultOfApp(options.app)
  if (fault) throw new ConfigError(`app = '${options.app}' ${fault}`, place)
  return {
    worker: {
      base: baseOf(options.url, place),
      username: options.username,
      password: options.password,
      app: options.app,
      requestTimeout: options.request_timeout,
    },
    pingInterval: options.ping_interval * 1000,
    reconnectMax: options.reconnect_max * 1000,
  }
}
