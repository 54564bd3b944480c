/** A subscription as a row of the table active_watchers: Kamailio's columns, and beside them what it has no column for. */
import type { Dialog, DialogRecord, SipRequest } from '../../core/sip/contract.ts'
import { parseNameAddr, parseUri, printHostPort } from '../../core/sip/parse-uri.ts'
import { clockAhead } from '../../core/steady.ts'
import type { RowOf, TableDefinition } from '../../core/store-contract.ts'
import { writeType } from '../lists/facts.ts'
import type { NotifierSubscription } from '../subscription.ts'
import { fits, readJson } from './cells.ts'
import { isDialogRecord, textOf } from './row-dialog.ts'

const COLUMNS = {
  // Kamailio's.
  presentity_uri: 'text',
  watcher_username: 'text',
  watcher_domain: 'text',
  to_user: 'text',
  to_domain: 'text',
  event: 'text',
  event_id: 'text',
  /** Ours and the watcher's tag: the SUBSCRIBE that made the dialog came from the watcher. */
  to_tag: 'text',
  from_tag: 'text',
  callid: 'text',
  /** No request of this dialog had a higher CSeq, and no body a version this high, but for what reserves.ts says. */
  local_cseq: 'integer',
  remote_cseq: 'integer',
  contact: 'text',
  record_route: 'text',
  /** Epoch seconds. */
  expires: 'integer',
  status: 'integer',
  reason: 'text',
  version: 'integer',
  socket_info: 'text',
  local_contact: 'text',
  from_user: 'text',
  from_domain: 'text',
  updated: 'integer',
  updated_winfo: 'integer',
  flags: 'integer',
  user_agent: 'text',
  // Ours.
  /** The id of its dialog; absent where another program made the row. */
  dialog_id: 'text',
  resource: 'text',
  endpoint: 'text',
  content_type: 'text',
  watcher: 'text',
  contact_key: 'text',
  /** Epoch milliseconds. */
  expires_ms: 'integer',
  /** What the other columns lack of its DialogRecord, or all of it, as JSON. */
  dialog: 'text',
  /** The server that sends its NOTIFYs; empty where one has the file for itself, or it waits for one. */
  owner: 'text',
  /** Goes up with each change of the owner, over all rows. */
  claim: 'integer',
  /** The count of reserves.ts when it was written. */
  reserved_before: 'integer',
} as const
export type Row = RowOf<typeof COLUMNS>

/** Kamailio's numbers for Subscription-State. */
export const STATUS = { active: 1, pending: 2, terminated: 3, waiting: 4 } as const
/** Kamailio's word for a row that none of its notifier processes has to look at. */
const NO_UPDATE = -1

export const ROWS: Omit<TableDefinition<Row>, 'name'> = {
  // Ours, and in the order of time: an index of what the phones choose would be written all over with each new row.
  key: 'to_tag',
  serial: 'id',
  version: 12,
  lasting: [
    'presentity_uri',
    'watcher_username',
    'watcher_domain',
    'to_user',
    'to_domain',
    'event',
    'event_id',
    'from_tag',
    'callid',
    'from_user',
    'from_domain',
    'resource',
    'watcher',
  ],
  columns: COLUMNS,
}

/** Columns that rows of earlier versions have nothing in. */
const LATER = ['reserved_before']

/** Where one server has the table alone, looks for nothing in it, and writes more of them. */
export const OWN_ROWS: typeof ROWS = {
  ...ROWS,
  same: { reason: '', updated: NO_UPDATE, updated_winfo: NO_UPDATE, flags: 0, owner: '', claim: 0 },
}

/** Where several servers look for what the others own. */
export const SHARED_ROWS: typeof ROWS = { ...ROWS, indexes: [['owner'], ['claim'], ['presentity_uri', 'event']] }

/**
 * `reserved`: the highest CSeq that may be used before the row is written again; versions go with it. `before`: the count of
 * reserves.ts.
 */
export function toRow(subscription: NotifierSubscription, reserved: number, before: number): Row {
  const { dialog } = subscription
  const flow = dialog.flow
  const address = flow ? printHostPort(flow.local.address, flow.local.port) : ''
  return rowOf(dialog.record(), {
    event: subscription.event,
    eventId: subscription.eventId,
    cseq: reserved,
    version: subscription.version + reserved - dialog.localCseq,
    // One that waits for its package is what it was to its watcher.
    status: subscription.isPending ? STATUS.pending : STATUS.active,
    socket: flow ? `${flow.protocol.toLowerCase()}:${address}` : '',
    localContact: address === '' ? '' : `sip:${address}`,
    userAgent: subscription.userAgent,
    resource: subscription.resource,
    endpoint: subscription.endpoint.id,
    contentType: writeType(subscription),
    contactKey: subscription.contactKey,
    localUri: subscription.localUri,
    watcher: subscription.watcher,
    expires: subscription.expires + clockAhead(),
    before,
  })
}

