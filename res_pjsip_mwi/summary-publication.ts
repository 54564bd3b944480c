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
  const lines = new Lines(text)
  const status = lines.next()
  if (status === undefined || nameOf(status) !== 'messages-waiting')
    return { fault: 'Body Does Not Begin With Messages-Waiting' }
  const word = valueOf(status).toLowerCase()
  if (word !== 'yes' && word !== 'no') return { fault: 'Messages-Waiting Is Neither yes Nor no' }
  let account = ''
  const classes = new Map<string, ClassCounts>()
  // Behind an empty line are headers of single messages, which no lamp shows.
  for (let line = lines.next(); line !== undefined && line !== ''; line = lines.next()) {
    const name = nameOf(line)
    if (name === undefined) return { fault: 'Line Without A Colon In Message Summary' }
    if (name === 'message-account') {
      account = valueOf(line)
      if (lines.taken > 2 || !isUri(account)) return { fault: 'Malformed Message-Account' }
      continue
    }
    if (!CLASSES.has(name)) return { fault: 'Unknown Message Context Class' }
    if (classes.has(name)) return { fault: 'Message Context Class Twice' }
    const counts = countsOf(valueOf(line))
    if (!counts) return { fault: 'Malformed Message Counts' }
    classes.set(name, counts)
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

/** Ended by LF or CRLF. */
class Lines {
  readonly #text: string
  #at = 0
  taken = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Undefined behind the last one. */
  next(): string | undefined {
    const from = this.#at
    if (from > this.#text.length) return undefined
    this.taken++
    const found = this.#text.indexOf('\n', from)
    const end = found < 0 ? this.#text.length : found
    this.#at = end + 1
    return this.#text.slice(from, end > from && this.#text[end - 1] === '\r' ? end - 1 : end)
  }
}

/** In lower case; undefined where there is none. */
function nameOf(line: string): string | undefined {
  const colon = line.indexOf(':')
  return colon < 1 ? undefined : line.slice(0, colon).trim().toLowerCase()
}

function valueOf(line: string): string {
  return line.slice(line.indexOf(':') + 1).trim()
}

/** Of a scheme, with nothing that would break out of the line or the header. */
function isUri(text: string): boolean {
  return parseUri(text) !== undefined || /^[a-z][a-z0-9+.-]{0,31}:[^\s<>"]{1,500}$/i.test(text)
}

/** RFC 3261 25.1: SLASH, LPAREN and RPAREN have any blanks around them. */
const COUNTS =
  /^([0-9]{1,10})[ \t]*\/[ \t]*([0-9]{1,10})(?:[ \t]*\([ \t]*([0-9]{1,10})[ \t]*\/[ \t]*([0-9]{1,10})[ \t]*\))?$/
/** RFC 3842 5.2. Who does not know how many there are may say that. */
export const HIGHEST_COUNT = 0xffffffff

/** `2/8 (0/2)`, the urgent ones left out or not. */
function countsOf(text: string): ClassCounts | undefined {
  const found = COUNTS.exec(text)
  if (!found) return undefined
  const counts = found.slice(1).map((digits) => Number(digits ?? 0))
  if (counts.some((count) => count > HIGHEST_COUNT)) return undefined
  const [newMessages = 0, oldMessages = 0, newUrgent = 0, oldUrgent = 0] = counts
  return { newMessages, oldMessages, newUrgent, oldUrgent }
}
