/** The way of a request out: which wire, which Via, the next address where one fails (RFC 3263 4.3), TCP where it is too big. */
import { isIP } from 'node:net'
import type { Globals, System } from '../endpoints.ts'
import type { Addressing } from './addressing.ts'
import { Avoided } from './avoided.ts'
import { type ClientTransactions, MOST_ON_UDP, MOVED, type Draft as WrittenDraft } from './client-transaction.ts'
import type { Connection } from './connection.ts'
import type { Outcome, OutcomeHandler, Protocol } from './contract.ts'
import { type Origin, Origins } from './origin.ts'
import { parseUri } from './parse-uri.ts'
import type { Resolver, Target } from './resolve.ts'
import type { Wire } from './transport.ts'
import type { Transports } from './transports.ts'
import type { SipUri } from './uri.ts'
import { WaitingRequests } from './waiting-requests.ts'
import { asSeenFrom } from './zone.ts'

/** A request that can be written for whatever wire it goes out on. */
export interface Draft extends WrittenDraft {
  write(wire: Wire, origin: Origin, branch: string): string
  /** The way its sender would send it by now, where that may have become another. */
  readonly wayNow?: Wire | undefined
}

/** What is wanted of the way to a URI. */
export interface Way {
  /** The section it starts from, where that can go there. */
  readonly transport?: string | undefined
  /** Where the URI states none. */
  readonly protocol?: Protocol | undefined
  /** The address that the last request of the peer came from: of several proxies with one name the one that is there. */
  readonly near?: string | undefined
  /** By UDP to the same address: from the one of ours that this flow is from. */
  readonly from?: Wire | undefined
}

export interface OutgoingContext {
  readonly transactions: ClientTransactions
  readonly transports: Transports
  readonly resolver: Resolver
  readonly addressing: Addressing
  readonly system: () => System
  readonly global: () => Globals
}

