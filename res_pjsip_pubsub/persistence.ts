/**
 * Subscriptions in the store: a row each, written behind the packet path, so that they outlive a `kill -9`.
 *
 * CSeq and version never go back: a row holds numbers a block ahead of those in use, and is written anew when half of
 * the block is used up. After an orderly end it holds the exact ones.
 */
import type { Store, Table } from '../core/store.ts'
import { isRow, ROWS, type Row, toRow } from './row.ts'
import type { NotifierSubscription } from './subscription.ts'

/** Numbers reserved with each writing. A store that lags by half of it, for one subscription, is a store that is gone. */
const BLOCK = 100

export class Persistence {
  readonly #store: Store
  readonly #table: Table<Row>

  private constructor(store: Store, table: Table<Row>) {
    this.#store = store
    this.#table = table
  }

  /** `all`: the subscriptions there are, for a file that has to be written anew. */
  static async open(store: Store, all: Iterable<NotifierSubscription>): Promise<Persistence> {
    const rows = function* (): Iterable<Row> {
      for (const subscription of all) if (isKept(subscription)) yield toRow(subscription, BLOCK)
    }
    return new Persistence(store, await store.table({ ...ROWS, rows }))
  }

  /** In pages, so that others get their turn. Rows that cannot be read are deleted and counted. */
  async load(each: (row: Row) => void): Promise<number> {
    let unreadable = 0
    await this.#table.load((rows) => {
      for (const row of rows) {
        if (isRow({ ...row })) {
          each(row)
        } else {
          unreadable++
          this.#table.delete(row.dialog_id)
        }
      }
    })
    return unreadable
  }

  /** Writes where more than half of the reserved numbers are used, or it is over. */
  keep(subscription: NotifierSubscription): void {
    if (!isKept(subscription)) this.forget(subscription.dialog.id)
    else if (subscription.dialog.localCseq + BLOCK / 2 >= subscription.reservedCseq) this.write(subscription)
  }

  write(subscription: NotifierSubscription): void {
    subscription.reservedCseq = subscription.dialog.localCseq + BLOCK
    this.#table.put(toRow(subscription, BLOCK))
  }

  forget(dialogId: string): void {
    this.#table.delete(dialogId)
  }

  /** The exact numbers, as nothing more is sent. Resolves when they are on disk. */
  async close(all: Iterable<NotifierSubscription>): Promise<void> {
    for (const subscription of all) if (isKept(subscription)) this.#table.put(toRow(subscription, 0))
    await this.#store.flush()
  }
}

/** One that ends is not to come back. */
function isKept({ phase }: NotifierSubscription): boolean {
  return phase === 'active' || phase === 'waiting'
}
