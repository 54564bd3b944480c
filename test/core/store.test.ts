import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore, type Store, type TableDefinition } from '../../core/store.ts'
import { until } from '../support/tools.ts'

interface Lamp {
  readonly name: string
  readonly watchers: number
  readonly note: string | null
}
const lamps: TableDefinition<Lamp> = {
  name: 'lamps',
  key: 'name',
  columns: { name: 'text', watchers: 'integer', note: 'text' },
}

describe('store', () => {
  let directory: string
  const logged: string[] = []
  const open: Store[] = []

  const openAt = async (path: string): Promise<Store> => {
    const log = new Log()
    log.addSink((line) => logged.push(line.message))
    const store = await openStore({ path, synchronous: 'normal', log: log.logger('store') })
    open.push(store)
    return store
  }
  const rowsOf = async (store: Store): Promise<Lamp[]> => {
    const rows: Lamp[] = []
    await (await store.table(lamps)).load((page) => rows.push(...page))
    return rows
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-store-'))
    logged.length = 0
  })
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close()
    rmSync(directory, { recursive: true })
  })

  it('gives back what was put, the newest of each key, without what was deleted', async () => {
    const path = join(directory, 'a.db')
    const first = await openAt(path)
    const table = await first.table(lamps)
    for (let i = 0; i < 1234; i++) table.put({ name: `lamp ${i}`, watchers: i, note: i % 2 ? 'it’s "odd"' : null })
    table.put({ name: 'lamp 7', watchers: 70, note: 'newer' })
    table.delete('lamp 8')
    await first.close()
    const rows = await rowsOf(await openAt(path))
    expect(rows).to.have.length(1233)
    expect(rows.find((r) => r.name === 'lamp 7')).to.deep.equal({ name: 'lamp 7', watchers: 70, note: 'newer' })
    expect(rows.find((r) => r.name === 'lamp 9')?.note).to.equal('it’s "odd"')
    expect(rows.some((r) => r.name === 'lamp 8')).to.equal(false)
  })

  it('reads in pages of as many rows as are asked for', async () => {
    const table = await (await openAt(join(directory, 'p.db'))).table(lamps)
    for (let i = 0; i < 7; i++) table.put({ name: `lamp ${i}`, watchers: i, note: null })
    await open[0]?.flush()
    const pages: number[] = []
    await table.load((rows) => pages.push(rows.length), 3)
    expect(pages).to.deep.equal([3, 3, 1])
  })

  it('says that it waits for a file that another process has locked, and for which', async () => {
    const path = join(directory, 'locked.db')
    const first = await openAt(path)
    ;(await first.table(lamps)).put({ name: 'kept', watchers: 1, note: null })
    await first.close()
    const lock = `
      const { Database } = require('sqlite3')
      const file = new Database(process.argv[1])
      const sql = 'PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE'
      file.exec(sql, (error) => console.log(error?.message ?? 'locked'))
      setTimeout(() => undefined, 30000)`
    const other = spawn(process.execPath, ['-e', lock, path])
    try {
      const [said] = await once(other.stdout, 'data')
      expect(String(said)).to.include('locked')
      const opening = openAt(path)
      await until('a word of it', () => logged.length > 0)
      expect(logged).to.deep.equal([
        `the store ${path} is locked by another process, as sqlite3 or a backup; it is waited for, 20 s at most`,
      ])
      other.kill('SIGKILL')
      expect(await rowsOf(await opening)).to.deep.equal([{ name: 'kept', watchers: 1, note: null }])
      expect(logged).to.have.length(1)
    } finally {
      other.kill('SIGKILL')
    }
  })

  it('adds the columns that a table of an older version lacks', async () => {
    const path = join(directory, 'b.db')
    const old = await openAt(path)
    const table = await old.table<{ name: string }>({ name: 'lamps', key: 'name', columns: { name: 'text' } })
    table.put({ name: 'old' })
    await old.close()
    expect(await rowsOf(await openAt(path))).to.deep.equal([{ name: 'old', watchers: null, note: null }])
  })

  it('takes a table that is declared again for the same one, and refuses another of its name', async () => {
    const path = join(directory, 'again.db')
    const store = await openAt(path)
    const before = await store.table(lamps)
    before.put({ name: 'before', watchers: 1, note: null })
    const after = await store.table(lamps)
    after.put({ name: 'after', watchers: 2, note: null })
    before.put({ name: 'late', watchers: 3, note: null })
    const other = { name: 'lamps', key: 'name', columns: { name: 'text' } } as const
    const fault = await store.table<{ name: string }>(other).catch((error: unknown) => error)
    expect(String(fault)).to.include('table lamps is declared with other columns')
    await store.close()
    expect((await rowsOf(await openAt(path))).map(({ name }) => name)).to.have.members(['before', 'after', 'late'])
  })

  it('sets a damaged file aside and begins a new one', async () => {
    const path = join(directory, 'c.db')
    writeFileSync(path, 'this is no database, it is a poem about lamps '.repeat(200))
    expect(await rowsOf(await openAt(path))).to.deep.equal([])
    expect(readdirSync(directory).some((name) => name.startsWith('c.db.damaged-'))).to.equal(true)
    expect(logged.join()).to.match(/is damaged .* set aside as/)
  })

  it('sets a file aside that is damaged while it runs, and writes what the modules hold', async () => {
    const path = join(directory, 'd.db')
    const store = await openAt(path)
    const held: Lamp[] = [{ name: 'held', watchers: 1, note: null }]
    const table = await store.table<Lamp>({ ...lamps, rows: () => held })
    for (let i = 0; i < 3000; i++) table.put({ name: `x${i}`, watchers: i, note: 'x'.repeat(50) })
    await store.close()
    const again = await openAt(path)
    const reopened = await again.table<Lamp>({ ...lamps, rows: () => held })
    truncateSync(path, 8192)
    writeFileSync(path, Buffer.alloc(4096, 0x41), { flag: 'r+' })
    for (let i = 0; i < 20 && !logged.some((m) => m.includes('damaged')); i++) {
      reopened.put({ name: `new ${i}`, watchers: i, note: null })
      await again.flush()
    }
    expect(logged.join()).to.contain('is damaged')
    await again.close()
    const names = (await rowsOf(await openAt(path))).map((r) => r.name)
    expect(names).to.include('held')
  })

  it('runs on where a full disk has no room for a table, which is made once there is some', async () => {
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../core/store.ts', import.meta.url).href)}
      import { Log } from ${JSON.stringify(new URL('../../core/log.ts', import.meta.url).href)}
      import { execFileSync } from 'node:child_process'
      const [path] = process.argv.slice(2)
      const store = await openStore({ path, synchronous: 'off', log: new Log('error').logger('store') })
      const said = []
      for (let i = 0; i < 20; i++) {
        const table = await store.table({ name: 'lamps' + i, key: 'name', columns: { name: 'text' } })
        said.push(await table.load(() => undefined))
        await table.scan(['name'], () => undefined, 10)
      }
      const last = await store.table({ name: 'lamps19', key: 'name', columns: { name: 'text' } })
      const unavailable = await last.select({}).then(() => '', (error) => error.constructor.name)
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
      while (!(await last.load(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 20))
      console.log(JSON.stringify({ first: said[0], last: said[19], unavailable, rows: await last.select({}) }))
      process.exit(0)`
    const file = join(directory, 'little.mts')
    writeFileSync(file, script)
    const limited = `ulimit -S -f 40; exec "$0" --import tsx "$1" "$2"`
    const made = join(directory, 'little.db')
    const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, file, made])
    expect(JSON.parse(stdout)).to.deep.equal({ first: true, last: false, unavailable: 'StoreUnavailable', rows: [] })
  }).timeout(60_000)

  it('reads what is there where a full disk has no room for what is open beside it, and writes once there is some', async () => {
    const path = join(directory, 'whole.db')
    const before = await openAt(path)
    const lamps = await before.table({ name: 'lamps', key: 'name', columns: { name: 'text' } })
    lamps.put({ name: 'a' })
    await before.close()
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../core/store.ts', import.meta.url).href)}
      import { Log } from ${JSON.stringify(new URL('../../core/log.ts', import.meta.url).href)}
      import { execFileSync } from 'node:child_process'
      const [path] = process.argv.slice(2)
      const store = await openStore({ path, synchronous: 'off', log: new Log('error').logger('store'), hold: 'alone' })
      const table = await store.table({ name: 'lamps', key: 'name', columns: { name: 'text' } })
      const rows = []
      const isWhole = await table.load((page) => rows.push(...page))
      table.put({ name: 'b' })
      const isWritten = await store.durable()
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
      while (!(await store.durable())) await new Promise((resolve) => setTimeout(resolve, 20))
      await store.close()
      console.log(JSON.stringify({ rows, isWhole, isWritten }))
      process.exit(0)`
    const file = join(directory, 'whole.mts')
    writeFileSync(file, script)
    const limited = `ulimit -S -f 2; exec "$0" --import tsx "$1" "$2"`
    const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, file, path])
    expect(JSON.parse(stdout)).to.deep.equal({ rows: [{ name: 'a' }], isWhole: true, isWritten: false })
    const after: string[] = []
    const again = await (await openAt(path)).table({ name: 'lamps', key: 'name', columns: { name: 'text' } })
    await again.load((rows) => void after.push(...rows.map(({ name }) => String(name))))
    expect(after).to.deep.equal(['a', 'b'])
  }).timeout(60_000)

  it('runs on where the disk is full, says so once, and keeps what it could not write', async () => {
    // Node ignores SIGXFSZ, so a file size limit is a full disk to SQLite.
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../core/store.ts', import.meta.url).href)}
      import { Log } from ${JSON.stringify(new URL('../../core/log.ts', import.meta.url).href)}
      const log = new Log(); let said = 0
      log.addSink((line) => { if (line.message.includes('cannot be written')) said++ })
      const store = await openStore({ path: process.argv[2], synchronous: 'off', log: log.logger('store') })
      const table = await store.table({ name: 'lamps', key: 'name', columns: { name: 'text', note: 'text' } })
      for (let i = 0; i < 5000; i++) table.put({ name: 'n' + i, note: 'y'.repeat(500) })
      await store.flush(); await store.flush(); await store.flush()
      console.log(JSON.stringify({ said }))
      process.exit(0)`
    const file = join(directory, 'full.mts')
    writeFileSync(file, script)
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      `ulimit -f 400; exec "$0" --import tsx "$1" "$2"`,
      process.execPath,
      file,
      join(directory, 'e.db'),
    ])
    expect(JSON.parse(stdout)).to.deep.equal({ said: 1 })
  }).timeout(60_000)
})
