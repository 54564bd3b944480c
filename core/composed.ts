/**
 * A state that is made of others: what changes in any of them changes it. It follows them only while it is watched
 * itself, and is one value for all who watch it.
 */
import type { Undo } from './scope.ts'
import { type EndReason, Observable, type Watchable, Watched, type WatchObserver } from './watch.ts'

export interface Composition<T> {
  /** What it is made of, now. */
  parts(): readonly Watchable<unknown>[]
  /** The whole, from the values of the parts. Equal values by Object.is are not passed on. */
  compose(): T
  /** A part has another value. Not called for the values there are when it is first watched. */
  changed?(part: Watchable<unknown>): void
  /** A part has no more values. Whether that is the end of the whole, too. */
  partEnded?(part: Watchable<unknown>, reason: EndReason): boolean
  /** Somebody watches it from now on. */
  wanted?(): void
  /** Nobody watches it any more. */
  idle?(): void
}

export class Composed<T> extends Observable<T> {
  readonly #composition: Composition<T>
  #watched: Watched<T> | undefined
  #following: Undo[] = []
  #starting = false

  constructor(composition: Composition<T>) {
    super()
    this.#composition = composition
  }

  get value(): T {
    return this.#watched ? this.#watched.value : this.#composition.compose()
  }

  get watchers(): number {
    return this.#watched?.watchers ?? 0
  }

  attach(observer: WatchObserver<T>): void {
    const watched = this.#watched ?? this.#begin()
    watched.attach(observer)
  }

  detach(observer: WatchObserver<T>): boolean {
    if (!this.#watched?.detach(observer)) return false
    if (this.#watched.watchers === 0) this.#stop()
    return true
  }

  /** The parts are others now. */
  repart(): void {
    if (!this.#watched) return
    const before = this.#following
    this.#follow()
    for (const undo of before) void undo()
    this.refresh()
  }

  /** Composes anew. */
  refresh(): void {
    if (!this.#starting) this.#watched?.set(this.#composition.compose())
  }

  #begin(): Watched<T> {
    this.#follow()
    this.#watched = new Watched(this.#composition.compose())
    this.#composition.wanted?.()
    return this.#watched
  }

  #follow(): void {
    this.#starting = true
    this.#following = this.#composition.parts().map((part) =>
      part.watch({
        value: () => {
          if (this.#starting) return
          this.#composition.changed?.(part)
          this.refresh()
        },
        end: (reason) => this.#partEnded(part, reason),
        audience: () => this.watchers,
      }),
    )
    this.#starting = false
  }

  #partEnded(part: Watchable<unknown>, reason: EndReason): void {
    if (!(this.#composition.partEnded?.(part, reason) ?? true)) return this.refresh()
    const watched = this.#watched
    this.#stop()
    watched?.end(reason)
  }

  #stop(): void {
    if (!this.#watched) return
    this.#watched = undefined
    const following = this.#following
    this.#following = []
    for (const undo of following) void undo()
    this.#composition.idle?.()
  }
}
