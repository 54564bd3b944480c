/** What becomes of a lookup. */
import { type Eventual, whenThere } from '../core/eventual.ts'
import { Share } from '../core/in-slices.ts'
import type { Refusal } from '../core/sip/contract.ts'
import type { Watchable } from '../core/watch.ts'
import type { Found } from './contract.ts'

/** Why there is no state to watch. */
export type Absence = 'noresource' | 'rejected' | 'probation'

export function sourceOf(found: Found<unknown>): Watchable<unknown> | Absence {
  if (found === undefined) return 'noresource'
  if (found === 'unavailable') return 'probation'
  if (isWatchable(found)) return found
  return found.status === 403 ? 'rejected' : 'noresource'
}

export function isWatchable(found: Watchable<unknown> | Refusal): found is Watchable<unknown> {
  return 'watch' in found
}

/** Where servers of Asterisk are asked, hundreds of lookups end at once. */
const ended = new Share()

/**
 * What is done after one that took time: `next` gets what was found. Where it has to wait for its turn, that is what is
 * found `again` then: nobody watched the first meanwhile, so it may be gone; what was not there is not looked for twice.
 * Rejects as each of them does.
 */
export function afterLookup<Found, Result>(
  looking: Promise<Found>,
  again: () => Eventual<Found>,
  next: (found: Found) => Eventual<Result>,
): Promise<Result> {
  return looking.then((found) =>
    ended.take((isLate) => (isLate && found !== undefined ? whenThere(again(), next) : next(found))),
  )
}
