/**
 * What others publish of one event: inbound-publication says where and who, asterisk-publication what of it is taken.
 * A state belongs to the origin that its eid names, and lasts as long as the publication that brought it.
 */
import type { AsteriskServer, Core } from '../core/core.ts'
import type { Endpoint } from '../core/endpoints.ts'
import { isEntityId } from '../core/entity-id.ts'
import type { Logger } from '../core/log.ts'
import { type AsteriskPublication, compileFilter } from '../core/publication-options.ts'
import type { Undo } from '../core/scope.ts'
import type { Refusal } from '../core/sip/contract.ts'
import type { Reported } from '../core/states/reported.ts'
import { brief } from '../core/text.ts'
import type { Kind, Publication, PublicationHandler, Pubsub, ReadBody } from '../res_pjsip_pubsub/contract.ts'
import type { OutboundPublishing } from './contract.ts'
import { EntityIds } from './entity-ids.ts'
import { JSON_TYPE, refreshBody, type Statement } from './json-bodies.ts'
import type { Entry, Ledger } from './ledger.ts'

/** What differs from event to event. */
export interface TakenStates<State> {
  readonly event: 'asterisk-devicestate' | 'asterisk-mwi'
  readonly states: Reported<State>
  readonly read: (text: string) => ReadBody<Statement<State>>
  readonly takes: (publication: AsteriskPublication) => boolean
  readonly filter: (publication: AsteriskPublication) => string
  /** Whether a server that we ask over ARI is believed there, and not what it publishes: two ways are never equally quick. */
  readonly yields: boolean
  /** The outbound-publish to the same peer. */
  readonly back: (publication: AsteriskPublication) => string
}

export interface IntakeServices {
  readonly core: Pick<Core, 'endpoints' | 'stopping' | 'servers'>
  readonly log: Logger
  readonly pubsub: Pick<Pubsub, 'publications' | 'onPublication' | 'publicationHandler'>
  readonly outbound: OutboundPublishing
  /** Ours. */
  readonly eid: () => string
}

/** Milliseconds. Which servers there are is asked for with each state. */
const SERVERS_KEPT = 1000
/**
 * Seconds; Timer F (RFC 3261 17.1.2.2). Asterisk refreshes when its `expiration` is over and not before, whatever it was
 * granted. After a 412 it sends a PUBLISH with neither entity-tag nor body, and says nothing until a state changes.
 */
const GRACE = 32
const NOT_FOUND: Refusal = { status: 404 }
/** Of a message to a peer among those about states; no device is called so. */
const REFRESH_KEY = '\0refresh'

export class Intake<State> {
  readonly #taken: TakenStates<State>
  readonly #ledger: Ledger<State>
  readonly #services: IntakeServices
  readonly #kind: Kind<Statement<State>>
  /** By resource. */
  readonly #topics = new Map<string, Undo>()
  /** What each publication has said last, by resource and id. */
  readonly #heard = new Map<string, Map<string, Statement<State>>>()
  /** Origins whose publication is over, and that may come back without saying everything. */
  readonly #lost = new EntityIds()
  readonly #filters = new WeakMap<AsteriskPublication, (name: string) => boolean>()
  #servers: { readonly until: number; readonly all: readonly AsteriskServer[] } = { until: 0, all: [] }
  /** Names of servers of ours that are away, and were asked to publish what was passed over while they were not. */
  readonly #missed = new Set<string>()
  #warned = false

  constructor(taken: TakenStates<State>, ledger: Ledger<State>, services: IntakeServices) {
    this.#taken = taken
    this.#ledger = ledger
    this.#services = services
    this.#kind = { name: taken.event }
  }

  get handler(): PublicationHandler<Statement<State>> {
    return {
      event: this.#taken.event,
      kind: this.#kind,
      accept: [JSON_TYPE],
      grace: GRACE,
      permits: (endpoint, resource) => this.#refusal(endpoint, resource),
      exists: () => true,
      read: ({ text }) => this.#taken.read(text),
    }
  }

  /** Whether the files, as they are now, let it through there. */
  takes(resource: string | undefined, name: string): boolean {
    const section = resource === undefined ? undefined : this.#section(resource)
    return section !== undefined && this.#filterOf(section)(name)
  }

  /** What was stored comes back, and states of origins that nobody vouches for any more go. */
  restore(entries: Iterable<Entry<State>>): void {
    const vouched = new Set<string>()
    for (const entry of entries) {
      this.#ledger.say(entry)
      vouched.add(`${entry.origin}\0${entry.name.toLowerCase()}`)
    }
    const { states } = this.#taken
    for (const { name, reports } of states.list())
      for (const { origin } of reports)
        if (isEntityId(origin) && !vouched.has(`${origin}\0${name.toLowerCase()}`)) states.set(origin, name, undefined)
  }

