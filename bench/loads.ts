/** When the phones of an office do what: in a window, at a rate, or all at once. */
import type { Lamp, Watcher } from './lamps.ts'
import type { Office } from './office.ts'

/** Milliseconds that the last NOTIFYs of a load may take; what is not shown then is stale. */
const DRAIN = 30_000

/** Every watcher subscribes, or refreshes, `window` at a time. */
export async function subscribeAll(
  office: Office,
  watchers: readonly Watcher[],
  window: number,
  expires?: number,
): Promise<void> {
  await windowed(watchers, window, (watcher, done) => office.subscribe(watcher, done, expires))
}

/** Every watcher that has a subscription ends it, `window` at a time. */
export async function unsubscribeAll(office: Office, window: number): Promise<void> {
  const watchers = office.watchers.filter(({ granted }) => granted > 0)
  await windowed(watchers, window, (watcher, done) => office.unsubscribe(watcher, done))
}

/** Every watcher is challenged, `window` at a time. */
export async function challengeAll(office: Office, window: number): Promise<void> {
  await windowed(office.watchers, window, (watcher, done) => office.challenge(watcher, done))
}

/** Each of these lamps, or all of them, gets one new state, `window` at a time. */
export async function changeAll(
  office: Office,
  window: number,
  which: (lamp: Lamp) => boolean = () => true,
): Promise<void> {
  await windowed(office.lamps.filter(which), window, (lamp, done) => office.change(lamp, performance.now(), done))
}

/**
 * Lamps change in turn for so long, or until so many NOTIFYs came, `window` of them at a time, each when the last state
 * of another is shown everywhere. Resolves with the number of changes.
 */
export async function churn(
  office: Office,
  seconds: number,
  window: number,
  most = Number.POSITIVE_INFINITY,
): Promise<number> {
  const end = performance.now() + seconds * 1000
  const enough = office.notifies + most
  const { lamps } = office
  let changes = 0
  const lane = (lamp: Lamp, over: () => void): void => {
    if (performance.now() > end || office.notifies > enough) return over()
    changes++
    office.change(lamp, performance.now(), () => {
      // Never deeper than one change, whatever is answered at once.
      setImmediate(() => lane(freeAfter(lamp), over))
    })
  }
  // Chosen when it is changed, not before: two lanes at one lamp, and one of them would wait for ever.
  const freeAfter = (lamp: Lamp): Lamp => {
    for (let step = window; step < window + lamps.length; step++) {
      const next = lamps[(lamp.index + step) % lamps.length]
      if (next && next.shown === undefined) return next
    }
    return lamp
  }
  const lanes = lamps.slice(0, window).map((lamp) => new Promise<void>((resolve) => lane(lamp, resolve)))
  await settle(Promise.all(lanes), seconds * 1000 + DRAIN)
  return changes
}

/**
 * Lamps change in turn, so many a second, whatever is shown. One whose PUBLISH is unanswered is passed over, and with
 * `patient` one that is not shown everywhere, too. Resolves with the number of changes.
 */
export async function paced(office: Office, seconds: number, rate: number, patient: boolean): Promise<number> {
  const start = performance.now()
  const span = seconds * 1000
  let changes = 0
  const free = (lamp: Lamp): boolean => !lamp.waiting && !(patient && lamp.missing > 0)
  const step = pacer(rate, office.lamps, free, (lamp, due) => {
    changes++
    office.change(lamp, start + due)
  })
  for (let elapsed = 0; elapsed < span; ) {
    elapsed = Math.min(performance.now() - start, span)
    step(elapsed)
    await pause(1)
  }
  return changes
}

/** Whose turn it is; kept from one load to the next, so that all have theirs. */
export interface Turn {
  next: number
}

/** Called again and again with the milliseconds that have passed, does what is due by then, to each in turn. */
export function pacer<Each>(
  rate: number,
  all: readonly Each[],
  ready: (each: Each) => boolean,
  act: (each: Each, due: number) => void,
  turn: Turn = { next: 0 },
): (elapsed: number) => void {
  let scheduled = 0
  return (elapsed) => {
    for (; scheduled < (elapsed / 1000) * rate; scheduled++) {
      for (let tries = 0; tries < all.length; tries++) {
        const each = all[turn.next++ % all.length]
        if (each === undefined || !ready(each)) continue
        act(each, (scheduled / rate) * 1000)
        break
      }
    }
  }
}

/** Until every lamp shows its newest state everywhere; resolves with the milliseconds, at most those allowed. */
export async function drained(office: Office, most = DRAIN): Promise<number> {
  const start = performance.now()
  while (performance.now() - start < most) {
    if (office.lamps.every((lamp) => !lamp.waiting && lamp.missing <= 0)) break
    await pause(5)
  }
  return performance.now() - start
}

/** One change of one lamp; milliseconds to the last of its watchers. */
export async function fanOut(office: Office, lamp: Lamp): Promise<number> {
  const start = performance.now()
  await settle(new Promise<void>((shown) => office.change(lamp, start, shown)), DRAIN)
  return performance.now() - start
}

async function windowed<Each>(all: readonly Each[], window: number, start: (each: Each, done: () => void) => void) {
  const rest = all.values()
  const lane = (over: () => void): void => {
    const next = rest.next()
    if (next.done) return over()
    start(next.value, () => lane(over))
  }
  const lanes = Array.from(
    { length: Math.min(window, all.length) },
    () => new Promise<void>((resolve) => lane(resolve)),
  )
  await settle(Promise.all(lanes), 4 * DRAIN)
}

/** What does not come is counted by the office; nobody waits for it for ever. */
async function settle(work: Promise<unknown>, most: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, most)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds)
  })
}
