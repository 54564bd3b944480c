/** `type=identify`: which endpoint an address or a header belongs to, made ready for the packet path. */
import type { Identify } from '../endpoints.ts'
import { type Logger, reasonOf } from '../log.ts'
import type { SipRequest } from '../sip/contract.ts'
import type { Resolve } from './host-names.ts'
import { inNetwork, type Network, parseAddress, readNetwork } from './networks.ts'
import { compilePattern } from './pattern.ts'

/** Source addresses whose endpoint is remembered. */
const MOST_KNOWN = 4096
/** A header value longer than this matches nothing. */
const MAX_VALUE = 256

interface HeaderMatch {
  readonly header: string
  readonly test: (value: string) => boolean
}

interface HostName {
  readonly host: string
  readonly endpoint: string
  readonly srv: boolean
}

export class Identifies {
  /** address → the endpoint whose name leads there, of several the last one */
  readonly #hosts = new Map<string, string>()
  /** name → the addresses that were found last */
  readonly #found = new Map<string, readonly string[]>()
  /** The longest prefix first, so that the narrowest network decides. */
  #networks: { readonly network: Network; readonly endpoint: string }[] = []
  readonly #headers: (HeaderMatch & { readonly endpoint: string })[] = []
  /** Of addresses that have asked before: phones ask again and again. */
  readonly #known = new Map<string, string | undefined>()
  readonly #names: HostName[] = []
  /** name → why it could not be resolved the last time */
  readonly #faults = new Map<string, string>()

  /** What cannot be read is said in the log and matches nothing. */
  constructor(sections: readonly Identify[], log: Logger) {
    for (const section of sections) {
      for (const match of section.match) this.#addMatch(match, section, log)
      if (section.match_header !== '') this.#addHeader(section, log)
    }
    this.#networks.sort((a, b) => b.network.bits - a.network.bits)
  }

  get hasNames(): boolean {
    return this.#names.length > 0
  }

  /** Some name has not led anywhere yet. */
  get hasUnknown(): boolean {
    return this.#unknown.length > 0
  }

  get #unknown(): readonly HostName[] {
    return this.#names.filter((name) => !this.#found.has(keyOf(name)))
  }

  /** After a reload: what these names led to before holds until they have been looked up again. */
  takeAddresses(before: Identifies): void {
    for (const name of this.#names) {
      const found = before.#found.get(keyOf(name))
      if (found) this.#found.set(keyOf(name), found)
    }
    this.#indexHosts()
  }

  /** Host names become addresses, none waiting for another. Names that cannot be resolved keep what they had. */
  async resolveNames(resolve: Resolve, log: Logger): Promise<void> {
    await Promise.all(this.#names.map((name) => this.#resolveName(name, resolve, log)))
  }

  /** The same of those that have led nowhere yet. */
  async resolveUnknown(resolve: Resolve, log: Logger): Promise<void> {
    await Promise.all(this.#unknown.map((name) => this.#resolveName(name, resolve, log)))
  }

  async #resolveName(name: HostName, resolve: Resolve, log: Logger): Promise<void> {
    const { host, endpoint, srv } = name
    try {
      this.#found.set(keyOf(name), await resolve(host, srv))
      this.#faults.delete(keyOf(name))
      this.#indexHosts()
    } catch (error) {
      const why = reasonOf(error)
      // What lasts is told once, not with each try.
      if (this.#faults.get(keyOf(name)) === why) return
      this.#faults.set(keyOf(name), why)
      log.warning(`identify: '${host}' of endpoint '${endpoint}' cannot be resolved: ${why}`)
    }
  }

  #indexHosts(): void {
    this.#known.clear()
    this.#hosts.clear()
    for (const name of this.#names) {
      for (const text of this.#found.get(keyOf(name)) ?? []) {
        const address = parseAddress(text)
        if (address) this.#hosts.set(address.toString(), name.endpoint)
      }
    }
  }

  byAddress(text: string): string | undefined {
    if (this.#hosts.size === 0 && this.#networks.length === 0) return undefined
    const known = this.#known.get(text)
    if (known !== undefined || this.#known.has(text)) return known
    const found = this.#find(text)
    if (this.#known.size >= MOST_KNOWN) this.#known.clear()
    this.#known.set(text, found)
    return found
  }

  #find(text: string): string | undefined {
    const address = parseAddress(text)
    if (!address) return undefined
    const named = this.#hosts.size > 0 ? this.#hosts.get(address.toString()) : undefined
    return named ?? this.#networks.find(({ network }) => inNetwork(address, network))?.endpoint
  }

  byHeader(request: SipRequest): string | undefined {
    for (const { header, test, endpoint } of this.#headers) {
      if (request.headers(header).some((value) => value.length <= MAX_VALUE && test(value))) return endpoint
    }
    return undefined
  }

  #addMatch(match: string, { endpoint, id, srv_lookups: srv }: Identify, log: Logger): void {
    if (!looksLikeAddress(match)) {
      this.#names.push({ host: match, endpoint, srv })
      return
    }
    try {
      this.#networks.push({ network: readNetwork(match), endpoint })
    } catch (error) {
      log.error(`identify '${id}': match = ${match}: ${reasonOf(error)}`)
    }
  }

  #addHeader({ match_header: text, endpoint, id }: Identify, log: Logger): void {
    try {
      this.#headers.push({ endpoint, ...readHeaderMatch(text) })
    } catch (error) {
      log.error(`identify '${id}': match_header = ${text}: ${reasonOf(error)}`)
    }
  }
}

/** What is asked for: names have no blank. */
function keyOf({ host, srv }: HostName): string {
  return srv ? `${host} srv` : host
}

/** What of `match` is no host name. */
export function looksLikeAddress(match: string): boolean {
  return match.includes('/') || match.includes(':') || /^[0-9.]+$/.test(match)
}

/** `match_header`: `X-Phone: lobby`, or an expression between slashes. Throws an Error that says what is expected. */
export function readHeaderMatch(text: string): HeaderMatch {
  const colon = text.indexOf(':')
  if (colon < 1) throw new Error('expected Header: value')
  const header = text.slice(0, colon).trim()
  const value = text.slice(colon + 1).trim()
  const isPattern = value.length > 1 && value.startsWith('/') && value.endsWith('/')
  const pattern = isPattern ? compilePattern(value.slice(1, -1)) : undefined
  return { header, test: pattern ? (v) => pattern.test(v) : (v) => v === value }
}
