/**
 * Publications in the store: a row each, in Kamailio's table `presentity` with Kamailio's columns, and behind them those
 * that Kamailio has no use for.
 */
import { documentTextOf } from '../../core/documents/encoding.ts'
import type { RowOf, Store, Table, TableDefinition } from '../../core/store-contract.ts'
import { fits } from '../storage/cells.ts'
import { OVERDUE } from '../storage/cleaning.ts'
import { documentOf } from '../storage/xcap.ts'
import type { Lease, PublicationFacts, Said } from './publication.ts'

const COLUMNS = {
  /** Unique over all servers and restarts. */
  ruid: 'text',
  username: 'text',
  domain: 'text',
  event: 'text',
  etag: 'text',
  /** Epoch seconds, as Kamailio counts. */
  expires: 'integer',
  received_time: 'integer',
  body: 'text',
  sender: 'text',
  priority: 'integer',
  content_type: 'text',
  /** Null where another program made the row. */
  endpoint: 'text',
  publisher: 'text',
  instance: 'text',
  /** Epoch milliseconds. */
  expires_ms: 'integer',
  received_ms: 'integer',
  /** Goes up with each change, over all rows, where several servers have the table. */
  changed: 'integer',
} as const
/** What rows of others may lack. */
const OWN = ['expires_ms', 'received_ms', 'changed', 'endpoint', 'publisher', 'instance'] as const
export type PresentityRow = RowOf<typeof COLUMNS, (typeof OWN)[number]>

export const PRESENTITY: Omit<TableDefinition<PresentityRow>, 'name'> = {
  key: 'ruid',
  serial: 'id',
  version: 5,
  indexes: [['username', 'domain', 'event']],
  lasting: ['username', 'domain', 'event', 'endpoint', 'publisher', 'instance'],
  columns: COLUMNS,
}

/** Where several servers look for what the others have changed. */
export const SHARED_PRESENTITY: typeof PRESENTITY = {
  ...PRESENTITY,
  indexes: [['username', 'domain', 'event'], ['changed']],
}

/** A publication as it is stored: nobody has read its body yet. */
export interface StoredPublication {
  readonly facts: PublicationFacts
  readonly said: Said
  readonly lease: Lease
}

/** What is written; an InboundPublication has it. */
export interface KeptPublication extends PublicationFacts, Lease, Omit<Said, 'read'> {}

/** Where publications are kept. What `keep` and `forget` return is waited for before the PUBLISH is answered. */
export interface PublicationStore {
  /** All there are, in pages. Resolves with the number of rows that could not be read, and were deleted. */
  load(each: (stored: StoredPublication) => void): Promise<number>
  /** What there is cannot be read yet. Absent where nobody waits for it. */
  readonly isUnread?: boolean
  keep(publication: KeptPublication): void | Promise<void>
  forget(publication: Pick<KeptPublication, 'ruid'>): void | Promise<void>
  /** Its time is over, unless another server has given it another meanwhile. Absent where there are none: it is forgotten. */
  expire?(publication: Pick<KeptPublication, 'ruid'> & Lease): Promise<void>
  /**
   * What the table holds about a resource now, however it came there, under these names of it. `type`: of bodies in rows
   * that do not say it. Absent where there is no table.
   */
  reread?(event: string, names: Iterable<string>, type: string): Promise<readonly StoredPublication[]>
  /** Deletes rows whose time is over and that nobody took away. Resolves with their number. */
  clean(now: number, isLive: (ruid: string) => boolean): Promise<number>
  /** Tells what other servers publish from now on. Absent where there are none. */
  follow?(follower: PublicationFollower): void
  /** Resolves when all that others published before is told. */
  sync?(): Promise<void>
  /** Resolves when everything is on disk. */
  close(): Promise<void>
}

export interface PublicationFollower {
  changed(stored: StoredPublication): void
  gone(ruid: string): void
  /** The others are gone. */
  leaveOnly(isThere: (ruid: string) => boolean): void
}

export interface PublicationTableSettings {
  readonly store: Store
  readonly table: string
  /** Read in one step (`fetch_rows`). */
  readonly pageRows: number
  /** What there is, for a file that has to be written anew. */
  readonly all: Iterable<KeptPublication>
}

