/**
 * What was found and is watched by nobody: it was looked at only, its watcher was refused, or is about to come. It is let
 * go of a while later, as nobody says that he will not watch, and what can be found may be without number.
 */

import { Timer } from './timer.ts'

/** Milliseconds that it is kept at least, if there are not too many. */
const LINGERS = 10_000
/** As many again may have come before them. */
const MOST = 4096

export class Unwatched<T extends { readonly isWatched: boolean }> {
  readonly #letGo: (one: T) => void
  readonly #lingers: number
  #young = new Set<T>()
  #old = new Set<T>()
  readonly #timer = new Timer()

  /** `letGo`: of what nobody watches by then, and that may be gone already. */
  constructor(letGo: (one: T) => void, lingers = LINGERS) {
    this.#letGo = letGo
    this.#lingers = lingers
  }

  /** It was found, and may be watched already. */
  add(one: T): void {
    if (one.isWatched) return
    this.#young.add(one)
    if (this.#young.size >= MOST) this.#age()
    else this.#ageLater()
  }

  #ageLater(): void {
    if (!this.#timer.armed) this.#timer.set(this.#lingers, () => this.#age())
  }

  #age(): void {
    this.#timer.clear()
    const over = this.#old
    this.#old = this.#young
    this.#young = new Set()
    // What was found again since may be about to be watched.
    for (const one of over) if (!one.isWatched && !this.#old.has(one)) this.#letGo(one)
    if (this.#old.size > 0) this.#ageLater()
  }
}
