/** Entity-tags that servers gave us, kept over a restart: what was published is then modified and not doubled. */
import { isPublishedEvent } from '../core/publication-options.ts'
import type { RowOf, Store } from '../core/store-contract.ts'
import { stringsIn } from '../core/strings-in.ts'
import type { Lease } from './outbound-publication.ts'
import type { PublishWay, Uris } from './publish-request.ts'

/** How it is taken back where its section is gone, and the context of its extension, who is asked whether that is. */
export interface Sender extends Omit<PublishWay, 'id'>, Pick<Uris, 'from' | 'to'> {
  readonly context: string
}

export interface Kept extends Lease {
  readonly section: string
  readonly user: string
  /** Earlier versions did not keep it. */
  readonly sender: Sender | undefined
}

const COLUMNS = {
  /** Section, a tab, and the user. */
  id: 'text',
  server_uri: 'text',
  entity_tag: 'text',
  /** Epoch milliseconds. */
  expires: 'integer',
  /** JSON, a list of strings. */
  sender: 'text',
} as const
type LeaseRow = RowOf<typeof COLUMNS, 'sender'>

/** Milliseconds within which a new one is written: each PUBLISH brings one. */
const SOON = 1000

export interface EntityTags {
  get(section: string, user: string): Kept | undefined
  set(section: string, user: string, lease: (Lease & { readonly sender: Sender }) | undefined): void
  readonly all: Iterable<Kept>
}

export async function openEntityTags(store: Store, now: () => number): Promise<EntityTags> {
  const leases = new Map<string, Kept>()
  const table = await store.table<LeaseRow>({
    name: 'outbound_publications',
    key: 'id',
    columns: COLUMNS,
    rows: () => [...leases.values()].map(rowOf),
  })
  await table.load((rows) => {
    for (const row of rows) {
      if (row.expires <= now()) table.delete(row.id)
      else leases.set(row.id, leaseOf(row))
    }
  })
  return {
    get: (section, user) => leases.get(idOf(section, user)),
    set(section, user, lease) {
      const id = idOf(section, user)
      if (lease) {
        const kept = { ...lease, section, user }
        leases.set(id, kept)
        table.put(rowOf(kept), SOON)
      } else if (leases.delete(id)) table.delete(id)
    },
    get all() {
      return leases.values()
    },
  }
}

const idOf = (section: string, user: string): string => `${section}\t${user}`

function rowOf({ section, user, serverUri, entityTag, expires, sender }: Kept): LeaseRow {
  return {
    id: idOf(section, user),
    server_uri: serverUri,
    entity_tag: entityTag,
    expires,
    sender: sender ? encode(sender) : null,
  }
}

function leaseOf({ id, server_uri, entity_tag, expires, sender }: LeaseRow): Kept {
  const [section = '', user = ''] = id.split('\t')
  return { section, user, serverUri: server_uri, entityTag: entity_tag, expires, sender: decode(sender) }
}

function encode({ event, from, to, context, transport, outbound_proxy, outbound_auth }: Sender): string {
  return JSON.stringify([event, from, to, context, transport, outbound_proxy, ...outbound_auth])
}

/** Undefined for what cannot be read: it expires. */
function decode(text: string | null): Sender | undefined {
  const [event = '', from, to, context, transport, outbound_proxy, ...outbound_auth] = stringsIn(text ?? '')
  return isPublishedEvent(event) && from && to && context !== undefined
    ? { event, from, to, context, transport: transport ?? '', outbound_proxy: outbound_proxy ?? '', outbound_auth }
    : undefined
}
