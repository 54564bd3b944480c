/** The name servers of this machine, and the names that it knows itself. */
import { promises as dns } from 'node:dns'
import { statSync } from 'node:fs'
import type { NameServer } from './resolve.ts'

/** What a resolver asks. It knows the name servers of the moment it was made. */
type Asked = Pick<dns.Resolver, 'resolveNaptr' | 'resolveSrv' | 'resolve4' | 'resolve6'>

/**
 * The name servers that this machine has now: a start may come before the network has told them, and another network, or
 * the operator, may change them. `settings` is equal as long as they are the same.
 */
export function systemNames(make: () => Asked = systemResolver, settings: () => string = resolverSettings): NameServer {
  let known = settings()
  let resolver = make()
  const current = (): Asked => {
    const now = settings()
    if (now !== known) {
      known = now
      resolver = make()
    }
    return resolver
  }
  return {
    naptr: (name) => current().resolveNaptr(name),
    srv: (name) => current().resolveSrv(name),
    addresses: (name, family) =>
      family === 4 ? current().resolve4(name, { ttl: true }) : current().resolve6(name, { ttl: true }),
    local: hostsFile,
  }
}

/** A lost packet, or a first name server that is away, leaves time to answer each question (Search). */
function systemResolver(): Asked {
  return new dns.Resolver({ timeout: 1000, tries: 2 })
}

/** Which version of the file it is; a machine without one has name servers that we do not see change. */
function resolverSettings(): string {
  try {
    const { dev, ino, mtimeMs, size } = statSync('/etc/resolv.conf')
    return `${dev} ${ino} ${mtimeMs} ${size}`
  } catch {
    return ''
  }
}

let lookups = 0
const waiting: (() => void)[] = []
/** getaddrinfo runs on the thread pool that the store uses too, and may hang there: only a few at a time. */
const MOST_LOOKUPS = 2
/** More names are not known: nobody waits that long for them. */
const MOST_WAITING = 50

/** Names that only this machine knows (`localhost`, /etc/hosts). */
async function hostsFile(name: string, family: 0 | 4 | 6): Promise<readonly string[]> {
  if (lookups < MOST_LOOKUPS) lookups++
  else await turn()
  try {
    return (await dns.lookup(name, { family, all: true })).map(({ address }) => address)
  } finally {
    const next = waiting.shift()
    if (next) next()
    else lookups--
  }
}

function turn(): Promise<void> {
  if (waiting.length >= MOST_WAITING) return Promise.reject(new Error('too many names are looked up'))
  return new Promise((resolve) => {
    waiting.push(resolve)
  })
}
