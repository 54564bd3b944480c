/**
 * Where subscriptions are kept: one contract, and a mode of `subs_db_mode` behind it.
 *
 *     0  memory.ts   nowhere: a restart forgets them
 *     1  cached.ts   written before they are answered
 *     2  cached.ts   written behind the packet path
 *     3  shared.ts   in a file that several servers share, each with its part
 *
 * CSeq and version never go back: a row holds numbers a block ahead of those in use, and is written anew when half of
 * the block is used up. No NOTIFY goes out with a number that the row on disk does not cover. A start reserves a block for
 * all rows without writing them (reserves.ts).
 */
import type { Logger } from '../../core/log.ts'
import type { Store, Table } from '../../core/store-contract.ts'
import type { PubsubSettings } from '../options.ts'
import type { NotifierSubscription } from '../subscription.ts'
import type { Subscriptions } from '../subscriptions.ts'
import { OVERDUE } from './cleaning.ts'
import type { Row, RowKey } from './row.ts'
import type { StoredRow } from './stored-row.ts'

/** Numbers reserved with each writing. */
export const BLOCK = 1000
/** A challenged NOTIFY is sent again with the next number. */
const MARGIN = 4

/** Undefined where nobody has to wait. False: it is not on disk, and the answer has to be another one. */
export type Saved = Promise<boolean> | undefined

/** Altered is what is sent elsewhere now, has another status, or would run out on disk: it is not written later than what is new. Default: refreshed. */
export type Change = 'refreshed' | 'altered'

export interface SubscriptionStorage {
  /**
   * What this server is to go on with: in pages now, and one by one when it takes it over from another server. Rows that
   * cannot be read are deleted and counted.
   */
  load(each: (row: StoredRow) => void): Promise<number>
  /** It is new, or has changed so. Where a promise comes back, nothing may be answered before it resolves. */
  save(subscription: NotifierSubscription, change?: Change): Saved
  /** Its numbers went up, or it ends. */
  keep(subscription: NotifierSubscription): void
  /** It was made again of this row, and its numbers have to be reserved. */
  restored(subscription: NotifierSubscription, row: StoredRow): void
  /** Whether its next NOTIFY has a number that is reserved, and is ours to send. */
  mayNotify(subscription: NotifierSubscription): boolean
  /** Its row is of no use any more. */
  forget(key: RowKey): Saved
  /**
   * Takes over from another server what a request in this dialog is for; undefined where no other has it, `unavailable`
   * where that cannot be known now. Absent where there is no other.
   */
  claim?(key: RowKey): Promise<StoredRow | 'unavailable' | undefined> | undefined
  /** Deletes rows whose time is over and that nobody took away, as of a server that was ended. Resolves with their number. */
  clean(isLive: (dialogId: string) => boolean): Promise<number>
  /** Writes what waits for `db_update_period`. Resolves when it is on disk. Absent where nothing waits. */
  sync?(): Promise<void>
  /** Rows as they should be found at the next start, or by another server. Resolves when they are on disk. */
  close(all: Iterable<NotifierSubscription>): Promise<void>
}

export interface StorageServices {
  readonly store: Store
  readonly settings: () => PubsubSettings
  readonly subscriptions: Iterable<NotifierSubscription> & Pick<Subscriptions, 'size' | 'ofDialog'>
  readonly log: Logger
  /** Epoch milliseconds. */
  readonly now: () => number
  /** The SIP stack. */
  readonly sip: object
  /** Whether the process is about to end, and not this module alone. */
  readonly stopping: () => boolean
  /** Another server has them now: they are dropped without a word. */
  readonly lost: (dialogIds: readonly string[]) => void
}

/** What `clean` does, for a table of subscriptions. */
export async function cleanRows(table: Table<Row>, now: number, isLive: (row: Row) => boolean): Promise<number> {
  let cleaned = 0
  await table.load((rows) => {
    for (const row of rows) {
      if (!isOurs(row) || row.expires_ms + OVERDUE > now || isLive(row)) continue
      table.delete(row.to_tag)
      cleaned++
    }
  })
  return cleaned
}

/** Rows of others lack what we have no column of Kamailio's for; one without a tag cannot be found again. */
export function isOurs({ to_tag, dialog_id }: RowKey): boolean {
  return typeof to_tag === 'string' && typeof dialog_id === 'string'
}

/** One that ends is not to come back. */
export function isKept({ phase }: NotifierSubscription): boolean {
  return phase === 'active' || phase === 'waiting'
}

/** Whether half of what was reserved is used. */
export function needsMore({ dialog, reservedCseq }: NotifierSubscription): boolean {
  return dialog.localCseq + BLOCK / 2 >= reservedCseq
}

export function isCovered({ dialog, coveredCseq }: NotifierSubscription): boolean {
  return dialog.localCseq + MARGIN <= coveredCseq
}
