/** Pauses between attempts: doubled each time up to a limit, and spread, so that many clients do not come back at once. */
const FIRST_PAUSE_MS = 500

/** Milliseconds to wait after the `failures`th failure in a row (1 is the first): between half of the full pause and all of it. */
export function pauseAfter(failures: number, limitMs: number, random: () => number = Math.random): number {
  const full = Math.min(limitMs, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 30))
  return Math.round(full * (0.5 + random() / 2))
}
