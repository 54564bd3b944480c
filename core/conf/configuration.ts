/**
 * All configuration, read in one go. A start, a reload and `--check` use the same reading; with a problem in it nothing
 * of it takes effect.
 *
 * lamplighter.conf → Asterisk's files, where `asterisk_config` names their directory → our own files, which overrule
 * them → one value. A file that is not there leaves its defaults.
 */
import { join, resolve } from 'node:path'
import { type ConfigFile, lastValue, type Place } from '../config.ts'
import type { PjsipConfig, TransportConfig } from '../endpoints.ts'
import type { ModulesPlan } from '../loader.ts'
import type { ModuleConfig } from '../module.ts'
import { checkModuleFile, moduleFiles } from '../module-files.ts'
import { type ConfigError, defaultsOf } from '../options.ts'
import { transportOptions } from '../pjsip-options.ts'
import { checkCertificates, checkPaths, placeOf, unwritable, whyNotDirectory } from './cross-checks.ts'
import { type DialplanData, readDialplan } from './dialplan-conf.ts'
import { findElsewhere, type TheirFiles } from './elsewhere.ts'
import { Findings } from './findings.ts'
import { readSettings, type ServerEntry, type Settings } from './lamplighter-conf.ts'
import { LOAD_EVERYTHING, readModules } from './modules-conf.ts'
import { type ConfigReading, type ConfigSource, isThere, readConfigFile } from './parser.ts'
import { type PjsipSource, readPjsip } from './pjsip-conf.ts'
import { type MailboxDirectory, readVoicemail } from './voicemail-conf.ts'

export type { MailboxDirectory, ServerEntry }

export interface Configuration extends Settings {
  /** Absolute. */
  readonly directory: string
  readonly pjsip: PjsipConfig
  readonly dialplan: DialplanData
  readonly mailboxes: MailboxDirectory
  readonly modules: ModulesPlan
  /** Absolute, or `:memory:`. */
  readonly storePath: string
  /** Where that is written; undefined where it is not. */
  readonly storePlace: Place | undefined
  readonly consoleSocket: string
  /** Absolute; undefined where there is none. */
  readonly logFile: string | undefined
  /** Every file that was read, includes too. */
  readonly files: readonly string[]
}

export interface ConfigurationReading {
  readonly configuration: Configuration
  /** All that must be put right before this configuration can be used. */
  readonly problems: readonly ConfigError[]
  /** What is wrong, and can be lived with. */
  readonly warnings: readonly ConfigError[]
  /** What this user may not write; for a check. */
  readonly unwritable: readonly ConfigError[]
  /** What is passed over in Asterisk's files, for the log. */
  readonly notes: readonly ConfigError[]
}

/** Where nothing says otherwise: the usual port, and another one beside an Asterisk that has it. */
const DEFAULT_BIND = '0.0.0.0:5060'
const DEFAULT_BIND_BESIDE_ASTERISK = '0.0.0.0:5070'

const PJSIP_KINDS = { 'pjsip.conf': 'pjsip', 'pjsip_wizard.conf': 'wizard', 'acl.conf': 'acl' } as const

/**
 * Without a directory nothing is read, and the defaults hold. `declared` is what modules read of our files, and
 * `moduleNames` what they are called, so that modules.conf can name only these. `before` is what a reload is to replace.
 */
export function readConfiguration(
  directory: string | undefined,
  declared: readonly ModuleConfig[] = [],
  moduleNames?: readonly string[],
  before?: PjsipConfig,
): ConfigurationReading {
  const findings = new Findings()
  const ours = new ConfigDirectory(directory, false, findings)
  const settings = readSettings(ours.read('lamplighter.conf'), findings)
  const theirs = new ConfigDirectory(asteriskDirectory(settings, ours, findings), true, findings)
  findElsewhere(theirs, findings)

  const pjsip = readPjsip([...pjsipFiles(theirs), ...pjsipFiles(ours)], ours.path, before)
  const dialplan = readDialplan(both('extensions.conf', theirs, ours), pjsip.hints)
  const voicemail = readVoicemail(both('voicemail.conf', theirs, ours))
  const modulesFile = ours.read('modules.conf')
  const modules = modulesFile ? readModules(modulesFile, moduleNames) : { plan: LOAD_EVERYTHING, problems: [] }
  for (const reading of [pjsip, dialplan, voicemail, modules]) findings.add(reading)
  const storePath = settings.store.path === ':memory:' ? ':memory:' : resolve(ours.path, settings.store.path)
  for (const name of moduleFiles(declared)) {
    const file = ours.read(name)
    const inIt = declared.filter((each) => each.file === name)
    if (file) checkModuleFile(file, inIt, storePath, findings)
  }

  checkCertificates(pjsip.config.transports, findings)
  if (pjsip.config.endpoints.size === 0 && theirs.has('sip.conf'))
    findings.warning(
      'there is no endpoint, so that all phones are refused; peers of sip.conf (chan_sip) are none, expected endpoints in our own pjsip.conf',
      { file: join(theirs.path, 'sip.conf'), line: 0 },
    )

  const configuration: Configuration = {
    ...settings,
    directory: ours.path,
    pjsip: withTransport(pjsip.config, settings, ours.path),
    dialplan: dialplan.data,
    mailboxes: voicemail.directory,
    modules: modules.plan,
    storePath,
    storePlace: placeOf(ours.read('lamplighter.conf'), 'path'),
    consoleSocket: resolve(ours.path, settings.console.socket),
    logFile: settings.console.logfile === '' ? undefined : resolve(ours.path, settings.console.logfile),
    files: [...ours.files, ...theirs.files],
  }
  checkPaths(configuration, ours.read('lamplighter.conf'), configuration.files, findings)
  const { problems, warnings, notes } = findings
  const barred = unwritable(configuration, ours.read('lamplighter.conf'))
  return { configuration, problems, warnings, unwritable: barred, notes }
}

