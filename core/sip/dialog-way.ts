/**
 * Where the requests of a dialog go. A peer says that twice, by where its last request came from and by its route set or
 * Contact, which name the next hop (RFC 3261 12.2.1.1):
 *
 *     its last request came by            our requests go
 *     a connection                        by that; by a new one to the next hop, where it is silent
 *     a connection that is gone           by another from the same address and port, by a new one to the next hop, or nowhere
 *     UDP, and the flow is followed       back to where it came from
 *     UDP, and it is not                  to the next hop
 *
 * A new connection can be made to a proxy, and to a phone that is not behind NAT. Names are looked up for each request, as
 * what they stand for may change.
 */
import type { Undo } from '../scope.ts'
import { detached, SharedTexts } from '../text.ts'
import type { DialogRecord, Flow, OutcomeHandler } from './contract.ts'
import { type DialogForm, TextOfDialog } from './dialog-text.ts'
import { type Draft, failSoon, type Outgoing } from './outgoing.ts'
import { parseUri } from './parse-uri.ts'
import { type Routing, routingOf } from './routing.ts'
import { isSameFlow, ownOf, type SharedFlows } from './shared-flows.ts'
import { DEFAULT_PORT, type Wire, wireOf } from './transport.ts'
import type { Transports } from './transports.ts'
import type { SipUri } from './uri.ts'

export interface WayContext {
  readonly transports: Transports
  readonly outgoing: Outgoing
  readonly flows: SharedFlows
}

/** What UDP carries (RFC 768), less a header block of its longest. */
const DATAGRAM_ROOM = 65507 - 4096

/** What all dialogs of a phone have in common. */
const phones = new SharedTexts(1024)

const NO_ROUTES: readonly string[] = []

/** A flow, as it can be found again. */
type Source = Pick<DialogRecord, 'transport' | 'protocol' | 'remote' | 'own'>

export abstract class WayOfDialog<Context extends WayContext> extends TextOfDialog {
  protected readonly context: Context
  protected readonly routeSet: readonly string[]
  #followFlow: boolean
  #remoteTarget: string
  /** The flow that the last request came by; undefined while it is gone. */
  #wire: Wire | undefined = undefined
  /** The same, or what is known of it while it is gone. */
  #source: Source
  #unwatch: Undo | undefined = undefined
  /** The way to the next hop, where it is the same for all requests and was found already. */
  #toNextHop: Wire | undefined = undefined
  /** Undefined where nobody has asked, and where nobody has to any more. */
  #routing: Routing | undefined = undefined
  #disposed = false

  constructor(context: Context, record: DialogRecord, form: DialogForm) {
    super(record, form)
    this.context = context
    this.routeSet = record.routeSet.length === 0 ? NO_ROUTES : record.routeSet.map(detached)
    this.#followFlow = record.followFlow
    this.#remoteTarget = phones.of(record.remoteTarget)
    const { transport, protocol, remote, own } = record
    this.#source = { transport, protocol, remote, own }
  }

  /** Its connection is gone. */
  protected abstract flowLost(): void

  get remoteTarget(): string {
    return this.#remoteTarget
  }

  get isDisposed(): boolean {
    return this.#disposed
  }

