/**
 * Whose the rows of subscriptions are, where several servers share them: all that is read to find out, and written, in one
 * transaction in which nobody else can change it.
 *
 * Each taking over reserves a block of numbers above all that the owner before may have used, so that no CSeq is used twice.
 * A row that is over stays where another server had it last, until that has seen so.
 */
import { inSlices } from '../../core/in-slices.ts'
import type { Table } from '../../core/store-contract.ts'
import { readType } from '../lists/facts.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { OverRows } from './over-rows.ts'
import { type Reserves, settled } from './reserves.ts'
import { isRow, keyOfDialog, type Row, type RowKey, STATUS, toRow } from './row.ts'
import type { Round } from './servers.ts'
import { BLOCK, isKept, isOurs, type StorageServices } from './storage.ts'

/** Rows taken over in one transaction: others get their share of the rest. */
export const SHARE = 500

export class OwnedRows {
  readonly #table: Table<Row>
  /** This server. */
  readonly #owner: string
  readonly #reserves: Reserves
  readonly #services: StorageServices
  readonly #over: OverRows<Row>
  /** Owners that nobody knows: their rows are from before the list of servers. */
  #unknown: ReadonlySet<string> = new Set()

  constructor(table: Table<Row>, owner: string, reserves: Reserves, services: StorageServices) {
    this.#table = table
    this.#owner = owner
    this.#reserves = reserves
    this.#services = services
    this.#over = new OverRows(table)
  }