/** A directory whose files are read at most once. */
class ConfigDirectory implements TheirFiles {
  readonly path: string
  readonly foreign: boolean
  readonly files: string[] = []
  readonly #exists: boolean
  readonly #findings: Findings
  readonly #read = new Map<string, ConfigFile | undefined>()

  constructor(path: string | undefined, foreign: boolean, findings: Findings) {
    this.path = resolve(path ?? '.')
    this.foreign = foreign
    this.#findings = findings
    const why = path === undefined ? undefined : whyNotDirectory(this.path, 'is not there')
    this.#exists = path !== undefined && why === undefined
    if (why !== undefined && !foreign) findings.problem(`${this.path} ${why}, expected a configuration directory`)
  }

  has(name: string): boolean {
    return this.#exists && isThere(join(this.path, name))
  }

  leaveOut(name: string): void {
    this.#read.set(name, undefined)
  }

  /** Faults go to the findings. */
  read(name: string): ConfigFile | undefined {
    return this.#readAs(name, (reading) => this.#findings.add(reading))
  }

  lookInto(name: string): ConfigFile | undefined {
    return this.#readAs(name, (reading) => this.#findings.addAsWarnings(reading))
  }

  #readAs(name: string, report: (reading: ConfigReading) => void): ConfigFile | undefined {
    if (this.#read.has(name)) return this.#read.get(name)
    const options = { foreign: this.foreign, isMissed: Object.hasOwn(PJSIP_KINDS, name) }
    const reading = this.has(name) ? readConfigFile(join(this.path, name), options) : undefined
    this.#read.set(name, reading?.file)
    if (reading) {
      report(reading)
      this.files.push(...reading.file.files)
    }
    return reading?.file
  }
}

const ASTERISK_FILES = ['pjsip.conf', 'pjsip_wizard.conf', 'extensions.conf', 'voicemail.conf']

function asteriskDirectory({ general }: Settings, ours: ConfigDirectory, findings: Findings): string | undefined {
  if (general.asterisk_config === '') return undefined
  const path = resolve(ours.path, general.asterisk_config)
  const section = ours.read('lamplighter.conf')?.sections.findLast((s) => lastValue(s, 'asterisk_config'))
  const fault = (what: string, expected: string): undefined => {
    findings.problem(
      `asterisk_config = ${general.asterisk_config} ${what}, expected ${expected}`,
      lastValue(section, 'asterisk_config'),
    )
    return undefined
  }
  const why = whyNotDirectory(path, 'is no directory')
  if (why !== undefined) return fault(why, "the directory of Asterisk's configuration")
  if (path === ours.path) return fault('is our own directory', "Asterisk's directory, and ours beside it")
  if (!ASTERISK_FILES.some((name) => isThere(join(path, name))))
    return fault(`has none of ${ASTERISK_FILES.join(', ')}`, "the directory of Asterisk's configuration")
  return path
}

function pjsipFiles(directory: ConfigDirectory): PjsipSource[] {
  const { foreign } = directory
  return Object.entries(PJSIP_KINDS).flatMap(([name, kind]) => {
    const file = directory.read(name)
    return file ? [{ kind, file, foreign }] : []
  })
}

function both(name: string, ...directories: ConfigDirectory[]): ConfigSource[] {
  return directories.flatMap((directory) => {
    const file = directory.read(name)
    return file ? [{ file, foreign: directory.foreign }] : []
  })
}

function withTransport(pjsip: PjsipConfig, { general }: Settings, directory: string): PjsipConfig {
  if (pjsip.transports.length > 0) return pjsip
  const transport: TransportConfig = {
    ...defaultsOf(transportOptions),
    id: 'transport-udp',
    bind: general.asterisk_config === '' ? DEFAULT_BIND : DEFAULT_BIND_BESIDE_ASTERISK,
    file: join(directory, 'pjsip.conf'),
    line: 0,
  }
  return { ...pjsip, transports: [transport] }
}
