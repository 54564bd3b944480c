/** Entity-tags that servers gave us, kept over a restart: what was published is then modified and not doubled. */
import type { Store } from '../core/store-contract.ts'
import type { Lease } from './outbound-publication.ts'

interface LeaseRow {
  /** Section, a tab, and the user. */
  readonly id: string
  readonly server_uri: string
  readonly entity_tag: string
  /** Epoch milliseconds. */
  readonly expires: number
}

/** Milliseconds within which a new one is written: each PUBLISH brings one. */
const SOON = 1000

export interface EntityTags {
  get(section: string, user: string): Lease | undefined
  set(section: string, user: string, lease: Lease | undefined): void
}

export async function openEntityTags(store: Store, now: () => number): Promise<EntityTags> {
  const leases = new Map<string, Lease>()
  const rowOf = (id: string, { serverUri, entityTag, expires }: Lease): LeaseRow => ({
    id,
    server_uri: serverUri,
    entity_tag: entityTag,
    expires,
  })
  const table = await store.table<LeaseRow>({
    name: 'outbound_publications',
    key: 'id',
    columns: { id: 'text', server_uri: 'text', entity_tag: 'text', expires: 'integer' },
    rows: () => [...leases].map(([id, lease]) => rowOf(id, lease)),
  })
  await table.load((rows) => {
    for (const { id, server_uri, entity_tag, expires } of rows) {
      if (expires <= now()) table.delete(id)
      else leases.set(id, { serverUri: server_uri, entityTag: entity_tag, expires })
    }
  })
  const idOf = (section: string, user: string): string => `${section}\t${user}`
  return {
    get: (section, user) => leases.get(idOf(section, user)),
    set(section, user, lease) {
      const id = idOf(section, user)
      if (lease) {
        leases.set(id, lease)
        table.put(rowOf(id, lease), SOON)
      } else if (leases.delete(id)) table.delete(id)
    },
  }
}
