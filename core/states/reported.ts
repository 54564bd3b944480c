/**
 * State that several origins (an Asterisk server, a publisher, `local`) have an opinion of, by name. What is seen is
 * the aggregate over origins. Names compare without case and are shown as first written.
 */
import { addedTo, type Undo } from '../scope.ts'
import { reportOf, Silence } from './silence.ts'

export interface Report<T> {
  readonly origin: string
  readonly state: T
  /** Epoch milliseconds of the last change of this opinion. */
  readonly since: number
}

/** Somebody who can be asked for a state that nobody has told us yet. */
export interface Reader {
  readonly origin: string
  /** What it knows of something that nobody depends on is not kept up to date: it is asked again when somebody does. */
  readonly asksAgain?: boolean
  /** Resolves when the answer, if there is one, was handed to `set`. Never rejects, and takes a bounded time. */
  read(name: string): Promise<void>
}

export interface Listed<T> {
  readonly name: string
  readonly state: T
  readonly reports: readonly Report<T>[]
}

interface Item<T> {
  readonly name: string
  /** In lower case. */
  readonly key: string
  /** One of each origin, in the order in which they first spoke. */
  readonly reports: Report<T>[]
  state: T
  needed: number
  /** Those who are asked because it is needed again have not answered yet. */
  asking: Promise<void> | undefined
}

export interface Need {
  /** Resolves when every reader without an opinion, or with one that may be out of date, has been asked. */
  readonly ready: Promise<void>
  readonly release: Undo
}

