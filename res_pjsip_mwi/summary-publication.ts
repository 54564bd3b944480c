/** Message summaries that are published: application/simple-message-summary (RFC 3842 5.2), read to the letter. */

import type { Endpoint } from '../core/endpoints.ts'
import { parseUri } from '../core/sip/parse-uri.ts'
import type { Kind, PublicationHandler, ReadBody } from '../res_pjsip_pubsub/contract.ts'

export const SIMPLE_MESSAGE_SUMMARY = 'application/simple-message-summary'

export interface ClassCounts {
  readonly newMessages: number
  readonly oldMessages: number
  readonly newUrgent: number
  readonly oldUrgent: number
}

export interface SummaryDocument {
  readonly waiting: boolean
  /** A URI; empty for none. */
  readonly account: string
  /** By message context class in lower case, in the order of the document. */
  readonly classes: ReadonlyMap<string, ClassCounts>
}

export const summaryDocumentKind: Kind<SummaryDocument> = { name: 'published message summary' }

/** `exists`: whether a name means mailboxes of an endpoint, besides being an AOR. */
export function summaryHandler(
  exists: (resource: string, endpoint: Endpoint) => Promise<boolean>,
): PublicationHandler<SummaryDocument> {
  return {
    event: 'message-summary',
    kind: summaryDocumentKind,
    accept: [SIMPLE_MESSAGE_SUMMARY],
    instanceByContact: true,
    equalsSayTheSame: true,
    exists,
    read: ({ text }) => readSummary(text),
  }
}

/** As they are printed, by the name in lower case (RFC 3458 6.2). */
const CLASSES: ReadonlyMap<string, string> = new Map(
  ['Voice-Message', 'Video-Message', 'Fax-Message', 'Pager-Message', 'Multimedia-Message', 'Text-Message', 'None'].map(
    (name) => [name.toLowerCase(), name],
  ),
)

export function readSummary(text: string): ReadBody<SummaryDocument> {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  const [status, ...rest] = lines
  const waiting = fieldOf(status ?? '')
  if (waiting?.name !== 'messages-waiting') return { fault: 'Body Does Not Begin With Messages-Waiting' }
  const word = waiting.value.toLowerCase()
  if (word !== 'yes' && word !== 'no') return { fault: 'Messages-Waiting Is Neither yes Nor no' }
  let account = ''
  const classes = new Map<string, ClassCounts>()
  for (const [at, line] of rest.entries()) {
    // Behind an empty line are headers of single messages, which no lamp shows.
    if (line === '') break
    const field = fieldOf(line)
    if (!field) return { fault: 'Line Without A Colon In Message Summary' }
    if (field.name === 'message-account') {
      if (at > 0 || !isUri(field.value)) return { fault: 'Malformed Message-Account' }
      account = field.value
      continue
    }
    if (!CLASSES.has(field.name)) return { fault: 'Unknown Message Context Class' }
    if (classes.has(field.name)) return { fault: 'Message Context Class Twice' }
    const counts = countsOf(field.value)
    if (!counts) return { fault: 'Malformed Message Counts' }
    classes.set(field.name, counts)
  }
  return { state: { waiting: word === 'yes', account, classes } }
}

export function printSummary({ waiting, account, classes }: SummaryDocument): string {
  const lines = [`Messages-Waiting: ${waiting ? 'yes' : 'no'}`]
  if (account !== '') lines.push(`Message-Account: ${account}`)
  for (const [name, { newMessages, oldMessages, newUrgent, oldUrgent }] of classes)
    lines.push(`${CLASSES.get(name) ?? name}: ${newMessages}/${oldMessages} (${newUrgent}/${oldUrgent})`)
  return `${lines.join('\r\n')}\r\n`
}

function fieldOf(line: string): { name: string; value: string } | undefined {
  const colon = line.indexOf(':')
  if (colon < 1) return undefined
  return { name: line.slice(0, colon).trim().toLowerCase(), value: line.slice(colon + 1).trim() }
}

/** Of a scheme, with nothing that would break out of the line or the header. */
function isUri(text: string): boolean {
  return parseUri(text) !== undefined || /^[a-z][a-z0-9+.-]{0,31}:[^\s<>"]{1,500}$/i.test(text)
}

/** `2/8 (0/2)`, the urgent ones left out or not. */
function countsOf(text: string): ClassCounts | undefined {
  const found = /^([0-9]{1,9}) ?\/ ?([0-9]{1,9})(?: ?\( ?([0-9]{1,9}) ?\/ ?([0-9]{1,9}) ?\))?$/.exec(text)
  if (!found) return undefined
  const [newMessages = 0, oldMessages = 0, newUrgent = 0, oldUrgent = 0] = found
    .slice(1)
    .map((digits) => Number(digits ?? 0))
  return { newMessages, oldMessages, newUrgent, oldUrgent }
}
