/**
 * `publ_cache = 0`: what is published is what the table says, whichever server wrote it.
 *
 * Each change has a number, counted up in the transaction that makes it. Who has seen all up to one number asks for the
 * rows above it: when SQLite says that another process has written, and before a PUBLISH that names an entity-tag is
 * looked at. A row that goes stays for a while without a body, for the others to see; who stood still for about as long
 * looks at all there is.
 */
import type { Undo } from '../../core/scope.ts'
import { type RowOf, StoreUnavailable, type Table, type TableDefinition } from '../../core/store-contract.ts'
import { Timer } from '../../core/timer.ts'
import { highest } from '../storage/cells.ts'
import { OverRows, SEEN } from '../storage/over-rows.ts'
import type { Lease } from './publication.ts'
import {
  fromRow,
  isRow,
  type KeptPublication,
  type PresentityRow,
  type PublicationFollower,
  type PublicationReaders,
  type PublicationStore,
  type PublicationTableSettings,
  readersOf,
  SHARED_PRESENTITY,
  type StoredPublication,
  toRow,
} from './publication-store.ts'

const COLUMNS = { name: 'text', value: 'integer' } as const
type Counter = RowOf<typeof COLUMNS>
const COUNTERS: TableDefinition<Counter> = { name: 'presence_counters', key: 'name', columns: COLUMNS }

/** What becomes of the row that is found; undefined leaves it as it is. */
type Change = (found: PresentityRow | undefined) => PresentityRow | undefined

/** Milliseconds between two attempts to write what the disk refused. */
const RETRY = 500
/** Milliseconds between two looks at whether this process stood still. */
const BEAT = 1000

interface SharedSettings extends PublicationTableSettings {
  /** Milliseconds between two looks for what others wrote. */
  readonly period: number
  readonly now: () => number
}

export class SharedPublications implements PublicationStore {
  readonly #settings: SharedSettings
  readonly #table: Table<PresentityRow>
  readonly #counters: Table<Counter>
  readonly #readers: PublicationReaders
  #seen = 0
  /** The highest number of a change of ours. */
  #written = 0
  #follower: PublicationFollower | undefined
  #stopWatching: Undo = () => undefined
  #syncing: Promise<void> = Promise.resolve()
  /** What is not written yet, or could not be, by ruid: what the table says of these is older. */
  readonly #unwritten = new Map<string, Change>()
  readonly #retry = new Timer()
  readonly #gone: OverRows<PresentityRow>
  #beat: NodeJS.Timeout | undefined
  /** When `#noteStandstill` was called last. */
  #awake: number
  /** Rows may have gone without being seen, since all were read. */
  #mayHaveMissed = false
  /** The table could not be read at the start. */
  isUnread = false

  private constructor(settings: SharedSettings, table: Table<PresentityRow>, counters: Table<Counter>) {
    this.#settings = settings
    this.#table = table
    this.#counters = counters
    this.#gone = new OverRows(table)
    this.#readers = readersOf(table, settings.pageRows)
    this.#awake = settings.now()
  }

  static async open(settings: SharedSettings): Promise<SharedPublications> {
    const { store, table: name, all } = settings
    const rows = function* (): Iterable<PresentityRow> {
      for (const publication of all) yield toRow(publication)
    }
    const table = await store.table<PresentityRow>({ ...SHARED_PRESENTITY, name, rows })
    let made: SharedPublications | undefined
    // In a file begun anew, too: who counted from one there would not be heard by those that are further.
    const counters = await store.table<Counter>({ ...COUNTERS, rows: () => made?.count ?? [] })
    made = new SharedPublications(settings, table, counters)
    return made
  }

