/**
 * Servers of a name that have failed while there were others (RFC 3263 4.3): for a while they come last, so that not each
 * request waits for a dead one anew. RFC 3261 21.5.4 asks for that where a 503 says how long.
 */
import { dropOldest } from '../oldest.ts'
import type { Outcome } from './contract.ts'
import type { Target } from './resolve.ts'
import { parseRetryAfter } from './values.ts'

/** Milliseconds. */
const AVOIDED = 300_000
const LONGEST = 3_600_000
/** One request goes there to see, and others no more until that is known. */
const PROBED = 60_000
const MOST = 1000

export class Avoided {
  readonly #until = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get none(): boolean {
    return this.#until.size === 0
  }

  failed(target: Target, outcome: Outcome): void {
    const pause = pauseAfter(outcome)
    if (pause === undefined) return
    this.#until.set(keyOf(target), this.#now() + pause)
    dropOldest(this.#until, MOST)
  }

  answered(target: Target): void {
    if (!this.none) this.#until.delete(keyOf(target))
  }

  /** Those that are avoided behind the others, each in the order they had. */
  last(targets: readonly Target[]): readonly Target[] {
    if (this.none || targets.length < 2) return targets
    const avoided = new Set(targets.filter((target) => this.#isAvoided(keyOf(target))))
    return [...targets.filter((target) => !avoided.has(target)), ...avoided]
  }

  #isAvoided(key: string): boolean {
    const until = this.#until.get(key)
    if (until === undefined) return false
    const now = this.#now()
    if (until <= now) this.#until.set(key, now + PROBED)
    return until > now
  }
}

function keyOf({ protocol, address, port }: Target): string {
  return `${protocol} ${address} ${port}`
}

/** A 503 that does not say how long is no more than a 500, and costs no time. */
function pauseAfter(outcome: Outcome): number | undefined {
  if (outcome.kind !== 'response') return AVOIDED
  const asked = parseRetryAfter(outcome.response.header('Retry-After'))
  return asked === undefined ? undefined : Math.min(asked * 1000, LONGEST)
}
