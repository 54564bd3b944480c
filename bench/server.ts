/** A server under load, whichever it is. */
import type { OfficeSettings } from './office.ts'

export interface ServerUnderLoad {
  readonly name: ServerName
  readonly address: OfficeSettings['server']
  /** All of its processes, for as long as it runs. */
  readonly pids: readonly number[]
  /** Milliseconds that its event loop stood still at most, by its own computing; undefined where it has none. */
  longestStall(): Promise<number | undefined>
  /** Where it has stored subscriptions: ends it, and starts it again; resolves when it serves. */
  readonly again?: { readonly end: () => Promise<void>; readonly begin: () => Promise<void> }
  stop(): Promise<void>
}

export const SERVERS = ['lamplighter memory', 'lamplighter sqlite', 'kamailio memory', 'kamailio sqlite'] as const
export type ServerName = (typeof SERVERS)[number]
