/** Everything at once, each at its own rate: changes, refreshes, and subscriptions that come and go. */
import type { Lamp, Watcher } from './lamps.ts'
import { pacer, pause } from './loads.ts'
import type { Office } from './office.ts'

/** A second, each. */
export interface Rates {
  readonly changes: number
  readonly refreshes: number
  readonly arrivals: number
  readonly departures: number
}

/** What a subscription is granted at first; a refresh asks for more. */
export const FIRST_EXPIRES = 1800

/** Whoever has something under way is passed over. Resolves with the number of changes, when time is over. */
export async function mixed(office: Office, seconds: number, rates: Rates): Promise<number> {
  const { lamps, watchers } = office
  const start = performance.now()
  let changes = 0
  const steps = [
    pacer(rates.changes, lamps, isFree, (lamp, due) => {
      changes++
      office.change(lamp, start + due)
    }),
    pacer(rates.refreshes, watchers, isSubscribed, (watcher) => office.subscribe(watcher, ignore)),
    pacer(rates.arrivals, watchers, isAbsent, (watcher) => office.subscribe(watcher, ignore, FIRST_EXPIRES)),
    pacer(rates.departures, watchers, isSubscribed, (watcher) => office.unsubscribe(watcher, ignore)),
  ]
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - start) {
    for (const step of steps) step(elapsed)
    await pause(1)
  }
  return changes
}

/** Whether nobody waits for anything. */
export function isIdle(office: Office): boolean {
  return !office.watchers.some(isBusy) && !office.lamps.some(({ waiting, missing }) => waiting || missing > 0)
}

/** Until nobody waits for anything, at most so many milliseconds; whether that was reached. */
export async function idle(office: Office, most: number): Promise<boolean> {
  const start = performance.now()
  while (!isIdle(office)) {
    if (performance.now() - start > most) return false
    await pause(20)
  }
  return true
}

const ignore = (): void => undefined
const isBusy = ({ wantsAnswer, wantsNotify, unsure, gone }: Watcher): boolean =>
  (wantsAnswer || wantsNotify) && !unsure && !gone
const isSubscribed = (watcher: Watcher): boolean => watcher.granted > 0 && !watcher.unsure && !isBusy(watcher)
const isAbsent = (watcher: Watcher): boolean => watcher.granted === 0 && !watcher.unsure && !isBusy(watcher)
const isFree = ({ waiting, missing, adrift }: Lamp): boolean => !waiting && missing === 0 && !adrift
