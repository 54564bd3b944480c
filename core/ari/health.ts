/** How the connection to one Asterisk is and has been: what `ari show servers` tells of it. */
import type { Metrics } from '../metrics.ts'
import type { BridgeState, HealthStatus } from './bridge-contract.ts'
import type { AsteriskInfo } from './protocol.ts'
import type { Reconciliation } from './reconcile.ts'

export class Health {
  readonly #connects
  readonly #events
  readonly #timeouts
  readonly #repaired
  /** All but what is counted. */
  #now: Omit<HealthStatus, 'connects' | 'events' | 'timeouts' | 'repaired'> = {
    state: 'connecting',
    since: new Date(),
    connectedSince: undefined,
    roundTrip: undefined,
    lastError: undefined,
    asterisk: undefined,
    reason: '',
    retryAt: undefined,
    lastReconciliation: undefined,
  }

  constructor(name: string, metrics: Metrics) {
    const counter = (what: string): ReturnType<typeof metrics.counter> => metrics.counter(`ari.${name}.${what}`)
    this.#connects = counter('connects')
    this.#events = counter('events')
    this.#timeouts = counter('timeouts')
    this.#repaired = counter('repaired')
  }

  get state(): BridgeState {
    return this.#now.state
  }

  get isConnected(): boolean {
    return this.state === 'reading' || this.state === 'serving'
  }

  get status(): HealthStatus {
    return {
      ...this.#now,
      connects: this.#connects.value,
      events: this.#events.value,
      timeouts: this.#timeouts.value,
      repaired: this.#repaired.value,
    }
  }

  become(state: BridgeState): void {
    if (this.state === state) return
    this.#now = { ...this.#now, state, since: new Date() }
    if (state === 'serving') this.#now = { ...this.#now, reason: '' }
    if (state !== 'away' && state !== 'stale') this.#now = { ...this.#now, retryAt: undefined }
  }

  /** Tells whether this Asterisk is another run of the one before. */
  connected(asterisk: AsteriskInfo): boolean {
    const before = this.#now.asterisk
    this.#now = { ...this.#now, asterisk, connectedSince: new Date() }
    this.#connects.add()
    this.become('reading')
    return before !== undefined && before.startupTime !== asterisk.startupTime
  }

  /** `pause`: milliseconds until the next attempt. */
  away(reason: string, pause: number): void {
    this.failed(reason)
    const retryAt = new Date(Date.now() + pause)
    this.#now = { ...this.#now, reason, retryAt, connectedSince: undefined, roundTrip: undefined }
    if (this.state !== 'stale') this.become('away')
  }

  failed(text: string): void {
    this.#now = { ...this.#now, lastError: { at: new Date(), text } }
  }

  timedOut(operation: string): void {
    this.#timeouts.add()
    this.failed(`no answer to ${operation}`)
  }

  /** Milliseconds from a ping to its pong. */
  tookRoundTrip(roundTrip: number): void {
    this.#now = { ...this.#now, roundTrip }
  }

  heardEvent(): void {
    this.#events.add()
  }

  reconciled(lastReconciliation: Reconciliation): void {
    this.#repaired.add(lastReconciliation.repaired.length)
    this.#now = { ...this.#now, lastReconciliation }
  }
}
