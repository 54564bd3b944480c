/** A watcher as a row of the table `watchers`: Kamailio's columns, and beside them what it has no column for. */
import { parseUri } from '../../core/sip/parse-uri.ts'
import type { RowOf, Store, Table } from '../../core/store-contract.ts'
import { fits } from '../storage/cells.ts'
import type { WatcherFacts, WatcherStatus } from './watchers.ts'

const COLUMNS = {
  // Kamailio's.
  presentity_uri: 'text',
  watcher_username: 'text',
  watcher_domain: 'text',
  event: 'text',
  status: 'integer',
  reason: 'text',
  /** Epoch seconds. */
  inserted_time: 'integer',
  // Ours.
  watcher_key: 'text',
  resource: 'text',
  endpoint: 'text',
  watcher: 'text',
  display_name: 'text',
  winfo_id: 'text',
} as const
export type WatcherRow = RowOf<typeof COLUMNS>

/** Kamailio's numbers. */
export const STATUS_OF: Readonly<Record<WatcherStatus, number>> = { active: 1, pending: 2, terminated: 3, waiting: 4 }

/** What it watches, and as whom. */
export interface WatcherPlace {
  readonly event: string
  readonly resource: string
  /** Id of its endpoint. */
  readonly endpoint: string
  /** URI of what it watches. */
  readonly presentity: string
}

export function openWatchers(store: Store, name: string): Promise<Table<WatcherRow>> {
  return store.table<WatcherRow>({
    name,
    key: 'watcher_key',
    serial: 'id',
    version: 3,
    indexes: [['presentity_uri', 'watcher_username', 'watcher_domain', 'event']],
    columns: COLUMNS,
  })
}

/** A watcher has one row for what it watches, however many phones it does that with. */
export function keyOf({ event, resource, endpoint }: WatcherPlace, uri: string): string {
  return JSON.stringify([event, resource, endpoint, uri])
}

export function toWatcherRow(
  place: WatcherPlace,
  { id, uri, displayName, status }: WatcherFacts,
  now: number,
): WatcherRow {
  const watching = parseUri(uri)
  return {
    presentity_uri: place.presentity,
    watcher_username: watching?.user ?? '',
    watcher_domain: watching?.host ?? '',
    event: place.event,
    status: STATUS_OF[status],
    reason: '',
    inserted_time: Math.floor(now / 1000),
    watcher_key: keyOf(place, uri),
    resource: place.resource,
    endpoint: place.endpoint,
    watcher: uri,
    display_name: displayName,
    winfo_id: id,
  }
}

/** Rows come from a file that anybody may have written to. */
export function isWatcherRow(row: WatcherRow): boolean {
  return fits(row, COLUMNS)
}