  /** Resolves with what it took over on the way. Lost: another server has it, and nothing is written. */
  async write(
    round: Round,
    subscription: NotifierSubscription,
    reserved: number,
    isNew: boolean,
  ): Promise<readonly Row[] | 'lost'> {
    const [row] = await round.at.select(this.#table, keyOfDialog(subscription.dialog))
    if (subscription.leaving) return []
    if (!isNew && row?.owner !== this.#owner) return 'lost'
    // It may have ended while this waited for its turn.
    if (!isKept(subscription)) return []
    const claim = row?.claim ?? 0
    round.at.put(this.#table, { ...this.#rowOf(subscription, reserved), owner: this.#owner, claim })
    return isNew ? this.#takeBeside(round, subscription) : []
  }

  /** All that are still ours, with the numbers that were used. Who is leaving hands them to any other. */
  async writeLast({ at, nextClaim }: Round, all: Iterable<NotifierSubscription>, isLeaving: boolean): Promise<void> {
    const owner = this.#owner
    const leaving = isLeaving ? { owner: '', claim: nextClaim() } : undefined
    const claims = new Map((await at.select(this.#table, { owner })).map((row) => [row.dialog_id, row.claim]))
    await inSlices(all, (subscription) => {
      const claim = claims.get(subscription.dialog.id)
      if (!isKept(subscription) || claim === undefined) return
      const row = this.#rowOf(subscription, subscription.dialog.localCseq)
      at.put(this.#table, { ...row, owner, claim, ...leaving })
    })
  }

  /** Of a row that is handed in only the key counts: the rest has changed since it was taken. */
  async end(round: Round, { to_tag, dialog_id }: RowKey): Promise<void> {
    const [row] = await round.at.select(this.#table, { to_tag, dialog_id })
    if (row?.owner !== this.#owner) return
    // The owner before may not know yet.
    if (row.claim > 0) this.#leaveForOthers(round, row)
    else round.at.delete(this.#table, to_tag)
  }

  /** Also where we believe that it is ours: another one may have taken it a moment ago. Undefined where no other has it. */
  async claim(round: Round, key: RowKey): Promise<Row | undefined> {
    const [row] = await round.at.select(this.#table, key)
    return row && row.owner !== this.#owner && goesOn(row, round) ? this.#take(round, row) : undefined
  }

  async claimAll(round: Round, keys: readonly RowKey[]): Promise<readonly Row[]> {
    const taken: Row[] = []
    for (const { to_tag, dialog_id } of keys) {
      const row = await this.claim(round, { to_tag, dialog_id })
      if (row) taken.push(row)
    }
    return taken
  }

  /** As they are found at the start. */
  noteOwners(owners: ReadonlySet<string>): void {
    this.#unknown = owners
  }

  /** What belongs to servers that are dead, or to nobody; not more than a SHARE of it. What is over is removed. */
  async takeOrphans(round: Round): Promise<readonly Row[]> {
    this.#over.sweep(round.at, round.began)
    const taken: Row[] = []
    // Most that are dead are owners of rows that were there at the start, too: what is taken of one is still theirs for
    // whoever looks within the same transaction, and would be two subscriptions in one dialog.
    for (const owner of new Set(['', ...round.dead, ...this.#unknown])) {
      if (round.lives(owner)) continue
      const rows = await round.at.select(this.#table, { owner })
      for (const row of rows.slice(0, SHARE - taken.length)) {
        if (!isOurs(row)) continue
        if (row.status === STATUS.terminated || !isRow(row)) round.at.delete(this.#table, row.to_tag)
        else taken.push(await this.#take(round, row))
      }
      if (taken.length >= SHARE) return taken
      if (owner !== '') round.strikeOff(owner)
    }
    round.afterwards(() => this.noteOwners(new Set()))
    return taken
  }

  /**
   * What the same phone has for the same thing at other servers. It was restarted, or has a second key for it: which, the
   * one that it asks now finds out, as it does where it has both.
   */
  async #takeBeside(round: Round, subscription: NotifierSubscription): Promise<readonly Row[]> {
    if (!this.#services.settings().replace_same_contact) return []
    const { endpoint, dialog, watcher, resource, event } = subscription
    const { eventId: event_id, contactKey: contact_key } = subscription
    const phone = { endpoint: endpoint.id, watcher, contact_key }
    const same = await round.at.select(this.#table, { ...phone, resource, event, event_id })
    const beside = same.filter((row) => {
      if (row.dialog_id === dialog.id || row.owner === this.#owner || !goesOn(row, round)) return false
      return (readType(row.content_type)?.narrowed ?? '') === subscription.narrowed
    })
    const taken: Row[] = []
    const hasRoom = beside.length > 0 && (await this.#hasRoom(round, subscription))
    for (const row of beside) {
      if (hasRoom) taken.push(await this.#take(round, row))
      else this.#leaveForOthers(round, row)
    }
    return taken
  }

  /** Whether a phone that was restarted still has room here for all that is new, where all that it had comes here before it is asked. */
  async #hasRoom(round: Round, { endpoint, dialog }: NotifierSubscription): Promise<boolean> {
    const { settings, subscriptions } = this.#services
    const { max_subscriptions: most } = settings()
    if (most > 0 && subscriptions.size >= most) return false
    const { id, subscription_limit: limit } = endpoint
    if (limit === 0) return true
    const rows = await round.at.select(this.#table, { endpoint: id })
    const others = rows.filter((row) => row.dialog_id !== dialog.id && goesOn(row, round))
    return others.length < limit
  }

  /** Resolves with the row as it was, and all that was reserved for it. */
  async #take({ at, nextClaim }: Round, left: Row): Promise<Row> {
    const row = settled(left, await this.#reserves.read(at))
    at.put(this.#table, {
      ...row,
      owner: this.#owner,
      claim: nextClaim(),
      local_cseq: row.local_cseq + BLOCK,
      version: row.version + BLOCK,
    })
    return row
  }

  /** It is over, and stays for a while so that its owner sees that. */
  #leaveForOthers({ at, began, nextClaim, afterwards }: Round, row: Row): void {
    if (row.status === STATUS.terminated) return
    const over = { status: STATUS.terminated, expires: Math.floor(began / 1000), expires_ms: began }
    at.put(this.#table, { ...row, ...over, owner: this.#owner, claim: nextClaim() })
    afterwards(() => this.#over.add(row.to_tag, began))
  }

  #rowOf(subscription: NotifierSubscription, reserved: number): Row {
    return toRow(subscription, reserved, this.#reserves.count)
  }
}

function goesOn(row: Row, { began }: Round): boolean {
  return isRow(row) && row.status !== STATUS.terminated && row.expires_ms > began
}
