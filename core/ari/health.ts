/** How the connection to one Asterisk is and has been: what `ari show servers` tells of it. */
import type { Metrics } from '../metrics.ts'
import type { BridgeState, BridgeStatus, LastError } from './bridge-contract.ts'
import type { AsteriskInfo } from './protocol.ts'
import type { Reconciliation } from './reconcile.ts'

export type HealthStatus = Pick<
  BridgeStatus,
  | 'state'
  | 'since'
  | 'connectedSince'
  | 'roundTrip'
  | 'lastError'
  | 'asterisk'
  | 'reason'
  | 'retryAt'
  | 'connects'
  | 'events'
  | 'timeouts'
  | 'repaired'
  | 'lastReconciliation'
>

export class Health {
  readonly #connects
  readonly #events
  readonly #timeouts
  readonly #repaired
  #state: BridgeState = 'connecting'
  #since = new Date()
  #connectedSince: Date | undefined
  #roundTrip: number | undefined
  #lastError: LastError | undefined
  #asterisk: AsteriskInfo | undefined
  #reason = ''
  #retryAt: Date | undefined
  #lastReconciliation: Reconciliation | undefined

  constructor(name: string, metrics: Metrics) {
    const counter = (what: string): ReturnType<typeof metrics.counter> => metrics.counter(`ari.${name}.${what}`)
    this.#connects = counter('connects')
    this.#events = counter('events')
    this.#timeouts = counter('timeouts')
    this.#repaired = counter('repaired')
  }

  get state(): BridgeState {
    return this.#state
  }

  get isConnected(): boolean {
    return this.#state === 'reading' || this.#state === 'serving'
  }

  get status(): HealthStatus {
    return {
      state: this.#state,
      since: this.#since,
      connectedSince: this.#connectedSince,
      roundTrip: this.#roundTrip,
      lastError: this.#lastError,
      asterisk: this.#asterisk,
      reason: this.#reason,
      retryAt: this.#retryAt,
      connects: this.#connects.value,
      events: this.#events.value,
      timeouts: this.#timeouts.value,
      repaired: this.#repaired.value,
      lastReconciliation: this.#lastReconciliation,
    }
  }

  become(state: BridgeState): void {
    if (this.#state === state) return
    this.#state = state
    this.#since = new Date()
    if (state === 'serving') this.#reason = ''
    if (state !== 'away' && state !== 'stale') this.#retryAt = undefined
  }

  /** Tells whether this Asterisk is another run of the one before. */
  connected(info: AsteriskInfo): boolean {
    const before = this.#asterisk
    this.#asterisk = info
    this.#connectedSince = new Date()
    this.#connects.add()
    this.become('reading')
    return before !== undefined && before.startupTime !== info.startupTime
  }

  /** `pause`: milliseconds until the next attempt. */
  away(reason: string, pause: number): void {
    this.failed(reason)
    this.#reason = reason
    this.#retryAt = new Date(Date.now() + pause)
    this.#connectedSince = undefined
    this.#roundTrip = undefined
    if (this.#state !== 'stale') this.become('away')
  }

  failed(text: string): void {
    this.#lastError = { at: new Date(), text }
  }

  timedOut(operation: string): void {
    this.#timeouts.add()
    this.failed(`no answer to ${operation}`)
  }

  /** Milliseconds from a ping to its pong. */
  tookRoundTrip(milliseconds: number): void {
    this.#roundTrip = milliseconds
  }

  heardEvent(): void {
    this.#events.add()
  }

  reconciled(result: Reconciliation): void {
    this.#repaired.add(result.repaired.length)
    this.#lastReconciliation = result
  }
}
