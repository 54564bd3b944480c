/**
 * From a SIP URI to the addresses a request is sent to, best first (RFC 3263). Numeric hosts are answered at once and
 * without a promise; names take NAPTR, SRV and A or AAAA, a bounded time, and are remembered for a while.
 */
import type { NaptrRecord, SrvRecord } from 'node:dns'
import { isIP } from 'node:net'
import type { Eventual } from '../eventual.ts'
import { dropOldest } from '../oldest.ts'
import { within } from '../within.ts'
import type { Address, Protocol } from './contract.ts'
import { withoutBrackets } from './parse-uri.ts'
import { Search } from './search.ts'
import { systemNames } from './system-names.ts'
import { DEFAULT_PORT } from './transport.ts'
import type { SipUri } from './uri.ts'

export interface Target extends Address {
  readonly protocol: Protocol
}

/** `ttl`: seconds that it may be kept. */
export interface HostAddress {
  readonly address: string
  readonly ttl: number
}

/** The questions that are asked. All reject where there is no answer; with the code ENOTFOUND or ENODATA that is the answer. */
export interface NameServer {
  naptr(name: string): Promise<readonly NaptrRecord[]>
  srv(name: string): Promise<readonly SrvRecord[]>
  addresses(name: string, family: 4 | 6): Promise<readonly HostAddress[]>
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

/** Where nothing tells for how long, as with SRV and NAPTR, whose time node does not give, and with /etc/hosts. */
const KEEP_FOUND = 60_000
/** Bounds of what name servers say: a name that changes with each question is not asked for with each NOTIFY. */
const SHORTEST_KEPT = 5000
const LONGEST_KEPT = 3_600_000
/** A name that is not there is asked for again sooner: a phone's entry may just be about to appear. */
const KEEP_MISSING = 10_000
const CACHE_SIZE = 2000
const LIMIT = 5000
/** Name servers that are away have not taken it back (RFC 8767). */
const KEEP_UNANSWERED = 86_400_000
const NONE: Promise<readonly Target[]> = Promise.resolve([])

interface Cached {
  readonly until: number
  readonly targets: Promise<readonly Target[]>
  /** What name servers said last, and when. */
  readonly found: Found | undefined
}

interface Found {
  readonly targets: readonly Target[]
  readonly at: number
  /** Milliseconds. */
  readonly kept: number
  /** As in Search. */
  readonly isOfHost: boolean
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
  resolve(uri: SipUri, unstated?: Protocol): Eventual<readonly Target[]> {
    const maddr = uri.params.get('maddr')
    const host = maddr === undefined ? uri.host : withoutBrackets(maddr)
    const family = isIP(host)
    const stated = statedProtocol(uri) ?? unstated
    if (family === 4 || family === 6) return this.#numeric(uri, host, family, unstated)
    const key = `${uri.scheme}:${host}:${uri.port ?? ''};${stated ?? ''}`
    const known = this.#cache.get(key)
    if (known && known.until > this.#now()) return known.targets
    const search = new Search(this.#offers, this.#names, this.#limit)
    const before = known?.found
    return this.#remember(key, this.#answerOf(search, search.targets(uri, host, stated), before), before)
  }

  async #answerOf(search: Search, targets: Promise<readonly Target[]>, before: Found | undefined): Promise<Found> {
    const found = await within(this.#limit, targets)
    const now = this.#now()
    const { isOfHost } = search
    // The address of the host may be that of its web server, where it has SRV records that nobody tells just now.
    const isGuess = isOfHost && before?.isOfHost === false
    const isUnknown = found === undefined || ((found.length === 0 || isGuess) && search.unanswered)
    if (isUnknown && before && now < before.at + KEEP_UNANSWERED) return before
    return { targets: found ?? [], at: now, kept: keptFor(search), isOfHost }
  }

  /** Names are asked for anew, as with other transports; what is being found for those of before is not remembered. */
  expire(): void {
    for (const [key, { found }] of this.#cache) this.#cache.set(key, { until: 0, targets: NONE, found })
  }

  #numeric(uri: SipUri, address: string, family: 4 | 6, unstated: Protocol | undefined): readonly Target[] {
    const wanted = unstated && this.#offers(unstated, family) ? unstated : 'UDP'
    const protocol = statedProtocol(uri) ?? wanted
    if (!this.#offers(protocol, family)) return []
    return [{ protocol, address, port: uri.port ?? DEFAULT_PORT[protocol] }]
  }

  #remember(key: string, answer: Promise<Found>, before: Found | undefined): Promise<readonly Target[]> {
    this.#cache.delete(key)
    const asked = this.#now()
    const targets = answer.then((found) => found.targets)
    this.#cache.set(key, { until: asked + KEEP_FOUND, targets, found: before })
    dropOldest(this.#cache, CACHE_SIZE)
    void answer.then((found) => {
      if (this.#cache.get(key)?.targets !== targets) return
      const isNews = found.targets.length > 0 && found.at >= asked
      this.#cache.set(key, { until: this.#now() + (isNews ? found.kept : KEEP_MISSING), targets, found })
    })
    return targets
  }
}

function keptFor({ ttl, hasUntimed }: Search): number {
  const said = Math.min(Math.max(ttl * 1000, SHORTEST_KEPT), LONGEST_KEPT)
  return hasUntimed ? Math.min(said, KEEP_FOUND) : said
}

/** What the URI itself says about the protocol; a `transport` we do not know says nothing. */
function statedProtocol(uri: SipUri): Protocol | undefined {
  const transport = uri.params.get('transport')?.toLowerCase()
  if (uri.scheme === 'sips' || transport === 'tls') return 'TLS'
  if (transport === 'tcp') return 'TCP'
  return transport === 'udp' ? 'UDP' : undefined
}
