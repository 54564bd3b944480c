/** All bridges together: one per `type = server` section, kept in step with the configuration. */
import type { Configuration } from '../conf/configuration.ts'
import type { Console } from '../console/console.ts'
import type { AsteriskServer } from '../core.ts'
import { type Log, reasonOf } from '../log.ts'
import type { Undo } from '../scope.ts'
import type { Store } from '../store-contract.ts'
import { within } from '../within.ts'
import { Bridge, type BridgeSettings } from './bridge.ts'
import { ariCommands } from './commands.ts'
import type { IsInFiles } from './hint-source.ts'

interface Running {
  readonly bridge: Bridge
  /** Whether Asterisk's files are read, and it is asked for no endpoints, and only for hints that they do not tell. */
  readonly fromFiles: boolean
}

type BridgesConfiguration = Pick<Configuration, 'servers'> & {
  readonly general: Pick<Configuration['general'], 'asterisk_config'>
}

export class Bridges {
  readonly #core: BridgeSettings['core']
  readonly #store: Pick<Store, 'flush'>
  readonly #log: Log
  readonly #isInFiles: IsInFiles
  readonly #bridges = new Map<string, Running>()
  /** The names as the file has them. */
  #order: readonly string[] = []

  constructor(core: BridgeSettings['core'], store: Pick<Store, 'flush'>, log: Log, isInFiles: IsInFiles) {
    this.#core = core
    this.#store = store
    this.#log = log
    this.#isInFiles = isInFiles
  }

  get all(): readonly Bridge[] {
    return this.#order.flatMap((name) => this.#bridges.get(name)?.bridge ?? [])
  }

  get servers(): readonly AsteriskServer[] {
    return this.all.map((bridge) => {
      const { name, url, asterisk, state } = bridge.status()
      const connected = state === 'reading' || state === 'serving'
      return { name, url, entityId: asterisk?.entityId.toLowerCase() ?? '', connected }
    })
  }

  /** Starts, changes and ends bridges. A server that is configured no more takes its states with it. */
  async configure({ servers, general }: BridgesConfiguration): Promise<void> {
    const fromFiles = general.asterisk_config !== ''

    const names = servers.map(({ name }) => name)
    this.#order = names
    this.#core.devices.asked(names.length > 0)
    for (const [name, { bridge }] of this.#bridges) {
      if (names.includes(name)) continue
      this.#bridges.delete(name)
      await bridge.close({ forget: true })
    }
    for (const server of servers) {
      const running = this.#bridges.get(server.name)
      if (running?.fromFiles === fromFiles) {
        await running.bridge.reload(server.options)
        continue
      }
      // What it reads is decided when it starts. Its states stay, so that no lamp changes while another one takes over.
      await running?.bridge.close()
      const log = this.#log.logger(`ari.${server.name}`)
      const sources = { endpointsFromFiles: fromFiles, ...(fromFiles && { isInFiles: this.#isInFiles }) }
      // What it said last may be all that is known of it for long, also by who is started in our place.
      const lost = (): void => void this.#store.flush()
      const settings = { server, core: this.#core, log, ...sources, lost }
      this.#bridges.set(server.name, { bridge: new Bridge(settings), fromFiles })
    }
    // As in the file, not as they came: the first that knows a phone says who it is.
    this.#core.hints.orderSources(names)
    this.#core.endpoints.orderSources(names)
  }

  /** Resolves when every bridge has read what there is or has failed to, or after so many milliseconds. */
  async settled(milliseconds: number): Promise<void> {
    await within(milliseconds, Promise.all(this.all.map((bridge) => bridge.settled)))
  }

  async rereadHints(): Promise<void> {
    const failures: string[] = []
    for (const bridge of this.all)
      await bridge.rereadHints().catch((error: unknown) => failures.push(`${bridge.name}: ${reasonOf(error)}`))
    if (failures.length > 0) throw new Error(failures.join('; '))
  }

  registerCommands(console: Console): Undo {
    return console.register(...ariCommands(() => this.all))
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((bridge) => bridge.close()))
    this.#bridges.clear()
  }
}