  /** Follows what is published, until it is undone. */
  follow(): Undo {
    const stop = this.#services.pubsub.onPublication((what, { event, resource, id }) => {
      const over = what === 'expired' || what === 'removed' || what === 'replaced'
      if (over && event === this.#taken.event) this.#over(resource, id)
    })
    const stopYielding = this.#taken.yields
      ? this.#taken.states.onReport((name, origin, report) => report && this.#yield(name, origin))
      : undefined
    this.configure()
    return () => {
      void stop()
      void stopYielding?.()
      for (const undo of this.#topics.values()) void undo()
      this.#topics.clear()
      if (!this.#services.core.stopping) this.#ledger.suspend()
    }
  }

  /** By the files as they are now. */
  configure(): void {
    const { pubsub, core } = this.#services
    for (const [resource, undo] of this.#topics) {
      if (this.#section(resource)) continue
      void undo()
      this.#topics.delete(resource)
      this.#forget(resource)
    }
    for (const resource of core.endpoints.files.inboundPublications?.keys() ?? []) {
      const section = this.#section(resource)
      if (!section) continue
      const wanted = this.#filterOf(section)
      for (const id of this.#heard.get(resource)?.keys() ?? []) this.#ledger.keepOnly(id, wanted)
      if (this.#topics.has(resource)) continue
      const topic = pubsub.publications(this.#taken.event, resource, this.#kind)
      this.#topics.set(resource, topic.watch({ value: (all) => this.#look(resource, all) }))
    }
  }

  /** Asks the peers to say everything. */
  ask(): void {
    for (const section of new Set([...this.#topics.keys()].map((resource) => this.#section(resource))))
      if (section) this.#ask(section)
  }

  /** As Asterisk refuses, and in its order. */
  #refusal(endpoint: Endpoint, resource: string): Refusal | undefined {
    const inbound = this.#services.core.endpoints.files.inboundPublications?.get(resource)
    if (!inbound) return NOT_FOUND
    if (inbound.endpoint !== '' && inbound.endpoint !== endpoint.id) return { status: 403 }
    return this.#section(resource) ? undefined : NOT_FOUND
  }

  #section(resource: string): AsteriskPublication | undefined {
    const { inboundPublications, asteriskPublications } = this.#services.core.endpoints.files
    const name = inboundPublications?.get(resource)?.[`event_${this.#taken.event}`] ?? ''
    return asteriskPublications?.get(name)
  }

  #filterOf(section: AsteriskPublication): (name: string) => boolean {
    let filter = this.#filters.get(section)
    if (!filter) {
      filter = this.#taken.takes(section) ? compileFilter(this.#taken.filter(section)) : () => false
      this.#filters.set(section, filter)
    }
    return filter
  }

  /** What is new among the publications of a resource; the newest comes first. */
  #look(resource: string, all: readonly Publication<Statement<State>>[]): void {
    let heard = this.#heard.get(resource)
    if (!heard) this.#heard.set(resource, (heard = new Map()))
    const there = new Set(all.map(({ id }) => id))
    for (const id of heard.keys()) if (!there.has(id)) this.#over(resource, id)
    for (const { id, state, isTakenHere } of all.toReversed()) {
      if (heard.get(id) === state) continue
      const isFirst = !heard.has(id)
      heard.set(id, state)
      // Of what another server takes only the last of each poll is seen, and late: it would undo what came here since.
      if (isTakenHere || this.#ledger.knows(id)) this.#hear(resource, id, state, isFirst)
    }
  }

  /** `isFirst`: nothing was heard of the publication since our start, which may have brought it back. */
  #hear(resource: string, publication: string, statement: Statement<State>, isFirst: boolean): void {
    const section = this.#section(resource)
    if (!section) return
    const { eid } = statement
    if (eid === this.#services.eid()) return this.#warn(resource)
    this.#services.outbound.met(this.#taken.back(section), eid)
    if (statement.type === 'refresh') return this.#services.outbound.client(this.#taken.back(section))?.again()
    if (statement.type === 'gone') return this.#ledger.forget(eid, statement.name)
    const { name, state } = statement
    if (!this.#filterOf(section)(name)) return
    if (this.#taken.yields && this.#isToldOf(eid, name)) return this.#ledger.forget(eid, name)
    if (this.#lost.delete(eid)) this.#ask(section)
    const entry = { publication, origin: eid, name, state }
    // Of what was restored a newer publication may have said another thing since.
    if (isFirst && this.#ledger.has(entry)) return
    if (!this.#ledger.say(entry))
      this.#services.log.refusal(
        `${brief(eid)} publishes too much at ${resource}: ${brief(name)} is passed over`,
        'warning',
      )
  }

  /** Whether this server of ours, which is connected, has told of it over ARI. */
  #isToldOf(eid: string, name: string): boolean {
    const server = this.#all().find(({ connected, entityId }) => connected && entityId === eid)
    return server !== undefined && this.#taken.states.reportOf(server.name, name) !== undefined
  }

  #yield(name: string, origin: string): void {
    const server = this.#all().find((one) => one.name === origin)
    if (!server || server.entityId === '') return
    if (server.connected) {
      this.#missed.delete(origin)
      this.#ledger.forget(server.entityId, name)
    } else if (!this.#missed.has(origin)) {
      // Its devices become unavailable, but it may be its ARI alone that is away: until it publishes a change of them
      // nothing else would tell.
      this.#missed.add(origin)
      this.ask()
    }
  }

  #all(): readonly AsteriskServer[] {
    const now = performance.now()
    if (this.#servers.until < now)
      this.#servers = { until: now + SERVERS_KEPT, all: this.#services.core.servers?.() ?? [] }
    return this.#servers.all
  }

  #over(resource: string, publication: string): void {
    this.#heard.get(resource)?.delete(publication)
    for (const origin of this.#ledger.end(publication)) {
      this.#lost.add(origin)
      this.#services.log.verbose(`what ${origin} published at ${resource} for ${this.#taken.event} is over`)
    }
  }

  #forget(resource: string): void {
    for (const id of this.#heard.get(resource)?.keys() ?? []) this.#over(resource, id)
    this.#heard.delete(resource)
  }

  #ask(section: AsteriskPublication): void {
    if (!this.#taken.takes(section)) return
    const client = this.#services.outbound.client(this.#taken.back(section))
    client?.say({ key: REFRESH_KEY, once: true, body: () => refreshBody(this.#services.eid()) })
  }

  #warn(resource: string): void {
    if (this.#warned) return
    this.#warned = true
    this.#services.log.warning(
      `somebody publishes at ${resource} under our own entity id ${this.#services.eid()}, which is passed over: ` +
        'asterisk_eid has to be another one for each server',
    )
  }
}