interface RowFacts {
  readonly event: string
  readonly eventId: string
  readonly cseq: number
  readonly version: number
  readonly status: number
  readonly socket: string
  readonly localContact: string
  readonly userAgent: string
  readonly resource: string
  readonly endpoint: string
  readonly contentType: string
  readonly contactKey: string
  readonly localUri: string
  readonly watcher: string
  readonly expires: number
  readonly before: number
}

/** One literal: put together of two it would be a dictionary, and take ten times as long. */
function rowOf(record: DialogRecord, facts: RowFacts): Row {
  const to = parseNameAddr(record.localUri)?.uri
  const from = parseNameAddr(record.remoteUri)?.uri
  // Whoever says no more of itself than that.
  const watching = record.remoteUri === `<${facts.watcher}>` ? from : parseUri(facts.watcher)
  return {
    presentity_uri: facts.localUri,
    watcher_username: watching?.user ?? '',
    watcher_domain: watching?.host ?? '',
    to_user: to?.user ?? '',
    to_domain: to?.host ?? '',
    event: facts.event,
    event_id: facts.eventId,
    to_tag: record.localTag,
    from_tag: record.remoteTag,
    callid: record.callId,
    local_cseq: facts.cseq,
    version: facts.version,
    remote_cseq: record.remoteCseq,
    contact: record.remoteTarget,
    record_route: record.routeSet.join(','),
    expires: Math.ceil(facts.expires / 1000),
    status: facts.status,
    reason: '',
    socket_info: facts.socket,
    local_contact: facts.localContact,
    from_user: from?.user ?? '',
    from_domain: from?.host ?? '',
    updated: NO_UPDATE,
    updated_winfo: NO_UPDATE,
    flags: 0,
    user_agent: facts.userAgent,
    dialog_id: `${record.callId};${record.localTag};${record.remoteTag}`,
    resource: facts.resource,
    endpoint: facts.endpoint,
    content_type: facts.contentType,
    watcher: facts.watcher,
    contact_key: facts.contactKey,
    expires_ms: facts.expires,
    dialog: textOf(record),
    owner: '',
    claim: 0,
    reserved_before: facts.before,
  }
}

/** What a row is found by. */
export type RowKey = Pick<Row, 'to_tag' | 'dialog_id'>

export function keyOfDialog({ localTag, id }: Pick<Dialog, 'localTag' | 'id'>): RowKey {
  return { to_tag: localTag, dialog_id: id }
}

/** Of a request that the watcher sends in its dialog. */
export function keyOfRequest({ callId, to, from }: Pick<SipRequest, 'callId' | 'to' | 'from'>): RowKey {
  const { tag = '' } = to
  return { to_tag: tag, dialog_id: `${callId};${tag};${from.tag ?? ''}` }
}

/** Rows come from a file that anybody may have written to. */
export function isRow(row: Row): boolean {
  return fits(row, ROWS.columns, LATER)
}

/** The table of the first versions. */
const OLD_COLUMNS = {
  dialog_id: 'text',
  event: 'text',
  event_id: 'text',
  resource: 'text',
  endpoint: 'text',
  content_type: 'text',
  watcher: 'text',
  user_agent: 'text',
  local_uri: 'text',
  contact: 'text',
  expires: 'integer',
  cseq: 'integer',
  version: 'integer',
  dialog: 'text',
} as const
type OldRow = RowOf<typeof OLD_COLUMNS>

export const OLD_ROWS: TableDefinition<OldRow> = {
  name: 'subscriptions',
  key: 'dialog_id',
  columns: OLD_COLUMNS,
}

/** Undefined where it cannot be read. `before`: the count of reserves.ts. */
export function fromOldRow(old: OldRow, before: number): Row | undefined {
  const record = readJson(old.dialog)
  if (!isDialogRecord(record)) return undefined
  const row = rowOf(record, {
    event: old.event,
    eventId: old.event_id,
    cseq: old.cseq,
    version: old.version,
    status: STATUS.active,
    socket: '',
    localContact: '',
    userAgent: old.user_agent,
    resource: old.resource,
    endpoint: old.endpoint,
    contentType: old.content_type,
    contactKey: old.contact,
    localUri: old.local_uri,
    watcher: old.watcher,
    expires: old.expires,
    before,
  })
  return isRow(row) ? row : undefined
}
