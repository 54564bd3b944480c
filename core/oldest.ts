/** What is kept of names that others choose has to end somewhere. */

interface Kept<K> {
  readonly size: number
  keys(): Iterable<K>
  delete(key: K): boolean
}

/**
 * To be called after each addition to a Map or Set: where it has more than `most`, what has been in it longest goes.
 * Returns the key of that.
 */
export function dropOldest<K>(kept: Kept<K>, most: number): K | undefined {
  if (kept.size <= most) return undefined
  for (const oldest of kept.keys()) {
    kept.delete(oldest)
    return oldest
  }
  return undefined
}
