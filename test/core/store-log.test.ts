import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { openStore, type Store, type TableDefinition } from '../../core/store.ts'
import { type LogState, StoreLog } from '../../core/store-log.ts'
import type { Database } from '../../core/store-tables.ts'

interface Note {
  readonly name: string
  readonly text: string
}
const notes: TableDefinition<Note> = { name: 'notes', key: 'name', columns: { name: 'text', text: 'text' } }

/** A page of 4096 bytes a row. */
const LONG_TEXT = 'x'.repeat(3000)
const MB = 2 ** 20

describe('store log', () => {
  describe('of a file', () => {
    let directory: string
    let path: string
    const open: Store[] = []

    const openIt = async (): Promise<Store> => {
      const store = await openStore({ path, synchronous: 'off', log: new Log().logger('store') })
      open.push(store)
      return store
    }
    const size = (suffix: string): number => statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0

    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'lamplighter-store-'))
      path = join(directory, 'log.db')
    })
    afterEach(async () => {
      for (const store of open.splice(0)) await store.close()
      rmSync(directory, { recursive: true })
    })

    it('stays short under writes that never pause, of two stores on one file, and loses nothing', async () => {
      const stores = [await openIt(), await openIt()]
      let longest = 0
      const writing = stores.map(async (store, number) => {
        const table = await store.table(notes)
        for (let round = 0; round < 120; round++) {
          for (let row = 0; row < 200; row++) table.put({ name: `${number} ${row}`, text: `${round} ${LONG_TEXT}` })
          expect(await store.durable()).to.equal(true)
          longest = Math.max(longest, size('-wal'))
        }
      })
      await Promise.all(writing)
      // 48,000 rows are 192 MB. Where the disk is busy the log is carried over more slowly, but never lets itself be outrun.
      expect(longest).to.be.within(30 * MB, 140 * MB)
      for (const store of open.splice(0)) await store.close()
      expect(size('-wal')).to.equal(0)
      const rows = await (await (await openIt()).table(notes)).select({})
      expect(rows.map(({ text }) => text.slice(0, 3))).to.deep.equal(Array.from({ length: 400 }, () => '119'))
    })

    it('gives the disk back what a burst took of it', async () => {
      const store = await openIt()
      const table = await store.table(notes)
      for (let row = 0; row < 30_000; row++) table.put({ name: `${row}`, text: LONG_TEXT })
      await store.durable()
      expect(size('-wal')).to.be.above(100 * MB)
      for (let row = 0; size('-wal') > 64 * MB; row++) {
        for (let more = 0; more < 2000; more++) table.put({ name: `${more}`, text: `${row} ${LONG_TEXT}` })
        await store.durable()
        expect(row).to.be.below(10)
      }
    })
  })

  describe('carried over', () => {
    const asked: string[] = []
    let written = 0
    /** What is said to each question, in turn; a promise that is pending is a slow disk. */
    let answers: (LogState | Promise<LogState>)[] = []
    let turn: Promise<unknown> = Promise.resolve()
    const database = {
      get written() {
        return written
      },
      checkpoint: async (how: string) => {
        asked.push(how)
        return (await answers.shift()) ?? { pages: 0, left: 0 }
      },
    } as unknown as Database
    const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
      const next = turn.then(work)
      turn = next.catch(() => undefined)
      return next
    }
    const begin = (): StoreLog => {
      asked.length = 0
      written = 2000
      turn = Promise.resolve()
      return new StoreLog(inTurn)
    }
    /** Milliseconds that the next transaction waits, when the log is begun to be carried over. */
    const waited = async (): Promise<number> => {
      while (asked.length < 3) await new Promise(setImmediate)
      const before = performance.now()
      await turn
      return performance.now() - before
    }

    it('is left alone while it is short, and not looked at for few rows', async () => {
      const log = begin()
      answers = [{ pages: 8192, left: 8192 }]
      log.grown(database)
      await log.settled()
      written = 3999
      log.grown(database)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP'])
    })

    it('has its rest carried over while transactions wait, once where nothing is left', async () => {
      const log = begin()
      answers = [
        { pages: 9000, left: 9000 },
        { pages: 9000, left: 0 },
        { pages: 9050, left: 0 },
      ]
      log.grown(database)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP', 'PASSIVE', 'PASSIVE'])
    })

    it('lets transactions go on where the disk is slow, and tries again', async () => {
      const log = begin()
      const long = { pages: 9000, left: 0 }
      answers = [long, long, pause(300, long), long]
      log.grown(database)
      expect(await waited()).to.be.below(150)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP', 'PASSIVE', 'PASSIVE', 'PASSIVE'])
    })

    it('keeps transactions back as long as it takes where it is far too long', async () => {
      const log = begin()
      const long = { pages: 40_000, left: 0 }
      answers = [long, long, pause(100, long)]
      log.grown(database)
      expect(await waited()).to.be.above(80)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP', 'PASSIVE', 'RESTART'])
    })

    it('asks once for all of that where somebody else reads from it, and again after as many rows', async () => {
      const log = begin()
      const long = { pages: 40_000, left: 10 }
      answers = [long, long, long, long, long, long]
      log.grown(database)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP', 'PASSIVE', 'RESTART'])
      written = 4000
      log.grown(database)
      await log.settled()
      expect(asked.slice(3)).to.deep.equal(['NOOP', 'PASSIVE', 'RESTART'])
    })

    it('does nothing where the disk refuses, and is asked again after as many rows', async () => {
      const log = begin()
      const long = { pages: 9000, left: 9000 }
      answers = [long, Promise.reject(new Error('disk full')), long, long, Promise.reject(new Error('disk full'))]
      log.grown(database)
      await log.settled()
      written = 4000
      log.grown(database)
      await log.settled()
      expect(asked).to.deep.equal(['NOOP', 'PASSIVE', 'NOOP', 'PASSIVE', 'PASSIVE'])
    })
  })
})
