/** The column `dialog`: what the other columns lack of a dialog's record. Earlier versions wrote all of it there. */
import type { DialogRecord } from '../../core/sip/contract.ts'
import { isCount, isObject, isText, readJson } from './cells.ts'
import type { Row } from './row.ts'

/** What is read of it, in this order; those behind `own` are there in rows of earlier versions only. */
export const DIALOG_FIELDS = [
  'localUri',
  'remoteUri',
  'routeSet',
  'transport',
  'protocol',
  'remote',
  'secure',
  'followFlow',
  'contact',
  'own',
  'callId',
  'localTag',
  'remoteTag',
  'remoteTarget',
  'remoteCseq',
] as const satisfies readonly (keyof DialogRecord)[]

/** What a row tells of its dialog. `dialog`: the text of the column, or its DIALOG_FIELDS. */
interface StoredDialog extends Pick<Row, 'callid' | 'to_tag' | 'from_tag' | 'contact' | 'remote_cseq'> {
  readonly dialog: string | readonly unknown[]
}

export function textOf({
  localUri,
  remoteUri,
  routeSet,
  transport,
  protocol,
  remote,
  secure,
  followFlow,
  contact,
  own,
}: DialogRecord): string {
  const routes = routeSet.length > 0 ? routeSet : undefined
  return JSON.stringify({
    localUri,
    remoteUri,
    routeSet: routes,
    transport,
    protocol,
    remote,
    secure,
    followFlow,
    contact,
    own,
  })
}

/** Undefined where it is no record: the file was written by somebody else. */
export function readDialog(row: StoredDialog): DialogRecord | undefined {
  const fields = typeof row.dialog === 'string' ? fieldsOf(row.dialog) : row.dialog
  const [localUri, remoteUri, routeSet, transport, protocol, remote, secure, followFlow, contact, own, ...earlier] =
    fields
  const [callId, localTag, remoteTag, remoteTarget, remoteCseq] = earlier
  const isEarlier = (callId ?? null) !== null
  const record = {
    callId: isEarlier ? callId : row.callid,
    localTag: isEarlier ? localTag : row.to_tag,
    remoteTag: isEarlier ? remoteTag : row.from_tag,
    localUri,
    remoteUri,
    remoteTarget: isEarlier ? remoteTarget : row.contact,
    routeSet: routeSet ?? [],
    localCseq: 0,
    remoteCseq: isEarlier ? remoteCseq : row.remote_cseq,
    secure,
    transport,
    protocol,
    remote,
    followFlow,
    contact: contact ?? undefined,
    own: own ?? undefined,
  }
  return isDialogRecord(record) ? record : undefined
}

function fieldsOf(text: string): readonly unknown[] {
  const read = readJson(text)
  return isObject(read) ? DIALOG_FIELDS.map((name) => read[name]) : []
}

export function isDialogRecord(read: unknown): read is DialogRecord {
  if (!isObject(read)) return false
  const { callId, localTag, remoteTag, localUri, remoteUri, remoteTarget, transport } = read
  const { localCseq, remoteCseq, secure, followFlow, routeSet, protocol, remote, contact, own } = read
  return (
    isText(callId) &&
    isText(localTag) &&
    isText(remoteTag) &&
    isText(localUri) &&
    isText(remoteUri) &&
    isText(remoteTarget) &&
    isText(transport) &&
    isCount(localCseq) &&
    isCount(remoteCseq) &&
    typeof secure === 'boolean' &&
    typeof followFlow === 'boolean' &&
    Array.isArray(routeSet) &&
    routeSet.every(isText) &&
    (protocol === 'UDP' || protocol === 'TCP' || protocol === 'TLS') &&
    (contact === undefined || isText(contact)) &&
    (own === undefined || isText(own)) &&
    isObject(remote) &&
    isText(remote['address']) &&
    isCount(remote['port'])
  )
}
