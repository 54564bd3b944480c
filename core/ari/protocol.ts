/** What the worker thread that holds `ari-client` and the main thread say to each other. Plain data only. */
import type { DeviceState } from '../states/devices.ts'

/** Given to the worker when it is started. */
export interface WorkerStart {
  /** Without a slash at the end and without `/ari`: `http://127.0.0.1:8088`. */
  readonly base: string
  readonly username: string
  readonly password: string
  readonly app: string
  /** Milliseconds. */
  readonly requestTimeout: number
}

/** `applications.subscribe`: resource and operation as Asterisk's api-docs name them. */
export type Operation = `${string}.${string}`
export type Parameters = Readonly<Record<string, string>>

export type AriAnswer =
  | { readonly kind: 'ok'; readonly body: unknown }
  /** Asterisk answered, and not with 2xx. */
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  /** No answer, or none that can be read. */
  | { readonly kind: 'unreachable'; readonly reason: string }

export type ToWorker =
  | { readonly kind: 'request'; readonly id: number; readonly operation: Operation; readonly parameters: Parameters }
  | { readonly kind: 'ping' }

/**
 * Why there is no connection. `certificate`: what its https shows is not trusted; `credentials`: 401; `address`: an ACL
 * there keeps us out; `not-ari`: something answered that is no ARI; `no-events`: Asterisk answered, but not when it was
 * asked for events.
 */
export interface ConnectFailure {
  readonly cause: 'unreachable' | 'certificate' | 'credentials' | 'address' | 'not-ari' | 'no-docs' | 'no-events'
  readonly reason: string
}

export interface AsteriskInfo {
  readonly version: string
  readonly entityId: string
  /** As Asterisk writes it; another one after each restart. */
  readonly startupTime: string
}

export type FromWorker =
  | { readonly kind: 'connected'; readonly info: AsteriskInfo; readonly operations: readonly Operation[] }
  | { readonly kind: 'failed'; readonly failure: ConnectFailure }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: AriAnswer }
  /** In the order they came; posted before an answer that came after them. */
  | { readonly kind: 'events'; readonly events: readonly AriEvent[] }
  /** A frame that was no event we could read: an unknown type, or no JSON at all. */
  | { readonly kind: 'unread'; readonly what: string }
  | { readonly kind: 'pong' }
  | { readonly kind: 'lost'; readonly reason: string }

export interface NameNumber {
  readonly name: string
  readonly number: string
}

/** A channel as ARI shows it, reduced to what calls are made of. */
export interface Channel {
  readonly id: string
  /** `PJSIP/100-00000001` */
  readonly name: string
  /** `Down`, `Ring`, `Ringing`, `Up` … */
  readonly state: string
  readonly caller: NameNumber
  readonly connected: NameNumber
  readonly exten: string
  /** The dialplan application that runs on it; `AppDial` on a channel that was dialled. */
  readonly application: string
  /** Epoch milliseconds. */
  readonly created: number
}

export type ChannelChange = 'created' | 'state' | 'connected' | 'caller' | 'hold' | 'unhold'

export type AriEvent =
  | { readonly type: 'device'; readonly name: string; readonly state: DeviceState }
  | { readonly type: 'channel'; readonly change: ChannelChange; readonly channel: Channel }
  | { readonly type: 'channel-gone'; readonly channel: Channel }
  | { readonly type: 'dial'; readonly status: string; readonly caller: Channel | undefined; readonly peer: Channel }
  /** Another client took our application over: this socket gets nothing more. */
  | { readonly type: 'replaced' }
