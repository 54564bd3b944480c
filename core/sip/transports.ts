/** All transports of the configuration: opened together, reloaded, asked for the way to an address. */
import { isIP } from 'node:net'
import type { TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { ConfigError } from '../options.ts'
import { isWildcard, localNetworks } from './addressing.ts'
import { readCertificates } from './certificates.ts'
import type { Connection } from './connection.ts'
import type { Address, Protocol } from './contract.ts'
import type { DatagramsKind } from './datagrams.ts'
import { StreamTransport } from './stream.ts'
import { bindAddress, hostPort, protocolOf, type Transport, type TransportContext, type Wire } from './transport.ts'
import { UdpTransport } from './udp.ts'
import type { SipUri } from './uri.ts'
import { withoutZone } from './zone.ts'

/** Where we listen. */
export interface Listening extends Address {
  readonly protocol: Protocol
  /** Name of the transport section. */
  readonly transport: string
  /** Of a UDP socket. */
  readonly datagrams?: DatagramsKind
}

export class Transports {
  readonly #context: TransportContext
  readonly #open = new Map<string, Transport>()
  #wanted: ReadonlySet<string> = new Set()

  constructor(context: TransportContext) {
    this.#context = context
  }

  get listening(): Listening[] {
    return [...this.#open.values()].map((transport) => ({
      transport: transport.config.id,
      protocol: transport.protocol,
      address: transport.local.address,
      port: transport.local.port,
      ...(transport instanceof UdpTransport ? { datagrams: transport.datagrams } : {}),
    }))
  }

  /** Opens all of them; where one cannot be opened the others are closed again and its ConfigError is thrown. */
  async open(configs: readonly TransportConfig[]): Promise<void> {
    for (const config of configs) check(config)
    this.#wanted = new Set(configs.map(({ id }) => id))
    try {
      for (const config of configs) this.#open.set(config.id, await this.#listen(config))
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /**
   * Certificates, limits and external addresses are taken over at once. An address, protocol or verify_client that
   * changed, and a section that is gone, wait for a restart unless `allow_reload` is set. Throws ConfigError for what is
   * wrong with the sections, before anything is changed; a port that cannot be bound is logged.
   */
  async reload(configs: readonly TransportConfig[]): Promise<void> {
    for (const config of configs) check(config)
    const wanted = new Map(configs.map((config) => [config.id, config]))
    this.#wanted = new Set(wanted.keys())
    // Who goes or moves leaves before anybody comes: it may be that place that another takes.
    for (const [id, transport] of this.#open) {
      const config = wanted.get(id)
      if (!config) await this.#remove(transport)
      else if (!listensAlike(transport.config, config)) await this.#leave(transport, config)
    }
    for (const config of configs) {
      const transport = this.#open.get(config.id)
      if (!transport) await this.#add(config)
      else if (listensAlike(transport.config, config)) transport.reconfigure(config)
    }
    this.#sort()
  }

  get(name: string): Transport | undefined {
    return this.#open.get(name)
  }

  offers(protocol: Protocol, family: 4 | 6): boolean {
    for (const transport of this.#open.values()) {
      if (transport.protocol === protocol && transport.family === family) return true
    }
    return false
  }

  /** The way to an address: by the preferred transport where that can go there, else by the first that can. */
  wireTo(
    protocol: Protocol,
    remote: Address,
    { preferred, name, from }: { preferred?: string; name?: string; from?: Wire | string | undefined },
  ): Wire | undefined {
    const family = isIP(withoutZone(remote.address))
    const suits = (transport: Transport | undefined): transport is Transport =>
      transport !== undefined && transport.protocol === protocol && transport.family === family
    const first = preferred === undefined ? undefined : this.#open.get(preferred)
    const transport = suits(first) ? first : [...this.#open.values()].find(suits)
    return transport?.wireTo(remote, name, from)
  }

  /** An open TCP or TLS connection to this address. */
  findConnection(remote: Address, protocol?: Protocol): Wire | undefined {
    for (const transport of this.#open.values()) {
      if (transport.protocol === 'UDP' || (protocol && transport.protocol !== protocol)) continue
      const wire = transport.findWire(remote)
      if (wire) return wire
    }
    return undefined
  }

  /** An open connection of the same peer as a UDP address: it has named the same Contact, or is the only one and unnamed. */
  connectionOf(address: string, peer: SipUri | undefined): Connection | undefined {
    const candidates: Connection[] = []
    for (const transport of this.#open.values()) {
      if (transport instanceof StreamTransport) candidates.push(...transport.connectionsFrom(address))
    }
    if (!peer || candidates.length === 0) return undefined
    const named = candidates.find((connection) => connection.isOf(peer) && !connection.isStrangeTo(peer))
    if (named) return named
    // Without NAT between us one address is one phone; whom we went to ourselves may be another server there.
    const [only] = candidates
    const isTheirs = candidates.length === 1 && only?.unnamed && !only.outgoing
    return isTheirs && peer.host === address && !only.isStrangeTo(peer) ? only : undefined
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    await Promise.all(all.map((transport) => transport.close()))
  }

  async #listen(config: TransportConfig): Promise<Transport> {
    try {
      return await (config.protocol === 'udp' ? UdpTransport : StreamTransport).open(config, this.#context)
    } catch (error) {
      throw this.#inTheWay(config) ?? error
    }
  }

  /** The system does not say that it is one of ours that has the port. */
  #inTheWay(config: TransportConfig): ConfigError | undefined {
    const wanted = bindAddress(config)
    const other = [...this.#open.values()].find(
      ({ protocol, local }) => (protocol === 'UDP') === (config.protocol === 'udp') && overlap(local, wanted),
    )
    if (!other) return undefined
    const where = `${protocolOf(config)} ${hostPort(wanted)}`
    const what = this.#wanted.has(other.config.id)
      ? `[${other.config.id}] listens on ${hostPort(other.local)}; change bind of one`
      : `[${other.config.id}], which is gone from the configuration, listens there until a restart`
    return new ConfigError(`[${config.id}] cannot listen on ${where}, ${what}`, config)
  }

  /** As a start would have them: the first one that can is used where none is named. Those that wait to go come last. */
  #sort(): void {
    for (const id of new Set([...this.#wanted, ...this.#open.keys()])) {
      const transport = this.#open.get(id)
      if (transport && this.#open.delete(id)) this.#open.set(id, transport)
    }
  }

  async #add(config: TransportConfig): Promise<void> {
    try {
      const transport = await this.#listen(config)
      this.#open.set(config.id, transport)
      this.#context.log.notice(`listening on ${transport.protocol} ${hostPort(transport.local)} [${config.id}]`)
    } catch (error) {
      this.#context.log.error(reasonOf(error))
    }
  }

  async #remove(transport: Transport): Promise<void> {
    const { id, allow_reload } = transport.config
    if (!allow_reload) {
      this.#context.log.notice(`transport [${id}] is gone from the configuration; it listens until a restart`)
      return
    }
    this.#open.delete(id)
    await transport.close()
    this.#context.log.notice(`transport [${id}] is closed`)
  }

  /** For another place, where it may. */
  async #leave(transport: Transport, config: TransportConfig): Promise<void> {
    if (!config.allow_reload) {
      this.#context.log.notice(
        `${config.file}:${config.line}: bind, protocol or verify_client of [${config.id}] changed; without allow_reload that waits for a restart`,
      )
      const { bind, protocol, verify_client } = transport.config
      if (protocol === config.protocol) transport.reconfigure({ ...config, bind, verify_client })
      return
    }
    this.#open.delete(config.id)
    await transport.close()
  }
}

/** Everything that can be wrong with a section without trying to listen. */
function check(config: TransportConfig): void {
  bindAddress(config)
  localNetworks(config)
  if (config.protocol === 'tls') readCertificates(config)
}

/** Whether one socket keeps the other from being bound. */
function overlap(one: Address, other: Address): boolean {
  return (
    one.port === other.port &&
    isIP(withoutZone(one.address)) === isIP(withoutZone(other.address)) &&
    (one.address === other.address || isWildcard(one.address) || isWildcard(other.address))
  )
}

function listensAlike(a: TransportConfig, b: TransportConfig): boolean {
  if (a.bind !== b.bind || a.protocol !== b.protocol) return false
  // Whether peers are asked for a certificate is set when a server is made, and holds for whom it let in.
  return a.protocol !== 'tls' || a.verify_client === b.verify_client
}
