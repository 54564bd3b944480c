/**
 * Linphone shows a list only if it is written as its own server, Flexisip, writes it: `Event: Presence`, though it asks for
 * `presence` (RFC 6665 8.2.1 compares bytes), and a Content-Id in these letters, without the angle brackets of RFC 2045 7.
 * It answers 200 to lists that are right, and shows nothing of them. Of a resource that comes without a body it goes on
 * showing what it saw last, so whom it may not see any more is shown to it as nobody there.
 */
import type { PreparedHeaders } from '../../core/sip/prepared-headers.ts'
import { eventHeader } from '../notification.ts'
import type { Subject, SubjectFacts } from '../subject.ts'

export function isLinphone({ userAgent }: Pick<SubjectFacts, 'userAgent'>): boolean {
  return /linphone/i.test(userAgent)
}

/** The Event line of a list. */
export function listEvent(subject: Subject): PreparedHeaders {
  const { event, eventId } = subject
  return event === 'presence' && isLinphone(subject) ? eventHeader('Presence', eventId) : subject.eventHeader
}
