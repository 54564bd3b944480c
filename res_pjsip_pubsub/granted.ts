/** Header lines of the answers that grant a subscription: the same for all who are granted the same time. */
import type { HeaderLine } from '../core/sip/contract.ts'
import { listHeader } from './refusals.ts'

/** How many times are remembered. */
const MOST = 500

export class GrantedLines {
  readonly #refreshed = new Map<number, readonly HeaderLine[]>()
  readonly #made = new Map<number, readonly HeaderLine[]>()
  #events: readonly string[] = []

  /** Of a refresh. */
  refreshed(seconds: number): readonly HeaderLine[] {
    return remembered(this.#refreshed, seconds, [])
  }

  /** Of an answer that makes a dialog: it names the events there are (RFC 6665 8.2.2). */
  made(seconds: number, events: readonly string[]): readonly HeaderLine[] {
    if (events !== this.#events) this.#made.clear()
    this.#events = events
    return remembered(this.#made, seconds, events)
  }
}

function remembered(
  known: Map<number, readonly HeaderLine[]>,
  seconds: number,
  events: readonly string[],
): readonly HeaderLine[] {
  let lines = known.get(seconds)
  if (lines) return lines
  lines = [['Expires', String(seconds)], ...listHeader('Allow-Events', events)]
  if (known.size >= MOST) known.clear()
  known.set(seconds, lines)
  return lines
}
