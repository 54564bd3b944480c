import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { familyOf } from '../../bench/process-cost.ts'
import { needTool, until } from '../support/tools.ts'

const BENCH = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))
const PROFILE = fileURLToPath(new URL('../../bench/profile.ts', import.meta.url))
const DIFFERENTIAL = fileURLToPath(new URL('../differential/run.ts', import.meta.url))
const SERVERS = 'lamplighter sqlite,kamailio memory'

/** Runs it to its end. */
async function bench(...args: string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', BENCH, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  return { code, said }
}

/** Cells behind the title of each row. */
function readRows(markdown: string): Map<string, string[]> {
  const lines = markdown.split('\n').filter((line) => line.startsWith('| '))
  return new Map(
    lines
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, title = '', ...cells]): [string, string[]] => [title, cells]),
  )
}

describe('bench', function () {
  // The table is 35 seconds of computing, on a machine that may have others to compute for.
  this.timeout(300_000)
  let directory: string

  before(function () {
    needTool(this, 'kamailio')
    directory = mkdtempSync(join(tmpdir(), 'bench-test-'))
  })
  after(() => {
    if (directory) rmSync(directory, { recursive: true })
  })

  it('loads both servers, finds every lamp right, and writes the table', async () => {
    const file = join(directory, 'results.md')
    const only = 'exchange,messages,devices,fan-out,overload,restart,kill,kill-through,digest'
    const small = ['--quick', '--sources', '--only', only, '--servers', SERVERS, '--output', file]
    const { code, said } = await bench(...small)
    expect(code, said).to.equal(0)
    const rows = readRows(readFileSync(file, 'utf8'))
    const ours = (title: string): string => rows.get(title)?.[0] ?? 'no such row'
    const theirs = (title: string): string => rows.get(title)?.[1] ?? 'no such row'
    for (const title of ['SUBSCRIBE, 200, NOTIFY, 200: CPU', 'refresh, 200, NOTIFY, 200: CPU']) {
      expect(ours(title), title).to.match(/^[1-9][\d.,]* µs$/)
    }
    expect(ours('one lamp, ten times as many: last NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(theirs('one lamp, ten times as many: last NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(ours('memory of a subscription (Pss), of five times as many')).to.match(/kB$/)
    expect(ours('digest on each refresh: CPU more')).to.match(/µs$/)
    for (const kill of ['kill -9 under load', 'kill -9 with subs_db_mode 1']) {
      expect(ours(`${kill}: subscriptions at that moment`), kill).to.match(/^[1-9]\d*$/)
      expect(ours(`${kill}: unknown afterwards`), kill).to.equal('0')
      expect(ours(`${kill}: NOTIFYs with a used CSeq`), kill).to.equal('0')
    }
    expect(ours('restart: last restored NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(ours('DeviceStateChanged over ARI → NOTIFY: CPU')).to.match(/^[1-9][\d.,]* µs$/)
    expect(theirs('DeviceStateChanged over ARI → NOTIFY: CPU')).to.equal('–')
    expect(ours('changes over ARI at twice what can be sent: last NOTIFY after the last change')).to.match(/ ms$/)
  })

  it('loads Kamailio on SQLite', async function () {
    needTool(this, 'sqlite3')
    const { code, said } = await bench('--quick', '--only', 'churn', '--servers', 'kamailio sqlite')
    expect(code, said).to.equal(0)
    expect(said).to.match(/\| churn of dialog-info, a NOTIFY: CPU \| [\d.]+ µs \|/)
  })

  it('soaks a server, and finds nothing left of it', async () => {
    const { code, said } = await bench('--quick', '--sources', '--soak', '0.15')
    expect(code, said).to.equal(0)
    expect(said).to.match(/lamplighter sqlite: \d+ changes a second, [1-9]\d+ NOTIFYs/)
    expect(said).to.contain('MB in the second half, growing by')
  })

  const lasting = ['--quick', '--sources', '--only', 'messages', '--servers', 'lamplighter memory', '--runs', '9']
  const programs: readonly (readonly [what: string, file: string, args: readonly string[], sign: string])[] = [
    ['bench', BENCH, lasting, 'core/cli.ts'],
    // The server that it measures is a built one, which need not be there.
    ['profile', PROFILE, ['churn'], 'generator.ts'],
    ['differential', DIFFERENTIAL, [], 'kamailio.cfg'],
  ]
  for (const [what, file, args, sign] of programs)
    it(`leaves neither process nor directory behind when it is ended by a signal: ${what}`, async () => {
      const TMPDIR = mkdtempSync(join(directory, 'left-'))
      const env = { ...process.env, TMPDIR }
      const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { stdio: 'ignore', env })
      const ended = once(child, 'exit')
      let family: number[] = []
      // The generator, the server, and the helper of tsx.
      const isThere = (pid: number): boolean => commandOf(pid).includes(sign)
      await until('what it starts', () => (family = familyNow(child.pid ?? 0)).some(isThere))
      child.kill('SIGTERM')
      expect(await ended).to.deep.equal([143, null])
      await until('the end of all processes', () => family.every((pid) => commandOf(pid) === ''))
      expect(readdirSync(TMPDIR).filter((name) => !name.startsWith('tsx-'))).to.deep.equal([])
    })

  const refused: readonly (readonly [args: readonly string[], why: string])[] = [
    [['--only', 'nothing'], '--only nothing: there is exchange, churn'],
    [['--quick', '--runs', '0.5'], '--runs 0.5 is not a whole number'],
    [['--soak', '1', '--servers', 'kamailio memory'], '--soak is of lamplighter, and not of kamailio memory'],
    [['--output', '/nowhere/results.md'], 'the results cannot be written: ENOENT'],
  ]
  for (const [args, why] of refused)
    it(`says what it does not do, before it does anything: ${args.join(' ')}`, async () => {
      const { code, said } = await bench(...args)
      expect(code).to.equal(2)
      expect(said).to.contain(why)
      expect(said).not.to.contain('run 1 of')
    })
})

/** None where one of them ended while they were counted. */
function familyNow(pid: number): number[] {
  try {
    return familyOf(pid)
  } catch {
    return []
  }
}

/** Empty for one that has ended, though its parent may not know yet. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}
