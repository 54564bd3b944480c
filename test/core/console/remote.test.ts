import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { keepTrack } from '../../../bench/leftovers.ts'
import { Console } from '../../../core/console/console.ts'
import { logCommands } from '../../../core/console/log-commands.ts'
import { serveConsole } from '../../../core/console/server.ts'
import { Log } from '../../../core/log.ts'
import { PROGRAM } from '../../support/program.ts'
import { needTool, until } from '../../support/tools.ts'

/** A console on a terminal of its own, which `script` makes. */
class Terminal {
  said = ''
  readonly pid: Promise<number>
  readonly ended: Promise<number | null>
  readonly #child: ChildProcess

  constructor(directory: string, columns: number, ...options: string[]) {
    const program = [process.execPath, ...PROGRAM, '-C', directory, '-r', ...options].map((word) => `'${word}'`)
    const command = `stty cols ${columns}; echo "pid $$."; exec ${program.join(' ')}`
    const env = { ...process.env, XDG_STATE_HOME: directory, TERM: 'xterm', SHELL: '/bin/sh' }
    this.#child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    keepTrack(this.#child)
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.said += text))
    this.ended = new Promise((resolve) => {
      this.#child.on('close', resolve)
    })
    this.pid = this.sees(/pid (\d+)\./).then((pid) => Number(pid))
  }

  /** What the pattern's group matches in what came since the last that was typed. */
  async sees(pattern: RegExp): Promise<string | undefined> {
    await until(`${String(pattern)} in ${JSON.stringify(this.said)}`, () => pattern.test(this.said))
    return pattern.exec(this.said)?.[1]
  }

  type(text: string): void {
    this.said = ''
    this.#child.stdin?.write(text)
  }

  /** One by one, and not as what is pasted. */
  async press(keys: string): Promise<void> {
    for (const key of keys) {
      this.type(key)
      await this.sees(/./)
    }
  }

  /** With its terminal all ends that runs there. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}

describe('console: on a terminal', function () {
  this.timeout(60_000)
  let directory: string
  let log: Log
  let close: () => Promise<void>
  let terminal: Terminal | undefined

  before(function () {
    needTool(this, 'script')
  })
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-terminal-'))
    log = new Log()
    const commands = new Console()
    commands.register(
      { words: 'hang', help: 'Never ends.', run: () => new Promise(() => undefined) },
      {
        words: 'tell',
        help: 'Logs a line, and says one.',
        run: async (_args, out) => {
          log.logger('x').notice('a line of the log')
          await new Promise((resolve) => setTimeout(resolve, 100))
          out.print('the answer')
        },
      },
    )
    const operations = { configuredLevel: () => 'notice' as const, reopenLog: () => undefined }
    commands.register(...logCommands({ log }, { list: () => [] }, operations))
    close = await serveConsole(join(directory, 'lamplighter.ctl'), commands, log)
  })
  afterEach(async () => {
    await terminal?.end()
    await close()
    rmSync(directory, { recursive: true })
  })
  const open = async (columns = 80, ...options: string[]): Promise<Terminal> => {
    terminal = new Terminal(directory, columns, ...options)
    await terminal.sees(/CLI> /)
    return terminal
  }

  it('keeps what was typed at another one', async () => {
    const first = await open()
    const second = new Terminal(directory, 80)
    await second.sees(/CLI> /)
    for (const [at, line] of [
      [first, 'one'],
      [second, 'two'],
      [first, 'three'],
    ] as const) {
      at.type(`core show ${line}\r`)
      await at.sees(/No such command[^]*CLI> /)
    }
    await second.end()
    expect(readFileSync(join(directory, 'lamplighter', 'history'), 'utf8')).to.match(/three\n.*two\n.*one\n$/)
  })

  it('a line of the log goes above what is being typed, which may have two rows', async () => {
    const at = await open(40)
    await at.press('as long as two rows are')
    log.logger('x').notice('the log')
    // Both rows go, and one row below the line that takes their place they are drawn again, from the row above that.
    await at.sees(
      /^[^\n]*\x1b\[1A\x1b\[1G\x1b\[0J.*the log\r\n\r\n\x1b\[1A\x1b\[1G\x1b\[0Jlamplighter\*CLI> as long as/,
    )
  })

  it('no prompt stands in front of what a command says', async () => {
    const at = await open()
    at.type('tell\r')
    await at.sees(/a line of the log\r\n(?:\x1b\[\d[GJ])*the answer\r\n/)
  })

  it('what is typed while a command runs is there after it, and goes on where it ends', async () => {
    const at = await open()
    at.type('tell\rlogger show')
    await at.sees(/the answer\r\n[^\n]*CLI> logger show/)
    await at.press(' levels')
    at.type('\r')
    await at.sees(/x +notice/)
  })

  it('Ctrl-C leaves also while a command runs', async () => {
    const at = await open()
    at.type('hang\r')
    await at.sees(/\n/)
    at.type('\x03')
    expect(await at.ended).to.equal(0)
  })

  it('is there after Ctrl-Z and fg', async () => {
    const at = await open()
    at.type('\x1a')
    // Where no shell waits for it, as here, it is not stopped; it has let go of the terminal all the same.
    await until('terminal', async () => {
      process.kill(await at.pid, 'SIGCONT')
      return /CLI> /.test(at.said)
    })
    at.type('tell\r')
    await at.sees(/the answer/)
  })

  it('! is for the shell, and Ctrl-C ends what runs there', async () => {
    const at = await open()
    at.type('!echo $((40 + 2)); exec sleep 60\r')
    await at.sees(/\n42\r\n/)
    at.type('\x03')
    await at.sees(/CLI> /)
    at.type('tell\r')
    await at.sees(/the answer/)
  })

  it('-rvvv shows verbose lines there and nowhere else, until core set verbose or logger mute says otherwise', async () => {
    const others: string[] = []
    log.addSink(({ message }) => others.push(message))
    const at = await open(80, '-vvv')
    const logger = log.logger('x')
    /** What of two lines is shown, once an answer has come that was asked for after them. */
    const shown = async (): Promise<string[]> => {
      at.said = ''
      logger.verbose('(wordy)')
      logger.notice('(brief)')
      at.type('logger show levels\r')
      await at.sees(/x +notice/)
      return at.said.match(/\(\w+\)/g) ?? []
    }
    const run = async (line: string): Promise<void> => {
      at.type(`${line}\r`)
      await at.sees(/\n[\s\S]*CLI> /)
    }
    expect(await shown()).to.deep.equal(['(wordy)', '(brief)'])
    await run('core set verbose 0')
    expect(await shown()).to.deep.equal(['(brief)'])
    await run('core set verbose 5')
    expect(await shown()).to.deep.equal(['(wordy)', '(brief)'])
    await run('logger mute')
    expect(await shown()).to.deep.equal([])
    await run('logger mute')
    expect(await shown()).to.deep.equal(['(brief)'])
    expect(new Set(others)).to.deep.equal(new Set(['(brief)']))
  })
})