  get flow(): Wire | undefined {
    // A UDP transport that a reload has moved.
    if (this.#wire?.carrier.closed && !this.#wire.reliable) this.#leave(this.#wire)
    if (!this.#wire && !this.#disposed) {
      const { transport, protocol, remote, own } = this.#source
      const { transports } = this.context
      // A connection from the same address and port can only be the one that was there before we were started again.
      const back =
        protocol === 'UDP'
          ? transports.wireTo('UDP', remote, { preferred: transport, from: own })
          : transports.findConnection(remote, protocol)
      // Until this machine has that address of ours (again), any other will do.
      if (back && own !== undefined && ownOf(back) !== own) return back
      if (back) this.take(back)
    }
    return this.#wire
  }

  get reachable(): boolean {
    return this.flow !== undefined || this.#canConnect
  }

  get room(): number {
    const wire = this.flow
    if (!wire || wire.reliable) return Number.POSITIVE_INFINITY
    const stream = this.context.outgoing.streamInstead(wire, parseUri(this.#remoteTarget))
    return stream ? Number.POSITIVE_INFINITY : DATAGRAM_ROOM
  }

  // What the peer says.

  rebind(flow: Flow): void {
    this.take(wireOf(flow))
  }

  /** The flow that requests came by is the one that requests go by, as long as it is there. */
  take(wire: Wire): void {
    if (this.#wire && isSameFlow(this.#wire, wire)) return
    void this.#unwatch?.()
    this.#wire = this.context.flows.of(wire)
    this.#source = this.#wire
    this.#toNextHop = undefined
    this.#unwatch = wire.reliable && !this.#disposed ? wire.onClose(() => this.#lost(wire)) : undefined
  }

  /** It was made with this Contact. Where that says no more than where its request came from, the way there is known. */
  reachedAt({ scheme, params, host, port = DEFAULT_PORT.UDP }: SipUri): void {
    const wire = this.#wire
    if (wire?.protocol !== 'UDP' || this.routeSet.length > 0 || scheme !== 'sip' || params.size > 0) return
    if (host === wire.remote.address && port === wire.remote.port) this.#toNextHop = wire
  }

  protected retarget(uri: string): void {
    this.#remoteTarget = phones.of(uri)
    this.#toNextHop = undefined
    this.#routing = undefined
  }

  followFlow(follows: boolean): void {
    if (follows === this.#followFlow) return
    this.#followFlow = follows
    this.#toNextHop = undefined
  }

  // What follows from it.

  protected get routing(): Routing {
    this.#routing ??= routingOf(this.#remoteTarget, this.routeSet)
    return this.#routing
  }

  protected send(draft: Draft, done: OutcomeHandler): void {
    const { outgoing } = this.context
    const wire = this.flow
    const known = wire && this.#knownWay(wire)
    if (known) return outgoing.send(draft, known, this.#remoteTarget, done)
    const { nextHop } = this.routing
    if (!nextHop || (!wire && !this.#canConnect)) return failSoon(done, 'the connection is gone')
    const { transport, remote } = this.#source
    if (!wire?.silent) return outgoing.sendTo(draft, nextHop, { transport, near: remote.address, from: wire }, done)
    // Who is silent may be gone. Where no other connection can be made, it is what there is.
    outgoing.sendTo(draft, nextHop, { transport, from: wire }, (outcome) => {
      const isLost = outcome.kind === 'unreachable' && !outcome.moved
      if (isLost && wire.open && !this.#disposed) outgoing.send(draft, wire, this.#remoteTarget, done)
      else done(outcome)
    })
  }

  /** Undefined where it is not known without a look at its routes and names. */
  get wayNow(): Wire | undefined {
    return this.#wire && this.#knownWay(this.#wire)
  }

  giveUp(): void {
    this.context.outgoing.giveUp(this, this.wayNow)
  }

  /** Undefined where the way has to be looked for each time. */
  #knownWay(wire: Wire): Wire | undefined {
    if (wire.reliable) return wire.silent && this.#canConnect ? undefined : wire
    if (this.#followFlow) return wire
    if (this.#toNextHop && !this.#toNextHop.carrier.closed) return this.#toNextHop
    const { nextHop, routes } = this.routing
    this.#toNextHop = nextHop && routes.length === 0 ? this.context.outgoing.fixedWay(nextHop, wire) : undefined
    // Whatever it said is known now.
    if (this.#toNextHop) this.#routing = undefined
    return this.#toNextHop
  }

  /** Whether a new connection may be opened in place of one that is gone. */
  get #canConnect(): boolean {
    const { nextHop } = this.routing
    if (!nextHop || this.routeSet.length > 0) return nextHop !== undefined
    const { address, port } = this.#source.remote
    // A Contact with the port the connection came from names the connection, not a port that anybody listens on.
    return !this.#followFlow && nextHop.host === address && nextHop.port !== port
  }

  protected get source(): Source {
    return this.#source
  }

  /** As in DialogRecord. */
  protected get own(): string | undefined {
    return this.#wire ? ownOf(this.#wire) : this.#source.own
  }

  protected get followsFlow(): boolean {
    return this.#followFlow
  }

  /** Nothing more is sent, and nobody hears of its connection. */
  protected close(): void {
    this.#disposed = true
    void this.#unwatch?.()
    this.#unwatch = undefined
  }

  #lost(wire: Wire): void {
    if (this.#wire !== wire) return
    this.#leave(wire)
    this.#unwatch = undefined
    this.flowLost()
  }

  /** A connection that is closed is not kept for its address. */
  #leave(wire: Wire): void {
    const { transport, protocol, remote } = wire
    this.#wire = undefined
    this.#source = { transport, protocol, remote, own: ownOf(wire) }
  }
}
