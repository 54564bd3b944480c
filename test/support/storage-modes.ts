/** The modes of `subs_db_mode`, and what each of them promises: the storage suite runs over all of them. */
import { join } from 'node:path'
import sqlite3 from 'sqlite3'
import { type LampOffice, lampOffice } from './lamp-office.ts'
import { Lamps } from './lamps.ts'
import { allRows, endLeases, sqlite } from './sqlite.ts'

export interface StorageMode {
  readonly mode: 0 | 1 | 2 | 3
  readonly name: string
  /** Subscriptions are there after a restart. */
  readonly restores: boolean
  /** What is answered 200 is on disk then; where it cannot be, it is answered 500. */
  readonly writesBefore: boolean
}

export const STORAGE_MODES: readonly StorageMode[] = [
  { mode: 0, name: 'memory', restores: false, writesBefore: false },
  { mode: 1, name: 'write-through', restores: true, writesBefore: true },
  { mode: 2, name: 'write-back', restores: true, writesBefore: false },
  { mode: 3, name: 'database only', restores: true, writesBefore: true },
]

type LampOptions = Parameters<typeof lampOffice>[0] & {}

/** Makes servers with the same database file and the same lamps. */
export class ServerBuilder {
  readonly lamps = new Lamps()
  readonly path: string
  readonly #mode: StorageMode
  readonly #open = new Set<LampOffice>()

  constructor(directory: string, mode: StorageMode) {
    this.path = join(directory, 'presence.db')
    this.#mode = mode
  }

  async begin({ options, ...settings }: LampOptions = {}): Promise<LampOffice> {
    const made = await lampOffice({
      storePath: this.path,
      lamps: this.lamps,
      // NOTIFYs are sent at once, not with the next poll.
      options: { subs_db_mode: String(this.#mode.mode), notifier_processes: '0', ...options },
      ...settings,
    })
    this.#open.add(made)
    return made
  }

  /** kill: nothing is unloaded, and nothing said to anybody. */
  async end(made: LampOffice, how: 'close' | 'kill'): Promise<void> {
    this.#open.delete(made)
    await made.office[how]()
  }

  /** Whoever is dead need not be waited for. */
  async endLeases(): Promise<void> {
    if (this.#mode.mode === 3) await endLeases(this.path)
  }

  async close(): Promise<void> {
    for (const made of this.#open) await made.office.close()
  }

  /** What SQLite itself has, beside any store. */
  query(sql: string): Promise<Record<string, unknown>[]> {
    return sqlite(this.path, sql)
  }

  /** Nobody else can write until what comes back is called. */
  async lock(): Promise<() => Promise<void>> {
    const database = new sqlite3.Database(this.path)
    await allRows(database, 'BEGIN IMMEDIATE')
    return async () => {
      await allRows(database, 'ROLLBACK')
      await new Promise<void>((resolve) => {
        database.close(() => resolve())
      })
    }
  }
}
