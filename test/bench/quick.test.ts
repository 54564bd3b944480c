import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { needTool } from '../support/tools.ts'

const BENCH = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))
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

describe('bench', function () {
  this.timeout(90_000)
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
    const only = 'exchange,messages,devices,fan-out,overload'
    const small = ['--quick', '--sources', '--only', only, '--servers', SERVERS, '--output', file]
    const { code, said } = await bench(...small)
    expect(code, said).to.equal(0)
    const rows = new Map(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('| '))
        .map((line) => line.split('|').map((cell) => cell.trim()))
        .map(([, title = '', ...cells]) => [title, cells]),
    )
    const ours = (title: string): string => rows.get(title)?.[0] ?? 'no such row'
    const theirs = (title: string): string => rows.get(title)?.[1] ?? 'no such row'
    for (const title of ['SUBSCRIBE, 200, NOTIFY, 200: CPU', 'refresh, 200, NOTIFY, 200: CPU']) {
      expect(ours(title), title).to.match(/^[1-9][\d.,]* µs$/)
    }
    expect(ours('one lamp, ten times as many: last NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(theirs('one lamp, ten times as many: last NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(ours('restart: last restored NOTIFY')).to.match(/^[1-9][\d.,]* ms$/)
    expect(ours('DeviceStateChanged over ARI → NOTIFY: CPU')).to.match(/^[1-9][\d.,]* µs$/)
    expect(theirs('DeviceStateChanged over ARI → NOTIFY: CPU')).to.equal('–')
    expect(ours('changes over ARI at twice what can be sent: last NOTIFY after the last change')).to.match(/ ms$/)
  })

  it('says what it does not understand', async () => {
    const { code, said } = await bench('--only', 'nothing')
    expect(code).to.equal(2)
    expect(said).to.contain('--only nothing: there is exchange, churn')
  })
})
