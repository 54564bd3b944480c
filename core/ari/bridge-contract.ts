/** What the rest of the house sees of the bridge to one Asterisk server. */
import type { OptionValues } from '../options.ts'
import type { serverOptions } from '../settings.ts'
import type { AsteriskInfo } from './protocol.ts'
import type { Reconciliation } from './reconcile.ts'

export type ServerOptions = OptionValues<typeof serverOptions>

/** `reading`: connected, and everything is being read; `serving`: what we show is what Asterisk says; `stale`: away for longer than stale_after. */
export type BridgeState = 'connecting' | 'reading' | 'serving' | 'away' | 'stale' | 'closed'

export interface LastError {
  readonly at: Date
  readonly text: string
}

/** How the connection is and has been. */
export interface HealthStatus {
  readonly state: BridgeState
  /** Since when it is in this state. */
  readonly since: Date
  /** Since when the connection holds; undefined while there is none. */
  readonly connectedSince: Date | undefined
  /** Milliseconds from the last ping of the event socket to its pong; undefined before the first. */
  readonly roundTrip: number | undefined
  /** The last time that a connection was lost, an attempt failed, or a request was refused or not answered. */
  readonly lastError: LastError | undefined
  readonly asterisk: AsteriskInfo | undefined
  /** Why it is away, and when it tries again. */
  readonly reason: string
  readonly retryAt: Date | undefined
  readonly connects: number
  readonly events: number
  readonly timeouts: number
  readonly repaired: number
  readonly lastReconciliation: Reconciliation | undefined
}

export interface BridgeStatus extends HealthStatus {
  readonly name: string
  readonly url: string
  readonly app: string
  readonly devices: number
  readonly mailboxes: number
  readonly presences: number
  readonly calls: number
  readonly hints: number
  /** What is to be changed in Asterisk, if anything. */
  readonly complaints: readonly string[]
}
