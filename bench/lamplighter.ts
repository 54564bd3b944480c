/** Lamplighter as it is built, with a configuration of its own in a temporary directory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectConsole } from '../core/console/server.ts'
import { freeUdpPort } from '../test/support/free-port.ts'
import { stopChild } from './children.ts'
import { SECURED } from './credentials.ts'
import { keepTrack, removeDirectory, temporaryDirectory } from './leftovers.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'

const BUILT = fileURLToPath(new URL('../dist/core/cli.js', import.meta.url))
const SOURCE = fileURLToPath(new URL('../core/cli.ts', import.meta.url))

export interface LamplighterOptions {
  /** subs_db_mode 2 and publ_cache 1, the defaults, in place of 0 and 2. */
  readonly sqlite: boolean
  /** With SQLite subs_db_mode 1: written before the answer. */
  readonly through?: boolean
  /** Milliseconds of T1, by which all timers of RFC 3261 grow; 500 without. */
  readonly t1?: number
  /** Where states come over ARI: the PBX, and how many devices `Custom:p0` and so on it has hints for. */
  readonly ari?: { readonly url: string; readonly lamps: number }
  /** Run the sources through tsx, not what is built. */
  readonly sources?: boolean
  /** More arguments of node: --cpu-prof and the like. */
  readonly node?: readonly string[]
}

/** Phones at this address are challenged; those at 127.0.0.1 are not. */
export const SECURED_PHONES = '127.0.0.2'

export class Lamplighter implements ServerUnderLoad {
  readonly name: ServerName
  readonly address: { readonly address: string; readonly port: number }
  readonly directory: string
  readonly again: ServerUnderLoad['again']
  readonly #options: LamplighterOptions
  #child: ChildProcess | undefined

  static async start(options: LamplighterOptions): Promise<Lamplighter> {
    const server = new Lamplighter(options, await freeUdpPort())
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
    this.directory = temporaryDirectory('lamplighter-bench-')
    for (const [name, text] of Object.entries(configuration(options, port)))
      writeFileSync(join(this.directory, name), text)
    if (options.sqlite) this.again = { end: () => this.#end(), begin: () => this.#start() }
  }

  get pids(): readonly number[] {
    return this.#child?.pid === undefined ? [] : [this.#child.pid]
  }

  async longestStall(): Promise<number | undefined> {
    return (await this.metrics()).get('process.stall.busy_max_ms')
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await this.command('core show metrics')
    return new Map(
      [...text.matchAll(/^\s*([a-z][\w.]*)\s+(\d+)\s*$/gm)].map(([, name = '', value]) => [name, Number(value)]),
    )
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
    removeDirectory(this.directory)
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
    keepTrack(child)
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

function configuration(options: LamplighterOptions, port: number): Readonly<Record<string, string>> {
  const { sqlite, through, ari, t1 } = options
  const [subscriptions, publications] = sqlite ? [through ? 1 : 2, 1] : [0, 2]
  const { username, password, realm } = SECURED
  const hints = Array.from({ length: ari?.lamps ?? 0 }, (_, index) => `exten => p${index},hint,Custom:p${index}`)
  const pbx = ari ? `[pbx]\ntype = server\nurl = ${ari.url}\nusername = lamplighter\npassword = lamplighter\n` : ''
  return {
    'lamplighter.conf': `[store]\npath = ${sqlite ? 'lamplighter.db' : ':memory:'}\n[console]\nsocket = lamplighter.ctl\nlevel = error\n${pbx}`,
    'pjsip.conf':
      `[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:${port}\n` +
      '[phones]\ntype = endpoint\ncontext = lamps\nallow_publish = any\n' +
      '[phones]\ntype = identify\nendpoint = phones\nmatch = 127.0.0.1\n' +
      '[secured]\ntype = endpoint\ncontext = lamps\nauth = secured\n' +
      `[secured]\ntype = identify\nendpoint = secured\nmatch = ${SECURED_PHONES}\n` +
      `[secured]\ntype = auth\nusername = ${username}\npassword = ${password}\nrealm = ${realm}\nnonce_lifetime = 3600\n` +
      (t1 === undefined ? '' : `[system]\ntype = system\ntimer_t1 = ${t1}\ntimer_b = ${64 * t1}\n`),
    'extensions.conf': `[lamps]\n${hints.join('\n')}\n`,
    'pubsub.conf': `[general]\naccept_unknown = yes\nsubs_db_mode = ${subscriptions}\npubl_cache = ${publications}\nrestore_spread = 0\n`,
  }
}
