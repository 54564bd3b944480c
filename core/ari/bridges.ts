/** All bridges together: one per `type = server` section, kept in step with the configuration. */
import type { Configuration } from '../conf/configuration.ts'
import type { Console } from '../console/console.ts'
import type { Core } from '../core.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Undo } from '../scope.ts'
import { startBridge } from './bridge.ts'
import type { Bridge } from './bridge-contract.ts'
import { ariCommands } from './commands.ts'

export class Bridges {
  readonly #core: Core
  readonly #log: Log
  readonly #bridges = new Map<string, Bridge>()

  constructor(core: Core, log: Log) {
    this.#core = core
    this.#log = log
  }

  get all(): readonly Bridge[] {
    return [...this.#bridges.values()]
  }

  /** Starts, changes and ends bridges. A server that is configured no more takes its states with it. */
  async configure({ servers, general }: Configuration): Promise<void> {
    // Asterisk's own files say all that it could be asked for.
    const fromFiles = general.asterisk_config !== ''

    for (const [name, bridge] of this.#bridges) {
      if (servers.some((server) => server.name === name)) continue
      this.#bridges.delete(name)
      await bridge.close({ forget: true })
    }
    for (const server of servers) {
      const running = this.#bridges.get(server.name)
      if (running) await running.reload(server.options, server.place)
      else {
        const log = this.#log.logger(`ari.${server.name}`)
        this.#bridges.set(
          server.name,
          startBridge({ server, core: this.#core, log, hintsFromFiles: fromFiles, endpointsFromFiles: fromFiles }),
        )
      }
    }
  }

  /** Resolves when every bridge has read what there is or has failed to, or after so many milliseconds. */
  async settled(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await Promise.race([Promise.all(this.all.map((bridge) => bridge.settled)), limit])
    clearTimeout(timer)
  }

  async rereadHints(): Promise<void> {
    const failures: string[] = []
    for (const bridge of this.all)
      await bridge.rereadHints().catch((error: unknown) => failures.push(`${bridge.name}: ${reasonOf(error)}`))
    if (failures.length > 0) throw new Error(failures.join('; '))
  }

  registerCommands(console: Console): Undo {
    const undos = ariCommands(() => this.all).map((command) => console.register(command))
    return () => undos.forEach((undo) => void undo())
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((bridge) => bridge.close()))
    this.#bridges.clear()
  }
}
