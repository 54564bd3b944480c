/**
 * From a SIP URI to the addresses a request is sent to, best first (RFC 3263). Numeric hosts are answered at once and
 * without a promise; names take NAPTR, SRV and A or AAAA, a bounded time, and are remembered for a while.
 */
import type { NaptrRecord, SrvRecord } from 'node:dns'
import { isIP } from 'node:net'
import type { Address, Protocol } from './contract.ts'
import { systemNames } from './system-names.ts'
import { DEFAULT_PORT } from './transport.ts'
import type { SipUri } from './uri.ts'

export interface Target extends Address {
  readonly protocol: Protocol
}

/** The questions that are asked. All reject where there is no answer. */
export interface NameServer {
  naptr(name: string): Promise<readonly NaptrRecord[]>
  srv(name: string): Promise<readonly SrvRecord[]>
  addresses(name: string, family: 4 | 6): Promise<readonly string[]>
  /** Of names that only this machine knows; 0 is either family. May take long. */
  local?(name: string, family: 0 | 4 | 6): Promise<readonly string[]>
}

export interface ResolverSettings {
  /** Protocols we have a transport for, and its families: nothing else is worth asking for. */
  readonly offers: (protocol: Protocol, family: 4 | 6) => boolean
  readonly names?: NameServer
  /** Milliseconds until a resolution is given up. */
  readonly limit?: number
  readonly now?: () => number
}

const KEEP_FOUND = 60_000
/** A name that is not there is asked for again sooner: a phone's entry may just be about to appear. */
const KEEP_MISSING = 10_000
const CACHE_SIZE = 2000
const LIMIT = 5000
/** So that nobody's contact makes us ask hundreds of questions. */
const MOST_TARGETS = 8

const NAPTR_SERVICES: ReadonlyMap<string, Protocol> = new Map([
  ['sip+d2u', 'UDP'],
  ['sip+d2t', 'TCP'],
  ['sips+d2t', 'TLS'],
])
const SRV_PREFIX: Record<Protocol, string> = { UDP: '_sip._udp.', TCP: '_sip._tcp.', TLS: '_sips._tcp.' }

interface Cached {
  readonly until: number
  readonly targets: Promise<readonly Target[]>
}

export class Resolver {
  readonly #offers: ResolverSettings['offers']
  readonly #names: NameServer
  readonly #limit: number
  readonly #now: () => number
  readonly #cache = new Map<string, Cached>()

  constructor({ offers, names = systemNames(), limit = LIMIT, now = Date.now }: ResolverSettings) {
    this.#offers = offers
    this.#names = names
    this.#limit = limit
    this.#now = now
  }

  /**
   * Where to send to, best first; empty where there is nothing. At once for numeric hosts. Never rejects. `unstated`: the
   * protocol where the URI states none, in place of the RFC's choice.
   */
  resolve(uri: SipUri, unstated?: Protocol): readonly Target[] | Promise<readonly Target[]> {
    const maddr = uri.params.get('maddr')
    const host = maddr === undefined ? uri.host : withoutBrackets(maddr)
    const family = isIP(host)
    const stated = statedProtocol(uri) ?? unstated
    if (family === 4 || family === 6) return this.#numeric(uri, host, family, unstated)
    const key = `${uri.scheme}:${host}:${uri.port ?? ''};${stated ?? ''}`
    const known = this.#cache.get(key)
    if (known && known.until > this.#now()) return known.targets
    return this.#remember(key, withLimit(this.#resolveName(uri, host, stated), this.#limit))
  }

  #numeric(uri: SipUri, address: string, family: 4 | 6, unstated: Protocol | undefined): readonly Target[] {
    const wanted = unstated && this.#offers(unstated, family) ? unstated : 'UDP'
    const protocol = statedProtocol(uri) ?? wanted
    if (!this.#offers(protocol, family)) return []
    return [{ protocol, address, port: uri.port ?? DEFAULT_PORT[protocol] }]
  }

  #remember(key: string, targets: Promise<readonly Target[]>): Promise<readonly Target[]> {
    const oldest = this.#cache.keys().next()
    if (this.#cache.size >= CACHE_SIZE && !oldest.done) this.#cache.delete(oldest.value)
    this.#cache.delete(key)
    this.#cache.set(key, { until: this.#now() + KEEP_FOUND, targets })
    void targets.then((found) => {
      if (found.length === 0 && this.#cache.get(key)?.targets === targets) {
        this.#cache.set(key, { until: this.#now() + KEEP_MISSING, targets })
      }
    })
    return targets
  }

  /** RFC 3263 4.1 and 4.2. */
  async #resolveName(uri: SipUri, host: string, stated: Protocol | undefined): Promise<readonly Target[]> {
    if (uri.port !== undefined) return this.#hosts(stated ?? 'UDP', [{ name: host, port: uri.port }])
    if (stated) return this.#services([{ protocol: stated, name: SRV_PREFIX[stated] + host }], host, stated)
    const pointers = await this.#pointers(uri, host)
    const services =
      pointers.length > 0
        ? pointers
        : this.#protocols(uri).map((protocol) => ({ protocol, name: SRV_PREFIX[protocol] + host }))
    return this.#services(services, host, uri.scheme === 'sips' ? 'TLS' : 'UDP')
  }

