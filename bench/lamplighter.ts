/** Lamplighter as it is built, with a configuration of its own in a temporary directory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectConsole } from '../core/console/server.ts'
import { freePort, stopChild } from './children.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'

const BUILT = fileURLToPath(new URL('../dist/core/cli.js', import.meta.url))
const SOURCE = fileURLToPath(new URL('../core/cli.ts', import.meta.url))

export interface LamplighterOptions {
  /** subs_db_mode 2 and publ_cache 1, the defaults, in place of 0 and 2. */
  readonly sqlite: boolean
  /** Where states come over ARI: the PBX, and how many devices `Custom:p0` and so on it has hints for. */
  readonly ari?: { readonly url: string; readonly lamps: number }
  /** Run the sources through tsx, not what is built. */
  readonly sources?: boolean
  /** More arguments of node: --cpu-prof and the like. */
  readonly node?: readonly string[]
}

export class Lamplighter implements ServerUnderLoad {
  readonly name: ServerName
  readonly address: { readonly address: string; readonly port: number }
  readonly directory: string
  readonly again: ServerUnderLoad['again']
  readonly #options: LamplighterOptions
  #child: ChildProcess | undefined

  static async start(options: LamplighterOptions): Promise<Lamplighter> {
    const server = new Lamplighter(options, await freePort())
    try {
      await server.#start()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  private constructor(options: LamplighterOptions, port: number) {
    this.#options = options
    this.name = options.sqlite ? 'lamplighter sqlite' : 'lamplighter memory'
    this.address = { address: '127.0.0.1', port }
    this.directory = mkdtempSync(join(tmpdir(), 'lamplighter-bench-'))
    for (const [name, text] of Object.entries(configuration(options, port)))
      writeFileSync(join(this.directory, name), text)
    if (options.sqlite) this.again = { end: () => this.#end(), begin: () => this.#start() }
  }

  get pids(): readonly number[] {
    return this.#child?.pid === undefined ? [] : [this.#child.pid]
  }

  async longestStall(): Promise<number | undefined> {
    const text = await this.command('core show metrics')
    const found = /process\.stall\.busy_max_ms\s+(\d+)/.exec(text)
    return found ? Number(found[1]) : undefined
  }

  /** What the console says to one command. */
  async command(line: string): Promise<string> {
    const client = await connectConsole(join(this.directory, 'lamplighter.ctl'))
    let said = ''
    await client.run(line, (text) => (said += `${text}\n`))
    client.close()
    return said
  }

  async stop(): Promise<void> {
    await this.#end()
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #end(): Promise<void> {
    if (this.#child) await stopChild(this.#child)
    this.#child = undefined
  }

  async #start(): Promise<void> {
    const { node = [], sources = false } = this.#options
    const command = sources ? ['--import', 'tsx', SOURCE] : [BUILT]
    const child = spawn(process.execPath, [...node, ...command, '-C', this.directory], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      if (said.length < 10_000) said += String(text)
    })
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`Lamplighter ended instead of starting:\n${said}`)))
      child.once('error', reject)
      child.stdout.setEncoding('utf8').on('data', (text) => {
        if (String(text).includes('Lamplighter ready')) resolve()
      })
    })
  }
}

function configuration({ sqlite, ari }: LamplighterOptions, port: number): Readonly<Record<string, string>> {
  const [subscriptions, publications] = sqlite ? [2, 1] : [0, 2]
  const hints = Array.from({ length: ari?.lamps ?? 0 }, (_, index) => `exten => p${index},hint,Custom:p${index}`)
  const pbx = ari ? `[pbx]\ntype = server\nurl = ${ari.url}\nusername = lamplighter\npassword = lamplighter\n` : ''
  return {
    'lamplighter.conf': `[store]\npath = ${sqlite ? 'lamplighter.db' : ':memory:'}\n[console]\nsocket = lamplighter.ctl\nlevel = error\n${pbx}`,
    'pjsip.conf':
      `[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:${port}\n` +
      '[phones]\ntype = endpoint\ncontext = lamps\nallow_publish = any\n' +
      '[phones]\ntype = identify\nendpoint = phones\nmatch = 127.0.0.1\n',
    'extensions.conf': `[lamps]\n${hints.join('\n')}\n`,
    'pubsub.conf': `[general]\naccept_unknown = yes\nsubs_db_mode = ${subscriptions}\npubl_cache = ${publications}\nrestore_spread = 0\n`,
  }
}
