/** What message-summary tells, and its text (RFC 3842 5.2). */

import { parseUri, printUri } from '../core/sip/parse-uri.ts'
import { type MailboxCounts, NO_MESSAGES } from '../core/states/mailboxes.ts'
import type { Kind } from '../res_pjsip_pubsub/contract.ts'
import { printSummary, type SummaryDocument } from './summary-publication.ts'

export interface MessageSummary extends MailboxCounts {
  /** User part of Message-Account, the extension that a phone calls to listen; empty for none. */
  readonly account: string
  /** What publications make of it, in place of the counts above. */
  readonly published?: SummaryDocument
}

export const messageSummaryKind: Kind<MessageSummary> = { name: 'message summary' }

export function sumOf(counts: Iterable<MailboxCounts>): MailboxCounts {
  let { newMessages, oldMessages } = NO_MESSAGES
  for (const count of counts) {
    newMessages += count.newMessages
    oldMessages += count.oldMessages
  }
  return { newMessages, oldMessages }
}

export function sameSummary(a: MessageSummary, b: MessageSummary): boolean {
  return a.newMessages === b.newMessages && a.oldMessages === b.oldMessages && a.account === b.account
}

/** `localUri` is the URI of the account as the phone knows it; Message-Account is the same with another user. */
export function summaryText(summary: MessageSummary, localUri: string): string {
  const { newMessages, oldMessages, account, published } = summary
  if (published) {
    const own = account === '' ? '' : withUser(localUri, account)
    return printSummary({ ...published, account: published.account || own })
  }
  return (
    `Messages-Waiting: ${newMessages > 0 ? 'yes' : 'no'}\r\n` +
    (account === '' ? '' : `Message-Account: ${withUser(localUri, account)}\r\n`) +
    `Voice-Message: ${newMessages}/${oldMessages} (0/0)\r\n`
  )
}

/** Scheme, host and port of a URI, with this user. */
export function withUser(uri: string, user: string): string {
  const parsed = parseUri(uri)
  if (!parsed) return uri
  const { scheme, host, port } = parsed
  return printUri({ scheme, user, host, port })
}
