/** What the bench tells its load generator, and what it hears: the language between the two processes. */
import type { Rates } from './mixed.ts'
import type { OfficeSettings } from './office.ts'
import type { Recovery } from './outage.ts'

export type Order =
  | { readonly do: 'open'; readonly office: OfficeSettings }
  /** Every lamp gets its next state. */
  | { readonly do: 'change'; readonly window: number }
  /** Of each lamp as many watchers as `each` says, or all; `expires` in seconds, or an hour. */
  | { readonly do: 'subscribe'; readonly window: number; readonly each?: number; readonly expires?: number }
  | { readonly do: 'unsubscribe'; readonly window: number }
  /** Every watcher gets a nonce, which all its later requests answer. */
  | { readonly do: 'challenge'; readonly window: number }
  /** Ends early where `most` NOTIFYs came. */
  | { readonly do: 'churn'; readonly seconds: number; readonly window: number; readonly most?: number }
  /** `rate` in changes a second. */
  | { readonly do: 'paced'; readonly seconds: number; readonly rate: number }
  | { readonly do: 'overload'; readonly seconds: number; readonly rate: number }
  | { readonly do: 'fan-out'; readonly lamp: number; readonly rounds: number }
  /** Begins to wait for a NOTIFY to every watcher, from a server that is started anew. */
  | { readonly do: 'forget' }
  | { readonly do: 'restored' }
  | { readonly do: 'mixed'; readonly seconds: number; readonly rates: Rates }
  /** The same, and at a random moment of the second half of it a kill -9 of this process. */
  | { readonly do: 'kill'; readonly seconds: number; readonly rates: Rates; readonly pid: number }
  /** Everything is asked again of the server that was started after a kill. `grace`: Recovery.lost. */
  | { readonly do: 'recover'; readonly window: number; readonly grace: number }

export interface Asked {
  readonly order: Order
  /** Processes of the server, whose CPU time is read before and after. */
  readonly pids: readonly number[]
}

export interface Outcome {
  /** What was done: exchanges, or NOTIFYs. */
  readonly operations: number
  /** Changes of state that were made. */
  readonly changes: number
  readonly seconds: number
  /** Microseconds of the server's CPU time. */
  readonly cpu: number
  /** Share of one core that the generator itself took. */
  readonly generator: number
  /** Milliseconds from change to NOTIFY. */
  readonly latency: { readonly median: number; readonly p99: number; readonly longest: number }
  /** Milliseconds: to the last NOTIFY of each round, or from the last change until all lamps were right. */
  readonly lasts: readonly number[]
  /** Bytes that the server held (Pss), before and after. */
  readonly memory: readonly [before: number, after: number]
  readonly recovery?: Recovery
  /** Requests and NOTIFYs that were sent again. */
  readonly repeats: number
  /** In words; empty where nothing was lost or wrong. */
  readonly faults: string
}

export type Reply = { readonly outcome: Outcome } | { readonly failure: string }
