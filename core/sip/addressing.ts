/** Which address of ours a peer is told: the one the system would send from, or the external one of the transport. */
import { createSocket } from 'node:dgram'
import { inNetwork, type Network, parseAddress, readNetwork } from '../auth/networks.ts'
import type { TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { dropOldest } from '../oldest.ts'
import { ConfigError } from '../options.ts'
import type { Address } from './contract.ts'
import { withoutBrackets } from './parse-uri.ts'
import type { Wire } from './transport.ts'
import { withoutZone } from './zone.ts'

/** host and port as they are written in Via and Contact; IPv6 without brackets. Equal ones are one object. */
export interface OwnAddress {
  readonly host: string
  readonly port: number
}

const KEEP = 60_000
const CACHE_SIZE = 4096

export class Addressing {
  readonly #sources = new Map<string, { readonly address: string; readonly until: number }>()
  readonly #own = new Map<string, Map<number, OwnAddress>>()
  /** Of the transport that was asked for last, where that is the same for all its peers. */
  #last: { readonly config: TransportConfig; readonly local: Address; readonly own: OwnAddress } | undefined
  readonly #networks = new WeakMap<TransportConfig, readonly Network[]>()
  readonly #now: () => number
  readonly #sourceFor: typeof sourceAddress

  constructor(now: () => number = Date.now, sourceFor = sourceAddress) {
    this.#now = now
    this.#sourceFor = sourceFor
  }

  /** How the peer of this wire reaches us. */
  ownAddress(wire: Wire): OwnAddress {
    const { config, local } = wire.carrier
    const last = this.#last
    if (last && last.config === config && last.local === local) return last.own
    if (config.external_signaling_address !== '' && !this.#isLocal(config, wire.remote.address)) {
      const host = withoutBrackets(config.external_signaling_address)
      return this.#one(host, config.external_signaling_port || local.port)
    }
    // The port of a connection we opened is not one that anybody could connect to.
    const own = this.#one(this.#concrete(wire), local.port)
    if (config.external_signaling_address === '' && !isWildcard(local.address)) this.#last = { config, local, own }
    return own
  }

  #one(host: string, port: number): OwnAddress {
    let ports = this.#own.get(host)
    if (!ports) this.#own.set(host, (ports = new Map()))
    let own = ports.get(port)
    if (!own) ports.set(port, (own = { host, port }))
    return own
  }

  /** Outside every `local_net`; without any, everybody is outside. */
  #isLocal(config: TransportConfig, address: string): boolean {
    let networks = this.#networks.get(config)
    if (!networks) this.#networks.set(config, (networks = localNetworks(config)))
    if (networks.length === 0) return false
    const peer = parseAddress(withoutZone(address))
    return peer !== undefined && networks.some((network) => inNetwork(peer, network))
  }

  #concrete(wire: Wire): string {
    if (!isWildcard(wire.local.address)) return withoutZone(wire.local.address)
    const known = this.#sources.get(wire.remote.address)
    if (known && known.until > this.#now()) return known.address
    const source = this.#sourceFor(wire.remote, wire.carrier.family)
    // There is no network now. When there is, nobody is to be told that we are at 0.0.0.0.
    if (source === undefined) return wire.local.address
    const address = withoutZone(source)
    this.#sources.set(wire.remote.address, { address, until: this.#now() + KEEP })
    dropOldest(this.#sources, CACHE_SIZE)
    return address
  }
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

/** Reads `local_net`. Throws ConfigError. */
export function localNetworks(config: TransportConfig): readonly Network[] {
  return config.local_net.map((text) => {
    try {
      return readNetwork(text)
    } catch (error) {
      throw new ConfigError(`local_net = '${text}' in [${config.id}] is not valid, ${reasonOf(error)}`, config)
    }
  })
}

/**
 * The address the system sends from to reach a peer. Connecting a UDP socket sends nothing and, with a numeric address,
 * is done when connect returns; where it cannot be done there is no route.
 */
function sourceAddress(remote: Address, family: 4 | 6): string | undefined {
  const probe = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (address, _options, done) => done(null, address, family),
  })
  probe.on('error', () => undefined)
  try {
    probe.connect(remote.port, remote.address)
    const { address } = probe.address()
    return isWildcard(address) ? undefined : address
  } catch {
    return undefined
  } finally {
    probe.close()
  }
}
