/** Everything at once, each at its own rate: changes, refreshes, and subscriptions that come and go. */
import type { Lamp, Watcher } from './lamps.ts'
import { pacer, pause, type Turn } from './loads.ts'
import type { Office } from './office.ts'

/** A second, each. */
export interface Rates {
  readonly changes: number
  readonly refreshes: number
  readonly arrivals: number
  readonly departures: number
}

/** Whose turn it is to change, refresh, arrive and leave. */
export type Turns = Readonly<Record<keyof Rates, Turn>>

export function newTurns(): Turns {
  return { changes: { next: 0 }, refreshes: { next: 0 }, arrivals: { next: 0 }, departures: { next: 0 } }
}

/** What a subscription is granted at first; a refresh asks for more. */
export const FIRST_EXPIRES = 1800

/** Whoever has something under way is passed over. Resolves with the number of changes, when time is over. */
export async function mixed(office: Office, seconds: number, rates: Rates, turns: Turns): Promise<number> {
  const { lamps, watchers } = office
  const start = performance.now()
  let changes = 0
  const change = (lamp: Lamp, due: number): void => {
    changes++
    office.change(lamp, start + due)
  }
  const steps = [
    pacer(rates.changes, lamps, isFree, change, turns.changes),
    pacer(rates.refreshes, watchers, isSubscribed, (one) => office.subscribe(one, ignore), turns.refreshes),
    pacer(rates.arrivals, watchers, isAbsent, (one) => office.subscribe(one, ignore, FIRST_EXPIRES), turns.arrivals),
    pacer(rates.departures, watchers, isSubscribed, (one) => office.unsubscribe(one, ignore), turns.departures),
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
