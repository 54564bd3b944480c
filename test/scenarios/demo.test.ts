/** The demo as somebody meets it who types the command for the first time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { freeTcpPort } from '../support/free-port.ts'
import { PROGRAM } from '../support/program.ts'
import { needTool, until } from '../support/tools.ts'

class Played {
  readonly #child: ChildProcess
  readonly ended: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#child = child
    this.ended = new Promise((resolve) => {
      child.once('close', (code) => resolve(code))
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async shows(what: string | RegExp): Promise<void> {
    const found = (): boolean => (typeof what === 'string' ? this.stdout.includes(what) : what.test(this.stdout))
    // Two that are played at once take their time on a busy machine.
    await until(String(what), found, 50_000).catch((error: unknown) => {
      throw new Error(`${String(error)} in\n${this.stdout.slice(-1000)}${this.stderr}`)
    })
  }

  /** Milliseconds until it was gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
    const asked = Date.now()
    this.#child.kill(signal)
    await this.ended
    return Date.now() - asked
  }
}

describe('the demo as a command', function () {
  this.timeout(120_000)
  let runtime: string
  let env: Record<string, string>
  let played: Played | undefined

  beforeEach(async () => {
    runtime = mkdtempSync(join(tmpdir(), 'lamplighter-runtime-'))
    env = {
      XDG_RUNTIME_DIR: runtime,
      LAMPLIGHTER_DEMO_SIP_PORT: String(await freeTcpPort()),
      LAMPLIGHTER_DEMO_ARI_PORT: String(await freeTcpPort()),
      NO_COLOR: '',
    }
  })
  afterEach(async () => {
    await played?.end('SIGKILL')
    played = undefined
    rmSync(runtime, { recursive: true, force: true })
  })

  const play = (...args: string[]): Played => (played = new Played(process.execPath, [...PROGRAM, ...args], env))

  it('says what it is, shows lamps in plain lines, ends within two seconds, and can be played again', async function () {
    // On a machine that is busy.
    this.retries(3)
    for (let time = 0; time < 2; time++) {
      const demo = play()
      await demo.shows(`Lamplighter ready: udp:127.0.0.1:${env['LAMPLIGHTER_DEMO_SIP_PORT']}`)
      await demo.shows('An office of 6 phones')
      await demo.shows('phone 105 Frank Home Office: 104 Erin (presence): ')
      await demo.shows('voicemail: 0 new, 0 old')
      // The story has begun.
      await demo.shows(/^\d\d:\d\d:\d\d (?!phone)/m)
      expect(demo.stdout).to.not.include('\x1b').and.not.include('refused')
      expect(demo.stderr).to.equal('')
      expect(await demo.end()).to.be.below(2000)
      expect(await demo.ended).to.equal(0)
    }
  })

  it('answers in another terminal with the command it names', async () => {
    const demo = play()
    await demo.shows(/ -r$/m)
    const directory = / -C (\S+) -r$/m.exec(demo.stdout)?.[1] ?? ''
    expect(directory.startsWith(runtime)).to.equal(true)
    await demo.shows('104 Erin')
    for (const place of [['-C', directory], []]) {
      const asked = new Played(process.execPath, [...PROGRAM, ...place, '-rx', 'core show hints'], env)
      expect(await asked.ended).to.equal(0)
      // Not of all: in the story 105 goes away for a while.
      for (const hint of ['104@internal', '701@internal'])
        expect(asked.stdout.split('\n').find((line) => line.includes(hint)))
          .to.be.a('string')
          .and.not.include('Unavailable')
    }
  })

  it('knows the console commands that the documents name', async () => {
    const demo = play('-q')
    await demo.shows('Lamplighter ready')
    const asked = new Played(process.execPath, [...PROGRAM, '-rx', 'core show help'], env)
    await asked.ended
    const known = asked.stdout.split('\n').flatMap((line) => /^([a-z]+(?: [a-z_]+)+)/.exec(line)?.[1] ?? [])
    const named = ['README.md', 'docs/lamps.md'].flatMap((file) => {
      const text = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
      return [...text.matchAll(/(?:`|^)((?:ari|core|devstate|dialplan|mwi|pjsip|pubsub) [a-z][^`\n]*)/gm)].map(
        ([, command = '']) => command,
      )
    })
    expect(named.length).to.be.above(15)
    // Asterisk's own.
    const unknown = named.filter(
      (command) => command !== 'core show channels' && !known.some((words) => `${command} `.startsWith(`${words} `)),
    )
    expect(unknown).to.deep.equal([])
  })

  it('listens on 127.0.0.1 and nowhere else', async () => {
    const demo = play('-q')
    await demo.shows('Lamplighter ready')
    const addresses = listeningOf(demo.pid)
    expect(addresses.length).to.be.above(2)
    expect(new Set(addresses.map((address) => address.slice(0, address.indexOf(':'))))).to.deep.equal(
      new Set(['0100007F']),
    )
  })

  it('is quiet but for the ready line', async () => {
    const demo = play('--quiet')
    await demo.shows('Lamplighter ready')
    await until('subscriptions', async () => {
      const asked = new Played(process.execPath, [...PROGRAM, '-rx', 'pjsip show subscriptions inbound'], env)
      await asked.ended
      return asked.stdout.includes('104')
    })
    await demo.end()
    expect(demo.stdout).to.match(/^Lamplighter ready: [^\n]+\n$/)
    expect(demo.stderr).to.equal('')
  })

  it('draws a board in colour on a terminal', async function () {
    needTool(this, 'script')
    const command = `stty rows 40 cols 120; exec ${[process.execPath, ...PROGRAM].join(' ')}`
    played = new Played('script', ['-qefc', command, '/dev/null'], env)
    await played.shows('\x1b[4mphone 100 Alice')
    await played.shows('\x1b[32m○ ')
    await played.shows('Ctrl+C ends the demo')
    const answers = async (): Promise<boolean> => {
      const asked = new Played(process.execPath, [...PROGRAM, '-rx', 'core show uptime'], env)
      return (await asked.ended) === 0
    }
    expect(await answers()).to.equal(true)
    await played.end('SIGKILL')
    await until('end of the demo, whose terminal was closed', async () => !(await answers()))
  })

  it('is played twice at once where the second has ports of its own, and the console tells them apart', async () => {
    const first = play()
    await first.shows('Lamplighter ready')
    const others = { LAMPLIGHTER_DEMO_SIP_PORT: '0', LAMPLIGHTER_DEMO_ARI_PORT: '0' }
    for (const variable of Object.keys(others) as (keyof typeof others)[])
      others[variable] = String(await freeTcpPort())
    const second = new Played(process.execPath, PROGRAM, { ...env, ...others })
    try {
      await second.shows(`Lamplighter ready: udp:127.0.0.1:${others.LAMPLIGHTER_DEMO_SIP_PORT}`)
      const asked = new Played(process.execPath, [...PROGRAM, '-rx', 'core show settings'], env)
      expect(await asked.ended, asked.stderr).to.equal(0)
      expect(asked.stdout).to.include(`udp:127.0.0.1:${env['LAMPLIGHTER_DEMO_SIP_PORT']}`)
    } finally {
      await second.end('SIGKILL')
    }
  })

  it('says in one line where its directory cannot be made', async () => {
    env['XDG_RUNTIME_DIR'] = join(runtime, 'file')
    writeFileSync(env['XDG_RUNTIME_DIR'], '')
    const demo = play()
    expect(await demo.ended).to.equal(1)
    expect(demo.stderr).to.match(/^ENOTDIR: not a directory, mkdir '.*'\n$/)
  })

  it('says in one line which port is in use, and what helps', async () => {
    for (const variable of ['LAMPLIGHTER_DEMO_ARI_PORT', 'LAMPLIGHTER_DEMO_SIP_PORT']) {
      const taken = createServer()
      taken.listen(Number(env[variable]), '127.0.0.1')
      await once(taken, 'listening')
      const demo = play()
      expect(await demo.ended, demo.stdout).to.equal(1)
      taken.close()
      expect(demo.stderr.trimEnd().split('\n')).to.have.length(1)
      expect(demo.stderr).to.include(`port ${env[variable]}`).and.include(`${variable}=`)
      expect(demo.stdout).to.equal('')
    }
    env['LAMPLIGHTER_DEMO_SIP_PORT'] = 'sip'
    const demo = play()
    expect(await demo.ended).to.equal(1)
    expect(demo.stderr).to.equal('LAMPLIGHTER_DEMO_SIP_PORT=sip is not a port\n')
  })
})

/** Local addresses, as the kernel writes them, of the sockets of a process that wait for anybody. */
function listeningOf(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []
      } catch {
        // Closed meanwhile.
        return []
      }
    }),
  )
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      // 0A is LISTEN of TCP; of UDP every socket hears anybody.
      .filter(([, , , state, , , , , , inode = '']) => inodes.has(inode) && (state === '0A' || table.startsWith('udp')))
      .map(([, local = '']) => local),
  )
}
