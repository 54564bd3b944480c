/**
 * The servers that share one database: each says that it lives, and takes over from those that do not say so any more.
 *
 * A server that could not say so for HOLD stops sending, and only after LEASE do others take its subscriptions: so there
 * is never a time at which two believe they have one. All clocks are one clock, as the servers are on one host. Where that
 * was set back, a beat lies in the future: of a server that lives only until its next one, of a dead one it may be for days.
 * Where it was put forward, all beats look old, and for a LEASE nobody is taken for dead by that; neither where one could
 * not write for HOLD itself, as all may have been kept from it: by another program that had the file locked, a disk that
 * stood still, or a stop of them all. Their phones may have connections that only they have.
 *
 * One whose module goes while its process goes on has its phones for the lease still: only it has their connections, and
 * it is back within a moment where the module is loaded anew.
 */
import { randomBytes } from 'node:crypto'
import { steadyNow } from '../../core/steady.ts'
import type { Atomic, Store, Table, TableDefinition } from '../../core/store-contract.ts'
import { highest } from './cells.ts'

export interface Server {
  readonly id: string
  readonly pid: number
  /** Epoch milliseconds: when it last said that it lives. */
  readonly beat: number
  /** The highest number it gave to a change of owners. */
  readonly claims: number
}

const SERVERS: TableDefinition<Server> = {
  name: 'presence_servers',
  key: 'id',
  columns: { id: 'text', pid: 'integer', beat: 'integer', claims: 'integer' },
}

/** Milliseconds. */
export const BEAT = 500
const HOLD = 3000
const LEASE = 4000
/** The beat of one that has left: over by every clock. */
const LEFT = 0

/** Who went while the SIP stack, with the connections of its phones, went on. */
const goneBefore = new WeakMap<object, string>()

/** What a server does within one transaction, in which nobody else can change an owner. */
export interface Round {
  readonly at: Atomic
  /** Epoch milliseconds of its beginning. */
  readonly began: number
  /** Those that do not live any more, with what they owned. */
  readonly dead: readonly string[]
  /** Nothing is left of what it owned. */
  readonly strikeOff: (id: string) => void
  readonly lives: (id: string) => boolean
  /** The number of the next change of owner, higher than any before. */
  readonly nextClaim: () => number
  /** Done once all of it is on disk, and never where it could not be written. */
  readonly afterwards: (step: () => void) => void
}

export interface ServerSettings {
  /** The SIP stack: it stays while modules come and go. */
  readonly sip: object
  /** Epoch milliseconds. */
  readonly now: () => number
  /** Default: that of steady.ts. */
  readonly steady?: () => number
}

export class Servers {
  readonly id = randomBytes(8).toString('hex')
  readonly #store: Store
  readonly #table: Table<Server>
  readonly #now: () => number
  readonly #steady: () => number
  readonly #sip: object
  /** What it left is ours, and no other's for the lease. */
  readonly #before: string | undefined
  #lastBeat = Number.NEGATIVE_INFINITY
  /** The highest claim that is known, also where the table was begun anew. */
  #claims = 0
  /** How far the clock was ahead at the last look. */
  #clockAhead: number
  /** When the last round began that is on disk, or this server before any is. */
  #wrote: number
  /** When it was found that all beats may look old. */
  #looksOld = Number.NEGATIVE_INFINITY
  /** Beats in the future, and since when each is known. */
  #ahead = new Map<string, { readonly beat: number; readonly since: number }>()

  private constructor(store: Store, table: Table<Server>, { sip, now, steady = steadyNow }: ServerSettings) {
    this.#store = store
    this.#table = table
    this.#now = now
    this.#steady = steady
    this.#wrote = steady()
    this.#clockAhead = now() - this.#wrote
    this.#sip = sip
    this.#before = goneBefore.get(sip)
  }

  static async open(store: Store, settings: ServerSettings): Promise<Servers> {
    return new Servers(store, await store.table(SERVERS), settings)
  }

  /** Whether nobody can have taken anything from us. */
  get holds(): boolean {
    const ago = this.#now() - this.#lastBeat
    return ago >= 0 && ago < HOLD
  }

  /** One transaction; says that we live. Rejects with StoreUnavailable. */
  async round<T>(work: (round: Round) => Promise<T>): Promise<T> {
    const steps: (() => void)[] = []
    let steady = 0
    const done = await this.#store.atomically(async (at) => {
      const began = this.#now()
      steady = this.#steady()
      const servers = await at.select(this.#table, {})
      const dead = this.#dead(servers, began)
      const alive = new Set([this.id, ...servers.map(({ id }) => id).filter((id) => !dead.includes(id))])
      let claims = highest(
        this.#claims,
        servers.map((one) => one.claims),
      )
      const result = await work({
        at,
        began,
        dead,
        strikeOff: (id) => at.delete(this.#table, id),
        lives: (id) => alive.has(id),
        nextClaim: () => ++claims,
        afterwards: (step) => steps.push(step),
      })
      at.put(this.#table, { id: this.id, pid: process.pid, beat: began, claims })
      this.#claims = claims
      return result
    })
    this.#wrote = steady
    for (const step of steps) step()
    return done
  }

  #dead(servers: readonly Server[], now: number): string[] {
    const steady = this.#steady()
    if (now - steady - this.#clockAhead > BEAT || steady - this.#wrote > HOLD) this.#looksOld = steady
    this.#clockAhead = now - steady
    const mayTell = steady - this.#looksOld > LEASE
    const ahead = this.#ahead
    this.#ahead = new Map()
    const isDead = ({ id, beat }: Server): boolean => {
      if (id === this.#before) return true
      if (beat <= now) return now - beat > LEASE && (mayTell || beat === LEFT)
      const known = ahead.get(id)
      const since = known?.beat === beat && known.since <= now ? known.since : now
      this.#ahead.set(id, { beat, since })
      return now - since > LEASE
    }
    return servers.filter((one) => one.id !== this.id && isDead(one)).map(({ id }) => id)
  }

  /** All that others took until the round that began then is dropped. The lease runs from its beginning, not from its end. */
  confirm(began: number): void {
    this.#lastBeat = began
  }

  /** A row has this number: the next one is higher, though all who counted are gone. */
  noteClaim(claim: unknown): void {
    this.#claims = highest(this.#claims, [claim])
  }

  /** Nothing is sent from now on; who comes after us in this process has the lease to go on. */
  pause(): void {
    this.#lastBeat = Number.NEGATIVE_INFINITY
    goneBefore.set(this.#sip, this.id)
  }

  /**
   * Nothing is sent from now on, and others need not wait for the lease. Its row stays until somebody has read how far the
   * claims are: whoever gave one that others have seen already would take phones without their noticing.
   */
  async leave(): Promise<void> {
    this.#lastBeat = Number.NEGATIVE_INFINITY
    this.#table.put({ id: this.id, pid: process.pid, beat: LEFT, claims: this.#claims })
    await this.#store.flush()
  }
}
