/** modules.conf → which modules are loaded, and in which order they are named. */
import type { ConfigEntry, ConfigFile, Place } from '../config.ts'
import type { ModulesPlan } from '../loader.ts'
import { type ConfigError, yesno } from '../options.ts'
import { Findings } from './findings.ts'
import { didYouMean } from './suggestion.ts'

export interface ModulesReading {
  readonly plan: ModulesPlan
  readonly problems: readonly ConfigError[]
}

/** The directives of `[modules]` and what they do, for `modules.conf` and its sample. */
export const MODULE_DIRECTIVES = {
  autoload: 'yes: every module that is there is loaded, but for those in noload. no: only those that are named.',
  preload: 'Loaded before the others.',
  'preload-require': 'Loaded before the others; without it nothing starts.',
  load: 'Loaded, where autoload is off.',
  require: 'Loaded; without it nothing starts.',
  noload: 'Not loaded.',
} as const
type Directive = keyof typeof MODULE_DIRECTIVES

const autoloadOption = yesno(true, MODULE_DIRECTIVES.autoload)

/** Without a file everything is loaded. */
export const LOAD_EVERYTHING: ModulesPlan = { autoload: true, preload: [], load: [], noload: [], require: [] }

/** A file that does not say `autoload` loads what it names, as in Asterisk. `known`: the modules that there are. */
export function readModules(file: ConfigFile, known?: readonly string[]): ModulesReading {
  const findings = new Findings()
  const plan = { autoload: false, preload: new Names(), load: new Names(), noload: new Names(), require: new Names() }
  for (const section of file.sections) {
    if (section.name.toLowerCase() !== 'modules') {
      findings.problem(`unknown section [${section.name}], expected [modules]`, section)
      continue
    }
    for (const entry of section.entries) {
      const directive = entry.key.toLowerCase()
      if (!isDirective(directive)) {
        const names = Object.keys(MODULE_DIRECTIVES)
        const hint = didYouMean(directive, names) || `, expected one of: ${names.join(', ')}`
        findings.problem(`unknown directive '${entry.key}'${hint}`, entry)
      } else if (directive === 'autoload') {
        plan.autoload = readAutoload(entry, findings)
      } else {
        const name = readName(entry, findings, known)
        if (name === undefined) continue
        if (directive.startsWith('preload')) plan.preload.add(name, entry)
        if (directive.endsWith('require')) plan.require.add(name, entry)
        if (directive === 'load') plan.load.add(name, entry)
        if (directive === 'noload') plan.noload.add(name, entry)
      }
    }
  }
  for (const [name, place] of plan.noload.places) {
    const other = plan.require.places.get(name)
    if (other)
      findings.problem(
        `noload = ${name}, which is required at ${other.file}:${other.line}, expected one of both`,
        place,
      )
  }
  return {
    plan: {
      autoload: plan.autoload,
      preload: plan.preload.list,
      load: plan.load.list,
      noload: plan.noload.list,
      require: plan.require.list,
    },
    problems: findings.problems,
  }
}

class Names {
  readonly places = new Map<string, Place>()

  get list(): readonly string[] {
    return [...this.places.keys()]
  }

  add(name: string, { file, line }: Place): void {
    if (!this.places.has(name)) this.places.set(name, { file, line })
  }
}

function isDirective(text: string): text is Directive {
  return Object.hasOwn(MODULE_DIRECTIVES, text)
}

function readAutoload(entry: ConfigEntry, findings: Findings): boolean {
  try {
    return autoloadOption.read(entry.value)
  } catch {
    findings.problem(`autoload = '${entry.value}' is not valid, expected yes or no`, entry)
    return autoloadOption.default
  }
}

/** `res_pjsip_mwi.so` is res_pjsip_mwi. */
function readName(entry: ConfigEntry, findings: Findings, known: readonly string[] | undefined): string | undefined {
  const name = entry.value.toLowerCase().endsWith('.so') ? entry.value.slice(0, -3) : entry.value
  if (!/^[A-Za-z0-9_]+$/.test(name)) {
    findings.problem(`${entry.key} = '${entry.value}' is no module, expected a name such as res_pjsip_mwi`, entry)
    return undefined
  }
  if (known && !known.includes(name)) {
    const hint = didYouMean(name, known) || `, expected one of: ${known.join(', ')}`
    findings.problem(`${entry.key} = ${name}: there is no such module${hint}`, entry)
  }
  return name
}
