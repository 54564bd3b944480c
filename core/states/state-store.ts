/** Keeps what the origins said over a restart: one row per origin and name, written behind. */

import type { Undo } from '../scope.ts'
import type { Store } from '../store.ts'
import type { RowOf } from '../store-contract.ts'
import { deviceCodec, mailboxCodec, presenceCodec, type StateCodec } from './codecs.ts'
import type { Devices } from './devices.ts'
import type { Mailboxes } from './mailboxes.ts'
import type { Presences } from './presence.ts'
import type { Report, Reported } from './reported.ts'

const COLUMNS = {
  /** `origin`, a tab, and the name in lower case. */
  id: 'text',
  origin: 'text',
  name: 'text',
  state: 'text',
  /** Epoch milliseconds of the last change. */
  since: 'integer',
} as const
type StateRow = RowOf<typeof COLUMNS>

/** Milliseconds until what an Asterisk server said is written: it can be asked again, and a busy device changes often. */
const REPEATABLE = 1000

export interface Origins {
  /** Whether it still exists: what is stored of others is forgotten. */
  isKnown(origin: string): boolean
  /** Whether it is a server that says all it knows again after a start. */
  isServer(origin: string): boolean
}

/** Restores what is stored of the origins that still exist, then keeps the tables up to date. */
export async function keepStates(
  store: Store,
  { devices, presences, mailboxes }: { devices: Devices; presences: Presences; mailboxes: Mailboxes },
  origins: Origins,
): Promise<Undo> {
  const undos = [
    await keep(store, 'device_states', devices, deviceCodec, origins),
    await keep(store, 'presence_states', presences, presenceCodec, origins),
    await keep(store, 'mailbox_states', mailboxes, mailboxCodec, origins),
  ]
  return () => undos.forEach((undo) => void undo())
}

async function keep<T>(
  store: Store,
  name: string,
  states: Reported<T>,
  codec: StateCodec<T>,
  origins: Origins,
): Promise<Undo> {
  const rowOf = (item: string, { origin, state, since }: Report<T>): StateRow => ({
    id: idOf(origin, item),
    origin,
    name: item,
    state: codec.encode(state),
    since,
  })
  const table = await store.table<StateRow>({
    name,
    key: 'id',
    columns: COLUMNS,
    rows: () => states.list().flatMap((item) => item.reports.map((report) => rowOf(item.name, report))),
  })
  await table.load((rows) => {
    for (const row of rows) {
      const state = codec.decode(row.state)
      if (state === undefined || !origins.isKnown(row.origin)) table.delete(row.id)
      else states.restore(row.name, { origin: row.origin, state, since: row.since })
    }
  })
  return states.onReport((item, origin, report) => {
    if (report) table.put(rowOf(item, report), origins.isServer(origin) ? REPEATABLE : undefined)
    else table.delete(idOf(origin, item))
  })
}

const idOf = (origin: string, name: string): string => `${origin}\t${name.toLowerCase()}`
