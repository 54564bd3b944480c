/**
 * Origins that are silent, as those of an Asterisk that has been away for long: what another one, who is not, has an
 * opinion of as well is left to that one. It counts again where nobody else is left who is heard.
 */
import type { Report } from './reported.ts'

/** A name, and what is said of it. */
export interface Spoken<T> {
  /** The name in lower case. */
  readonly key: string
  readonly reports: readonly Report<T>[]
}

export class Silence<T, S extends Spoken<T>> {
  /** Origins that are silent → what they left to others, by name in lower case. */
  readonly #left = new Map<string, Map<string, Report<T>>>()
  /** Those of them that are saying anew what they know. */
  readonly #speaking = new Set<string>()
  readonly #all: () => Iterable<S>
  readonly #enter: (spoken: S, origin: string, report: Report<T> | undefined) => void

  /** `enter`: takes an origin's opinion of something up, or out. */
  constructor(all: () => Iterable<S>, enter: (spoken: S, origin: string, report: Report<T> | undefined) => void) {
    this.#all = all
    this.#enter = enter
  }

  begin(origin: string): void {
    this.#speaking.delete(origin)
    if (!this.#left.has(origin)) this.#left.set(origin, new Map())
    for (const spoken of this.#all()) {
      const report = reportOf(spoken, origin)
      if (report && !this.#leaves(spoken, report)) this.putBack(spoken, origin)
    }
  }

  /** It is about to say anew what it knows: what it says from now on is not left to others. */
  speak(origin: string): void {
    if (this.#left.has(origin)) this.#speaking.add(origin)
  }

  /** It has said anew what it knows: what it said before and did not repeat is forgotten. */
  end(origin: string): void {
    if (!this.forget(origin)) return
    for (const spoken of this.#all()) this.#leaveToHeard(spoken)
  }

  /** With all that it left. Whether it was silent. */
  forget(origin: string): boolean {
    this.#speaking.delete(origin)
    return this.#left.delete(origin)
  }

  /** This origin has said something of it, which silent ones leave to it. */
  said(spoken: S, origin: string): void {
    if (this.#left.size > 0 && !this.#left.has(origin)) this.#leaveToHeard(spoken)
  }

  leftBy(origin: string, key: string): T | undefined {
    return this.#left.get(origin)?.get(key)?.state
  }

  /** What it left, which is left no more. */
  take(origin: string, key: string): Report<T> | undefined {
    const left = this.#left.get(origin)
    const report = left?.get(key)
    left?.delete(key)
    return report
  }

  /** What silent ones left, where but for this origin there is nobody to leave it to. */
  putBack(spoken: S, but: string): void {
    if (spoken.reports.some(({ origin }) => origin !== but && !this.#left.has(origin))) return
    for (const origin of this.#left.keys()) {
      const report = this.take(origin, spoken.key)
      if (report) this.#enter(spoken, origin, report)
    }
  }

  #leaveToHeard(spoken: S): void {
    for (const origin of this.#left.keys()) {
      const report = this.#speaking.has(origin) ? undefined : reportOf(spoken, origin)
      if (report) this.#leaves(spoken, report)
    }
  }

  /** Whether a silent origin's opinion could be left to somebody. */
  #leaves(spoken: S, report: Report<T>): boolean {
    if (spoken.reports.every(({ origin }) => this.#left.has(origin))) return false
    this.#enter(spoken, report.origin, undefined)
    this.#left.get(report.origin)?.set(spoken.key, report)
    return true
  }
}

/** What this origin says of it. */
export function reportOf<T>({ reports }: Spoken<T>, origin: string): Report<T> | undefined {
  for (const report of reports) if (report.origin === origin) return report
  return undefined
}
