/** Keeps what the origins said over a restart: one row per origin and name, written behind. */

import type { Undo } from '../scope.ts'
import type { Store } from '../store.ts'
import { stringsIn } from '../strings-in.ts'
import { type DeviceState, type Devices, isDeviceState } from './devices.ts'
import type { MailboxCounts, Mailboxes } from './mailboxes.ts'
import { isPresenceName, type PresenceState, type Presences } from './presence.ts'
import type { Report, Reported } from './reported.ts'

interface StateRow {
  /** `origin`, a tab, and the name in lower case. */
  readonly id: string
  readonly origin: string
  readonly name: string
  readonly state: string
  /** Epoch milliseconds of the last change. */
  readonly since: number
}

interface Codec<T> {
  encode(state: T): string
  /** undefined for what cannot be read: it is left out. */
  decode(text: string): T | undefined
}

const deviceCodec: Codec<DeviceState> = {
  encode: (state) => state,
  decode: (text) => (isDeviceState(text) ? text : undefined),
}

const presenceCodec: Codec<PresenceState> = {
  encode: ({ state, subtype, message }) => JSON.stringify([state, subtype, message]),
  decode: (text) => {
    const [state, subtype, message] = stringsIn(text)
    return state !== undefined && isPresenceName(state)
      ? { state, subtype: subtype ?? '', message: message ?? '' }
      : undefined
  },
}

const mailboxCodec: Codec<MailboxCounts> = {
  encode: ({ newMessages, oldMessages }) => `${newMessages}/${oldMessages}`,
  decode: (text) => {
    const [fresh, old] = text.split('/').map(Number)
    return Number.isSafeInteger(fresh) && Number.isSafeInteger(old)
      ? { newMessages: fresh ?? 0, oldMessages: old ?? 0 }
      : undefined
  },
}

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
  codec: Codec<T>,
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
    columns: { id: 'text', origin: 'text', name: 'text', state: 'text', since: 'integer' },
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
