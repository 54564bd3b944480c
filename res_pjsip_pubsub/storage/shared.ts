/**
 * `subs_db_mode = 3`: several servers share one file. Each subscription has one owner, who sends its NOTIFYs.
 *
 *     new                        the server that is asked owns it; the row is on disk before the 200
 *     refreshed elsewhere        the server that is asked takes it over, and the old owner drops it without a word
 *     subscribed to anew         the same: that server asks the phone whether it knows the old dialog still
 *     the owner stops or dies    any other takes it over, and sends a NOTIFY
 *     its module is loaded anew  it stays with the server, unless that takes longer than a lease
 *
 * Each taking over reserves a block of numbers above all that the owner before may have used, in the same transaction
 * that changes the owner, so that no CSeq is used twice; and a row is written only by the one who owns it then.
 */
import { inSlices } from '../../core/in-slices.ts'
import { reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { StoreUnavailable, type Table } from '../../core/store-contract.ts'
import { readType } from '../lists/facts.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { highest } from './cells.ts'
import { Reserves, settled } from './reserves.ts'
import { fromOldRow, isRow, keyOfDialog, OLD_ROWS, type Row, type RowKey, SHARED_ROWS, STATUS, toRow } from './row.ts'
import { BEAT, type Round, Servers } from './servers.ts'
import {
  BLOCK,
  cleanRows,
  isCovered,
  isKept,
  isOurs,
  needsMore,
  type Saved,
  type StorageServices,
  type SubscriptionStorage,
} from './storage.ts'
import type { StoredRow } from './stored-row.ts'

/** Rows taken over in one transaction: others get their share of the rest. */
const SHARE = 500
/** Milliseconds that a row stays for its owner to see that it was replaced. */
const SEEN = 10_000

export class SharedStorage implements SubscriptionStorage {
  readonly #table: Table<Row>
  readonly #servers: Servers
  readonly #reserves: Reserves
  readonly #services: StorageServices
  #each: (row: StoredRow) => void = () => undefined
  /** False where the file could not be read to its end yet, as another program has it locked. */
  #isRead = false
  /** Changes of owner up to this number are known. */
  #seen = 0
  /** Owners that nobody knows: their rows are from before the list of servers. */
  #unknown = new Set<string>()
  /** What could not be written, for the next round. */
  readonly #unwritten = new Set<NotifierSubscription>()
  /** Keys of rows of subscriptions that are over, and when they may go. */
  readonly #over = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #stopWatching: Undo = () => undefined
  #work: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(table: Table<Row>, servers: Servers, reserves: Reserves, services: StorageServices) {
    this.#table = table
    this.#servers = servers
    this.#reserves = reserves
    this.#services = services
  }

  static async open(services: StorageServices): Promise<SharedStorage> {
    const { store, subscriptions } = services
    const name = services.settings().active_watchers_table
    const servers = await Servers.open(store, services)
    const reserves = await Reserves.open(store, name)
    // Each server writes its own into a file that had to be begun anew.
    const rows = function* (): Iterable<Row> {
      for (const subscription of subscriptions) {
        if (!isKept(subscription) || subscription.reservedCseq === 0) continue
        yield { ...toRow(subscription, subscription.reservedCseq, reserves.count), owner: servers.id }
      }
    }
    const table = await store.table<Row>({ ...SHARED_ROWS, name, rows })
    if (name !== OLD_ROWS.name) await store.adopt(OLD_ROWS, table, (row) => fromOldRow(row, reserves.count))
    return new SharedStorage(table, servers, reserves, services)
  }

  async load(each: (row: StoredRow) => void): Promise<number> {
    this.#each = each
    const { store, settings } = this.#services
    const unreadable = await this.#readThrough()
    await this.#round()
    this.#timer = setInterval(() => this.#next(() => this.#round()), BEAT)
    this.#timer.unref()
    const period = 1000 / settings().notifier_poll_rate
    this.#stopWatching = store.onForeignChange(period, () => this.#next(() => this.#look()))
    return unreadable
  }

  save(subscription: NotifierSubscription): Saved {
    return isKept(subscription) ? this.#write(subscription) : this.forget(keyOfDialog(subscription.dialog))
  }

  keep(subscription: NotifierSubscription): void {
    if (!isKept(subscription)) void this.forget(keyOfDialog(subscription.dialog))
    else if (needsMore(subscription)) void this.#write(subscription)
  }

  restored(subscription: NotifierSubscription, row: StoredRow): void {
    subscription.reservedCseq = row.local_cseq + BLOCK
    subscription.coveredCseq = subscription.reservedCseq
  }

  mayNotify(subscription: NotifierSubscription): boolean {
    // What is written at the end says which numbers were used: whoever comes next begins behind them.
    return !this.#closed && this.#servers.holds && isCovered(subscription)
  }

  /** Of a row that is handed in only the key counts: the rest has changed since it was taken. */
  forget({ to_tag, dialog_id }: RowKey): Promise<boolean> {
    return this.#attempt(async (round) => {
      const [row] = await round.at.select(this.#table, { to_tag, dialog_id })
      if (row?.owner !== this.#servers.id) return
      // The owner before may not know yet.
      if (row.claim > 0) this.#leaveForOthers(round, row)
      else round.at.delete(this.#table, to_tag)
    })
  }

  clean(isLive: (dialogId: string) => boolean): Promise<number> {
    return cleanRows(this.#table, this.#services.now(), isLive)
  }

  /** Also where we believe that it is ours: another one may have taken it a moment ago. */
  async claim(key: RowKey): Promise<Row | 'unavailable' | undefined> {
    const claimed: Row[] = []
    const done = await this.#attempt(async (round) => {
      const [row] = await round.at.select(this.#table, key)
      if (!row || row.owner === this.#servers.id || !goesOn(row, round)) return
      claimed.push(await this.#take(round, row))
    })
    if (!done) return 'unavailable'
    if (claimed.length === 0) return undefined
    this.#services.lost([key.dialog_id])
    return claimed[0]
  }

  async close(all: Iterable<NotifierSubscription>): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    void this.#stopWatching()
    await this.#work
    const { id: owner } = this.#servers
    const isLeaving = this.#services.stopping()
    await this.#attempt(async ({ at, nextClaim }) => {
      const leaving = isLeaving ? { owner: '', claim: nextClaim() } : undefined
      const claims = new Map((await at.select(this.#table, { owner })).map((row) => [row.dialog_id, row.claim]))
      await inSlices(all, (subscription) => {
        const claim = claims.get(subscription.dialog.id)
        if (!isKept(subscription) || claim === undefined) return
        const row = this.#rowOf(subscription, subscription.dialog.localCseq)
        at.put(this.#table, { ...row, owner, claim, ...leaving })
      })
    })
    if (isLeaving) await this.#servers.leave()
    else this.#servers.pause()
  }

  // What this server owns.

  async #write(subscription: NotifierSubscription): Promise<boolean> {
    const isNew = subscription.reservedCseq === 0
    const reserved = needsMore(subscription) ? subscription.dialog.localCseq + BLOCK : subscription.reservedCseq
    subscription.reservedCseq = reserved
    const key = keyOfDialog(subscription.dialog)
    let lost = false
    let beside: readonly Row[] = []
    const done = await this.#attempt(async (round) => {
      const [row] = await round.at.select(this.#table, key)
      if (subscription.leaving) return
      lost = !isNew && row?.owner !== this.#servers.id
      // It may have ended while this waited for its turn.
      if (lost || !isKept(subscription)) return
      const claim = row?.claim ?? 0
      round.at.put(this.#table, { ...this.#rowOf(subscription, reserved), owner: this.#servers.id, claim })
      if (isNew) beside = await this.#takeBeside(round, subscription)
    })
    if (done) this.#goOnWith(beside)
    if (lost) this.#services.lost([key.dialog_id])
    else if (done) subscription.coveredCseq = reserved
    else if (!isNew) this.#unwritten.add(subscription)
    return done && !lost
  }

  /**
   * What the same phone has for the same thing at other servers. It was restarted, or has a second key for it: which, the
   * one that it asks now finds out, as it does where it has both.
   */
  async #takeBeside(round: Round, subscription: NotifierSubscription): Promise<Row[]> {
    const { settings } = this.#services
    if (!settings().replace_same_contact) return []
    const { endpoint, dialog, watcher, resource, event } = subscription
    const { eventId: event_id, contactKey: contact_key } = subscription
    const phone = { endpoint: endpoint.id, watcher, contact_key }
    const same = await round.at.select(this.#table, { ...phone, resource, event, event_id })
    const beside = same.filter((row) => {
      if (row.dialog_id === dialog.id || row.owner === this.#servers.id || !goesOn(row, round)) return false
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

  #goOnWith(taken: readonly Row[]): void {
    if (taken.length === 0) return
    // Another server may have had it from us a moment ago.
    this.#services.lost(taken.map(({ dialog_id }) => dialog_id))
    for (const row of taken) this.#each(row)
  }

  /** It is over, and stays for a while so that its owner sees that. */
  #leaveForOthers({ at, began, nextClaim, afterwards }: Round, row: Row): void {
    if (row.status === STATUS.terminated) return
    const over = { status: STATUS.terminated, expires: Math.floor(began / 1000), expires_ms: began }
    at.put(this.#table, { ...row, ...over, owner: this.#servers.id, claim: nextClaim() })
    afterwards(() => this.#over.set(row.to_tag, began + SEEN))
  }

  /** Resolves with the row as it was, and all that was reserved for it. */
  async #take({ at, nextClaim }: Round, left: Row): Promise<Row> {
    const row = settled(left, await this.#reserves.read(at))
    at.put(this.#table, {
      ...row,
      owner: this.#servers.id,
      claim: nextClaim(),
      local_cseq: row.local_cseq + BLOCK,
      version: row.version + BLOCK,
    })
    return row
  }

  #rowOf(subscription: NotifierSubscription, reserved: number): Row {
    return toRow(subscription, reserved, this.#reserves.count)
  }

  // What happens to the servers.

  /** One after the other. */
  #next(work: () => Promise<void>): void {
    if (!this.#closed) this.#work = this.#work.then(() => (this.#closed ? undefined : work()))
  }

  /** Another server has written: it may have taken over what was ours, or left what is anybody's. */
  async #look(): Promise<void> {
    const changed = await this.#table
      .select({}, ['claim', this.#seen])
      .catch((error: unknown) => this.#unavailable(error))
    if (!changed) return
    this.#dropLost(changed)
    if (changed.some(({ owner }) => owner === '')) await this.#round()
  }

  /** Says that we live, drops what others took over, and takes over what nobody has. */
  async #round(): Promise<void> {
    if (!this.#isRead) {
      await this.#readLate()
      if (!this.#isRead) return
    }
    for (const subscription of this.#unwritten) {
      this.#unwritten.delete(subscription)
      if (isKept(subscription)) void this.#write(subscription)
    }
    let began = 0
    let changed: readonly Row[] = []
    let taken: readonly Row[] = []
    const done = await this.#attempt(async (round) => {
      began = round.began
      changed = await round.at.select(this.#table, {}, ['claim', this.#seen])
      taken = await this.#takeOrphans(round)
      this.#removeOver(round)
    })
    if (!done) return
    this.#dropLost(changed)
    this.#servers.confirm(began)
    this.#goOnWith(taken)
    // The rest, after others had their turn.
    if (taken.length >= SHARE) this.#next(() => this.#round())
  }

  #dropLost(changed: readonly Row[]): void {
    const lost: string[] = []
    for (const { owner, claim, dialog_id } of changed) {
      this.#seen = highest(this.#seen, [claim])
      if (owner !== this.#servers.id && owner !== '') lost.push(dialog_id)
    }
    if (lost.length > 0) this.#services.lost(lost)
  }

  async #takeOrphans(round: Round): Promise<Row[]> {
    const taken: Row[] = []
    // Most that are dead are owners of rows that were there at the start, too: what is taken of one is still theirs for
    // whoever looks within the same transaction, and would be two subscriptions in one dialog.
    for (const owner of new Set(['', ...round.dead, ...this.#unknown])) {
      if (round.lives(owner)) continue
      const rows = await round.at.select(this.#table, { owner })
      for (const row of rows.slice(0, SHARE - taken.length)) {
        if (!isOurs(row)) continue
        if (row.status === STATUS.terminated || !isRow(row)) {
          round.at.delete(this.#table, row.to_tag)
        } else {
          taken.push(await this.#take(round, row))
        }
      }
      if (taken.length >= SHARE) return taken
      if (owner !== '') round.strikeOff(owner)
    }
    round.afterwards(() => this.#unknown.clear())
    return taken
  }

  #removeOver({ at, began }: Round): void {
    for (const [key, until] of this.#over) {
      if (until > began) continue
      at.delete(this.#table, key)
      this.#over.delete(key)
    }
  }

  /** Whatever is to be written opens a file that could not be opened at the start. */
  async #readLate(): Promise<void> {
    if (await this.#attempt(async () => undefined)) await this.#readThrough()
  }

  /** Deletes what cannot be read, and finds out who owns the rest, and how far the claims are. */
  async #readThrough(): Promise<number> {
    const unreadable: string[] = []
    this.#isRead = await this.#table.load((rows) => {
      for (const row of rows) {
        if (!isOurs(row)) continue
        this.#servers.noteClaim(row.claim)
        if (isRow(row)) this.#unknown.add(row.owner)
        else unreadable.push(row.to_tag)
      }
    }, this.#services.settings().fetch_rows)
    this.#unknown.delete('')
    for (const key of unreadable) this.#table.delete(key)
    return unreadable.length
  }

  /** False where the file cannot be written now. */
  async #attempt(work: (round: Round) => Promise<void>): Promise<boolean> {
    try {
      await this.#servers.round(work)
      return true
    } catch (error) {
      this.#unavailable(error)
      return false
    }
  }

  /** The store has said so where its file cannot be used; anything else must not keep the server from its next round. */
  #unavailable(error: unknown): undefined {
    if (!(error instanceof StoreUnavailable)) this.#services.log.error(`the table of subscriptions: ${reasonOf(error)}`)
  }
}

function goesOn(row: Row, { began }: Round): boolean {
  return isRow(row) && row.status !== STATUS.terminated && row.expires_ms > began
}
