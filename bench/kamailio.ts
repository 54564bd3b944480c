/** Debian's Kamailio with bench/kamailio.cfg, in memory or on SQLite. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freeUdpPort } from '../test/support/free-port.ts'
import { stopChild } from './children.ts'
import { keepTrack, removeDirectory, temporaryDirectory } from './leftovers.ts'
import { pause } from './loads.ts'
import { familyOf } from './process-cost.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'
import { printRequest } from './wire.ts'

const CONFIGURATION = fileURLToPath(new URL('kamailio.cfg', import.meta.url))
/** Where Debian's package has the tables of SQLite. */
const TABLES = '/usr/share/kamailio/db_sqlite'
const PATIENCE = 15_000

/** What is missing for it, in words; empty where nothing is. */
export function missingForKamailio(sqlite: boolean): string {
  const has = (tool: string): boolean => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
  if (!has('kamailio')) return 'kamailio is not installed'
  if (!sqlite) return ''
  const database = execFileSync('sh', ['-c', 'ls /usr/lib/*/kamailio/modules/ 2>/dev/null']).includes('db_sqlite.so')
  return database && has('sqlite3') && existsSync(TABLES) ? '' : 'kamailio-sqlite-modules or sqlite3 is not installed'
}

/** `5.6.3` */
export function kamailioVersion(): string {
  return /version: kamailio (\S+)/.exec(execFileSync('kamailio', ['-v'], { encoding: 'utf8' }))?.[1] ?? 'unknown'
}

export class Kamailio implements ServerUnderLoad {
  readonly name: ServerName
  readonly address: { readonly address: string; readonly port: number }
  pids: readonly number[] = []
  readonly #child: ChildProcess
  readonly #directory: string

  static async start(sqlite: boolean): Promise<Kamailio> {
    const directory = temporaryDirectory('kamailio-bench-')
    const port = await freeUdpPort()
    const defines = ['-A', `LISTEN=udp:127.0.0.1:${port}`]
    if (sqlite) {
      const file = join(directory, 'kamailio.db')
      const tables = ['standard', 'presence'].map((name) => readFileSync(join(TABLES, `${name}-create.sql`), 'utf8'))
      // In one transaction: each statement by itself waits for the disk.
      execFileSync('sqlite3', [file], { input: ['BEGIN;', ...tables, 'COMMIT;'].join('\n') })
      defines.push('-A', 'WITH_SQLITE', '-A', `DB_URL="sqlite:///${file}"`)
    }
    const memory = ['-m', '2000', '-M', '64', '-b', '4194304', '-x', 'tlsf', '-X', 'tlsf']
    const child = spawn(
      'kamailio',
      ['-f', CONFIGURATION, '-DD', '-E', '-w', directory, '-Y', directory, ...memory, ...defines],
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    )
    // By SIGTERM it ends its processes itself, but not while it is still starting them.
    keepTrack(child, true)
    const server = new Kamailio(child, directory, port, sqlite)
    try {
      await server.#ready()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  private constructor(child: ChildProcess, directory: string, port: number, sqlite: boolean) {
    this.#child = child
    this.#directory = directory
    this.name = sqlite ? 'kamailio sqlite' : 'kamailio memory'
    this.address = { address: '127.0.0.1', port }
  }

  async longestStall(): Promise<undefined> {
    return undefined
  }

  async stop(): Promise<void> {
    await stopChild(this.#child)
    removeDirectory(this.#directory)
  }

  /** Asks until it answers. */
  async #ready(): Promise<void> {
    let said = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text) => {
      if (said.length < 10_000) said += String(text)
    })
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const answer = { here: false }
    socket.once('message', () => (answer.here = true))
    const { port, address } = this.address
    const question = printRequest({
      method: 'OPTIONS',
      uri: `sip:${address}:${port}`,
      branch: 'o1',
      from: `<sip:bench@${address}>;tag=o`,
      to: `<sip:${address}>`,
      callId: 'o@b',
      cseq: 1,
      local: `${address}:${socket.address().port}`,
      more: '',
      body: '',
    })
    const deadline = performance.now() + PATIENCE
    try {
      while (!answer.here) {
        if (this.#child.exitCode !== null || performance.now() > deadline)
          throw new Error(`Kamailio does not answer:\n${said}`)
        socket.send(question, port, address)
        await pause(50)
      }
    } finally {
      socket.close()
    }
    this.pids = familyOf(this.#child.pid ?? 0)
  }
}
