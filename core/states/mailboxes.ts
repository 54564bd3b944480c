/** Message counts of mailboxes (`100@default`), by origin; a mailbox lives in one place, so the newest report counts. */
import { Reported } from './reported.ts'

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

export class Mailboxes extends Reported<MailboxCounts> {
  constructor(now?: () => number) {
    super(
      (reports) =>
        reports.reduce<(typeof reports)[number] | undefined>(
          (newest, r) => (newest && newest.since > r.since ? newest : r),
          undefined,
        )?.state ?? NO_MESSAGES,
      sameCounts,
      now,
    )
  }
}
