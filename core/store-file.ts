/** The file of a store: it may be damaged, and another process may have begun it anew. */
import { existsSync, realpathSync, renameSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { reasonOf } from './log.ts'
import type { StoreSettings } from './store-contract.ts'
import { type Database, isDamage } from './store-tables.ts'

export class StoreFile {
  readonly #settings: StoreSettings
  readonly #open: (settings: StoreSettings) => Promise<Database>
  #database: Database | undefined
  /** Of the file that is open. */
  #inode = 0

  constructor(settings: StoreSettings, open: (settings: StoreSettings) => Promise<Database>) {
    this.#settings = settings
    this.#open = open
  }

  /** Undefined while it cannot be opened. */
  get database(): Database | undefined {
    return this.#database
  }

  /** One that is damaged is set aside, and a new one is begun. */
  async openOrBegin(): Promise<Database> {
    if (this.#database) return this.#database
    try {
      return await this.#openFile()
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#inode = inodeOf(this.#settings.path)
      this.#setAside(error)
      return await this.#openFile()
    }
  }

  /** True where another process found the file damaged and has begun a new one, which is to be opened. */
  follow(): boolean {
    if (!this.#database || inodeOf(this.#settings.path) === this.#inode) return false
    void this.close().catch(() => undefined)
    return true
  }

  /** It turned out to be damaged. Sets it aside, unless another process did so; a new one is to be opened. */
  async setAside(error: unknown): Promise<void> {
    await this.close().catch(() => undefined)
    if (inodeOf(this.#settings.path) === this.#inode) this.#setAside(error)
  }

  async close(): Promise<void> {
    const database = this.#database
    this.#database = undefined
    await database?.close()
  }

  async #openFile(): Promise<Database> {
    this.#database = await this.#open(this.#settings)
    this.#inode = inodeOf(this.#settings.path)
    return this.#database
  }

  #setAside(error: unknown): void {
    const { path, log } = this.#settings
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '')}`
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
    log.error(`the store ${path} is damaged (${reasonOf(error)}); it was set aside as ${aside} and a new one is begun`)
  }
}

/** A path of another database, as it is written where the store has this one. */
export function besideStore(storePath: string, path: string): string {
  return path === ':memory:' || storePath === ':memory:' ? path : resolve(dirname(storePath), path)
}

/** One path for one file, by whatever links it is reached, and also where it is not there yet. */
export function realPath(path: string): string {
  for (const [there, name] of [
    [path, ''],
    [dirname(path), basename(path)],
  ] as const) {
    try {
      return join(realpathSync(there), name)
    } catch {
      // Where it would be made counts.
    }
  }
  return resolve(path)
}

function inodeOf(path: string): number {
  return path === ':memory:' ? 0 : (statSync(path, { throwIfNoEntry: false })?.ino ?? 0)
}