  async load(each: (stored: StoredPublication) => void): Promise<number> {
    try {
      const rows = await this.#table.select({}, ['changed', 0])
      this.#seen = highest(
        0,
        rows.map(({ changed }) => changed),
      )
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.isUnread = true
      return 0
    }
    return this.#readers.load(each)
  }

  /** How far the numbers are, as a row. */
  get count(): readonly Counter[] {
    const value = highest(this.#seen, [this.#written])
    return value === 0 ? [] : [{ name: this.#settings.table, value }]
  }

  follow(follower: PublicationFollower): void {
    this.#follower = follower
    const { store, period } = this.#settings
    this.#stopWatching = store.onForeignChange(period, () => void this.sync())
    this.#beat = setInterval(() => {
      this.#noteStandstill()
      if (this.isUnread || this.#mayHaveMissed) void this.sync()
    }, BEAT).unref()
  }

  sync(): Promise<void> {
    const next = this.#syncing.then(() => this.#read())
    this.#syncing = next.catch(() => undefined)
    return this.#syncing
  }

  keep(publication: KeptPublication): Promise<void> {
    const row = toRow(publication)
    return this.#write(row.ruid, () => row)
  }

  forget({ ruid }: Pick<KeptPublication, 'ruid'>): Promise<void> {
    // Each server that sees another publication in its place says so.
    return this.#write(ruid, (found) => (found && found.expires !== 0 ? this.#endOf(found) : undefined))
  }

  expire({ ruid, entityTag, expires }: Pick<KeptPublication, 'ruid'> & Lease): Promise<void> {
    // What is not written yet, as its publisher has been told that it holds.
    const unwritten = this.#unwritten.get(ruid)
    return this.#write(ruid, (found) => {
      if (!found) return undefined
      const last = unwritten?.(found) ?? found
      const { lease } = fromRow(last)
      const isSame = lease.entityTag === entityTag && lease.expires === expires
      return isSame || last.expires === 0 ? this.#endOf(found) : undefined
    })
  }

  reread(event: string, names: Iterable<string>, type: string): Promise<readonly StoredPublication[]> {
    return this.#readers.reread(event, names, type)
  }

  clean(now: number, isLive: (ruid: string) => boolean): Promise<number> {
    return this.#readers.clean(now, isLive)
  }

  async close(): Promise<void> {
    void this.#stopWatching()
    clearInterval(this.#beat)
    await this.#syncing
    await this.#writeAgain()
    this.#retry.clear()
    await this.#settings.store.flush()
  }

  /** With the next number. What cannot be written now is written later; newer changes of the same row go first. */
  async #write(ruid: string, change: Change): Promise<void> {
    this.#unwritten.set(ruid, change)
    const now = this.#settings.now()
    const name = this.#settings.table
    try {
      const { found, row } = await this.#settings.store.atomically(async (at) => {
        // Another attempt may have written it while this one waited for its turn, and another server has a newer row since.
        if (this.#unwritten.get(ruid) !== change) return { found: undefined, row: undefined }
        const [found] = await at.select(this.#table, { ruid })
        const row = change(found)
        if (!row) return { found, row }
        const [counter] = await at.select(this.#counters, { name })
        const value = highest(this.#seen, [this.#written, counter?.value]) + 1
        this.#written = value
        at.put(this.#counters, { name, value })
        at.put(this.#table, { ...row, changed: value })
        if (row.expires !== 0) this.#gone.remains(ruid)
        this.#gone.sweep(at, now)
        return { found, row }
      })
      // Only now can the others see that.
      if (row?.expires === 0) this.#gone.add(ruid, this.#settings.now())
      this.#settled(ruid, change)
      // It was let go of here, and what was read of it meanwhile was passed over.
      if (!row && found) this.#tell(found)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) {
        this.#settled(ruid, change)
        throw error
      }
      if (!this.#retry.armed) this.#retry.set(RETRY, () => void this.#writeAgain().catch(() => undefined))
    }
  }

  /** A newer change of the row may be on its way. */
  #settled(ruid: string, change: Change): void {
    if (this.#unwritten.get(ruid) === change) this.#unwritten.delete(ruid)
  }

  async #writeAgain(): Promise<void> {
    this.#retry.clear()
    const waiting = new Map(this.#unwritten)
    for (const [ruid, change] of waiting) if (this.#unwritten.get(ruid) === change) await this.#write(ruid, change)
  }

  /** What is above the last number known; our own changes come back and change nothing. */
  async #read(): Promise<void> {
    let rows: readonly PresentityRow[]
    let all: readonly PresentityRow[] | undefined
    try {
      rows = await this.#table.select({}, this.isUnread ? undefined : ['changed', this.#seen])
      this.#noteStandstill()
      if (this.#mayHaveMissed) all = await this.#table.select({})
    } catch (error) {
      if (error instanceof StoreUnavailable) return
      throw error
    }
    this.isUnread = false
    const inOrder = rows.toSorted((a, b) => (a.changed ?? 0) - (b.changed ?? 0))
    for (const row of inOrder) {
      this.#seen = highest(this.#seen, [row.changed])
      if (!this.#unwritten.has(row.ruid)) this.#tell(row)
    }
    if (all) this.#leaveOnly(all)
  }

  #tell(row: PresentityRow): void {
    if (!isRow(row)) return
    if (row.expires === 0) return this.#follower?.gone(row.ruid)
    // Another server had more to say about it than that it is gone: its row is to stay.
    this.#gone.remains(row.ruid)
    this.#follower?.changed(fromRow(row))
  }

  #endOf(found: PresentityRow): PresentityRow {
    // Since when it is gone, for whoever cleans the table.
    return { ...found, body: '', expires: 0, expires_ms: this.#settings.now() }
  }

  /** Called each second: where it was not, what is gone may not have been seen while its row was there. */
  #noteStandstill(): void {
    const now = this.#settings.now()
    if (now - this.#awake > SEEN / 2) this.#mayHaveMissed = true
    this.#awake = now
  }

  #leaveOnly(all: readonly PresentityRow[]): void {
    const there = new Set<string>()
    for (const { ruid, expires } of all) if (expires !== 0) there.add(ruid)
    this.#mayHaveMissed = false
    this.#follower?.leaveOnly((ruid) => there.has(ruid) || this.#unwritten.has(ruid))
  }
}
