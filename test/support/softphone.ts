/** A softphone of Debian's, run as its user runs it: its files in a home of its own, what it shows, and what is typed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { keepTrack, removeDirectory, temporaryDirectory } from '../../bench/leftovers.ts'
import { until } from './tools.ts'

export class Softphone {
  readonly home: string
  readonly #program: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  screen = ''

  /** `files`: names in its home, and their texts. */
  constructor(program: string, files: Readonly<Record<string, string>>, args: (home: string) => readonly string[]) {
    this.#program = program
    this.home = temporaryDirectory(`${program}-`)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.home, name)), { recursive: true })
      writeFileSync(join(this.home, name), text)
    }
    const env = { PATH: process.env['PATH'], HOME: this.home, TMPDIR: this.home }
    const child = spawn(program, args(this.home), { cwd: this.home, env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    keepTrack(child)
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    // What is typed after its end goes nowhere.
    child.stdin.on('error', () => undefined)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (this.screen += text))
  }

  type(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** What a file in its home says, which may not be there yet. */
  file(name: string): string {
    try {
      return readFileSync(join(this.home, name), 'utf8')
    } catch {
      return ''
    }
  }

  /** When its screen says so. */
  async shows(what: string, pattern: RegExp): Promise<void> {
    await this.#comes(what, pattern, () => this.screen)
  }

  /** When its screen says so after what it says now, and after this was done. */
  async showsThen(what: string, pattern: RegExp, act: () => unknown): Promise<void> {
    const from = this.screen.length
    await act()
    await this.#comes(what, pattern, () => this.screen.slice(from))
  }

  #comes(what: string, pattern: RegExp, said: () => string): Promise<unknown> {
    return until(what, () => pattern.test(said())).catch((error: Error) => {
      throw new Error(`${error.message}; ${this.#program} showed:\n${this.screen}`)
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async dispose(): Promise<void> {
    this.kill()
    await this.#ended
    removeDirectory(this.home)
  }
}
