/** The files of modules, by what the modules declare: `pubsub.conf` has `[general]`, and these options in it. */
import { join } from 'node:path'
import { placeOf, whyNoDirectory, whyNoFile } from './conf/cross-checks.ts'
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
      check(option, path !== ':memory:' && whyNoFile(besideStore(storePath, path)))
    for (const [option, path] of each.directories?.(values) ?? []) check(option, whyNoDirectory(path))
  }
}

/** The options as the file has them now. What is wrong is pushed to `problems`, and the default stands in for it. */
export function readModuleOptions<S extends OptionSet>(
  directory: string,
  declared: ModuleConfig<S>,
  problems: ConfigError[],
): OptionValues<S> {
  const path = join(directory, declared.file)
  const reading = isThere(path) ? readConfigFile(path) : undefined
  for (const problem of reading?.problems ?? []) problems.push(problem)
  return optionsIn(reading?.file, declared, problems)
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
