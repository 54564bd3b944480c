/**
 * `subs_db_mode = 3`: several servers share one file. Each subscription has one owner, who sends its NOTIFYs.
 *
 *     new                        the server that is asked owns it; the row is on disk before the 200
 *     refreshed elsewhere        the server that is asked takes it over, and the old owner drops it without a word
 *     subscribed to anew         the same: that server asks the phone whether it knows the old dialog still
 *     the owner stops or dies    any other takes it over, and sends a NOTIFY
 *     its module is loaded anew  it stays with the server, unless that takes longer than a lease
 *     the owner stood still      another has taken it over; where the phone's connection is still to the owner, it takes it back
 *
 * How a row changes its owner is in owned-rows.ts; here is when, and what becomes of the subscription then.
 */
import { reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { StoreUnavailable, type Table } from '../../core/store-contract.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { highest } from './cells.ts'
import { OwnedRows, SHARE } from './owned-rows.ts'
import { Reserves } from './reserves.ts'
import { fromOldRow, isRow, keyOfDialog, OLD_ROWS, type Row, type RowKey, SHARED_ROWS, toRow } from './row.ts'
import { readDialog } from './row-dialog.ts'
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

export class SharedStorage implements SubscriptionStorage {
  readonly #table: Table<Row>
  readonly #servers: Servers
  readonly #rows: OwnedRows
  readonly #services: StorageServices
  #each: (row: StoredRow) => void = () => undefined
  /** False where the file could not be read to its end yet, as another program has it locked. */
  #isRead = false
  /** Changes of owner up to this number are known. */
  #seen = 0
  /** What could not be written, for the next round. */
  readonly #unwritten = new Set<NotifierSubscription>()
  #timer: NodeJS.Timeout | undefined
  #stopWatching: Undo = () => undefined
  #work: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(table: Table<Row>, servers: Servers, rows: OwnedRows, services: StorageServices) {
    this.#table = table
    this.#servers = servers
    this.#rows = rows
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
    return new SharedStorage(table, servers, new OwnedRows(table, servers.id, reserves, services), services)
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

  async forget(key: RowKey): Promise<boolean> {
    return (await this.#attempt((round) => this.#rows.end(round, key))) !== 'unavailable'
  }

  /** Where the clock was put forward, rows of other servers look old until they are written again: those look after their own. */
  async clean(isLive: (dialogId: string) => boolean): Promise<number> {
    const lives = await this.#attempt(async (round) => round.lives)
    if (lives === 'unavailable') return 0
    const isOthers = (owner: string): boolean => owner !== this.#servers.id && lives(owner)
    return cleanRows(this.#table, this.#services.now(), ({ dialog_id, owner }) => isLive(dialog_id) || isOthers(owner))
  }

  async claim(key: RowKey): Promise<Row | 'unavailable' | undefined> {
    const claimed = await this.#attempt((round) => this.#rows.claim(round, key))
    // The other may have had it from us a moment ago.
    if (claimed && claimed !== 'unavailable') this.#services.lost([key.dialog_id])
    return claimed
  }

  async close(all: Iterable<NotifierSubscription>): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    void this.#stopWatching()
    await this.#work
    const isLeaving = this.#services.stopping()
    await this.#attempt((round) => this.#rows.writeLast(round, all, isLeaving))
    if (isLeaving) await this.#servers.leave()
    else this.#servers.pause()
  }

  // What this server owns.

  async #write(subscription: NotifierSubscription): Promise<boolean> {
    const isNew = subscription.reservedCseq === 0
    const reserved = needsMore(subscription) ? subscription.dialog.localCseq + BLOCK : subscription.reservedCseq
    subscription.reservedCseq = reserved
    const taken = await this.#attempt((round) => this.#rows.write(round, subscription, reserved, isNew))
    if (taken === 'unavailable') {
      if (!isNew) this.#unwritten.add(subscription)
      return false
    }
    if (taken === 'lost') {
      this.#services.lost([subscription.dialog.id])
      return false
    }
    this.#goOnWith(taken)
    subscription.coveredCseq = reserved
    return true
  }

  #goOnWith(taken: readonly Row[]): void {
    if (taken.length === 0) return
    // Another server may have had it from us a moment ago.
    this.#services.lost(taken.map(({ dialog_id }) => dialog_id))
    for (const row of taken) this.#each(row)
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
    // Whatever is to be written opens a file that could not be opened at the start.
    if (!this.#isRead && (await this.#attempt(async () => 'open')) === 'open') await this.#readThrough()
    if (!this.#isRead) return
    for (const subscription of this.#unwritten) {
      this.#unwritten.delete(subscription)
      if (isKept(subscription)) void this.#write(subscription)
    }
    const looked = await this.#attempt(async (round) => {
      const changed = await round.at.select(this.#table, {}, ['claim', this.#seen])
      return { began: round.began, changed, taken: await this.#rows.takeOrphans(round) }
    })
    if (looked === 'unavailable') return
    const { began, changed, taken } = looked
    this.#dropLost(changed)
    this.#servers.confirm(began)
    this.#goOnWith(taken)
    // The rest, after others had their turn.
    if (taken.length >= SHARE) this.#next(() => this.#round())
  }

  #dropLost(changed: readonly Row[]): void {
    const lost: string[] = []
    const left: Row[] = []
    // Else it was asked for there: its phone is about to say from where.
    const stoodStill = !this.#servers.holds
    for (const row of changed) {
      this.#seen = highest(this.#seen, [row.claim])
      if (row.owner === this.#servers.id || row.owner === '') continue
      lost.push(row.dialog_id)
      if (stoodStill && this.#hasItsConnection(row)) left.push(row)
    }
    if (lost.length > 0) this.#services.lost(lost)
    if (left.length > 0) this.#next(() => this.#takeBack(left))
  }

  /** Whether the last request of its phone came by a connection to us: nobody else can reach it. */
  #hasItsConnection(row: Row): boolean {
    const flow = this.#services.subscriptions.ofDialog(row.dialog_id)?.dialog.flow
    if (!flow || flow.protocol === 'UDP') return false
    const remote = readDialog(row)?.remote
    return remote?.address === flow.remote.address && remote.port === flow.remote.port
  }

  async #takeBack(rows: readonly Row[]): Promise<void> {
    const taken = await this.#attempt((round) => this.#rows.claimAll(round, rows.slice(0, SHARE)))
    if (taken !== 'unavailable') this.#goOnWith(taken)
    if (rows.length > SHARE) this.#next(() => this.#takeBack(rows.slice(SHARE)))
  }

  /** Deletes what cannot be read, and finds out who owns the rest, and how far the claims are. */
  async #readThrough(): Promise<number> {
    const unreadable: string[] = []
    const owners = new Set<string>()
    this.#isRead = await this.#table.load((rows) => {
      for (const row of rows) {
        if (!isOurs(row)) continue
        this.#servers.noteClaim(row.claim)
        if (isRow(row)) owners.add(row.owner)
        else unreadable.push(row.to_tag)
      }
    }, this.#services.settings().fetch_rows)
    this.#rows.noteOwners(owners)
    for (const key of unreadable) this.#table.delete(key)
    return unreadable.length
  }

  /** Unavailable where the file cannot be written now. */
  async #attempt<T>(work: (round: Round) => Promise<T>): Promise<T | 'unavailable'> {
    try {
      return await this.#servers.round(work)
    } catch (error) {
      this.#unavailable(error)
      return 'unavailable'
    }
  }

  /** The store has said so where its file cannot be used; anything else must not keep the server from its next round. */
  #unavailable(error: unknown): undefined {
    if (!(error instanceof StoreUnavailable)) this.#services.log.error(`the table of subscriptions: ${reasonOf(error)}`)
  }
}
