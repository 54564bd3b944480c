import sqlite3 from 'sqlite3'

/** What SQLite itself has, beside any store, or what another program does with it. */
export async function sqlite(path: string, sql: string): Promise<Record<string, unknown>[]> {
  const database = new sqlite3.Database(path)
  database.configure('busyTimeout', 3000)
  try {
    return await allRows(database, sql)
  } finally {
    await new Promise<void>((resolve) => {
      database.close(() => resolve())
    })
  }
}

/**
 * subs_db_mode = 3: as if all who said in this file that they live had done so long ago. What the lease is good for, and
 * that it is waited for, is tested elsewhere.
 */
export async function endLeases(path: string): Promise<void> {
  await sqlite(path, 'UPDATE presence_servers SET beat = 1')
}

export function allRows(database: sqlite3.Database, sql: string): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    database.all<Record<string, unknown>>(sql, (error, rows) => (error ? reject(error) : resolve(rows)))
  })
}

/** As programs write it whose columns have no encoding. */
export function blob(bytes: Buffer): string {
  return `x'${bytes.toString('hex')}'`
}
