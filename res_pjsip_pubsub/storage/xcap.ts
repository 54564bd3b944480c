/** The table `xcap`: documents where XCAP servers put them and Kamailio's tools look for them. */
import type { RowOf, Store, Table } from '../../core/store-contract.ts'

/** Kamailio's columns. */
const COLUMNS = {
  username: 'text',
  domain: 'text',
  doc: 'text',
  doc_type: 'integer',
  etag: 'text',
  source: 'integer',
  doc_uri: 'text',
  port: 'integer',
} as const
export type XcapRow = RowOf<typeof COLUMNS>

/** Kamailio's numbers: rules of a presentity (RFC 5025), and its hard state (RFC 4827). */
export const DOC_TYPE = { presRules: 2, pidfManipulation: 16 } as const

/** `rows`: as in the definition of a table. */
export function openXcap(store: Store, name: string, rows?: () => Iterable<XcapRow>): Promise<Table<XcapRow>> {
  return store.table<XcapRow>({
    name,
    key: 'doc_uri',
    ...(rows && { rows }),
    serial: 'id',
    version: 4,
    indexes: [['username', 'domain', 'doc_type']],
    columns: COLUMNS,
  })
}

/** Other programs write blobs there. */
export function documentOf(doc: unknown): string | Uint8Array {
  return doc instanceof Uint8Array ? doc : String(doc)
}
