/** Comparing what we believe with what Asterisk says. What differs is repaired, logged and counted. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '../log.ts'

/** Something we believed that Asterisk says otherwise. Texts are for the log. */
export interface Difference {
  /** `PJSIP/100`, `call PJSIP/100-00000001` … */
  readonly what: string
  readonly believed: string
  readonly found: string
  /** Takes Asterisk's word. */
  readonly repair: () => void
}

export interface Comparison {
  /** What differs now. `unread` is told the names of what could not be asked for. Never rejects. */
  compare(unread: (name: string) => void): Promise<readonly Difference[]>
}

/** An event that is on its way while we ask looks like a difference; it has arrived after this long. */
const SETTLE_MS = 300

export interface Reconciliation {
  readonly at: Date
  readonly repaired: readonly Omit<Difference, 'repair'>[]
  /** Names of what could not be asked for: whether that differs nobody knows. */
  readonly unread: readonly string[]
}

/**
 * What differs in two readings with a moment between them is drift: an event was lost, or never sent. `compare` of the
 * second reading leaves out whatever an event told meanwhile.
 */
export async function reconcile(
  comparisons: readonly Comparison[],
  log: Logger,
  settle: number = SETTLE_MS,
): Promise<Reconciliation> {
  const unread = new Set<string>()
  const first = await compareAll(comparisons, unread)
  if (first.length === 0) return { at: new Date(), repaired: [], unread: [...unread] }
  const suspects = new Set(first.map(signature))
  await pause(settle)
  const drifted = (await compareAll(comparisons, unread)).filter((difference) => suspects.has(signature(difference)))
  for (const { what, believed, found, repair } of drifted) {
    repair()
    log.notice(`${what} was believed ${believed}, Asterisk says ${found}; repaired`)
  }
  const repaired = drifted.map(({ what, believed, found }) => ({ what, believed, found }))
  return { at: new Date(), repaired, unread: [...unread] }
}

async function compareAll(comparisons: readonly Comparison[], unread: Set<string>): Promise<Difference[]> {
  const found = await Promise.all(comparisons.map((comparison) => comparison.compare((name) => unread.add(name))))
  return found.flat()
}

const signature = ({ what, believed, found }: Difference): string => `${what}\n${believed}\n${found}`