export class Reported<T> {
  readonly #items = new Map<string, Item<T>>()
  readonly #changeListeners = new Set<(name: string, state: T) => void>()
  readonly #reportListeners = new Set<(name: string, origin: string, report: Report<T> | undefined) => void>()
  readonly #readers = new Set<Reader>()
  readonly #silence = new Silence<T, Item<T>>(
    () => this.#items.values(),
    (item, origin, report) => this.#report(item, origin, report),
  )
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
    return this.#items.get(name.toLowerCase())?.state ?? this.unsaid(name)
  }

  /** The aggregate over some of the origins; undefined where none of them has an opinion. */
  seen(name: string, by: (origin: string) => boolean): T | undefined {
    const reports = this.reports(name).filter(({ origin }) => by(origin))
    return reports.length === 0 ? undefined : this.#aggregate(reports, name)
  }

  /** Whether these are one and the same opinion. */
  same(a: T, b: T): boolean {
    return this.#equal(a, b)
  }

  reports(name: string): readonly Report<T>[] {
    return this.#items.get(name.toLowerCase())?.reports.slice() ?? []
  }

  /** All that is known or needed, in the order of the names. */
  list(): Listed<T>[] {
    return [...this.#items.values()]
      .map((i) => ({ name: i.name, state: i.state, reports: i.reports.slice() }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Whether that is what is said of something that there is not; no other than what is seen where nobody says anything. */
  protected saysNothing(_state: T): boolean {
    return false
  }

  /** What is seen where nobody says anything. */
  protected unsaid(name: string): T {
    return this.#aggregate([], name)
  }

  /** That is something else now. */
  protected weighUnsaid(): void {
    for (const item of this.#items.values()) if (item.reports.length === 0) this.#weigh(item)
  }

  /** An origin's opinion; undefined takes it back. */
  set(origin: string, name: string, state: T | undefined): void {
    const item = this.#items.get(name.toLowerCase())
    if (state !== undefined && (item?.needed || !this.#isIdle(origin, state)))
      this.#say(item ?? this.#item(name), origin, state)
    else if (item) this.#takeBack(item, origin)
  }

  #say(item: Item<T>, origin: string, state: T): void {
    const before = reportOf(item, origin)
    if (before && this.#equal(before.state, state)) return
    const left = this.#silence.take(origin, item.key)
    const since = left && this.#equal(left.state, state) ? left.since : this.#nowOf(item, origin)
    this.#report(item, origin, { origin, state, since })
    this.#silence.said(item, origin)
  }

  #takeBack(item: Item<T>, origin: string): void {
    if (!reportOf(item, origin)) return
    this.#silence.putBack(item, origin)
    this.#report(item, origin, undefined)
  }

  /** Puts back an opinion that was stored, with its age, where the origin has not spoken since. */
  restore(name: string, report: Report<T>): void {
    const item = this.#item(name)
    this.#silence.take(report.origin, item.key)
    if (!reportOf(item, report.origin)) this.#report(item, report.origin, report)
  }

  /** What is said now is the newest, though the clock was put back since others spoke, or shows the same millisecond. */
  #nowOf({ reports }: Item<T>, origin: string): number {
    let now = this.#now()
    for (const report of reports) if (report.origin !== origin && report.since >= now) now = report.since + 1
    return now
  }

  #report(item: Item<T>, origin: string, report: Report<T> | undefined): void {
    const { name, reports } = item
    const at = placeOf(reports, origin)
    if (!report) reports.splice(at, 1)
    else if (at < 0) reports.push(report)
    else reports[at] = report
    for (const listener of this.#reportListeners) listener(name, origin, report)
    this.#weigh(item)
    this.#sweep(item)
  }

  #weigh(item: Item<T>): void {
    const { name, reports } = item
    const now = reports.length === 0 ? this.unsaid(name) : this.#aggregate(reports, name)
    if (this.#equal(now, item.state)) return
    item.state = now
    for (const listener of this.#changeListeners) listener(name, now)
  }

  namesOf(origin: string): string[] {
    return [...this.#items.values()].filter((i) => reportOf(i, origin)).map((i) => i.name)
  }

  dropOrigin(origin: string): void {
    this.#silence.forget(origin)
    for (const name of this.namesOf(origin)) this.set(origin, name, undefined)
  }

  /** What another one, who is not silent, has an opinion of as well is left to that one. */
  silence(origin: string): void {
    this.#silence.begin(origin)
  }

  /** It is about to say anew what it knows. */
  speak(origin: string): void {
    this.#silence.speak(origin)
  }

  /** It is silent no more, and has said anew what it knows. */
  hear(origin: string): void {
    this.#silence.end(origin)
  }

  /** What a silent origin left to others, if it did. */
  leftBy(origin: string, name: string): T | undefined {
    return this.#silence.leftBy(origin, name.toLowerCase())
  }

  /** Aggregates, each change once. */
  onChange(listener: (name: string, state: T) => void): Undo {
    return addedTo(this.#changeListeners, listener)
  }

  /** Single opinions as they change. For the store and for publishers. */
  onReport(listener: (name: string, origin: string, report: Report<T> | undefined) => void): Undo {
    return addedTo(this.#reportListeners, listener)
  }

  addReader(reader: Reader): Undo {
    return addedTo(this.#readers, reader)
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
    const item = this.#items.get(name.toLowerCase())
    return item && reportOf(item, origin)
  }

  /** Says that somebody depends on this state. */
  need(name: string): Need {
    const item = this.#item(name)
    item.needed++
    const isFirst = item.needed === 1
    const unasked = [...this.#readers].filter((r) => (isFirst && r.asksAgain) || !reportOf(item, r.origin))
    const answers = unasked.map((reader) => reader.read(item.name))
    const ready = Promise.all([item.asking, ...answers]).then(() => {
      if (item.asking === ready) item.asking = undefined
    })
    if (isFirst) item.asking = ready
    let held = true
    return {
      ready,
      release: () => {
        if (!held) return
        held = false
        item.needed--
        if (item.needed === 0) this.#forgetIdle(item)
        this.#sweep(item)
      },
    }
  }

  /** Names may be without number, as those of devices that a call brings with it; who needs it asks for it again. */
  #isIdle(origin: string, state: T): boolean {
    return this.saysNothing(state) && [...this.#readers].some((reader) => reader.origin === origin)
  }

  #forgetIdle(item: Item<T>): void {
    for (const { origin, state } of item.reports.slice()) if (this.#isIdle(origin, state)) this.#takeBack(item, origin)
  }

  #item(name: string): Item<T> {
    const key = name.toLowerCase()
    let item = this.#items.get(key)
    if (!item)
      this.#items.set(key, (item = { name, key, reports: [], state: this.unsaid(name), needed: 0, asking: undefined }))
    return item
  }

  #sweep(item: Item<T>): void {
    if (item.needed === 0 && item.reports.length === 0) this.#items.delete(item.key)
  }
}

/** -1 where it has no opinion. */
function placeOf(reports: readonly Report<unknown>[], origin: string): number {
  for (let at = 0; at < reports.length; at++) if (reports[at]?.origin === origin) return at
  return -1
}