/** `publ_cache = 1`: written before the answer, and read once. While the disk refuses, nobody waits for it. */
export async function openCachedPublications(settings: PublicationTableSettings): Promise<PublicationStore> {
  const { store, table: name, all } = settings
  const rows = function* (): Iterable<PresentityRow> {
    for (const publication of all) yield toRow(publication)
  }
  const table = await store.table<PresentityRow>({ ...PRESENTITY, name, rows })
  const written = (): Promise<void> | undefined => (store.writable ? store.durable().then(nothing) : undefined)
  return {
    ...readersOf(table, settings.pageRows),
    keep: (publication) => {
      table.put(toRow(publication))
      return written()
    },
    forget: ({ ruid }) => {
      table.delete(ruid)
      return written()
    },
    close: () => store.flush(),
  }
}

export type PublicationReaders = Required<Pick<PublicationStore, 'load' | 'reread' | 'clean'>>

/** What is read of a table, whoever else writes there. */
export function readersOf(table: Table<PresentityRow>, pageRows: number): PublicationReaders {
  return {
    async reread(event, names, type) {
      const found: PresentityRow[] = []
      for (const username of names) found.push(...(await table.select({ event, username })))
      return found
        .map((row) => completed(row, type))
        .filter(isRow)
        .map(fromRow)
    },
    async clean(now, isLive) {
      let cleaned = 0
      await table.load((page) => {
        for (const row of page) {
          if (isOfOthers(row) || overSince(row) + OVERDUE > now || isLive(row.ruid)) continue
          table.delete(row.ruid)
          cleaned++
        }
      })
      return cleaned
    },
    async load(each) {
      let unreadable = 0
      await table.load((page) => {
        for (const row of page) {
          if (isRow(row)) {
            each(fromRow(row))
          } else if (!isOfOthers(row)) {
            unreadable++
            table.delete(row.ruid)
          }
        }
      }, pageRows)
      return unreadable
    },
  }
}

function nothing(): void {}

export function toRow(publication: KeptPublication): PresentityRow {
  return {
    ruid: publication.ruid,
    username: publication.resource,
    domain: publication.domain,
    event: publication.event,
    etag: publication.entityTag,
    expires: Math.ceil(publication.expires / 1000),
    received_time: Math.floor(publication.received / 1000),
    body: publication.body,
    sender: publication.sender,
    priority: publication.priority,
    content_type: publication.contentType,
    endpoint: publication.endpointId,
    publisher: publication.publisher,
    instance: publication.instance,
    expires_ms: publication.expires,
    received_ms: publication.received,
    changed: 0,
  }
}

export function fromRow(row: PresentityRow): StoredPublication {
  return {
    facts: {
      ruid: row.ruid,
      event: row.event,
      resource: row.username,
      domain: row.domain,
      // What another program has put there is what the presentity says itself.
      endpointId: row.endpoint ?? row.username,
      endpoint: undefined,
      publisher: row.publisher ?? `sip:${row.username}@${row.domain}`,
      instance: row.instance ?? '',
    },
    said: {
      contentType: row.content_type,
      body: row.body,
      read: undefined,
      sender: row.sender,
      priority: row.priority,
      received: exactly(row.received_ms, Math.floor, row.received_time),
    },
    lease: { entityTag: row.etag, expires: exactly(row.expires_ms, Math.ceil, row.expires) },
  }
}

/** Milliseconds, unless another program has written other seconds since. */
function exactly(milliseconds: number | null, rounded: (seconds: number) => number, seconds: number): number {
  return milliseconds !== null && rounded(milliseconds / 1000) === seconds ? milliseconds : seconds * 1000
}

/** Epoch milliseconds. One that was taken back stays a while for other servers to see, and says since when it is gone. */
function overSince({ expires, expires_ms }: PresentityRow): number {
  return expires === 0 ? (expires_ms ?? 0) : expires * 1000
}

/** A row with Kamailio's columns alone, of which what has a default there need not be written. */
function completed(row: PresentityRow, type: string): PresentityRow {
  const lacksType = typeof row.ruid === 'string' && isOfOthers(row)
  if (!lacksType || type === '') return row
  const body = documentTextOf(documentOf(row.body), type)
  if (typeof body !== 'string') return row
  return { ...row, body, content_type: type, sender: row.sender ?? '', priority: row.priority ?? 0 }
}

/** Kamailio's, say: it has no column for what we need to show them. They are left alone until somebody asks to read them again. */
function isOfOthers({ ruid, content_type }: Readonly<Record<'ruid' | 'content_type', unknown>>): boolean {
  return typeof ruid !== 'string' || content_type === null
}

/** Rows come from a file that anybody may have written to. */
export function isRow(row: PresentityRow): boolean {
  return fits(row, COLUMNS, OWN)
}
