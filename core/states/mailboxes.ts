/** Message counts of mailboxes (`100@default`), by origin; a mailbox lives in one place, so the newest report counts. */
import { type Report, Reported } from './reported.ts'

export interface MailboxCounts {
  readonly newMessages: number
  readonly oldMessages: number
}

export const NO_MESSAGES: MailboxCounts = { newMessages: 0, oldMessages: 0 }

export function sameCounts(a: MailboxCounts, b: MailboxCounts): boolean {
  return a.newMessages === b.newMessages && a.oldMessages === b.oldMessages
}

/** `100` is `100@default`, as in Asterisk. */
export function mailboxName(text: string): string {
  return text.includes('@') ? text : `${text}@default`
}

/** What is seen of several opinions; undefined where there is none. */
export function newestCounts(reports: readonly Report<MailboxCounts>[]): MailboxCounts | undefined {
  return reports.reduce<Report<MailboxCounts> | undefined>(
    (newest, report) => (newest && newest.since > report.since ? newest : report),
    undefined,
  )?.state
}

export class Mailboxes extends Reported<MailboxCounts> {
  constructor(now?: () => number) {
    super((reports) => newestCounts(reports) ?? NO_MESSAGES, sameCounts, now)
  }
}
