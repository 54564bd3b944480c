/** Of a stored subscription, what it is made of again after a start. */
import type { ScanColumn } from '../../core/store-contract.ts'
import { isCount, isText } from './cells.ts'
import { owed } from './reserves.ts'
import type { Row } from './row.ts'
import { DIALOG_FIELDS } from './row-dialog.ts'

/** The key, and what other programs' rows lack, come first. */
export const STORED_COLUMNS = [
  'to_tag',
  'dialog_id',
  'local_cseq',
  'version',
  'expires_ms',
  'status',
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
  'from_tag',
  'contact',
  'remote_cseq',
  { column: 'dialog', fields: DIALOG_FIELDS },
  'reserved_before',
] as const satisfies readonly ScanColumn<Row>[]

/** `local_cseq` and `version` with all that was reserved when it was read. */
export interface StoredRow
  extends Omit<Pick<Row, Extract<(typeof STORED_COLUMNS)[number], string>>, 'reserved_before'> {
  /** As it is written, or its DIALOG_FIELDS. */
  readonly dialog: string | readonly unknown[]
  /** The highest CSeq that is covered on disk, where that is more than `local_cseq` says. */
  readonly reserved?: number
}

/**
 * Undefined where it cannot be read: the file may have been written by anybody. `cells` in the order of STORED_COLUMNS;
 * `count`: of reserves.ts, before this start; `above`: how many numbers more are reserved on disk since.
 */
export function readStoredRow(cells: readonly unknown[], count: number, above: number): StoredRow | undefined {
  const [
    to_tag,
    dialog_id,
    local_cseq,
    version,
    expires_ms,
    status,
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
    from_tag,
    contact,
    remote_cseq,
    dialog,
    reserved_before,
  ] = cells
  if (!isText(dialog_id) || !isCount(local_cseq) || !isCount(version) || !isCount(expires_ms)) return undefined
  if (!isCount(status) || !isText(event) || !isText(event_id) || !isText(presentity_uri)) return undefined
  if (!isText(resource) || !isText(endpoint) || !isText(content_type) || !isText(watcher)) return undefined
  if (!isText(contact_key) || !isText(user_agent) || !isText(callid) || !isText(to_tag)) return undefined
  if (!isText(from_tag) || !isText(contact) || !isCount(remote_cseq)) return undefined
  if (!isText(dialog) && !Array.isArray(dialog)) return undefined
  const behind = owed(count, reserved_before)
  const more = Math.max(0, behind)
  return {
    dialog_id,
    local_cseq: local_cseq + more,
    version: version + more,
    expires_ms,
    status,
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
    reserved: local_cseq + more + (behind < 0 ? 0 : above),
  }
}
