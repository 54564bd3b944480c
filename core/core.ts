/** What every module is given. */
import type { Authenticator } from './auth/auth.ts'
import type { Console } from './console/console.ts'
import type { Endpoints } from './endpoints.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { OptionValues } from './options.ts'
import type { Contacts } from './registrar/registrar.ts'
import type { generalOptions } from './settings.ts'
import type { Sip } from './sip/contract.ts'
import type { Calls } from './states/calls.ts'
import type { Devices } from './states/devices.ts'
import type { Hints } from './states/hints.ts'
import type { Mailboxes } from './states/mailboxes.ts'
import type { Presences } from './states/presence.ts'
import type { Store } from './store.ts'

/** One `type = server` section, and who answers there. */
export interface AsteriskServer {
  /** The origin of its states. */
  readonly name: string
  readonly url: string
  /** Empty until it has told. */
  readonly entityId: string
  /** It is there, and its states are followed. */
  readonly connected: boolean
}

export interface Core {
  /** `[general]` of lamplighter.conf; `general.compat` is 'rfc' or 'asterisk'. Read it when it is used: a reload replaces it. */
  readonly general: OptionValues<typeof generalOptions>
  /** The process is about to end: what is unloaded now is kept for the next start, and nothing more is sent. */
  readonly stopping: boolean
  /** The Asterisk servers that are asked over ARI; absent is none. */
  readonly servers?: () => readonly AsteriskServer[]
  readonly log: Log
  readonly console: Console
  readonly metrics: Metrics
  readonly store: Store
  readonly sip: Sip
  readonly endpoints: Endpoints
  readonly auth: Authenticator
  readonly contacts: Contacts
  readonly devices: Devices
  readonly calls: Calls
  readonly hints: Hints
  readonly presences: Presences
  readonly mailboxes: Mailboxes
}
