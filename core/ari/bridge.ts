/**
 * The bridge to one Asterisk server.
 *
 * A connection comes up: subscribe first, then read whatever is needed, so that nothing falls between. It serves until it
 * goes down; then lamps keep their last state for stale_after seconds, and the supervisor tries again.
 */
import type { Core } from '../core.ts'
import type { Logger } from '../log.ts'
import { Scope } from '../scope.ts'
import { Timer } from '../timer.ts'
import { within } from '../within.ts'
import { baseOf } from './address.ts'
import type { BridgeStatus, ServerOptions } from './bridge-contract.ts'
import { Complaints } from './complaints.ts'
import { Health } from './health.ts'
import { Knowledge, type KnowledgeSettings, type KnownIn } from './knowledge.ts'
import { Probe } from './probe.ts'
import type { AriAnswer, AriEvent, AsteriskInfo } from './protocol.ts'
import type { Reconciliation } from './reconcile.ts'
import { isAddressDenied } from './refused.ts'
import { Repeating } from './repeating.ts'
import { subscribe, unsubscribe } from './subscribe.ts'
import { type LinkObserver, type LinkSettings, Supervisor } from './supervisor.ts'
import type { LinkEnd } from './worker-link.ts'

/** Milliseconds that the end of a connection waits for an Asterisk that hangs. */
const LEAVE_LIMIT = 300

export interface BridgeSettings extends Omit<KnowledgeSettings, 'options'> {
  readonly server: { readonly name: string; readonly options: ServerOptions }
  readonly core: KnownIn & Pick<Core, 'metrics'>
  readonly log: Logger
  /** Told when the connection is lost. */
  readonly lost?: () => void
}

export class Bridge {
  readonly name: string
  /** Resolves when the first attempt to connect has ended: everything needed was read, or the reason was logged. */
  readonly settled: Promise<void>
  readonly #log: Logger
  readonly #scope = new Scope()
  readonly #link: Supervisor
  readonly #complaints: Complaints
  readonly #probe: Probe
  readonly #known: Knowledge
  readonly #loops: readonly Repeating[]
  readonly #health: Health
  readonly #lost: (() => void) | undefined
  #options: ServerOptions
  readonly #staleTimer = new Timer()
  /** When that was armed first, by performance.now(). */
  #silentSince = 0
  #reconciling: Promise<Reconciliation> | undefined
  #settle: () => void = () => undefined

