/** All that is published by one section of type outbound-publish: one publication, or with multi_user one for each extension. */
import type { AsteriskServer, Core } from '../core/core.ts'
import type { Logger } from '../core/log.ts'
import type { Counter } from '../core/metrics.ts'
import type { OutboundPublish } from '../core/publication-options.ts'
import type { HeaderLine } from '../core/sip/contract.ts'
import { parseUri } from '../core/sip/parse-uri.ts'
import { verdictOf } from './answer-rule.ts'
import type { PublishClient, Saying } from './contract.ts'
import { EntityIds } from './entity-ids.ts'
import type { EntityTags } from './entity-tags.ts'
import { OutboundPublication } from './outbound-publication.ts'
import { asEndpoint, publishRequest, urisOf } from './publish-request.ts'

export interface ClientServices {
  readonly core: Pick<Core, 'sip' | 'auth' | 'general' | 'servers'>
  readonly log: Logger
  readonly tags: EntityTags
  readonly now: () => number
  /** Headers that all our requests have. */
  readonly common: () => readonly HeaderLine[]
  readonly sent: Counter
  readonly failed: Counter
}

/** Milliseconds. Which servers there are is asked for with each state. */
const SERVERS_KEPT = 1000

export class Client implements PublishClient {
  readonly section: OutboundPublish
  readonly #services: ClientServices
  /** By user; the empty one without multi_user. */
  readonly #publications = new Map<string, OutboundPublication>()
  /** Entity ids of who is at the other end. */
  readonly #met = new EntityIds()
  #servers: { readonly until: number; readonly here: ReadonlySet<string> } | undefined
  readonly #othersHere: () => void
  readonly #addsUp: boolean

  /**
   * `othersHere`: other servers of ours are at the other end than before, as after a connect that told an entity id, or
   * a reload: what was published may have to be taken back. `addsUp`: of who publishes.
   */
  constructor(
    section: OutboundPublish,
    services: ClientServices,
    othersHere: () => void = () => undefined,
    addsUp = false,
  ) {
    this.section = section
    this.#services = services
    this.#othersHere = othersHere
    this.#addsUp = addsUp
  }

  /** In the order in which they began. */
  get publications(): ReadonlyMap<string, OutboundPublication> {
    return this.#publications
  }

  say(saying: Saying): void {
    this.#publication(this.section.multi_user ? (saying.user ?? '') : '').say(saying)
  }

  /** Who publishes has said all there is at the start. */
  saidAll(): void {
    if (this.#addsUp && this.#services.tags.get(this.section.id, '')) this.#publication('').saidAll()
  }

  again(): void {
    for (const publication of this.#publications.values()) publication.again()
  }

  anew(): void {
    for (const publication of this.#publications.values()) publication.anew()
  }

  /** At once, whatever is waited for. */
  retry(): void {
    for (const publication of this.#publications.values()) publication.retry()
  }

  isFrom(origin: string): boolean {
    const now = this.#services.now()
    const before = this.#servers
    if (before && before.until >= now) return before.here.has(origin)
    const here = this.#here()
    this.#servers = { until: now + SERVERS_KEPT, here }
    if (before && !sameNames(before.here, here)) this.#othersHere()
    return here.has(origin)
  }

  /** Whether that is news. */
  met(eid: string): boolean {
    if (!this.#met.add(eid)) return false
    this.#servers = undefined
    return true
  }

  /**
   * Which of our servers is at the other end: who has told so, or, until somebody there has told who it is and where the
   * section does not say whose states are meant, who has the same address. Such a one is not brought the states of the
   * others either, unless the section says so: over ARI it tells what it was brought as if it were its own, and a lamp
   * would stay lit that two servers hold up for each other.
   */
  #here(): ReadonlySet<string> {
    const { server_uri, '@origin_filter': filter } = this.section
    const hosts = filter === '' ? server_uri.map((uri) => parseUri(uri)?.host ?? '') : []
    const isHere = ({ url, entityId }: AsteriskServer): boolean =>
      this.#met.size > 0 && entityId !== '' ? this.#met.has(entityId) : hosts.includes(hostOf(url))
    const servers = this.#services.core.servers?.() ?? []
    const here = servers.filter(isHere)
    return new Set((here.length > 0 && filter === '' ? servers : here).map(({ name }) => name))
  }

  end(user: string): void {
    this.#publications.get(user)?.end(true)
    this.#publications.delete(user)
  }

  close(withdraw: boolean): void {
    for (const publication of this.#publications.values()) publication.end(withdraw)
    this.#publications.clear()
  }

  #publication(user: string): OutboundPublication {
    let found = this.#publications.get(user)
    if (!found) this.#publications.set(user, (found = this.#make(user)))
    return found
  }

  #make(user: string): OutboundPublication {
    const { core, log, tags, now, common, sent, failed } = this.#services
    const { section } = this
    const uris = urisOf(section, user === '' ? undefined : user)
    const name = user === '' ? section.id : `${section.id} of ${user}`
    return new OutboundPublication(
      {
        servers: uris.servers,
        expiration: section.expiration,
        maxChallenges: section.max_auth_attempts,
        addsUp: this.#addsUp,
        mayEnd: section.event === 'dialog',
        now,
        remember: (lease) => tags.set(section.id, user, lease),
        trouble: (why) => log.notice(`outbound-publish ${name} does not get through: ${why}`),
        recovered: () => log.notice(`outbound-publish ${name} gets through again`),
        send: (draft, done) => {
          const written = { compat: core.general.compat, common: common() }
          const request = publishRequest(section, uris, draft, written)
          sent.add()
          core.sip.request({ ...request, credentials: core.auth.credentialsFor(asEndpoint(section)) }, (outcome) => {
            const verdict = verdictOf(outcome, draft.expires)
            if (verdict.kind !== 'accepted') failed.add()
            log.debug(() => `PUBLISH ${request.requestUri} for ${name}: ${verdict.kind}`)
            done(verdict)
          })
        },
      },
      tags.get(section.id, user),
    )
  }
}

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
}
