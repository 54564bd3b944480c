/**
 * Whether what was asked for then (epoch milliseconds) is not older than that. Not what was asked for later than now: the
 * clock was put back, and would have it stand for as long.
 */
export function isFresh(at: number, milliseconds: number): boolean {
  const age = Date.now() - at
  return age >= 0 && age < milliseconds
}
