/** Of a stored subscription, what it is made of again after a start. */
import { isText, type Row } from './row.ts'

/** The first of them is the key. */
export const STORED_COLUMNS = [
  'dialog_id',
  'local_cseq',
  'version',
  'expires_ms',
  'event',
  'event_id',
  'presentity_uri',
  'resource',
  'endpoint',
  'content_type',
  'watcher',
  'contact_key',
  'user_agent',
  'callid',
  'to_tag',
  'from_tag',
  'contact',
  'remote_cseq',
  'dialog',
] as const satisfies readonly (keyof Row)[]

export interface StoredRow extends Pick<Row, (typeof STORED_COLUMNS)[number]> {
  /** The highest CSeq that the row on disk covers, where it covers more than `local_cseq` says. */
  readonly reserved?: number
}

/**
 * Undefined where it cannot be read: the file may have been written by anybody. `cells` in the order of STORED_COLUMNS;
 * `above`: how many numbers above its own the row on disk covers.
 */
export function readStoredRow(cells: readonly unknown[], above: number): StoredRow | undefined {
  const [
    dialog_id,
    local_cseq,
    version,
    expires_ms,
    event,
    event_id,
    presentity_uri,
    resource,
    endpoint,
    content_type,
    watcher,
    contact_key,
    user_agent,
    callid,
    to_tag,
    from_tag,
    contact,
    remote_cseq,
    dialog,
  ] = cells
  if (!isText(dialog_id) || !isCount(local_cseq) || !isCount(version) || !isCount(expires_ms)) return undefined
  if (!isText(event) || !isText(event_id) || !isText(presentity_uri)) return undefined
  if (!isText(resource) || !isText(endpoint) || !isText(content_type) || !isText(watcher)) return undefined
  if (!isText(contact_key) || !isText(user_agent) || !isText(callid) || !isText(to_tag)) return undefined
  if (!isText(from_tag) || !isText(contact) || !isCount(remote_cseq) || !isText(dialog)) return undefined
  return {
    dialog_id,
    local_cseq,
    version,
    expires_ms,
    event,
    event_id,
    presentity_uri,
    resource,
    endpoint,
    content_type,
    watcher,
    contact_key,
    user_agent,
    callid,
    to_tag,
    from_tag,
    contact,
    remote_cseq,
    dialog,
    reserved: local_cseq + above,
  }
}

function isCount(cell: unknown): cell is number {
  return Number.isSafeInteger(cell)
}