  /** The connection comes when it comes. */
  constructor({ server, core, log, isInFiles, endpointsFromFiles, lost }: BridgeSettings) {
    const { name, options } = server
    this.name = name
    this.#log = log
    this.#lost = lost
    this.#options = options
    this.settled = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#health = new Health(name, core.metrics)
    this.#complaints = new Complaints(log)
    this.#link = new Supervisor(linkSettings(options), this.#linkObserver(), log)
    this.#probe = new Probe(this.#link, () => this.#options.app, this.#complaints, log)
    const asked = { link: this.#link, probe: this.#probe, complaints: this.#complaints, log }
    const known = new Knowledge(name, core, asked, { options: () => this.#options, isInFiles, endpointsFromFiles })
    const every = (interval: keyof ServerOptions & `${string}_interval`, task: () => Promise<unknown>): Repeating =>
      new Repeating(() => this.#options[interval], task)
    this.#known = known
    this.#loops = [
      every('mailbox_interval', () => known.refreshMailboxes()),
      every('presence_interval', () => known.refreshPresences()),
      every('hint_interval', () => known.rereadHints()),
      every('reconcile_interval', () => this.#reconcile()),
    ]
    this.#scope.own(known.offer())
    this.#scope.own(core.metrics.gauge(`ari.${name}.serving`, () => (this.#health.state === 'serving' ? 1 : 0)))
    this.#armStaleTimer()
    this.#link.start()
  }

  status(): BridgeStatus {
    return {
      name: this.name,
      url: this.#options.url,
      app: this.#options.app,
      ...this.#health.status,
      ...this.#known.counts,
      complaints: this.#complaints.open,
    }
  }

  /** Compares and repairs now. Throws where Asterisk is away. */
  async reconcile(): Promise<Reconciliation> {
    const { state, reason } = this.#health.status
    if (state !== 'serving') throw new Error(`${this.name} is ${state}: ${reason || 'not read yet'}`)
    const result = await this.#reconcile()
    // What could not be asked did not differ, either.
    if (this.#health.state !== 'serving') throw new Error(`${this.name} went away while it was compared`)
    return result
  }

  /** Reads the hints in use again: `dialplan reload`. Returns what changed of those that no file tells. */
  async rereadHints(): Promise<readonly string[]> {
    this.#known.refreshObjects()
    return this.#link.connected ? this.#known.rereadHints() : []
  }

  /** Reconnects only where it must. */
  async reload(options: ServerOptions): Promise<void> {
    const settings = linkSettings(options)
    const before = this.#options
    const other = (['url', 'username', 'password', 'app'] as const).some((name) => options[name] !== before[name])
    if (other) await this.#takeLeave()
    this.#options = options
    if (other) await this.#link.restart('the configuration changed', settings)
    else this.#link.configure(settings)
    if (this.#staleTimer.armed && options.stale_after !== before.stale_after) this.#setStaleTimer()
    if (this.#health.state === 'serving') for (const loop of this.#loops) loop.start()
  }

  /** `forget`: the server is configured no more, and its states go with it. Without it they stay, for the store. */
  async close({ forget = false }: { readonly forget?: boolean } = {}): Promise<void> {
    if (this.#health.state === 'closed') return
    this.#health.become('closed')
    this.#settle()
    this.#staleTimer.clear()
    for (const loop of this.#loops) loop.stop()
    await this.#takeLeave()
    await this.#link.close()
    await this.#scope.close()
    if (forget) this.#known.forget()
  }

  #linkObserver(): LinkObserver {
    return {
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
    }
  }

  /** Before the connection is ended on purpose: nothing of ours stays there, and Asterisk has nothing to end with it. */
  async #takeLeave(): Promise<void> {
    await within(LEAVE_LIMIT, Promise.all([this.#probe.close(), unsubscribe(this.#link, this.#options.app)]))
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
    await this.#known.checkUp()
    if (current()) await this.#known.readAll()
    if (!current()) return
    this.#staleTimer.clear()
    this.#known.hear()
    this.#health.become('serving')
    for (const loop of this.#loops) loop.start()
    this.#settle()
  }

  /** Whether what was wrong in Asterisk has been mended, which no event tells. */
  async #lookAgain(): Promise<void> {
    if (this.#complaints.has('subscription') || this.#complaints.has('calls'))
      await subscribe(this.#link, this.#options.app, this.#complaints, this.#log)
    if (this.#complaints.has('module ')) await this.#known.checkUp()
    await this.#known.lookForObjects()
  }

  #event(event: AriEvent): void {
    this.#health.heardEvent()
    this.#known.event(event)
  }

  /**
   * A user that was changed or removed, or that an ACL keeps out, keeps its event socket, and lamps go on following it;
   * nothing can be read.
   */
  #answered(answer: AriAnswer): void {
    const { url, username } = this.#options
    if (answer.kind === 'refused' && answer.status === 401) {
      this.#health.failed('401 Unauthorized')
      this.#complaints.connection({ cause: 'credentials', reason: '401' }, url, username)
    } else if (answer.kind === 'refused' && isAddressDenied(answer.status, answer.message)) {
      this.#health.failed('403 Forbidden')
      this.#complaints.connection({ cause: 'address', reason: '403' }, url, username)
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
    if (this.#staleTimer.armed) return
    this.#silentSince = performance.now()
    this.#setStaleTimer()
  }

  #setStaleTimer(): void {
    const due = this.#silentSince + this.#options.stale_after * 1000
    this.#staleTimer.set(due - performance.now(), () => {
      // It is back, and what it says is about to be known; should it go again, the time begins anew.
      if (this.#health.state === 'reading') return
      this.#health.become('stale')
      this.#known.expire()
      this.#log.warning(`Asterisk has been away for ${this.#options.stale_after} s; its devices are unavailable`)
    })
  }

  /** One at a time: who asks during a run gets that run's result. */
  #reconcile(): Promise<Reconciliation> {
    this.#reconciling ??= this.#reconcileNow().finally(() => {
      this.#reconciling = undefined
    })
    return this.#reconciling
  }

  async #reconcileNow(): Promise<Reconciliation> {
    await this.#lookAgain()
    const result = await this.#known.reconcile()
    this.#health.reconciled(result)
    return result
  }
}

function linkSettings(options: ServerOptions): LinkSettings {
  return {
    worker: {
      base: baseOf(options.url),
      username: options.username,
      password: options.password,
      app: options.app,
      requestTimeout: options.request_timeout,
    },
    pingInterval: options.ping_interval * 1000,
    reconnectMax: options.reconnect_max * 1000,
  }
}
