/** What is kept of names that others choose has to end somewhere. */

interface Kept<K> {
  readonly size: number
  keys(): Iterable<K>
  delete(key: K): boolean
}

const NONE: readonly never[] = []

/** How many go at once. What goes leaves a hole, and who looks for the oldest walks over all that there are, 50 µs with 20,000. */
export function sliceOf(most: number): number {
  return Math.max(1, most >> 6)
}

/**
 * To be called after each addition to a Map or Set: where it has more than `most`, what has been in it longest goes.
 * Returns the keys of that.
 */
export function dropOldest<K>(kept: Kept<K>, most: number): readonly K[] {
  if (kept.size <= most) return NONE
  const dropped: K[] = []
  const fewer = most + 1 - sliceOf(most)
  for (const oldest of kept.keys()) {
    kept.delete(oldest)
    dropped.push(oldest)
    if (kept.size <= fewer) break
  }
  return dropped
}
