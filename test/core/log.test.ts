import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { formatLogLine, Log, type LogLine } from '../../core/log.ts'
import { fileSink } from '../../core/log-sinks.ts'
import { until } from '../support/tools.ts'

describe('the log', () => {
  it('has a level, and a level for each category that was given one', () => {
    const log = new Log('warning')
    const lines: string[] = []
    const undo = log.addSink(({ level, category }) => lines.push(`${category} ${level}`))
    const say = (): void => {
      for (const category of ['sip', 'ari']) {
        const logger = log.logger(category)
        logger.error('')
        logger.notice('')
        logger.debug(() => '')
      }
    }
    log.setLevel('debug', 'ari')
    say()
    expect(lines.splice(0)).to.deep.equal(['sip error', 'ari error', 'ari notice', 'ari debug'])
    log.setLevel('notice')
    say()
    expect(lines.splice(0)).to.deep.equal(['sip error', 'sip notice', 'ari error', 'ari notice', 'ari debug'])
    void undo()
    say()
    expect(lines).to.deep.equal([])
    expect(log.categories).to.deep.equal(['ari', 'sip'])
  })

  it('tells one that wants to see more what the others are not told', () => {
    const log = new Log('warning')
    const told: string[] = []
    void log.addSink(({ level }) => told.push(`all ${level}`))
    const undo = log.addSink(({ level }) => told.push(`one ${level}`), 'verbose')
    const logger = log.logger('sip')
    const say = (): void => {
      logger.warning('')
      logger.verbose('')
      logger.debug(() => 'nobody asked')
    }
    say()
    expect(told.splice(0)).to.deep.equal(['all warning', 'one warning', 'one verbose'])
    expect(logger.enabled('verbose')).to.equal(true)
    void undo()
    say()
    expect(told).to.deep.equal(['all warning'])
    expect(logger.enabled('verbose')).to.equal(false)
  })

  it('says a refusal once a minute, and of one kind no more than a hundred', () => {
    let now = 0
    const log = new Log('notice', () => now)
    const said: string[] = []
    void log.addSink(({ level, message }) => said.push(`${level} ${message}`))
    const logger = log.logger('sip')
    for (let time = 0; time < 3; time++) logger.refusal('no room', 'warning')
    logger.refusal('nobody there')
    expect(said.splice(0)).to.deep.equal(['warning no room', 'notice nobody there'])
    now = 60_000
    logger.refusal('no room')
    for (let made = 0; made < 200; made++) logger.refusal(`no ${made}`)
    log.logger('ari').refusal('no room')
    expect(said).to.have.length(101)
    expect([said[0], said[99], said[100]]).to.deep.equal(['notice no room', 'notice no 98', 'notice no room'])
  })

  it('makes no text of what is not logged', () => {
    new Log('notice').logger('sip').debug(() => {
      throw new Error('nobody asked')
    })
  })

  it('is one line an entry, whatever a peer has sent', () => {
    const time = new Date(2026, 0, 2, 3, 4, 5)
    const line = formatLogLine({
      time,
      level: 'notice',
      category: 'sip',
      message: 'a\r\nERROR[core]: \x1b[31m\u009bred\u2028\u202eder',
    })
    const shown = 'a\\x0d\\x0aERROR[core]: \\x1b[31m\\x9bred\\x2028\\x202eder'
    expect(line).to.equal(`[2026-01-02 03:04:05] NOTICE[sip]: ${shown}`)
  })

  describe('in a file', () => {
    let directory: string
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'log-'))
    })
    afterEach(() => rmSync(directory, { recursive: true }))
    const lineOf = (message: string): LogLine => ({ time: new Date(), level: 'notice', category: 'x', message })
    const textIn = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

    it('goes on in a new one once the old one was rotated away, and nothing is lost', async () => {
      const path = join(directory, 'log')
      const file = fileSink(path, () => undefined)
      const { sink } = file
      sink(lineOf('one'))
      await until('first line', () => textIn(path).includes('one'))
      renameSync(path, `${path}.1`)
      sink(lineOf('two'))
      file.reopen()
      sink(lineOf('three'))
      await file.close()
      await until('third line', () => textIn(path).includes('three'))
      // It ends by itself, at its own time.
      await until('second line', () => /one\n.*two\n$/.test(textIn(`${path}.1`)))
      expect(textIn(path)).to.match(/^[^\n]*three\n$/)
      expect(statSync(path).mode & 0o777 & ~0o640).to.equal(0)
    })

    it('goes on in the one it has where it cannot be opened anew, which is said', async () => {
      const path = join(directory, 'log')
      const file = fileSink(path, () => undefined)
      renameSync(path, `${path}.1`)
      mkdirSync(path)
      expect(() => file.reopen()).to.throw(/EISDIR/)
      const { sink } = file
      sink(lineOf('two'))
      await file.close()
      expect(textIn(`${path}.1`)).to.match(/two\n$/)
    })

    it('is made as it is after a rotation, whatever becomes of the umask', async () => {
      const path = join(directory, 'log')
      const modeOf = (): number => statSync(path).mode & 0o777
      const before = process.umask(0o022)
      const file = fileSink(path, () => undefined)
      process.umask(0o177)
      await until('the file', () => existsSync(path))
      const first = modeOf()
      process.umask(0o022)
      rmSync(path)
      file.reopen()
      await until('the file, once more', () => existsSync(path))
      process.umask(before)
      await file.close()
      expect(first).to.equal(modeOf()).and.to.equal(0o640)
    })

    it('that cannot be written is said once, and takes nothing down', async () => {
      const said: string[] = []
      const { sink, close } = fileSink(join(directory, 'nowhere', 'log'), (message) => said.push(message))
      sink(lineOf('one'))
      await until('complaint', () => said.length > 0)
      sink(lineOf('two'))
      await close()
      expect(said).to.have.length(1)
      expect(said[0]).to.match(/^the log file .*nowhere\/log cannot be written: ENOENT/)
    })

    it('that could not be written has what comes when it can be again, and says so each time', async function () {
      if (!existsSync('/dev/full')) this.skip()
      const path = join(directory, 'log')
      const room = join(directory, 'room')
      const said: string[] = []
      symlinkSync('/dev/full', path)
      const file = fileSink(path, (message) => said.push(message), 0)
      for (let times = 1; times <= 2; times++) {
        await until('a complaint', () => {
          file.sink(lineOf('lost'))
          return said.length === times
        })
        rmSync(path)
        symlinkSync(room, path)
        await until('a line in the file', () => {
          file.sink(lineOf(`kept ${times}`))
          return existsSync(room) && readFileSync(room, 'utf8').includes(`kept ${times}`)
        })
        rmSync(path)
        symlinkSync('/dev/full', path)
        // As a disk that fills up: who has the file open is told with the next line.
        file.reopen()
      }
      await file.close()
      expect(said).to.have.length(2)
    })
  })
})
