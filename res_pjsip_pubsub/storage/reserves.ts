/**
 * Numbers that a start reserves for all subscriptions of a table at once, so that not every row has to be written for it: a
 * count beside the rows, and in each row how much it was when that was written. What came since goes on top of its numbers:
 *
 *     the highest CSeq that may be in use = local_cseq + count - reserved_before
 *
 * The count never goes down, and no row says more than there was: one that says less only leaves a gap. Where one says more,
 * the count was lost, and the row is written anew before anything is sent.
 */
import {
  type Atomic,
  type Store,
  StoreUnavailable,
  type Table,
  type TableDefinition,
} from '../../core/store-contract.ts'
import { highest, isCount } from './cells.ts'
import type { Row } from './row.ts'

interface Reserve {
  /** The table of subscriptions. */
  readonly table_name: string
  readonly count: number
}

const RESERVES: TableDefinition<Reserve> = {
  name: 'presence_reserves',
  key: 'table_name',
  columns: { table_name: 'text', count: 'integer' },
}

export class Reserves {
  readonly #name: string
  readonly #store: Store
  #table: Table<Reserve> | undefined
  #count: number | undefined

  private constructor(store: Store, name: string) {
    this.#store = store
    this.#name = name
  }

  /** Those of the table of subscriptions of that name. */
  static async open(store: Store, name: string): Promise<Reserves> {
    const reserves = new Reserves(store, name)
    const rows = (): Reserve[] => (reserves.#count ? [{ table_name: name, count: reserves.#count }] : [])
    const table = await store.table({ ...RESERVES, rows })
    reserves.#table = table
    try {
      reserves.#note(await table.select({ table_name: name }))
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
    return reserves
  }

  /** False where the file could not be read: what its rows say is too low then, and by how much nobody knows. */
  get known(): boolean {
    return this.#count !== undefined
  }

  /** What a row says that is written now. */
  get count(): number {
    return this.#count ?? 0
  }

  /** The count now, where other servers may raise it. */
  async read(at: Atomic): Promise<number> {
    if (this.#table) this.#note(await at.select(this.#table, { table_name: this.#name }))
    return this.count
  }

  /** Reserves so many numbers for each row. Resolves with whether that is on disk; no row is written before it. */
  raise(by: number): Promise<boolean> {
    this.#count = this.count + by
    this.#table?.put({ table_name: this.#name, count: this.#count })
    return this.#store.durable()
  }

  #note([row]: readonly Reserve[]): void {
    this.#count = highest(this.count, [row?.count])
  }
}

/**
 * How much the numbers of a row are higher than it says; negative where the count was lost. Rows of earlier versions say
 * nothing, and half a number says nothing either.
 */
export function owed(count: number, before: unknown): number {
  return isCount(before) ? count - before : count
}

/** The same row, written now. */
export function settled(row: Row, count: number): Row {
  const more = Math.max(0, owed(count, row.reserved_before))
  return { ...row, local_cseq: row.local_cseq + more, version: row.version + more, reserved_before: count }
}
