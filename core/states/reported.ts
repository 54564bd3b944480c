/**
 * State that several origins (an Asterisk server, a publisher, `local`) have an opinion of, by name. What is seen is
 * the aggregate over origins. Names compare without case and are shown as first written.
 */
import type { Undo } from '../scope.ts'

export interface Report<T> {
  readonly origin: string
  readonly state: T
  /** Epoch milliseconds of the last change of this opinion. */
  readonly since: number
}

/** Somebody who can be asked for a state that nobody has told us yet. */
export interface Reader {
  readonly origin: string
  /** Resolves when the answer, if there is one, was handed to `set`. Never rejects, and takes a bounded time. */
  read(name: string): Promise<void>
}

export interface Listed<T> {
  readonly name: string
  readonly state: T
  readonly reports: readonly Report<T>[]
  readonly needed: boolean
}

interface Item<T> {
  readonly name: string
  readonly reports: Map<string, Report<T>>
  state: T
  needed: number
}

export interface Need {
  /** Resolves when every reader without an opinion has been asked. */
  readonly ready: Promise<void>
  readonly release: Undo
}

export class Reported<T> {
  readonly #items = new Map<string, Item<T>>()
  readonly #changeListeners = new Set<(name: string, state: T) => void>()
  readonly #reportListeners = new Set<(name: string, origin: string, report: Report<T> | undefined) => void>()
  readonly #readers = new Set<Reader>()
  readonly #aggregate: (reports: readonly Report<T>[], name: string) => T
  readonly #equal: (a: T, b: T) => boolean
  readonly #now: () => number

  constructor(
    aggregate: (reports: readonly Report<T>[], name: string) => T,
    equal: (a: T, b: T) => boolean = Object.is,
    now: () => number = Date.now,
  ) {
    this.#aggregate = aggregate
    this.#equal = equal
    this.#now = now
  }

  /** The aggregate now. */
  get(name: string): T {
    return this.#items.get(name.toLowerCase())?.state ?? this.#aggregate([], name)
  }

  /** The aggregate over some of the origins; undefined where none of them has an opinion. */
  seen(name: string, by: (origin: string) => boolean): T | undefined {
    const reports = this.reports(name).filter(({ origin }) => by(origin))
    return reports.length === 0 ? undefined : this.#aggregate(reports, name)
  }

  reports(name: string): readonly Report<T>[] {
    return [...(this.#items.get(name.toLowerCase())?.reports.values() ?? [])]
  }

  /** All that is known or needed, in the order of the names. */
  list(): Listed<T>[] {
    return [...this.#items.values()]
      .map((i) => ({ name: i.name, state: i.state, reports: [...i.reports.values()], needed: i.needed > 0 }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** An origin's opinion; undefined takes it back. */
  set(origin: string, name: string, state: T | undefined): void {
    this.#report(name, origin, state === undefined ? undefined : { origin, state, since: this.#nowOf(name, origin) })
  }

  /** Puts back an opinion that was stored, with its age, where the origin has not spoken since. */
  restore(name: string, report: Report<T>): void {
    if (!this.#items.get(name.toLowerCase())?.reports.has(report.origin)) this.#report(name, report.origin, report)
  }

  /** What is said now is the newest, though the clock was put back since others spoke, or shows the same millisecond. */
  #nowOf(name: string, origin: string): number {
    const others = this.reports(name).filter((report) => report.origin !== origin)
    return others.reduce((latest, { since }) => Math.max(latest, since + 1), this.#now())
  }

  #report(name: string, origin: string, report: Report<T> | undefined): void {
    const before = this.#items.get(name.toLowerCase())?.reports.get(origin)
    if (report ? before && this.#equal(before.state, report.state) : !before) return
    const item = this.#item(name)
    if (report) item.reports.set(origin, report)
    else item.reports.delete(origin)
    for (const listener of this.#reportListeners) listener(item.name, origin, report)
    const now = this.#aggregate([...item.reports.values()], item.name)
    if (!this.#equal(now, item.state)) {
      item.state = now
      for (const listener of this.#changeListeners) listener(item.name, now)
    }
    this.#sweep(item)
  }

  namesOf(origin: string): string[] {
    return [...this.#items.values()].filter((i) => i.reports.has(origin)).map((i) => i.name)
  }

  dropOrigin(origin: string): void {
    for (const name of this.namesOf(origin)) this.set(origin, name, undefined)
  }

  /** The origin is silent: what another one has an opinion of as well is left to that one. Returns what was taken back. */
  yieldOrigin(origin: string): (readonly [name: string, report: Report<T>])[] {
    return this.namesOf(origin).flatMap((name) => {
      const report = this.reportOf(origin, name)
      if (!report || this.reports(name).length === 1) return []
      this.set(origin, name, undefined)
      return [[name, report] as const]
    })
  }

  /** Aggregates, each change once. */
  onChange(listener: (name: string, state: T) => void): Undo {
    this.#changeListeners.add(listener)
    return () => {
      this.#changeListeners.delete(listener)
    }
  }

  /** Single opinions as they change. For the store and for publishers. */
  onReport(listener: (name: string, origin: string, report: Report<T> | undefined) => void): Undo {
    this.#reportListeners.add(listener)
    return () => {
      this.#reportListeners.delete(listener)
    }
  }

  addReader(reader: Reader): Undo {
    this.#readers.add(reader)
    return () => {
      this.#readers.delete(reader)
    }
  }

  /** What somebody depends on: readers read it again after a reconnect and when they reconcile. */
  needed(): string[] {
    return [...this.#items.values()].filter((i) => i.needed > 0).map((i) => i.name)
  }

  isNeeded(name: string): boolean {
    return (this.#items.get(name.toLowerCase())?.needed ?? 0) > 0
  }

  /** An origin's opinion, if it has one. */
  reportOf(origin: string, name: string): Report<T> | undefined {
    return this.#items.get(name.toLowerCase())?.reports.get(origin)
  }

  /** Says that somebody depends on this state. */
  need(name: string): Need {
    const item = this.#item(name)
    item.needed++
    const unasked = [...this.#readers].filter((reader) => !item.reports.has(reader.origin))
    const ready = Promise.all(unasked.map((reader) => reader.read(item.name))).then(() => undefined)
    let held = true
    return {
      ready,
      release: () => {
        if (!held) return
        held = false
        item.needed--
        this.#sweep(item)
      },
    }
  }

  #item(name: string): Item<T> {
    const key = name.toLowerCase()
    let item = this.#items.get(key)
    if (!item) this.#items.set(key, (item = { name, reports: new Map(), state: this.#aggregate([], name), needed: 0 }))
    return item
  }

  #sweep(item: Item<T>): void {
    if (item.needed === 0 && item.reports.size === 0) this.#items.delete(item.name.toLowerCase())
  }
}
