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

export function allRows(database: sqlite3.Database, sql: string): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    database.all<Record<string, unknown>>(sql, (error, rows) => (error ? reject(error) : resolve(rows)))
  })
}

/** As programs write it whose columns have no encoding. */
export function blob(bytes: Buffer): string {
  return `x'${bytes.toString('hex')}'`
}
