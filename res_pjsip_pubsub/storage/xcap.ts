/** The table `xcap`: documents where XCAP servers put them and Kamailio's tools look for them. */
import type { Store, Table } from '../../core/store-contract.ts'

/** Kamailio's columns. */
export interface XcapRow {
  readonly username: string
  readonly domain: string
  readonly doc: string
  readonly doc_type: number
  readonly etag: string
  readonly source: number
  readonly doc_uri: string
  readonly port: number
}

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
    columns: {
      username: 'text',
      domain: 'text',
      doc: 'text',
      doc_type: 'integer',
      etag: 'text',
      source: 'integer',
      doc_uri: 'text',
      port: 'integer',
    },
  })
}

/** Other programs write blobs there. */
export function documentOf(doc: unknown): string | Uint8Array {
  return doc instanceof Uint8Array ? doc : String(doc)
}
