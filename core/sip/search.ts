/** One search for the addresses of a name (RFC 3263 4.1 and 4.2): NAPTR, SRV and A or AAAA. */
import type { SrvRecord } from 'node:dns'
import { isIP } from 'node:net'
import { within } from '../within.ts'
import type { Protocol } from './contract.ts'
import type { NameServer, ResolverSettings, Target } from './resolve.ts'
import { DEFAULT_PORT } from './transport.ts'
import type { SipUri } from './uri.ts'

/** So that nobody's contact makes us ask hundreds of questions. */
const MOST_TARGETS = 8

/**
 * Parts of its time after which what has not come is done without. There are name servers that pass over the questions that
 * they do not know, or those for IPv6 (RFC 4074 4.1, RFC 8906): there is time left to ask for the others.
 */
const UNTIL = { naptr: 0.3, srv: 0.6, addresses: 0.9, local: 1 } as const

const NAPTR_SERVICES: ReadonlyMap<string, Protocol> = new Map([
  ['sip+d2u', 'UDP'],
  ['sip+d2t', 'TCP'],
  ['sips+d2t', 'TLS'],
])
const SRV_PREFIX: Record<Protocol, string> = { UDP: '_sip._udp.', TCP: '_sip._tcp.', TLS: '_sips._tcp.' }

export class Search {
  readonly #offers: ResolverSettings['offers']
  readonly #names: NameServer
  readonly #limit: number
  readonly #begun = performance.now()
  /** Whether something was asked that no name server has answered: there may be more than was found. */
  unanswered = false
  /** Whether the host itself was taken, for want of SRV records. */
  isOfHost = false
  /** Whether something was asked whose time nobody tells. */
  hasUntimed = false
  /** Seconds: the shortest time that an address may be kept. */
  ttl = Number.POSITIVE_INFINITY

  /** `limit`: milliseconds that it has. */
  constructor(offers: ResolverSettings['offers'], names: NameServer, limit: number) {
    this.#offers = offers
    this.#names = names
    this.#limit = limit
  }

  /** RFC 3263 4.1 and 4.2. */
  async targets(uri: SipUri, host: string, stated: Protocol | undefined): Promise<readonly Target[]> {
    if (uri.port !== undefined) return this.#hosts(stated ?? 'UDP', [{ name: host, port: uri.port }])
    this.hasUntimed = true
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
    const records = await this.#orNone(this.#names.naptr(host), UNTIL.naptr)
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
        const records = inSrvOrder(await this.#orNone(this.#names.srv(name), UNTIL.srv))
        return this.#hosts(protocol, records.slice(0, MOST_TARGETS))
      }),
    )
    const found = answers.flat().slice(0, MOST_TARGETS)
    if (found.length > 0) return found
    this.isOfHost = true
    return this.#hosts(fallback, [{ name: host, port: DEFAULT_PORT[fallback] }])
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
    const answers = await Promise.all(
      families.map((family) => this.#orNone(this.#names.addresses(name, family), UNTIL.addresses)),
    )
    const records = answers.flat()
    for (const { ttl } of records) this.ttl = Math.min(this.ttl, ttl)
    const found = records.map(({ address }) => address)
    const [first = 0, second] = families
    if (found.length > 0 || first === 0 || !this.#names.local) return found
    this.hasUntimed = true
    const own = await this.#orNone(this.#names.local(name, second === undefined ? first : 0), UNTIL.local)
    return families.flatMap((family) => own.filter((address) => isIP(address) === family))
  }

  async #orNone<T>(answer: Promise<readonly T[]>, part: number): Promise<readonly T[]> {
    try {
      const records = await within(this.#begun + this.#limit * part - performance.now(), answer)
      if (records) return records
    } catch (error) {
      if (isNone(error)) return []
    }
    // What did not come now may come at the next time.
    this.unanswered = this.hasUntimed = true
    return []
  }
}

/** There is no such name, or nothing of this kind under it. */
export function isNone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')
}

/** RFC 2782: by priority; within one, drawn by weight. */
function inSrvOrder(records: readonly SrvRecord[]): SrvRecord[] {
  const drawn = records.map((record) => ({ record, key: Math.random() ** (1 / Math.max(record.weight, 0.01)) }))
  return drawn.sort((a, b) => a.record.priority - b.record.priority || b.key - a.key).map(({ record }) => record)
}
