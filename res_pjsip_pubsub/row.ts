/** A subscription as a row of the store, and back. */
import type { DialogRecord } from '../core/sip/contract.ts'
import type { TableDefinition } from '../core/store.ts'
import type { NotifierSubscription } from './subscription.ts'

export interface Row {
  /** The id of its dialog. */
  readonly dialog_id: string
  readonly event: string
  readonly event_id: string
  readonly resource: string
  readonly endpoint: string
  readonly content_type: string
  readonly watcher: string
  readonly user_agent: string
  readonly local_uri: string
  readonly contact: string
  /** Epoch milliseconds. */
  readonly expires: number
  /** No request of this dialog had a higher CSeq, and no body a version this high. */
  readonly cseq: number
  readonly version: number
  /** A DialogRecord as JSON. */
  readonly dialog: string
}

export const ROWS: TableDefinition<Row> = {
  name: 'subscriptions',
  key: 'dialog_id',
  columns: {
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
  },
}

/** `ahead`: how many NOTIFYs may be sent before the row has to be written again. */
export function toRow(subscription: NotifierSubscription, ahead: number): Row {
  const { dialog } = subscription
  return {
    dialog_id: dialog.id,
    event: subscription.event,
    event_id: subscription.eventId,
    resource: subscription.resource,
    endpoint: subscription.endpoint.id,
    content_type: subscription.contentType,
    watcher: subscription.watcher,
    user_agent: subscription.userAgent,
    local_uri: subscription.localUri,
    contact: subscription.contactKey,
    expires: subscription.expires,
    cseq: dialog.localCseq + ahead,
    version: subscription.version + ahead,
    dialog: JSON.stringify(dialog.record()),
  }
}

/** Undefined where it is no record: the file was written by somebody else. */
export function readDialogRecord(json: string): DialogRecord | undefined {
  let read: unknown
  try {
    read = JSON.parse(json)
  } catch {
    return undefined
  }
  return isDialogRecord(read) ? read : undefined
}

const TEXTS = ['callId', 'localTag', 'remoteTag', 'localUri', 'remoteUri', 'remoteTarget', 'transport'] as const
const NUMBERS = ['localCseq', 'remoteCseq'] as const
const FLAGS = ['secure', 'followFlow'] as const

function isDialogRecord(read: unknown): read is DialogRecord {
  if (!isObject(read)) return false
  const { routeSet, protocol, remote } = read
  return (
    TEXTS.every((name) => typeof read[name] === 'string') &&
    NUMBERS.every((name) => Number.isSafeInteger(read[name])) &&
    FLAGS.every((name) => typeof read[name] === 'boolean') &&
    Array.isArray(routeSet) &&
    routeSet.every((route) => typeof route === 'string') &&
    (protocol === 'UDP' || protocol === 'TCP' || protocol === 'TLS') &&
    isObject(remote) &&
    typeof remote['address'] === 'string' &&
    Number.isSafeInteger(remote['port'])
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Rows come from a file that anybody may have written to. */
export function isRow(row: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(ROWS.columns).every(([name, type]) =>
    type === 'text' ? typeof row[name] === 'string' : Number.isSafeInteger(row[name]),
  )
}
