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
  partEnded?(part: Watchable<unknown>): boolean
  /** Somebody watches it from now on. */
  wanted?(): void
  /** Nobody watches it any more, or has come to watch it. */
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

  get isWatched(): boolean {
    return this.#watched !== undefined
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

  /** Of one that nobody watches: nobody is about to, either. */
  letGo(): void {
    this.#composition.idle?.()
  }

  /** The parts are others now. */
  repart(): void {
    if (!this.#watched) return
    const before = this.#following
    const ended = this.#follow()
    for (const undo of before) void undo()
    if (ended === undefined) this.refresh()
    else this.end(ended)
  }

  /** Composes anew. */
  refresh(): void {
    if (!this.#starting) this.#watched?.set(this.#composition.compose())
  }

  #begin(): Watched<T> {
    const ended = this.#follow()
    const watched = new Watched(this.#composition.compose())
    this.#watched = watched
    this.#composition.wanted?.()
    if (ended !== undefined) this.end(ended)
    return watched
  }

  /** Why it is over, where a part was over before it could be followed and the whole is with it. */
  #follow(): EndReason | undefined {
    let ended: EndReason | undefined
    this.#starting = true
    this.#following = this.#composition.parts().map((part) =>
      part.watch({
        value: () => {
          if (this.#starting) return
          this.#composition.changed?.(part)
          this.refresh()
        },
        end: (reason) => {
          const isEnd = this.#composition.partEnded?.(part) ?? true
          if (this.#starting && isEnd) ended = reason
          else if (isEnd) this.end(reason)
          else this.refresh()
        },
        audience: () => this.#watched?.watchers ?? 0,
      }),
    )
    this.#starting = false
    return ended
  }

  /** It has no more values. */
  end(reason: EndReason): void {
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
