/** The timers of RFC 3261 (table 4) for requests other than INVITE, and one of connections, in milliseconds. */
import type { System } from '../endpoints.ts'

export interface Timers {
  /** Round trip estimate: the first retransmission. */
  readonly t1: number
  /** The longest pause between two retransmissions. */
  readonly t2: number
  /** How long a message may stay in the network: timer K. */
  readonly t4: number
  /** A request is given up. */
  readonly f: number
  /** A retransmission of an answered request is answered again. */
  readonly j: number
  /** A new connection has to say something, and a message on it has to become complete. Not of the RFC. */
  readonly silence: number
}

const T2 = 4000
const T4 = 5000

export function timersOf(system: System): Timers {
  const t1 = system.timer_t1
  return { t1, t2: Math.max(T2, t1), t4: T4, f: system.timer_b, j: 64 * t1, silence: 64 * t1 }
}
