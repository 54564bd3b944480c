/** Keeps a connection to one Asterisk: starts a worker, and another one whenever that ends, for ever. */
import type { Logger } from '../log.ts'
import { Timer } from '../timer.ts'
import { pauseAfter } from './backoff.ts'
import type { AriAnswer, AriEvent, AsteriskInfo, Operation, Parameters, WorkerStart } from './protocol.ts'
import { type LinkEnd, WorkerLink, type WorkerLinkObserver } from './worker-link.ts'

/** A connection must have held this long before the next failure counts as the first. */
const STABLE_MS = 10_000
/** Another client with our application name: each takes it from the other. Whoever comes back waits at least this long. */
const REPLACED_PAUSE_MS = 30_000
const REPLACED_LIMIT_MS = 600_000

/** What the readers see of the connection. */
export interface AriLink {
  readonly connected: boolean
  /** Whether this Asterisk's api-docs know the operation. */
  has(operation: Operation): boolean
  /** Never rejects, and takes a bounded time. */
  request(operation: Operation, parameters: Parameters): Promise<AriAnswer>
}

export interface LinkSettings {
  readonly worker: WorkerStart
  /** Milliseconds. */
  readonly pingInterval: number
  /** Milliseconds. */
  readonly reconnectMax: number
}

/** What goes on behind the connection is told as its worker's link tells it. */
export interface LinkObserver extends Pick<WorkerLinkObserver, 'timedOut' | 'cutOff' | 'roundTrip'> {
  up(info: AsteriskInfo): void
  event(event: AriEvent): void
  /** Any answer to any request, before whoever asked gets it. */
  answered(answer: AriAnswer): void
  /** The connection is gone, or an attempt failed. `pause` is the time until the next one, in milliseconds. */
  down(end: LinkEnd, pause: number): void
}

/** `connecting` and `connected` have a worker, `waiting` has the timer, `closed` has neither. */
type LinkState = 'waiting' | 'connecting' | 'connected' | 'closed'

export class Supervisor implements AriLink {
  #settings: LinkSettings
  readonly #observer: LinkObserver
  readonly #log: Logger
  #state: LinkState = 'waiting'
  #worker: WorkerLink | undefined
  /**
   * One that hangs, until another is connected and has taken the application over. Were its event socket cut, an Asterisk
   * that was stopped or cut off would find that when it goes on, amid the events of all that waited, and might lock its
   * ARI up (asterisk/asterisk issue 2170); of a socket that was replaced it ends no subscription.
   */
  #hanging: WorkerLink | undefined
  readonly #timer = new Timer()
  #failures = 0
  /** How often in a row another client took the application. */
  #replaced = 0
  #takenOver = false
  #connectedAt = 0

  constructor(settings: LinkSettings, observer: LinkObserver, log: Logger) {
    this.#settings = settings
    this.#observer = observer
    this.#log = log
  }

  get connected(): boolean {
    return this.#state === 'connected'
  }

  has(operation: Operation): boolean {
    return this.#worker?.has(operation) ?? false
  }

  async request(operation: Operation, parameters: Parameters): Promise<AriAnswer> {
    if (!this.#worker) return { kind: 'unreachable', reason: 'not connected' }
    const answer = await this.#worker.request(operation, parameters)
    this.#observer.answered(answer)
    return answer
  }

  start(): void {
    if (this.#state !== 'waiting') return
    this.#timer.clear()
    this.#state = 'connecting'
    const worker = new WorkerLink(this.#settings.worker, this.#settings.pingInterval, {
      ...this.#observer,
      connected: (info) => {
        this.#state = 'connected'
        this.#connectedAt = Date.now()
        void this.#hanging?.close('replaced')
        this.#hanging = undefined
        this.#observer.up(info)
      },
      events: (events) => {
        for (const event of events) this.#event(event)
      },
      unread: (what) => this.#log.debug(() => `ignored a ${what}`),
      output: (text) => this.#log.debug(() => `worker: ${text}`),
      ended: (end) => this.#ended(worker, end),
    })
    this.#worker = worker
  }

  /** Ends the connection and makes a new one, at once. */
  async restart(reason: string, settings: LinkSettings = this.#settings): Promise<void> {
    this.#settings = settings
    if (this.#state === 'closed') return
    this.#failures = 0
    this.#replaced = 0
    await this.#worker?.close(reason)
    this.start()
  }

  /** From the next connection on. */
  configure(settings: LinkSettings): void {
    this.#settings = settings
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    this.#timer.clear()
    const workers = [this.#worker, this.#hanging].flatMap((worker) => worker ?? [])
    this.#worker = undefined
    this.#hanging = undefined
    await Promise.all(workers.map((worker) => worker.close('closed')))
  }

  #event(event: AriEvent): void {
    if (event.type !== 'replaced') return this.#observer.event(event)
    this.#takenOver = true
    this.#log.error(
      `another client uses the ARI application '${this.#settings.worker.app}' on this Asterisk and took it ` +
        'over; give one of them another name (app in lamplighter.conf)',
    )
    void this.#worker?.close('the application was taken over by another client')
  }

  #ended(worker: WorkerLink, end: LinkEnd): void {
    if (this.#worker !== worker || this.#state === 'closed') return
    const held = this.#state === 'connected' ? Date.now() - this.#connectedAt : 0
    this.#worker = undefined
    if (end.cause === 'lost' && end.hangs) this.#hanging = worker
    this.#state = 'waiting'
    this.#failures = held >= STABLE_MS ? 1 : this.#failures + 1
    const pause = this.#pause(held)
    this.#timer.set(pause, () => this.start())
    this.#observer.down(end, pause)
  }

  /** Two clients that take one application from each other get slower and slower at it. */
  #pause(held: number): number {
    if (held >= REPLACED_LIMIT_MS) this.#replaced = 0
    if (!this.#takenOver) return pauseAfter(this.#failures, this.#settings.reconnectMax)
    this.#takenOver = false
    const limit = Math.min(REPLACED_LIMIT_MS, REPLACED_PAUSE_MS * 2 ** this.#replaced++)
    return pauseAfter(16, limit)
  }
}
