/** The JSON in which Asterisk's servers tell each other of device states and message counts (application/json). */
import { isEntityId } from '../core/entity-id.ts'
import type { RequestBody } from '../core/sip/contract.ts'
import { type DeviceState, isDeviceState } from '../core/states/devices.ts'
import { type MailboxCounts, mailboxName } from '../core/states/mailboxes.ts'
import type { ReadBody } from '../res_pjsip_pubsub/contract.ts'

export const JSON_TYPE = 'application/json'

/** What one PUBLISH says. `eid` is in lower case. */
export type Statement<State> =
  | { readonly type: 'state'; readonly eid: string; readonly name: string; readonly state: State }
  /** The publisher knows nothing of it any more. */
  | { readonly type: 'gone'; readonly eid: string; readonly name: string }
  /** The publisher wants to be told everything. */
  | { readonly type: 'refresh'; readonly eid: string }

/** The keys stand in the order in which Asterisk packs them. */
export function deviceStateBody(device: string, state: DeviceState, eid: string): RequestBody {
  return json({ type: 'devicestate', device, state, cachable: 1, eid })
}

export function mailboxStateBody(
  uniqueid: string,
  { newMessages, oldMessages }: MailboxCounts,
  eid: string,
): RequestBody {
  return json({ type: 'mailboxstate', uniqueid, old: oldMessages, new: newMessages, eid })
}

/**
 * The newest count of a mailbox is what is seen, so that a plain 0/0 would hide what others know of it. Asterisk passes
 * `gone` over, and takes the rest for an empty mailbox.
 */
export function mailboxGoneBody(uniqueid: string, eid: string): RequestBody {
  return json({ type: 'mailboxstate', uniqueid, old: 0, new: 0, eid, gone: true })
}

export function refreshBody(eid: string): RequestBody {
  return json({ type: 'refresh', eid })
}

function json(value: object): RequestBody {
  return { contentType: JSON_TYPE, content: JSON.stringify(value) }
}

export function readDeviceState(text: string): ReadBody<Statement<DeviceState>> {
  return read(text, 'devicestate', (fields, eid) => {
    const name = nameIn(fields['device'])
    if (name === undefined) return { fault: 'No Device' }
    const { state } = fields
    if (typeof state !== 'string' || !isDeviceState(state)) return { fault: 'No Device State' }
    return { state: { type: 'state', eid, name, state } }
  })
}

export function readMailboxState(text: string): ReadBody<Statement<MailboxCounts>> {
  return read(text, 'mailboxstate', (fields, eid): ReadBody<Statement<MailboxCounts>> => {
    const name = nameIn(fields['uniqueid'])
    if (name === undefined) return { fault: 'No Mailbox' }
    if (fields['gone'] === true) return { state: { type: 'gone', eid, name: mailboxName(name) } }
    const [newMessages, oldMessages] = [countIn(fields['new']), countIn(fields['old'])]
    if (newMessages === undefined || oldMessages === undefined) return { fault: 'No Message Counts' }
    return { state: { type: 'state', eid, name: mailboxName(name), state: { newMessages, oldMessages } } }
  })
}

type Fields = Readonly<Record<string, unknown>>

function read<State>(
  text: string,
  type: string,
  readState: (fields: Fields, eid: string) => ReadBody<Statement<State>>,
): ReadBody<Statement<State>> {
  const fields = fieldsIn(text)
  if (!fields) return { fault: 'Not A JSON Object' }
  const { eid } = fields
  if (typeof eid !== 'string' || !isEntityId(eid)) return { fault: 'No Entity Id' }
  if (fields['type'] === type) return readState(fields, eid.toLowerCase())
  return fields['type'] === 'refresh'
    ? { state: { type: 'refresh', eid: eid.toLowerCase() } }
    : { fault: 'Unknown Type' }
}

function fieldsIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** Of a length that a console line and a table can bear. */
const LONGEST_NAME = 255

function nameIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME ? value : undefined
}

function countIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff ? value : undefined
}
