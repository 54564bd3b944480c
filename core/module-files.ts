/** The files of modules, by what the modules declare: `pubsub.conf` has `[general]`, and these options in it. */
import { join } from 'node:path'
import { placeOf, whyNoDatabase, whyNoDirectory } from './conf/cross-checks.ts'
import type { Findings } from './conf/findings.ts'
import { isThere, readConfigFile } from './conf/parser.ts'
import { didYouMean } from './conf/suggestion.ts'
import { type ConfigFile, type ConfigSection, inOnePiece } from './config.ts'
import type { ModuleConfig } from './module.ts'
import { ConfigError, type OptionSet, type OptionValues, readSection } from './options.ts'
import { besideStore } from './store-file.ts'

/** The names of the files that are declared, each once. */
export function moduleFiles(declared: readonly ModuleConfig[]): readonly string[] {
  return [...new Set(declared.map(({ file }) => file))]
}

/** All that is wrong in a file of modules. `storePath`: of the store that their databases are beside. */
export function checkModuleFile(
  file: ConfigFile,
  declared: readonly ModuleConfig[],
  storePath: string,
  findings: Findings,
): void {
  const known = declared.map(({ section }) => section)
  for (const section of file.sections) {
    if (known.some((name) => isNamed(section, name))) continue
    const hint = didYouMean(section.name, known) || `, expected ${known.map((name) => `[${name}]`).join(' or ')}`
    findings.problem(`unknown section [${section.name}]${hint}`, section)
  }
  for (const each of declared) {
    const values = optionsIn(file, each, findings.problems)
    const sections = file.sections.filter((one) => isNamed(one, each.section))
    const check = (option: string, why: string | false | undefined): void => {
      const place = why && placeOf({ ...file, sections }, option)
      if (place) findings.problem(`${option} = ${place.value} ${why}`, place)
    }
    for (const [option, path] of each.databases?.(values) ?? [])
      check(option, path !== ':memory:' && whyNoDatabase(besideStore(storePath, path)))
    for (const [option, path] of each.directories?.(values) ?? []) check(option, whyNoDirectory(path))
  }
}

/** What a module is not told of its file: what others have in it, and the store that databases are beside. */
export interface AroundFile {
  readonly declared: readonly ModuleConfig[]
  readonly storePath: string
}

/**
 * The options as the file has them now. All that is wrong in the file is found, as a name that is mistyped there is that
 * of no section of the module's; the default stands in for what is wrong.
 */
export function readModuleOptions<S extends OptionSet>(
  directory: string,
  config: ModuleConfig<S>,
  { declared, storePath }: AroundFile,
  findings: Findings,
): OptionValues<S> {
  const path = join(directory, config.file)
  const reading = isThere(path) ? readConfigFile(path) : undefined
  if (reading) {
    findings.add(reading)
    const inIt = declared.filter(({ file }) => file === config.file)
    checkModuleFile(reading.file, inIt, storePath, findings)
  }
  return optionsIn(reading?.file, config, [])
}

function optionsIn<S extends OptionSet>(
  file: ConfigFile | undefined,
  declared: ModuleConfig<S>,
  problems: ConfigError[],
): OptionValues<S> {
  const { section, set } = declared
  const pieces = (file?.sections ?? []).filter((each) => isNamed(each, section))
  const values = readSection(inOnePiece(pieces), set, problems)
  for (const [option, why] of declared.contradictions?.(values) ?? []) {
    const place = file && placeOf({ ...file, sections: pieces }, option)
    if (place) problems.push(new ConfigError(`${option} = ${place.value} ${why}`, place))
  }
  return values
}

function isNamed(section: ConfigSection, name: string): boolean {
  return section.name.toLowerCase() === name.toLowerCase()
}
