/** A Lamplighter of its own process, with a configuration directory made for one test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { keepTrack, removeDirectory, temporaryDirectory } from '../../bench/leftovers.ts'
import { connectConsole } from '../../core/console/server.ts'
import { PROGRAM } from './program.ts'
import { until } from './tools.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

export class Instance {
  readonly directory: string
  #child: ChildProcess | undefined
  #ended: Promise<Ended> | undefined
  stdout = ''
  stderr = ''

  /** File names and their texts. */
  constructor(files: Readonly<Record<string, string>>) {
    this.directory = temporaryDirectory('lamplighter-')
    this.write(files)
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.directory, name)), { recursive: true })
      writeFileSync(join(this.directory, name), text)
    }
  }

  /** Resolves when it is ready; rejects with what it printed when it ends instead. */
  async start(...args: string[]): Promise<void> {
    this.stdout = ''
    this.stderr = ''
    const child = spawn(process.execPath, [...PROGRAM, '-C', this.directory, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    keepTrack(child)
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    let over = false
    this.#ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        over = true
        resolve({ code, signal })
      })
    })
    await until('ready line', () => over || this.stdout.includes('Lamplighter ready'))
    if (over) throw new Error(`it ended instead of starting:\n${this.stdout}${this.stderr}`)
  }

  /** `udp:127.0.0.1:43210` of the ready line, as host and port. */
  address(protocol: 'udp' | 'tcp' | 'tls' = 'udp'): { host: string; port: number } {
    const found = new RegExp(`${protocol}:(\\S+):(\\d+)`).exec(this.stdout)
    if (!found) throw new Error(`it does not listen on ${protocol}: ${this.stdout}`)
    return { host: found[1] ?? '', port: Number(found[2]) }
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.#child?.kill(signal)
    return this.over()
  }

  /** When it has ended by itself. */
  async over(): Promise<Ended> {
    return (await this.#ended) ?? { code: null, signal: null }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** What `lamplighter -C DIR -rx command` would print and end with; without another process, which takes its time to start. */
  async command(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
    let stdout = ''
    try {
      const client = await connectConsole(join(this.directory, 'lamplighter.ctl'))
      const failure = await client.run(line, (text) => (stdout += `${text}\n`))
      client.close()
      return { code: failure === undefined ? 0 : 1, stdout, stderr: failure === undefined ? '' : `${failure}\n` }
    } catch (error) {
      return { code: 1, stdout, stderr: `${String(error)}\n` }
    }
  }

  async dispose(): Promise<void> {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) await this.end('SIGKILL')
    removeDirectory(this.directory)
  }
}

/** Runs the command line to its end. */
export async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  return { code, stdout, stderr }
}
