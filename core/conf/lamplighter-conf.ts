/** lamplighter.conf: `[general]`, `[store]`, `[console]`, and one `type = server` section for each Asterisk. */
import { baseOf, faultOfApp, faultOfUrl } from '../ari/address.ts'
import { type ConfigFile, type ConfigSection, inOnePiece, lastValue, type Place } from '../config.ts'
import { isEntityId } from '../entity-id.ts'
import { type OptionSet, type OptionValues, readSection } from '../options.ts'
import { consoleOptions, generalOptions, serverOptions, storeOptions } from '../settings.ts'
import { LOCAL } from '../states/local-states.ts'
import { ALIAS } from '../states/mailbox-aliases.ts'
import type { Findings } from './findings.ts'
import { didYouMean } from './suggestion.ts'

export interface ServerEntry {
  /** The section's name, and the origin of its states. */
  readonly name: string
  readonly options: OptionValues<typeof serverOptions>
  readonly place: Place
}

export interface Settings {
  readonly general: OptionValues<typeof generalOptions>
  readonly store: OptionValues<typeof storeOptions>
  readonly console: OptionValues<typeof consoleOptions>
  readonly servers: readonly ServerEntry[]
}

/** The origins of states that no server tells. */
const RESERVED = new Set([LOCAL, ALIAS])
const SECTIONS = ['general', 'store', 'console']

export function readSettings(file: ConfigFile | undefined, findings: Findings): Settings {
  const sections = file?.sections ?? []
  for (const section of sections) checkSection(section, findings)
  const only = <S extends OptionSet>(name: string, set: S): OptionValues<S> =>
    readSection(merged(sections, name), set, findings.problems)
  const settings: Settings = {
    general: only('general', generalOptions),
    store: only('store', storeOptions),
    console: only('console', consoleOptions),
    servers: sections.filter(isServer).map((section) => readServer(section, findings)),
  }
  checkServers(settings.servers, findings)
  checkEid(settings.general.asterisk_eid, merged(sections, 'general'), findings)
  return settings
}

function isServer(section: ConfigSection): boolean {
  return lastValue(section, 'type')?.value === 'server'
}

function checkSection(section: ConfigSection, findings: Findings): void {
  if (isServer(section) || SECTIONS.includes(section.name)) return
  const type = lastValue(section, 'type')
  if (type) {
    findings.problem(`unknown type '${type.value}' in [${section.name}], expected type = server`, type)
    return
  }
  const hint =
    didYouMean(section.name, SECTIONS) || ', expected general, store, console, or a section with type = server'
  findings.problem(`unknown section [${section.name}]${hint}`, section)
}

function merged(sections: readonly ConfigSection[], name: string): ConfigSection | undefined {
  return inOnePiece(sections.filter((section) => section.name === name && !isServer(section)))
}

function readServer(section: ConfigSection, findings: Findings): ServerEntry {
  const options = readSection(section, serverOptions, findings.problems)
  const { name, file, line } = section
  const at = (key: string): Place => lastValue(section, key) ?? section
  const fault = faultOfUrl(options.url)
  if (fault) findings.problem(`url of [${name}] ${fault}, expected http://address:8088`, at('url'))
  if (options.username === '') {
    findings.problem(`server [${name}] has no username, expected the name of a user in Asterisk's ari.conf`, section)
  }
  const faultyApp = faultOfApp(options.app)
  if (faultyApp) findings.problem(`app = '${options.app}' of [${name}] ${faultyApp}`, at('app'))
  return { name, options, place: { file, line } }
}

function checkServers(servers: readonly ServerEntry[], findings: Findings): void {
  const names = new Map<string, Place>()
  const apps = new Map<string, string>()
  for (const { name, options, place } of servers) {
    const key = name.toLowerCase()
    const earlier = names.get(key)
    if (RESERVED.has(key))
      findings.problem(`[${name}] is the name of our own states, expected another for a server`, place)
    if (earlier)
      findings.problem(
        `a second server [${name}], expected one (the first is at ${earlier.file}:${earlier.line})`,
        place,
      )
    names.set(key, place)
    if (faultOfUrl(options.url)) continue
    const app = `${baseOf(options.url)} ${options.app}`
    const other = apps.get(app)
    if (other !== undefined && other !== name)
      findings.problem(`[${name}] has the url and the app of [${other}], expected another server or app`, place)
    apps.set(app, name)
  }
}

function checkEid(eid: string, section: ConfigSection | undefined, findings: Findings): void {
  if (eid === '' || isEntityId(eid)) return
  const place = lastValue(section, 'asterisk_eid')
  findings.problem(`asterisk_eid = '${eid}' is not valid, expected six pairs of hexadecimal digits with colons`, place)
}
