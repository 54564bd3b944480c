/** A server that is killed under load, and what it still knows when it was started anew. */
import type { Lamp } from './lamps.ts'
import { changeAll, drained, pause, subscribeAll } from './loads.ts'
import { FIRST_EXPIRES, isIdle, mixed, newTurns, type Rates } from './mixed.ts'
import type { Office } from './office.ts'

export interface Recovery {
  /** Subscriptions whose 200 had come before the kill. */
  readonly known: number
  /** Of them those that are unknown now, and were answered more than `grace` milliseconds before the kill. */
  readonly lost: number
  /** Those that are unknown now, and were answered later. */
  readonly young: number
  /** Refreshes that had been answered, and do not count now. */
  readonly refreshesLost: number
  /** NOTIFYs with a CSeq that the server had used before it was killed, or a lower one. */
  readonly reused: number
}

/** Milliseconds in which everything is read that a process sent before it ended. */
const DRAINED = 200
/** Milliseconds without a NOTIFY after which no more restored ones come, and how long to wait for them at most. */
const QUIET = 3000
const PATIENCE = 60_000

/** Resolves with the moment of the kill, by performance.now(). */
export async function killUnderLoad(office: Office, seconds: number, rates: Rates, pid: number): Promise<number> {
  await mixed(office, seconds * (0.5 + Math.random() / 2), rates, newTurns())
  process.kill(pid, 'SIGKILL')
  const killed = performance.now()
  await pause(DRAINED)
  office.serverGone()
  return killed
}

/** Every dialog is heard of, refreshed, and shown a change; `killed` by performance.now(). */
export async function recover(
  office: Office,
  window: number,
  grace: number,
  killed: number,
  quiet = QUIET,
): Promise<Recovery> {
  const known = office.watchers.filter(({ granted, unsure }) => granted > 0 && !unsure)
  await restored(office, quiet)
  const silent = known.filter(({ wantsNotify }) => wantsNotify)
  const refreshesLost = known.filter(
    ({ granted, left, wantsNotify }) => granted > FIRST_EXPIRES && left <= FIRST_EXPIRES && !wantsNotify,
  ).length
  await subscribeAll(office, known, window)
  const gone = known.filter((watcher) => watcher.gone)
  // They are there, but their phones were not told.
  office.faults.unanswered += silent.length - gone.length
  await changeAll(office, window, (lamp: Lamp) => !lamp.adrift)
  await drained(office)
  const lost = gone.filter(({ since }) => killed - since > grace).length
  const { reused } = office.faults
  return { known: known.length, lost, young: gone.length - lost, refreshesLost, reused }
}

/** Until nobody waits for anything, or nothing more seems to come. */
async function restored(office: Office, quiet: number): Promise<void> {
  const start = performance.now()
  while (!isIdle(office)) {
    const now = performance.now()
    if (now - start > PATIENCE || now - Math.max(start, office.notifiedAt) > quiet) return
    await pause(20)
  }
}
