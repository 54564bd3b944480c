/** The ledgers in the store, so that a restart knows which publication a state belongs to. */
import type { StateCodec } from '../core/states/codecs.ts'
import type { RowOf, Store, Table } from '../core/store-contract.ts'
import type { Entry, LedgerStore } from './ledger.ts'

const COLUMNS = {
  /** Publication, event, origin, and the name in lower case, with tabs between them. */
  id: 'text',
  publication: 'text',
  event: 'text',
  origin: 'text',
  name: 'text',
  state: 'text',
} as const
export type SaidRow = RowOf<typeof COLUMNS>

export class SaidTable {
  readonly #table: Table<SaidRow>
  readonly #rows: readonly SaidRow[]

  private constructor(table: Table<SaidRow>, rows: readonly SaidRow[]) {
    this.#table = table
    this.#rows = rows
  }

  /** `rows`: what should be in it now. */
  static async open(store: Store, rows: () => Iterable<SaidRow>): Promise<SaidTable> {
    const table = await store.table<SaidRow>({
      name: 'published_states',
      key: 'id',
      columns: COLUMNS,
      rows,
    })
    // What an earlier load of the module has put may still be waiting.
    await store.flush()
    const stored: SaidRow[] = []
    await table.load((page) => {
      for (const row of page) stored.push(row)
    })
    return new SaidTable(table, stored)
  }

  /** What was stored for an event, as far as it holds; the rest is deleted. */
  restored<State>(
    event: string,
    codec: StateCodec<State>,
    holds: (publication: string, name: string) => boolean,
  ): Entry<State>[] {
    return this.#rows.flatMap((row) => {
      if (row.event !== event) return []
      const state = holds(row.publication, row.name) ? codec.decode(row.state) : undefined
      if (state === undefined) this.#table.delete(row.id)
      return state === undefined ? [] : [{ ...row, state }]
    })
  }

  of<State>(event: string, codec: StateCodec<State>): LedgerStore<State> {
    return {
      put: (entry) => this.#table.put(rowOf(event, codec, entry)),
      delete: (entry) => this.#table.delete(idOf(event, entry)),
    }
  }
}

export function rowOf<State>(event: string, codec: StateCodec<State>, entry: Entry<State>): SaidRow {
  const { publication, origin, name, state } = entry
  return { id: idOf(event, entry), publication, event, origin, name, state: codec.encode(state) }
}

function idOf(event: string, { publication, origin, name }: Entry<unknown>): string {
  return [publication, event, origin, name.toLowerCase()].join('\t')
}
