/**
 * Time for what has begun in this process and is to last for so long, whatever becomes of the clock: that may be set by
 * hours, as on a machine that learns the time after its start.
 */
const ORIGIN = Date.now() - performance.now()

/** Milliseconds: those of the epoch, but for how far the clock was set since this process began. */
export function steadyNow(): number {
  return Math.floor(ORIGIN + performance.now())
}

/** How far that was, forward. */
export function clockAhead(): number {
  return Date.now() - steadyNow()
}
