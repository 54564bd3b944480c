/**
 * `subs_db_mode` 1 and 2: subscriptions in memory, and a row each in the store.
 *
 *     mode   new, ended          refreshed                         numbers reserved
 *     1      before the answer   before the answer                 soon
 *     2      soon                within db_update_period           soon
 *
 * Soon is a few milliseconds, behind the packet path. A row is made when it is written, so that of many changes only the
 * last costs anything. Where the disk refuses, mode 1 answers 500, and mode 2 goes on without it, as does whatever was
 * answered before.
 */
import { inSlices } from '../../core/in-slices.ts'
import type { RowToMake, Store, Table } from '../../core/store-contract.ts'
import { Timer } from '../../core/timer.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { Reserves } from './reserves.ts'
import { fromOldRow, OLD_ROWS, OWN_ROWS, type Row, type RowKey, toRow } from './row.ts'
import {
  BLOCK,
  type Change,
  cleanRows,
  isCovered,
  isKept,
  needsMore,
  type Saved,
  type StorageServices,
  type SubscriptionStorage,
} from './storage.ts'
import { readStoredRow, STORED_COLUMNS, type StoredRow } from './stored-row.ts'

/** Refreshes that go to the store in one step, and the milliseconds until the next, so that an hour's worth stalls nothing. */
const AT_ONCE = 500
const BREATH = 5

/** Its row, as it is when it is written. */
class KeptRow implements RowToMake<Row> {
  readonly #subscription: NotifierSubscription
  readonly #before: number
  #reserved = 0

  /** `before`: the count of reserves.ts. */
  constructor(subscription: NotifierSubscription, before: number) {
    this.#subscription = subscription
    this.#before = before
  }

  make(): Row | undefined {
    if (!isKept(this.#subscription)) return undefined
    this.#reserved = this.#subscription.reservedCseq
    return toRow(this.#subscription, this.#reserved, this.#before)
  }

  written(): void {
    this.#subscription.coveredCseq = this.#reserved
  }
}

export class CachedStorage implements SubscriptionStorage {
  readonly #store: Store
  readonly #table: Table<Row>
  readonly #reserves: Reserves
  readonly #through: boolean
  readonly #services: StorageServices
  /** Those that may wait to be written. */
  readonly #stale = new Set<NotifierSubscription>()
  readonly #timer = new Timer()

  private constructor(table: Table<Row>, reserves: Reserves, through: boolean, services: StorageServices) {
    this.#store = services.store
    this.#table = table
    this.#reserves = reserves
    this.#through = through
    this.#services = services
  }

  static async open(through: boolean, services: StorageServices): Promise<CachedStorage> {
    const { store, subscriptions } = services
    const { active_watchers_table: name } = services.settings()
    const reserves = await Reserves.open(store, name)
    const rows = function* (): Iterable<Row> {
      for (const subscription of subscriptions) {
        if (isKept(subscription)) yield toRow(subscription, subscription.dialog.localCseq + BLOCK, reserves.count)
      }
    }
    const table = await store.table({ ...OWN_ROWS, name, rows })
    const isOld = name === OLD_ROWS.name
    const adopted = isOld ? 0 : await store.adopt(OLD_ROWS, table, (row) => fromOldRow(row, reserves.count))
    if (adopted > 0) services.log.notice(`${adopted} subscriptions are moved to another table layout`)
    return new CachedStorage(table, reserves, through, services)
  }

  async load(each: (row: StoredRow) => void): Promise<number> {
    const { known, count } = this.#reserves
    // The rows stay for a start that can tell their numbers.
    if (!known) return 0
    // All of what a row says may be used up: more is reserved before anything is sent.
    const above = (await this.#reserves.raise(BLOCK)) ? BLOCK : 0
    let unreadable = 0
    const take = (rows: readonly (readonly unknown[])[]): void => {
      for (const cells of rows) {
        const [key, dialogId] = cells
        // Another program's.
        if (typeof dialogId !== 'string') continue
        const row = readStoredRow(cells, count, above)
        if (row) {
          each(row)
        } else {
          unreadable++
          if (typeof key === 'string') this.#table.delete(key)
        }
      }
    }
    await this.#table.scan(STORED_COLUMNS, take, this.#services.settings().fetch_rows)
    return unreadable
  }

  save(subscription: NotifierSubscription, change: Change = 'refreshed'): Saved {
    if (!isKept(subscription)) return this.#end(subscription)
    const mayWait = change === 'refreshed' && subscription.reservedCseq > 0
    if (this.#through || !mayWait || needsMore(subscription)) this.#reserve(subscription)
    else this.#putOff(subscription)
    return this.#through ? this.#store.durable() : undefined
  }

  keep(subscription: NotifierSubscription): void {
    if (!isKept(subscription)) void this.#end(subscription)
    else if (needsMore(subscription)) this.#reserve(subscription)
  }

  restored(subscription: NotifierSubscription, { local_cseq, reserved = local_cseq }: StoredRow): void {
    subscription.coveredCseq = reserved
    subscription.reservedCseq = reserved
    // The disk refused.
    if (reserved === local_cseq) this.#reserve(subscription)
  }

  mayNotify(subscription: NotifierSubscription): boolean {
    // Of one that ends no row is written any more that could cover it, and what comes back of an old one is answered 481.
    return isCovered(subscription) || !isKept(subscription) || !this.#store.writable
  }

  forget({ to_tag }: Pick<RowKey, 'to_tag'>): Saved {
    this.#table.delete(to_tag)
    return this.#through ? this.#store.durable() : undefined
  }

  clean(isLive: (dialogId: string) => boolean): Promise<number> {
    return cleanRows(this.#table, this.#services.now(), ({ dialog_id }) => isLive(dialog_id))
  }

  async sync(): Promise<void> {
    await inSlices([...this.#stale], (subscription) => {
      // It may have been written meanwhile, or be over.
      if (this.#stale.delete(subscription)) this.#put(subscription)
    })
    await this.#store.flush()
  }

  /** The exact numbers, as nothing more is sent. */
  async close(all: Iterable<NotifierSubscription>): Promise<void> {
    this.#timer.clear()
    await inSlices(all, (subscription) => {
      subscription.reservedCseq = subscription.dialog.localCseq
      if (isKept(subscription)) this.#put(subscription)
    })
    await this.#store.flush()
  }

  #end(subscription: NotifierSubscription): Saved {
    this.#stale.delete(subscription)
    return this.forget({ to_tag: subscription.dialog.localTag })
  }

  #putOff(subscription: NotifierSubscription): void {
    this.#stale.add(subscription)
    const seconds = this.#services.settings().db_update_period
    if (seconds > 0) this.#putStaleIn(seconds * 1000)
  }

  #putStaleIn(milliseconds: number): void {
    if (!this.#timer.armed) this.#timer.set(milliseconds, () => this.#putStale())
  }

  #putStale(): void {
    let most = AT_ONCE
    for (const subscription of this.#stale) {
      if (most-- === 0) return this.#putStaleIn(BREATH)
      this.#stale.delete(subscription)
      this.#put(subscription)
    }
  }

  #reserve(subscription: NotifierSubscription): void {
    subscription.reservedCseq = subscription.dialog.localCseq + BLOCK
    this.#stale.delete(subscription)
    this.#put(subscription)
    // Without a period they go with whatever is written next.
    if (!this.#timer.armed) this.#putStale()
  }

  #put(subscription: NotifierSubscription): void {
    this.#table.putLater(subscription.dialog.localTag, new KeptRow(subscription, this.#reserves.count))
  }
}
