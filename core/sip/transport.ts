/**
 * What the UDP, TCP and TLS transports have in common. A transport is one `type=transport` section that listens; what
 * it receives goes to a Receiver together with the Wire it came by, and answers go back on that Wire.
 */
import { parseBind } from '../conf/bind.ts'
import type { Globals, TransportConfig } from '../endpoints.ts'
import { type Logger, reasonOf } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { ConfigError } from '../options.ts'
import type { Address, Flow, Protocol } from './contract.ts'
import type { DatagramsKind } from './datagrams.ts'
import type { OpenFiles } from './open-files.ts'
import { printHostPort } from './parse-uri.ts'
import type { TimerWheel } from './timer-wheel.ts'
import type { Timers } from './timers.ts'
import type { Trace } from './trace.ts'

/** Who sends a message and wants to hear where it could not be handed to the network. */
export interface Sender {
  /** Never called from within the call that sends. */
  sendFailed(reason: string): void
}

/** A flow one can send on. */
export interface Wire extends Flow {
  /** Bytes arrive or the connection is lost: nothing is sent twice on it. */
  readonly reliable: boolean
  readonly carrier: Transport
  /** A message, one character per byte. */
  send(text: string, sender?: Sender): void
  /** What was sent on a connection at that time (of performance.now()) was given up without an answer. */
  unanswered?(since: number): void
  /** A request was not answered on it, and nothing has come by it since. */
  readonly silent?: boolean
}

/** A flow that came from this folder, as all flows do, as what it is. */
export function wireOf(flow: Flow): Wire {
  if (!isWire(flow)) throw new Error(`${flow.id} is no flow of ours`)
  return flow
}

function isWire(flow: Flow): flow is Wire {
  return 'carrier' in flow && 'send' in flow
}

export interface Receiver {
  /** One whole message, one character per byte. */
  received(text: string, wire: Wire): void
  /** A stream that cannot be read on, and is closed after this returned. `head` is what was read of the message's header. */
  broken(status: number, why: string, head: string | undefined, wire: Wire): void
}

export interface TransportContext {
  readonly receiver: Receiver
  readonly wheel: TimerWheel
  readonly timers: () => Timers
  readonly trace: Trace
  readonly log: Logger
  readonly metrics: Metrics
  readonly global: () => Globals
  readonly files: OpenFiles
  /** Other UDP sockets than the fastest there are. */
  readonly datagrams?: DatagramsKind | undefined
}

export interface Transport {
  readonly config: TransportConfig
  readonly protocol: Protocol
  readonly family: 4 | 6
  /** Where it listens; the port is the real one where `bind` says 0. */
  readonly local: Address
  /** It does not listen any more, and nothing can be sent with it. */
  readonly closed: boolean
  /** The way to this address: any for UDP; for TCP and TLS an open connection, or a new one that is being made; `name` is what its certificate must say. `from`: UDP goes from this address of ours, or from that of this flow where it is to the same peer. */
  wireTo(remote: Address, name?: string, from?: Wire | string): Wire
  /** An open connection to this address, or undefined. UDP: as wireTo. */
  findWire(remote: Address): Wire | undefined
  /** Takes over what can change while it listens: certificates, limits, external addresses. Throws ConfigError and changes nothing. */
  reconfigure(config: TransportConfig): void
  close(): Promise<void>
}

export const DEFAULT_PORT: Record<Protocol, number> = { UDP: 5060, TCP: 5060, TLS: 5061 }

const PROTOCOLS: Record<TransportConfig['protocol'], Protocol> = { udp: 'UDP', tcp: 'TCP', tls: 'TLS' }

export function protocolOf(config: TransportConfig): Protocol {
  return PROTOCOLS[config.protocol]
}

/** Reads `bind`. Throws ConfigError. */
export function bindAddress(config: TransportConfig): Address {
  try {
    return parseBind(config.bind, config.protocol)
  } catch (error) {
    throw new ConfigError(`bind = '${config.bind}' in [${config.id}] is not valid, ${reasonOf(error)}`, config)
  }
}

/** `192.0.2.1:5060`, `[2001:db8::1]:5060`. */
export function hostPort({ address, port }: Address): string {
  return printHostPort(address, port)
}

/** Says in the operator's terms why a transport cannot listen. */
export function listenError(error: NodeJS.ErrnoException, config: TransportConfig, at: Address): ConfigError {
  const where = `${protocolOf(config)} ${hostPort(at)}`
  switch (error.code) {
    case 'EADDRINUSE':
      return new ConfigError(
        `[${config.id}] cannot listen on ${where}, another program uses that port; change bind or stop it`,
        config,
      )
    case 'EADDRNOTAVAIL':
      return new ConfigError(
        `[${config.id}] cannot listen on ${where}, this machine does not have that address`,
        config,
      )
    case 'EACCES':
      return new ConfigError(
        `[${config.id}] cannot listen on ${where}, ports below 1024 need more rights than this process has`,
        config,
      )
    default:
      return new ConfigError(`[${config.id}] cannot listen on ${where}: ${error.message}`, config)
  }
}
