import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Instance, run } from '../support/instance.ts'
import { localOffice } from '../support/office.ts'
import { PROGRAM } from '../support/program.ts'
import { needTool, until } from '../support/tools.ts'

const FREEPBX = join(import.meta.dirname, '../core/conf/fixtures/freepbx')

describe('the command line', function () {
  this.timeout(60_000)
  const instances: Instance[] = []
  const instanceOf = (files: Readonly<Record<string, string>>): Instance => {
    const instance = new Instance(files)
    instances.push(instance)
    return instance
  }
  afterEach(async () => {
    for (const instance of instances.splice(0)) await instance.dispose()
  })

  describe('--check', () => {
    it('reports every fault of all files with its place, and ends with 1', async () => {
      const { directory } = instanceOf({
        'lamplighter.conf':
          '[general]\ncompat = rcf\n[pbx1]\ntype = server\nurl = ftp://x\nusername = lamp\npasswrd = x\n' +
          '[console]\nlogfile = nowhere/log\n',
        'pjsip.conf':
          '[udp]\ntype = transport\nbind = here\n[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\ncert_file = bad.pem\n' +
          '[100]\ntype = endpoint\nauth = nobody\nallow_subscribe = maybe\n',
        'bad.pem': 'no certificate\n',
        'extensions.conf': '[office]\nexten => 100,hint,PJSIP/${DB(lamp/100)}\n',
        'voicemail.conf': '[default]\n1 00 => 1234,Alice\n',
        'modules.conf': '[modules]\nautoload = yes\nload = res_pjsip_mvi\n',
        'pubsub.conf': '[general]\nmax_expires = soon\nmin_expire = 3\n',
      })
      const { code, stdout, stderr } = await run('-C', directory, '--check')
      const lines = stderr.trimEnd().replaceAll(`${directory}/`, '').split('\n')
      const places = lines.map((line) => /^([a-z]+\.conf:\d+): ./.exec(line)?.[1])
      expect(places, stderr).to.have.members([
        'extensions.conf:2',
        'lamplighter.conf:2',
        'lamplighter.conf:5',
        'lamplighter.conf:7',
        'lamplighter.conf:9',
        'modules.conf:3',
        'pjsip.conf:11',
        'pjsip.conf:12',
        'pjsip.conf:3',
        'pjsip.conf:4',
        'pubsub.conf:2',
        'pubsub.conf:3',
        'voicemail.conf:2',
      ])
      expect(lines.filter((line) => !/expected|did you mean|cannot be used/.test(line))).to.deep.equal([])
      expect(stdout).to.equal(`${directory}: 13 faults\n`)
      expect(code).to.equal(1)
    })

    it('finds nothing wrong with a good one, and ends with 0', async () => {
      const { directory } = instanceOf(localOffice())
      expect(await run('-C', directory, '--check')).to.deep.equal({
        code: 0,
        stdout: `${directory}: no faults\n`,
        stderr: '',
      })
    })

    it('finds what the user who checks may not write: a store that root has made, a log file, a directory', function () {
      const { directory } = instanceOf({
        'lamplighter.conf': '[store]\npath = var/lamps.db\n[console]\nsocket = run/ctl\nlogfile = var/lamps.log\n',
        'pubsub.conf': '[general]\ndb_url = sqlite://../run/presence.db\n',
        'var/lamps.db': '',
        'var/lamps.log': '',
        'run/other': '',
      })
      // Root may write everything, but for this; somebody else might not even read where we are.
      const bound = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override'] : []
      if (bound[0] !== undefined) needTool(this, bound[0])
      const barred = (modes: Readonly<Record<string, number>>): string[] => {
        for (const [name, mode] of Object.entries(modes)) chmodSync(join(directory, name), mode)
        const [program, ...args] = [...bound, process.execPath, ...PROGRAM, '-C', directory, '--check']
        const { stderr } = spawnSync(program, args, { encoding: 'utf8' })
        return stderr.replaceAll(directory, 'DIR').split('\n').filter(Boolean)
      }
      const open = { '.': 0o755, 'lamplighter.conf': 0o644, 'pubsub.conf': 0o644, var: 0o777, run: 0o777 }
      expect(barred({ ...open, 'var/lamps.db': 0o444, 'var/lamps.log': 0o666, run: 0o555 })).to.deep.equal([
        'DIR/pubsub.conf:2: db_url = sqlite://../run/presence.db cannot be written, expected that this user may write DIR/run',
        'DIR/lamplighter.conf:2: path = DIR/var/lamps.db cannot be written, expected that this user may write DIR/var/lamps.db',
        'DIR/lamplighter.conf:4: socket = DIR/run/ctl cannot be written, expected that this user may write DIR/run',
      ])
      expect(barred({ ...open, 'var/lamps.db': 0o666, 'var/lamps.log': 0o444, var: 0o555 })).to.deep.equal([
        'DIR/lamplighter.conf:2: path = DIR/var/lamps.db cannot be written, expected that this user may write DIR/var',
        'DIR/lamplighter.conf:5: logfile = DIR/var/lamps.log cannot be written, expected that this user may write DIR/var/lamps.log',
      ])
      // A store is written where a link to it leads, and beside that.
      chmodSync(join(directory, 'var'), 0o777)
      renameSync(join(directory, 'var/lamps.db'), join(directory, 'run/lamps.db'))
      symlinkSync('../run/lamps.db', join(directory, 'var/lamps.db'))
      expect(barred({ ...open, 'var/lamps.log': 0o666, var: 0o555 })).to.deep.equal([])
    })

    it('takes a tree of includes as FreePBX writes it through asterisk_config, and serves what is in it', async () => {
      const instance = instanceOf({
        'lamplighter.conf': `[general]\nasterisk_config = ${FREEPBX}\n`,
        'pjsip.conf': '[udp]\ntype = transport\nbind = 127.0.0.1:0\n',
      })
      expect((await run('-C', instance.directory, '--check')).stderr).to.equal('')
      await instance.start()
      const { stdout } = await instance.command('pjsip show endpoints')
      expect(Number(/(\d+) endpoints/.exec(stdout)?.[1])).to.be.above(0)
    })
  })

  describe('refuses to start, in one line and with 1,', () => {
    const refused = async (files: Readonly<Record<string, string>>): Promise<string> => {
      const { directory } = instanceOf(files)
      const { code, stdout, stderr } = await run('-C', directory)
      expect([code, stdout], stderr).to.deep.equal([1, ''])
      expect(stderr.trimEnd().split('\n'), stderr).to.have.length(1)
      return stderr.trimEnd().replaceAll(directory, 'DIR')
    }

    it('without the directory, or with a file in its place', async () => {
      for (const path of ['/nowhere/lamplighter', process.execPath]) {
        const { code, stderr } = await run('-C', path)
        expect([code, stderr]).to.deep.equal([1, `there is no directory ${path}\n`])
      }
    })

    it('on a port that is taken', async () => {
      const taken = createServer().listen(0, '127.0.0.1')
      await until('port', () => taken.listening)
      const address = taken.address()
      const port = typeof address === 'object' ? address?.port : 0
      try {
        const bind = `[tcp]\ntype = transport\nprotocol = tcp\nbind = 127.0.0.1:${port}\n`
        expect(await refused({ 'pjsip.conf': bind })).to.match(
          new RegExp(
            `^DIR/pjsip.conf:1: \\[tcp\\] cannot listen on TCP 127.0.0.1:${port}, another program uses that port`,
          ),
        )
      } finally {
        taken.close()
      }
    })

    it('with a store, a socket or rules where there can be none, or where there is something else', async () => {
      const pjsip = { 'pjsip.conf': '[udp]\ntype = transport\nbind = 127.0.0.1:0\n' }
      const conf = (text: string) => refused({ ...pjsip, 'lamplighter.conf': text })
      const url = (path: string) => refused({ ...pjsip, 'pubsub.conf': `[general]\ndb_url = sqlite://${path}\n` })
      const faults: readonly (readonly [said: Promise<string>, expected: RegExp | string])[] = [
        [
          conf('[store]\npath = nowhere/lamp.db\n'),
          'DIR/lamplighter.conf:2: path = DIR/nowhere/lamp.db cannot be made, expected a directory DIR/nowhere',
        ],
        [
          conf('[console]\nsocket = nowhere/lamp.ctl\n'),
          'DIR/lamplighter.conf:2: socket = DIR/nowhere/lamp.ctl cannot be made, expected a directory DIR/nowhere',
        ],
        [
          conf('[store]\npath = /proc/lamp.db\n'),
          /^the store \/proc\/lamp.db cannot be opened: .*; \[store\] path in lamplighter.conf names another$/,
        ],
        [
          conf('[console]\nsocket = /proc/lamp.ctl\n'),
          /^the console socket \/proc\/lamp.ctl cannot be opened: .*; \[console\] socket in lamplighter.conf names/,
        ],
        [
          url('/nowhere/lamp.db'),
          'DIR/pubsub.conf:2: db_url = sqlite:///nowhere/lamp.db cannot be made, expected a directory /nowhere',
        ],
        [
          url('nowhere/lamp.db'),
          'DIR/pubsub.conf:2: db_url = sqlite://nowhere/lamp.db cannot be made, expected a directory DIR/nowhere',
        ],
        [
          refused({ ...pjsip, 'pubsub.conf': '[general]\nrules_directory = /nowhere\n' }),
          /^DIR\/pubsub.conf:2: rules_directory = \/nowhere cannot be read \(ENOENT.*\), expected a directory$/,
        ],
        [
          conf('[store]\npath = pjsip.conf\n'),
          'DIR/lamplighter.conf:2: path = DIR/pjsip.conf is a file of the configuration, expected a path of its own for the store',
        ],
      ]
      const all = await Promise.all(faults.map(([said]) => said))
      for (const [at, [, expected]] of faults.entries())
        if (typeof expected === 'string') expect(all[at]).to.equal(expected)
        else expect(all[at]).to.match(expected)
    })

    it('where another runs with the same directory, which goes on unharmed', async () => {
      const instance = instanceOf(localOffice())
      await instance.start()
      const second = await run('-C', instance.directory)
      expect(second.stderr.replaceAll(instance.directory, 'DIR')).to.equal(
        'another Lamplighter runs with this configuration: it listens on DIR/lamplighter.ctl; stop it first\n',
      )
      expect([second.code, second.stdout]).to.deep.equal([1, ''])
      expect((await instance.command('core show version')).code).to.equal(0)
    })
  })

  it('refuses a store that another has, until that has ended in whatever way', async () => {
    const first = instanceOf(localOffice())
    const path = join(first.directory, 'lamplighter.db')
    const second = instanceOf({ ...localOffice(), 'lamplighter.conf': `[store]\npath = ${path}\n` })
    await first.start()
    const { code, stdout, stderr } = await run('-C', second.directory)
    expect(stderr.replaceAll(second.directory, 'DIR')).to.equal(
      `DIR/lamplighter.conf:2: path = ${path} is the store of another Lamplighter that runs, expected one of its own\n`,
    )
    expect([code, stdout]).to.deep.equal([1, ''])
    expect((await first.command('core show version')).code).to.equal(0)
    const names = ['lamplighter.db', 'lamplighter.db-lock', 'lamplighter.db-shm', 'lamplighter.db-wal']
    expect(readdirSync(first.directory).filter((name) => name.startsWith('lamplighter.db'))).to.have.members(names)
    await first.end('SIGKILL')
    await second.start()
    await second.end('SIGTERM')
    await first.start()
  })

  it('tells of a db_url that another has for itself, and shares one that all share', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lamplighter-'))
    const office = (mode: number) => {
      const pubsub = `[general]\ndb_url = sqlite://${directory}/presence.db\nsubs_db_mode = ${mode}\n`
      return instanceOf({ ...localOffice(), 'pubsub.conf': pubsub })
    }
    try {
      const first = office(2)
      await first.start()
      const others = [office(2), office(3)]
      await Promise.all(others.map((other) => other.start()))
      for (const other of others) {
        expect(other.stderr).to.include(
          `db_url = sqlite://${directory}/presence.db of pubsub.conf is in use by another`,
        )
      }
      await Promise.all(others.map((other) => other.end()))
      await first.end('SIGKILL')
      const sharing = [office(3), office(3)]
      await Promise.all(sharing.map((shared) => shared.start()))
      for (const shared of sharing) expect(shared.stderr).not.to.include('in use')
      const late = office(2)
      await late.start()
      expect(late.stderr).to.include('is in use by another Lamplighter')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('runs without any file, on the usual port, or says in one line that somebody has it', async () => {
    const instance = instanceOf({})
    try {
      await instance.start()
      expect(instance.stdout).to.equal('Lamplighter ready: udp:0.0.0.0:5060\n')
    } catch (error) {
      expect(String(error)).to.match(/cannot listen on UDP 0\.0\.0\.0:5060, another program uses that port[^\n]*\n$/)
    }
  })

  it('runs without any file but one', async () => {
    const instance = instanceOf({ 'pjsip.conf': '[udp]\ntype = transport\nbind = 127.0.0.1:0\n' })
    await instance.start()
    expect(instance.stdout).to.match(/^Lamplighter ready: udp:127\.0\.0\.1:\d+\n$/)
    expect((await instance.end()).code).to.equal(0)
  })

  describe('ends within two seconds of SIGTERM', function () {
    // On a machine that is busy.
    this.retries(3)
    const ending = async (instance: Instance): Promise<void> => {
      const asked = Date.now()
      expect(await instance.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
      expect(Date.now() - asked).to.be.below(2000)
    }

    it('with what it knows saved, and its socket gone', async () => {
      const instance = instanceOf(localOffice())
      await instance.start()
      expect((await instance.command('devstate change Custom:door INUSE')).code).to.equal(0)
      await ending(instance)
      expect(existsSync(join(instance.directory, 'lamplighter.ctl'))).to.equal(false)
      await instance.start()
      expect((await instance.command('devstate list')).stdout).to.match(/Custom:door.*INUSE/)
    })

    it('while it waits for an Asterisk that says nothing, and a SIGHUP before that does no harm', async () => {
      const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1')
      await until('port', () => silent.listening)
      const address = silent.address()
      const port = typeof address === 'object' ? address?.port : 0
      const instance = instanceOf({
        ...localOffice(),
        'lamplighter.conf': `[pbx1]\ntype = server\nurl = http://127.0.0.1:${port}\nusername = lamp\npassword = lamp\n`,
      })
      const started = instance.start().catch(() => undefined)
      await until('console socket', () => existsSync(join(instance.directory, 'lamplighter.ctl')))
      instance.signal('SIGHUP')
      await ending(instance)
      await started
      silent.close()
    })
  })

  describe('-r and -rx', () => {
    let instance: Instance
    let state: string
    before(async () => {
      instance = new Instance(localOffice())
      await instance.start()
      state = mkdtempSync(join(tmpdir(), 'lamplighter-state-'))
    })
    after(async () => {
      await instance?.dispose()
      rmSync(state, { recursive: true, force: true })
    })
    const remote = (...args: string[]): string[] => [...PROGRAM, '-C', instance.directory, ...args]
    const typed = (child: ChildProcess, text: string): Promise<{ code: number | null; said: string }> => {
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (t) => (said += t))
      child.stdin?.end(text)
      return new Promise((resolve) => {
        child.on('close', (code) => resolve({ code, said }))
      })
    }

    it('talk over a socket that only its owner may open', () => {
      expect(statSync(join(instance.directory, 'lamplighter.ctl')).mode & 0o777).to.equal(0o600)
    })

    const rx = ({ directory }: Instance, line: string): ReturnType<typeof run> => run('-C', directory, '-rx', line)

    it('-rx prints what the command says and ends with 0, or says what is wrong and ends with 1', async () => {
      const good = await rx(instance, 'devstate change Custom:gate BUSY')
      expect([good.code, good.stderr]).to.deep.equal([0, ''])
      expect((await run('-C', instance.directory, '-rvvvvvx', 'core show version')).stdout).to.match(/^Lamplighter \d/)
      const unknown = await rx(instance, 'core shine')
      expect(unknown).to.deep.equal({
        code: 1,
        stdout: '',
        stderr: "No such command 'core shine' (type 'core show help' for the commands)\n",
      })
      const impossible = await rx(instance, 'module unload res_nowhere')
      expect([impossible.code, impossible.stderr]).to.deep.equal([
        1,
        "'module unload' failed: there is no module res_nowhere\n",
      ])
    })

    it('core restart now ends it as the unit has it for being started again, where systemd runs it and could', async () => {
      expect((await rx(instance, 'core restart now')).stderr).to.match(/nobody would start it again/)
      const served = instanceOf(localOffice())
      const program = [process.execPath, ...PROGRAM, '-C', served.directory].map((word) => `'${word}'`).join(' ')
      const child = spawn('sh', ['-c', `SYSTEMD_EXEC_PID=$$ exec ${program}`], { stdio: 'ignore' })
      const ended = once(child, 'exit')
      try {
        await until('socket', () => existsSync(join(served.directory, 'lamplighter.ctl')))
        served.write({ 'lamplighter.conf': '[general]\ncompat = rcf\n' })
        expect((await rx(served, 'core restart now')).stderr).to.match(
          /'core restart now' failed: .*lamplighter.conf:2: /,
        )
        served.write({ 'lamplighter.conf': '' })
        expect((await rx(served, 'core restart now')).code).to.equal(0)
        const [code] = await ended
        expect(readFileSync(join(import.meta.dirname, '../../configs/lamplighter.service'), 'utf8')).to.include(
          `\nRestartForceExitStatus=${code}\nSuccessExitStatus=${code}\n`,
        )
      } finally {
        child.kill()
      }
    })

    it('-rx where nobody runs says so and ends with 1', async () => {
      const nobody = instanceOf(localOffice())
      const { code, stdout, stderr } = await rx(nobody, 'core show version')
      expect([code, stdout]).to.deep.equal([1, ''])
      expect(stderr).to.match(/^no Lamplighter answers on .*; is it running with this configuration\?\n$/)
    })

    it('-rx says that lamplighter.conf cannot be read where nobody runs on the usual socket', async () => {
      const { directory } = instanceOf({})
      mkdirSync(join(directory, 'lamplighter.conf'))
      expect(await run('-C', directory, '-rx', 'core show version')).to.deep.equal({
        code: 1,
        stdout: '',
        stderr: `${directory}/lamplighter.conf: is a directory, expected a readable file\n`,
      })
    })

    it('-rx bears that its reader goes away: -rx "core show help" | head -1', async () => {
      const child = spawn(process.execPath, remote('-rx', 'core show help'), { stdio: ['ignore', 'pipe', 'pipe'] })
      child.stdout.destroy()
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
      const code = await new Promise((resolve) => {
        child.on('close', resolve)
      })
      expect([code, said]).to.deep.equal([0, ''])
    })

    it('-r runs what is piped in, and ends with 1 where one of the commands failed', async () => {
      const env = { ...process.env, XDG_STATE_HOME: state }
      const piped = (text: string) => typed(spawn(process.execPath, remote('-r'), { env }), text)
      const good = await piped('core show version\ncore show uptime\n')
      expect(good.said).to.match(/^Lamplighter \d.*\nSystem uptime: .*\nLast reload: .*\n$/)
      expect(good.code).to.equal(0)
      const over = await piped('core stop now\ncore show version\ncore show uptime\n')
      expect(over.said).to.match(
        /^Stopping\n(Lamplighter is stopping\n|the connection to Lamplighter was lost\n|Lamplighter has ended the connection\n)+$/,
      )
      expect(over.code).to.equal(1)
      expect(await instance.over()).to.deep.equal({ code: 0, signal: null })
      await instance.start()
      const bad = await piped('core shine\ncore show version')
      expect(bad.said).to.match(/^No such command 'core shine'.*\nLamplighter \d.*\n$/)
      expect(bad.code).to.equal(1)
    })

    it('-r on a terminal completes words with Tab, and remembers lines over sessions', async function () {
      needTool(this, 'script')
      const env = { ...process.env, XDG_STATE_HOME: state, TERM: 'xterm' }
      const command = [process.execPath, ...remote('-r')].map((word) => `'${word}'`).join(' ')
      const terminal = async (...keys: [prompt: RegExp, typed: string][]): Promise<string> => {
        const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
        let said = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
        const closed = new Promise<number | null>((resolve) => {
          child.on('close', resolve)
        })
        for (const [prompt, text] of keys) {
          await until(`${String(prompt)} in ${JSON.stringify(said)}`, () => prompt.test(said))
          said = ''
          child.stdin.write(text)
        }
        expect(await closed).to.equal(0)
        return said
      }
      await terminal(
        [/CLI> /, 'core show ver\t'],
        [/version /, '\r'],
        [/Lamplighter \d[\s\S]*CLI> /, 'devstate ch\t'],
        [/change /, 'Custom:door INUSE\r'],
        [/CLI> /, 'exit\r'],
      )
      const history = join(state, 'lamplighter', 'history')
      expect(
        readFileSync(history, 'utf8')
          .split('\n')
          .map((line) => line.trim()),
      ).to.include.members(['core show version', 'devstate change Custom:door INUSE'])
      expect(statSync(history).mode & 0o777).to.equal(0o600)
      // Twice up: `exit` was the last line.
      await terminal([/CLI> /, '\x1b[A\x1b[A\x1b[A\r'], [/Lamplighter \d[\s\S]*CLI> /, '\x04'])
    })
  })

  it('says what it does not understand, and how it is called, with 2', async () => {
    const { code, stderr } = await run('--chekc')
    expect(code).to.equal(2)
    expect(stderr).to.match(/^Unknown option '--chekc'.*\n\nUsage: lamplighter/)
    expect((await run('-vvv')).stderr).to.match(/^-v and -d are of -r; of the server it is 'level' in \[console\]/)
  })
})
