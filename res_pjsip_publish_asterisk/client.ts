/** All that is published by one section of type outbound-publish: one publication, or with multi_user one for each extension. */
import type { AsteriskServer, Core } from '../core/core.ts'
import type { Logger } from '../core/log.ts'
import type { Counter } from '../core/metrics.ts'
import type { OutboundPublish } from '../core/publication-options.ts'
import type { HeaderLine } from '../core/sip/contract.ts'
import { parseUri } from '../core/sip/parse-uri.ts'
import { type Verdict, verdictOf } from './answer-rule.ts'
import type { PublishClient, Saying } from './contract.ts'
import { EntityIds } from './entity-ids.ts'
import type { EntityTags, Kept, Sender } from './entity-tags.ts'
import { type Draft, OutboundPublication } from './outbound-publication.ts'
import { asEndpoint, type PublishWay, publishRequest, type Uris, urisOf } from './publish-request.ts'
import type { Withdrawals } from './withdrawals.ts'

export interface ClientServices {
  readonly core: Pick<Core, 'sip' | 'auth' | 'general' | 'servers'>
  readonly log: Logger
  readonly tags: EntityTags
  readonly now: () => number
  /** Headers that all our requests have. */
  readonly common: () => readonly HeaderLine[]
  readonly sent: Counter
  readonly failed: Counter
  readonly withdrawals: Pick<Withdrawals, 'take' | 'leave'>
}

/** Milliseconds. Which servers there are is asked for with each state. */
const SERVERS_KEPT = 1000

export class Client implements PublishClient {
  readonly section: OutboundPublish
  readonly #services: ClientServices
  /** By user; the empty one without multi_user. */
  readonly #publications = new Map<string, OutboundPublication>()
  /** By user: where the extension stands of which was said something last. */
  readonly #contexts = new Map<string, string>()
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
    const { context = '' } = saying
    const user = this.section.multi_user ? (saying.user ?? '') : ''
    this.#contexts.set(user, context)
    this.#publication(user).say(saying)
  }

  left(): ReadonlyMap<string, string> {
    const left = new Map<string, string>()
    for (const { section, user, sender } of this.#services.tags.all)
      if (section === this.section.id && user !== '' && sender) left.set(user, sender.context)
    return left
  }

  /** Who publishes has said all there is at the start. */
  saidAll(): void {
    if (this.#addsUp && this.#kept('')) this.#publication('').saidAll()
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
    const published = this.#publications.get(user) ?? (this.#kept(user) && this.#make(user))
    published?.end(true)
    this.#publications.delete(user)
    this.#contexts.delete(user)
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

  /** What an earlier process has published, of the event that the section is for now. */
  #kept(user: string): Kept | undefined {
    const kept = this.#services.tags.get(this.section.id, user)
    return kept?.sender && kept.sender.event !== this.section.event ? undefined : kept
  }

  #make(user: string): OutboundPublication {
    const { log, tags, now, withdrawals } = this.#services
    const { section } = this
    const uris = urisOf(section, user === '' ? undefined : user)
    const kept = this.#kept(user)
    if (kept) withdrawals.leave(kept)
    const sender = (): Sender => ({
      ...section,
      from: uris.from,
      to: uris.to,
      context: this.#contexts.get(user) ?? kept?.sender?.context ?? '',
    })
    const name = user === '' ? section.id : `${section.id} of ${user}`
    return new OutboundPublication(
      {
        servers: uris.servers,
        expiration: section.expiration,
        maxChallenges: section.max_auth_attempts,
        addsUp: this.#addsUp,
        mayEnd: section.event === 'dialog',
        now,
        remember: (lease) => tags.set(section.id, user, lease && { ...lease, sender: sender() }),
        trouble: (why) => log.notice(`outbound-publish ${name} does not get through: ${why}`),
        recovered: () => log.notice(`outbound-publish ${name} gets through again`),
        takeBack: (lease, failed) => {
          // A server that went knows us as the section was when it was there.
          const before = uris.servers.includes(lease.serverUri) ? undefined : kept?.sender
          withdrawals.take({ ...lease, section: section.id, user, sender: before ?? sender() }, failed)
        },
        send: (draft, done) => {
          publish(section, uris, draft, this.#services, (verdict) => {
            log.debug(() => `PUBLISH ${draft.serverUri} for ${name}: ${verdict.kind}`)
            done(verdict)
          })
        },
      },
      kept,
    )
  }
}

export function publish(
  way: PublishWay,
  uris: Pick<Uris, 'from' | 'to'>,
  draft: Draft,
  { core, common, sent, failed }: Omit<ClientServices, 'withdrawals'>,
  done: (verdict: Verdict) => void,
): void {
  const request = publishRequest(way, uris, draft, { compat: core.general.compat, common: common() })
  sent.add()
  core.sip.request({ ...request, credentials: core.auth.credentialsFor(asEndpoint(way)) }, (outcome) => {
    const verdict = verdictOf(outcome, draft.expires)
    if (verdict.kind !== 'accepted') failed.add()
    done(verdict)
  })
}

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
}
