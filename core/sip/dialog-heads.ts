/**
 * The pieces of requests that are the same in the dialogs of all who watch one thing: found again for the next of them,
 * and not put together anew.
 */
import { hashOf, joined } from '../text.ts'
import type { Origin } from './origin.ts'
import { beforeCseq, type HeadPieces, upToFrom } from './write-request.ts'

/** What they are made of. */
interface HeadFacts {
  readonly localUri: string
  readonly origin: Origin
  /** In place of our own. */
  readonly contact: string | undefined
  readonly secure: boolean
  readonly maxForwards: number
  readonly compact: boolean
}

export interface DialogHead extends HeadFacts, HeadPieces {}

/** A power of two. Each has one place, where the last that had it is found. */
const PLACES = 4096
const known: (DialogHead | undefined)[] = Array.from({ length: PLACES }, () => undefined)

/** Of a dialog without routes. `contact`: the value of our Contact. */
export function headOf(facts: HeadFacts, contact: () => string): DialogHead {
  const place = hashOf(facts.localUri) & (PLACES - 1)
  const before = known[place]
  if (before && isSame(before, facts)) return before
  const head = newHead(facts, [], contact())
  known[place] = head
  return head
}

export function newHead(facts: HeadFacts, routes: readonly string[], contact: string): DialogHead {
  const { localUri, origin, secure, maxForwards, compact } = facts
  return {
    localUri,
    origin,
    contact: facts.contact,
    secure,
    maxForwards,
    compact,
    upToFrom: joined(upToFrom(localUri, maxForwards, routes, compact)),
    beforeCseq: joined(beforeCseq(contact, compact)),
  }
}

function isSame(one: HeadFacts, other: HeadFacts): boolean {
  return (
    one.origin === other.origin &&
    one.localUri === other.localUri &&
    one.contact === other.contact &&
    one.secure === other.secure &&
    one.maxForwards === other.maxForwards &&
    one.compact === other.compact
  )
}
