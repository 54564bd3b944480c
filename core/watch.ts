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
  /** As `watch`, for an observer that is there once: nothing is allocated for it. */
  attach(observer: WatchObserver<T>): void
  /** Ends what `attach` began. False where there is nothing to end. */
  detach(observer: WatchObserver<T>): boolean
}

export abstract class Observable<T> implements Watchable<T> {
  abstract readonly value: T
  abstract attach(observer: WatchObserver<T>): void
  abstract detach(observer: WatchObserver<T>): boolean

  watch(observer: WatchObserver<T>): Undo {
    // One observer object may watch twice, and each undoing ends its own watch only.
    const entry = new Entry(observer)
    this.attach(entry)
    return () => void this.detach(entry)
  }
}

class Entry<T> implements WatchObserver<T> {
  readonly #observer: WatchObserver<T>

  constructor(observer: WatchObserver<T>) {
    this.#observer = observer
  }

  value(value: T): void {
    this.#observer.value(value)
  }

  end(reason: EndReason): void {
    this.#observer.end?.(reason)
  }

  audience(): number {
    return this.#observer.audience?.() ?? 1
  }
}

/** What never changes, and does not remember who looks at it. */
export class Constant<T> extends Observable<T> {
  readonly value: T

  constructor(value: T) {
    super()
    this.value = value
  }

  attach(observer: WatchObserver<T>): void {
    observer.value(this.value)
  }

  detach(): boolean {
    return false
  }
}

/** A watchable that its owner writes. Equal values are not passed on. */
export class Watched<T> extends Observable<T> {
  #value: T
  #ended: EndReason | undefined
  readonly #equal: (a: T, b: T) => boolean
  readonly #observers = new Set<WatchObserver<T>>()

  constructor(initial: T, equal: (a: T, b: T) => boolean = Object.is) {
    super()
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
    let sum = 0
    for (const observer of this.#observers) sum += observer.audience?.() ?? 1
    return sum
  }

  attach(observer: WatchObserver<T>): void {
    if (this.#ended) {
      observer.end?.(this.#ended)
      return
    }
    this.#observers.add(observer)
    observer.value(this.#value)
  }

  detach(observer: WatchObserver<T>): boolean {
    return this.#observers.delete(observer)
  }

  /** Returns whether this changed anything. */
  set(value: T): boolean {
    if (this.#ended || this.#equal(this.#value, value)) return false
    this.#value = value
    for (const observer of this.#observers) {
      try {
        observer.value(value)
      } catch (error) {
        broken(error)
      }
    }
    return true
  }

  end(reason: EndReason): void {
    if (this.#ended) return
    this.#ended = reason
    const observers = [...this.#observers]
    this.#observers.clear()
    for (const observer of observers) {
      try {
        observer.end?.(reason)
      } catch (error) {
        broken(error)
      }
    }
  }
}

/** A fault of ours, told as one that nobody catches. The others are told what changed all the same. */
function broken(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

export interface WhileWatchedParts<T> {
  readonly value: () => T
  /** Somebody watches from now on. Gives the same while anybody does. */
  readonly open: () => Watched<T>
  /** One fewer watches. */
  readonly left: (watched: Watched<T>) => void
}

/** What somebody keeps only while it is watched. */
export class WhileWatched<T> extends Observable<T> {
  readonly #parts: WhileWatchedParts<T>
  #watched: Watched<T> | undefined

  constructor(parts: WhileWatchedParts<T>) {
    super()
    this.#parts = parts
  }

  /** What is watched has not to be found: whatever anybody watches is what is kept. */
  get value(): T {
    const watched = this.#watched
    return watched && watched.watchers > 0 ? watched.value : this.#parts.value()
  }

  attach(observer: WatchObserver<T>): void {
    this.#watched = this.#parts.open()
    this.#watched.attach(observer)
  }

  detach(observer: WatchObserver<T>): boolean {
    const watched = this.#watched
    if (!watched?.detach(observer)) return false
    this.#parts.left(watched)
    return true
  }
}
