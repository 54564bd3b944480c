import type { Undo } from './scope.ts'

/** Why a watched thing has no more values. `noresource`: it is gone; `deactivated`: whoever provided it was unloaded. */
export type EndReason = 'noresource' | 'deactivated'

export interface WatchObserver<T> {
  /** Called at once with the value now, then after each change. Must not throw and must return quickly. */
  value(value: T): void
  /** Called at most once, and nothing is called after it. */
  end?(reason: EndReason): void
  /** How many watch through this one; one where it does not say. */
  audience?(): number
}

/** State that is watched, not signalled: "now" and "next" come by one path. */
export interface Watchable<T> {
  readonly value: T
  watch(observer: WatchObserver<T>): Undo
}

/** A watchable that its owner writes. Equal values are not passed on. */
export class Watched<T> implements Watchable<T> {
  #value: T
  #ended: EndReason | undefined
  readonly #equal: (a: T, b: T) => boolean
  readonly #observers = new Set<WatchObserver<T>>()

  constructor(initial: T, equal: (a: T, b: T) => boolean = Object.is) {
    this.#value = initial
    this.#equal = equal
  }

  get value(): T {
    return this.#value
  }

  get watchers(): number {
    return this.#observers.size
  }

  /** All who see it in the end, those behind one observer too. */
  get audience(): number {
    return [...this.#observers].reduce((sum, observer) => sum + (observer.audience?.() ?? 1), 0)
  }

  watch(observer: WatchObserver<T>): Undo {
    if (this.#ended) {
      observer.end?.(this.#ended)
      return () => undefined
    }
    // A wrapper, so that one observer object may watch twice and each undoing ends its own watch only.
    const entry: WatchObserver<T> = {
      value: (v) => observer.value(v),
      end: (r) => observer.end?.(r),
      audience: () => observer.audience?.() ?? 1,
    }
    this.#observers.add(entry)
    entry.value(this.#value)
    return () => {
      this.#observers.delete(entry)
    }
  }

  /** Returns whether this changed anything. */
  set(value: T): boolean {
    if (this.#ended || this.#equal(this.#value, value)) return false
    this.#value = value
    for (const observer of this.#observers) observer.value(value)
    return true
  }

  end(reason: EndReason): void {
    if (this.#ended) return
    this.#ended = reason
    const observers = [...this.#observers]
    this.#observers.clear()
    for (const observer of observers) observer.end?.(reason)
  }
}