export class Outgoing {
  readonly #context: OutgoingContext
  readonly #origins = new Origins()
  readonly #avoided = new Avoided()
  /** Those that are not on any wire yet. */
  readonly waiting = new WaitingRequests((done) => this.#context.transactions.report(done, MOVED))

  constructor(context: OutgoingContext) {
    this.#context = context
  }

  get maxForwards(): number {
    return this.#context.global().max_forwards
  }

  get compact(): boolean {
    return this.#context.system().compact_headers
  }

  /** `peer` is the Contact of who gets it: it tells which connection of the same address is theirs. */
  send(draft: Draft, wire: Wire, peer: SipUri | string | undefined, done: OutcomeHandler): void {
    const { transactions } = this.#context
    const origin = this.#originOf(wire)
    const text = draft.write(wire, origin, transactions.nextBranch())
    const isBig = text.length > MOST_ON_UDP && !wire.reliable
    if (isBig && this.#sendByStream(draft, wire, typeof peer === 'string' ? parseUri(peer) : peer, done)) return
    transactions.send(draft, origin, text, wire, done)
  }

  /** What this sender has waiting; and in flight, and not by this way, or to another URI than it would send it to now. */
  giveUp(sender: object, wire?: Wire): void {
    this.waiting.giveUp(sender)
    this.#context.transactions.giveUp(sender, wire)
  }

  #sendByStream(draft: Draft, wire: Wire, peer: SipUri | undefined, done: OutcomeHandler): boolean {
    const connection = this.streamInstead(wire, peer)
    if (!connection || !peer) return false
    this.#transmit(draft, connection, (outcome) => {
      if (outcome.kind === 'response' && !maySayStranger(outcome.response.status)) return done(outcome)
      // It is there still: what ends is the server.
      if (outcome.kind === 'unreachable' && connection.open) return done(outcome)
      // A second phone of the account at this address has no such dialog; only who has the Contact can end it. And where
      // nobody answers, its phone may have begun anew behind a NAT, and only this end is left.
      connection.noteStranger(peer)
      // RFC 3261 18.1.1: UDP is tried where the connection is lost, too. Its phone may have moved meanwhile.
      this.#transmit(draft, draft.wayNow ?? wire, done)
    })
    return true
  }

  /** An open connection of the same peer, that takes what is too big for UDP. */
  streamInstead(wire: Wire, peer: SipUri | undefined): Connection | undefined {
    if (this.#context.system().disable_tcp_switch) return undefined
    return this.#context.transports.connectionOf(wire.remote.address, peer)
  }

  /** Resolves the URI and tries its addresses in turn. */
  sendTo(draft: Draft, uri: SipUri, way: Way, done: OutcomeHandler): void {
    const targets = this.#context.resolver.resolve(uri, way.protocol)
    if (targets instanceof Promise)
      this.waiting.until(targets, draft.sender, done, (found) =>
        this.#try(draft, uri, this.#avoided.last(nearFirst(found, way.near)), way, done),
      )
    else this.#try(draft, uri, targets, way, done)
  }

  /**
   * The way to a URI that leads to one address over UDP, whenever it is asked for; undefined for any other. It is `beside`
   * where that goes there, and by the same transport otherwise.
   */
  fixedWay(uri: SipUri, beside: Wire): Wire | undefined {
    if (isIP(uri.host) === 0) return undefined
    const targets = this.#context.resolver.resolve(uri)
    const target = targets instanceof Promise ? undefined : targets[0]
    if (target?.protocol !== 'UDP') return undefined
    const { remote } = beside
    const address = asSeenFrom(remote.address, target.address)
    if (beside.protocol === 'UDP' && target.port === remote.port && address === remote.address) return beside
    return this.#context.transports.wireTo(
      'UDP',
      { address, port: target.port },
      { preferred: beside.transport, from: beside },
    )
  }

  /** By a transport section that somebody has named: its protocol holds where the URI leaves open which. */
  wayBy(transport: string | undefined): Way {
    if (transport === undefined) return {}
    return { transport, protocol: this.#context.transports.get(transport)?.protocol }
  }

  #try(draft: Draft, uri: SipUri, targets: readonly Target[], way: Way, done: OutcomeHandler): void {
    const [target, ...others] = targets
    const named = { preferred: way.transport, name: uri.host, from: way.from }
    const wire = target && this.#context.transports.wireTo(target.protocol, target, named)
    // What was found is kept while no name server answers, also where a reload has taken a transport away.
    if (!wire && others.length > 0) return this.#try(draft, uri, others, way, done)
    if (!target || !wire) return failSoon(done, `there is no address to send to for ${uri.text}`)
    const isLast = others.length === 0
    if (isLast && this.#avoided.none) return this.send(draft, wire, uri, done)
    this.send(draft, wire, uri, (outcome) => {
      const failed = isFailure(outcome)
      if (!failed && outcome.kind === 'response') this.#avoided.answered(target)
      if (!failed || isLast) return done(outcome)
      this.#avoided.failed(target, outcome)
      this.#try(draft, uri, others, way, done)
    })
  }

  #transmit(draft: Draft, wire: Wire, done: OutcomeHandler): void {
    const { transactions } = this.#context
    const origin = this.#originOf(wire)
    transactions.send(draft, origin, draft.write(wire, origin, transactions.nextBranch()), wire, done)
  }

  #originOf(wire: Wire): Origin {
    const { addressing, system } = this.#context
    return this.#origins.of(addressing.ownAddress(wire), wire.protocol, !system().disable_rport)
  }
}

/**
 * The order that records give is for whoever knows nothing of the servers (RFC 2782). The one that has just brought a
 * request is there, and a watcher waits for its first NOTIFY no longer than another would be tried in vain (RFC 6665
 * 4.1.2.4).
 */
function nearFirst(targets: readonly Target[], near: string | undefined): readonly Target[] {
  const at = targets.findIndex(({ address }) => address === near)
  const nearest = targets[at]
  return nearest && at > 0 ? [nearest, ...targets.filter((target) => target !== nearest)] : targets
}

/** Another phone may say 481, or look at the rest before the dialog: 420 where it knows no lists, 405, 489. */
function maySayStranger(status: number): boolean {
  return status >= 400 && status < 500 && status !== 401 && status !== 407
}

/** RFC 3263 4.3. What was given up as its peer is elsewhere by now is for its sender. */
function isFailure(outcome: Outcome): boolean {
  if (outcome.kind === 'unreachable') return !outcome.moved
  return outcome.kind === 'timeout' || outcome.response.status === 503
}

/** Never from within the call that sends. */
export function failSoon(done: OutcomeHandler, reason: string): void {
  setImmediate(done, { kind: 'unreachable', reason })
}
