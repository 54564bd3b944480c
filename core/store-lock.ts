/**
 * A file says who has the store: `PATH-lock` beside it is empty, and locked as long as the store is open. The lock is SQLite's
 * own, which the kernel lets go of with the process however that ends; other users of the store, as
 * Kamailio and sqlite3, know nothing of it and are not kept out.
 */
import sqlite3 from 'sqlite3'
import { type StoreHold, StoreInUse } from './store-contract.ts'
import { realPath } from './store-file.ts'

/** Milliseconds: two that come at the same moment get in each other's way, and one that ends may not be through. */
const PATIENCE = 1000

/** It would be a second file, for what is never written. */
const NO_JOURNAL = 'PRAGMA journal_mode = MEMORY'

const BEGIN: Readonly<Record<StoreHold, string>> = {
  alone: 'BEGIN EXCLUSIVE',
  shared: 'BEGIN; SELECT * FROM sqlite_master',
}

/** Resolves with what lets go of it. Throws StoreInUse, and nothing else: where no lock can be had, as on a full disk, there is none. */
export async function lockStore(path: string, hold: StoreHold): Promise<() => Promise<void>> {
  const none = async (): Promise<void> => undefined
  const lock = await open(`${realPath(path)}-lock`)
  if (!lock) return none
  lock.configure('busyTimeout', PATIENCE)
  const error = await new Promise<Error | null>((done) => lock.exec(`${NO_JOURNAL}; ${BEGIN[hold]}`, done))
  if (!error) return () => close(lock)
  await close(lock)
  if ('code' in error && error.code === 'SQLITE_BUSY') throw new StoreInUse()
  return none
}

function open(path: string): Promise<sqlite3.Database | undefined> {
  return new Promise((done) => {
    const lock: sqlite3.Database = new sqlite3.Database(path, (error) => done(error ? undefined : lock))
  })
}

/** An open transaction goes with it. */
function close(lock: sqlite3.Database): Promise<void> {
  return new Promise((done) => lock.close(() => done()))
}
