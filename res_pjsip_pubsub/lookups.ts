/** What is done after a lookup that took time: where servers of Asterisk are asked, hundreds of them end at once. */
import { type Eventual, whenThere } from '../core/eventual.ts'
import { Share } from '../core/in-slices.ts'

const ended = new Share()

/**
 * `next` gets what was found. Where it has to wait for its turn, that is what is found `again` then: nobody watched the
 * first meanwhile, so it may be gone; what was not there is not looked for twice. Rejects as each of them does.
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
