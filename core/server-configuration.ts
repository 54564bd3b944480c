/** The configuration that a server runs with. A start, a reload, `--check` and each module read it in the same way. */
import { type Configuration, type ConfigurationReading, readConfiguration } from './conf/configuration.ts'
import { Findings } from './conf/findings.ts'
import type { PjsipConfig } from './endpoints.ts'
import { UnreadableModule } from './find-modules.ts'
import type { ReadOptions } from './loader.ts'
import type { ModuleConfig, ModuleDefinition } from './module.ts'
import { readModuleOptions } from './module-files.ts'
import { ConfigError } from './options.ts'
import { ConfigurationFaults } from './reload.ts'

export class ServerConfiguration {
  readonly #directory: string
  readonly modules: readonly ModuleDefinition[]
  /** What is in effect. */
  now: Configuration

  constructor(directory: string, modules: readonly ModuleDefinition[], now: Configuration) {
    this.#directory = directory
    this.modules = modules
    this.now = now
  }

  /** What the files say now, which takes no effect yet. Throws ConfigurationFaults. */
  read(): ConfigurationReading {
    const reading = readWith(this.modules, this.#directory, this.now.pjsip)
    if (reading.problems.length > 0) throw new ConfigurationFaults(reading.problems)
    return reading
  }

  readonly readOptions: ReadOptions = (declared) => {
    const findings = new Findings()
    const around = { declared: declaredBy(this.modules), storePath: this.now.storePath }
    const values = readModuleOptions(this.#directory, declared, around, findings)
    if (findings.problems.length > 0) throw new ConfigurationFaults(findings.problems)
    return values
  }
}

/** All configuration, the files of these modules too. `before`: what is in effect of pjsip.conf. */
export function readWith(
  modules: readonly ModuleDefinition[],
  directory: string,
  before?: PjsipConfig,
): ConfigurationReading {
  return readConfiguration(
    directory,
    declaredBy(modules),
    modules.map(({ name }) => name),
    before,
  )
}

/** Modules that modules.conf asks for and whose files cannot be read; what they have in our files is unknown then. */
export function unreadable(
  modules: readonly ModuleDefinition[],
  { modules: { autoload, preload, load, require, noload } }: Pick<Configuration, 'modules'>,
): ConfigError[] {
  const named = new Set([...preload, ...load, ...require])
  return modules
    .filter((one) => one instanceof UnreadableModule)
    .filter(({ name }) => (autoload || named.has(name)) && !noload.includes(name))
    .map(({ name, why }) => new ConfigError(`module ${name} cannot be read: ${why}`))
}

function declaredBy(modules: readonly ModuleDefinition[]): ModuleConfig[] {
  return modules.flatMap(({ config = [] }) => config)
}
