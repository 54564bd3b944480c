/** What all have in common who watch one thing by the same kind of phone: one object for all of them. */
import type { PreparedHeaders } from '../core/sip/prepared-headers.ts'
import { detached, hashOf, SharedTexts } from '../core/text.ts'
import type { Sharing } from './bodies.ts'
import { eventHeader } from './notification.ts'
import { numberOfName } from './phone-index.ts'

export interface SubjectFacts {
  readonly event: string
  /** The `id` parameter of Event; empty where there is none. */
  readonly eventId: string
  readonly resource: string
  readonly userAgent: string
  readonly contentType: string
  /** URI of what is watched, with the resource as user. */
  readonly localUri: string
  /** What of it is asked for; empty for all of it. */
  readonly narrowed: string
}

export interface Subject extends SubjectFacts {
  /** The resource without case. */
  readonly resourceKey: string
  /** Of the resource, for PhoneIndex. */
  readonly number: number
  readonly eventHeader: PreparedHeaders
  /** For WatcherBodies alone: of who was the last to be told of it, and in which variant. */
  sharing: Sharing | undefined
  variant: string | undefined
}

/** A power of two. Each subject has one place, where the last that had it is found. */
const PLACES = 8192

const known: (Subject | undefined)[] = Array.from({ length: PLACES }, () => undefined)
const words = new SharedTexts(256)

/** The one that was made before, as far as it is remembered. None keeps the message that its texts were cut from. */
export function subjectOf(facts: SubjectFacts): Subject {
  const place = hashOf(facts.resource, hashOf(facts.userAgent, facts.localUri.length)) & (PLACES - 1)
  const before = known[place]
  if (before && isSame(before, facts)) return before
  const subject = newSubject(facts)
  known[place] = subject
  return subject
}

function isSame(one: Subject, other: SubjectFacts): boolean {
  return (
    one.resource === other.resource &&
    one.localUri === other.localUri &&
    one.userAgent === other.userAgent &&
    one.event === other.event &&
    one.eventId === other.eventId &&
    one.contentType === other.contentType &&
    one.narrowed === other.narrowed
  )
}

function newSubject(facts: SubjectFacts): Subject {
  const resource = detached(facts.resource)
  const event = words.of(facts.event)
  const eventId = words.of(facts.eventId)
  return {
    event,
    eventId,
    resource,
    userAgent: words.of(facts.userAgent),
    contentType: words.of(facts.contentType),
    localUri: detached(facts.localUri),
    narrowed: detached(facts.narrowed),
    resourceKey: resource.toLowerCase(),
    number: numberOfName(resource),
    eventHeader: eventHeader(event, eventId),
    sharing: undefined,
    variant: undefined,
  }
}