  #protocols(uri: SipUri): Protocol[] {
    const all: Protocol[] = uri.scheme === 'sips' ? ['TLS'] : ['UDP', 'TCP', 'TLS']
    return all.filter((protocol) => this.#offers(protocol, 4) || this.#offers(protocol, 6))
  }

  async #pointers(uri: SipUri, host: string): Promise<{ protocol: Protocol; name: string }[]> {
    const records = await orNone(this.#names.naptr(host))
    const usable = this.#protocols(uri)
    return [...records]
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .flatMap(({ service, flags, replacement }) => {
        const protocol = NAPTR_SERVICES.get(service.toLowerCase())
        return protocol && flags.toLowerCase() === 's' && usable.includes(protocol)
          ? [{ protocol, name: replacement }]
          : []
      })
      .slice(0, MOST_TARGETS)
  }

  /** SRV records of each service in turn; without any, the host itself on the default port. */
  async #services(
    services: readonly { protocol: Protocol; name: string }[],
    host: string,
    fallback: Protocol,
  ): Promise<readonly Target[]> {
    const answers = await Promise.all(
      services.map(async ({ protocol, name }) => {
        const records = inSrvOrder(await orNone(this.#names.srv(name)))
        return this.#hosts(protocol, records.slice(0, MOST_TARGETS))
      }),
    )
    const found = answers.flat().slice(0, MOST_TARGETS)
    return found.length > 0 ? found : this.#hosts(fallback, [{ name: host, port: DEFAULT_PORT[fallback] }])
  }

  async #hosts(protocol: Protocol, hosts: readonly { name: string; port: number }[]): Promise<readonly Target[]> {
    const families = ([4, 6] as const).filter((family) => this.#offers(protocol, family))
    const answers = await Promise.all(
      hosts.map(async ({ name, port }) => {
        const addresses = await this.#addressesOf(name, families)
        return addresses.map((address) => ({ protocol, address, port }))
      }),
    )
    return answers.flat().slice(0, MOST_TARGETS)
  }

  /**
   * This machine's own names come last, and for both families in one: where it is asked for the one that a name does not
   * have, it asks the name servers once more, and waits for each that is dead longer than there is time.
   */
  async #addressesOf(name: string, families: readonly (4 | 6)[]): Promise<readonly string[]> {
    const answers = await Promise.all(families.map((family) => orNone(this.#names.addresses(name, family))))
    const found = answers.flat()
    const [first = 0, second] = families
    if (found.length > 0 || first === 0 || !this.#names.local) return found
    const own = await orNone(this.#names.local(name, second === undefined ? first : 0))
    return families.flatMap((family) => own.filter((address) => isIP(address) === family))
  }
}

/** What the URI itself says about the protocol; a `transport` we do not know says nothing. */
function statedProtocol(uri: SipUri): Protocol | undefined {
  const transport = uri.params.get('transport')?.toLowerCase()
  if (uri.scheme === 'sips' || transport === 'tls') return 'TLS'
  if (transport === 'tcp') return 'TCP'
  return transport === 'udp' ? 'UDP' : undefined
}

/** RFC 2782: by priority; within one, drawn by weight. */
function inSrvOrder(records: readonly SrvRecord[]): SrvRecord[] {
  const drawn = records.map((record) => ({ record, key: Math.random() ** (1 / Math.max(record.weight, 0.01)) }))
  return drawn.sort((a, b) => a.record.priority - b.record.priority || b.key - a.key).map(({ record }) => record)
}

async function orNone<T>(answer: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await answer
  } catch {
    return []
  }
}

async function withLimit(targets: Promise<readonly Target[]>, limit: number): Promise<readonly Target[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly Target[]>((resolve) => {
    timer = setTimeout(resolve, limit, [])
  })
  try {
    return await Promise.race([targets, late])
  } finally {
    clearTimeout(timer)
  }
}

/** As the host of a URI has none. */
function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
