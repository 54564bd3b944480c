/**
 * extensions.conf → the hints in it, and nothing else.
 *
 * globals → contexts: `exten =>` and `same =>` with priority `hint`, and `include =>`. What Asterisk does with calls is
 * passed over. Our own file is asked before Asterisk's; within a file the first of two equal hints holds.
 *
 * A hint with a function or an expression in it needs Asterisk to evaluate it: an error in our own file; in Asterisk's
 * it is noted, the files do not know the hint, and an Asterisk server is asked for it over ARI.
 */
import type { ConfigSection } from '../config.ts'
import { reasonOf } from '../log.ts'
import { ContextReader, enter, type OpenContext } from './dialplan-context.ts'
import type { WrittenHint } from './dialplan-hint.ts'
import { comparePatterns, type ExtenPattern, plainExten } from './dialplan-pattern.ts'
import { CannotEvaluate, expandVariables, type Variables } from './dialplan-variables.ts'
import { type Faults, Findings } from './findings.ts'
import type { ConfigSource } from './parser.ts'
import type { WizardHint } from './pjsip-wizard.ts'

export interface DialplanContext {
  readonly name: string
  /** By extension without dashes. */
  readonly exact: ReadonlyMap<string, WrittenHint>
  /** The most specific first. */
  readonly patterns: readonly { readonly pattern: ExtenPattern; readonly hint: WrittenHint }[]
  readonly includes: readonly string[]
}

export interface DialplanData {
  readonly contexts: ReadonlyMap<string, DialplanContext>
  readonly globals: Variables
}

export interface DialplanReading extends Omit<Faults, 'warnings'> {
  readonly data: DialplanData
}

export const NO_DIALPLAN: DialplanData = { contexts: new Map(), globals: () => undefined }

/** Sources that come first are overruled by those that follow. */
export function readDialplan(
  sources: readonly ConfigSource[],
  wizardHints: readonly WizardHint[] = [],
): DialplanReading {
  const findings = new Findings()
  const globals = readGlobals(sources, findings)
  const contexts = new Map<string, OpenContext>()
  for (const { file, foreign } of sources.toReversed()) {
    for (const section of file.sections) {
      if (isContext(section)) new ContextReader(section, foreign, globals, contexts, findings).read()
    }
  }
  for (const { foreign, context, exten, device, file, line } of lastOfEach(wizardHints, findings)) {
    try {
      enter(contexts, { context, exten, value: device, name: '', file, line })
    } catch (error) {
      findings.doubt(foreign, `hint_exten = ${exten}: ${reasonOf(error)}`, { file, line })
    }
  }
  if (sources.some((source) => !source.foreign)) checkIncludes(contexts, findings)
  const finished = new Map([...contexts].map(([name, context]) => [name, finish(name, context)]))
  return { data: { contexts: finished, globals }, problems: findings.problems, notes: findings.notes }
}

/** Of two wizards that name one extension the later has the hint; a line of extensions.conf goes before both. */
function lastOfEach(hints: readonly WizardHint[], findings: Findings): readonly WizardHint[] {
  const last = new Map<string, WizardHint>()
  for (const hint of hints) {
    const { context, exten } = hint
    const key = `${plainExten(exten)}@${context}`
    const other = last.get(key)
    if (other)
      findings.note(`hint_exten = ${exten} goes before that of ${other.file}:${other.line}, expected one`, hint)
    last.set(key, hint)
  }
  return [...last.values()]
}

const isContext = ({ name }: ConfigSection): boolean => !['general', 'globals'].includes(name.toLowerCase())

/** Our globals replace Asterisk's. One that cannot be evaluated is so wherever it is used. */
function readGlobals(sources: readonly ConfigSource[], findings: Findings): Variables {
  const values = new Map<string, string | CannotEvaluate>()
  const globals: Variables = (name) => {
    const value = values.get(name)
    if (value instanceof CannotEvaluate) throw value
    return value
  }
  for (const { file, foreign } of sources) {
    for (const section of file.sections) {
      if (section.name.toLowerCase() !== 'globals') continue
      for (const { key, value, ...place } of section.entries) {
        try {
          values.set(key, expandVariables(value, globals))
        } catch (error) {
          if (!(error instanceof CannotEvaluate)) throw error
          values.set(key, new CannotEvaluate(`${key}: ${error.message}`))
          findings.doubt(foreign, `global ${key}: ${error.message}, expected text and other globals`, place)
        }
      }
    }
  }
  return globals
}

function finish(name: string, { exact, patterns, includes }: OpenContext): DialplanContext {
  const sorted = [...patterns.values()].sort((a, b) => comparePatterns(a.pattern, b.pattern))
  return { name, exact, patterns: sorted, includes: [...includes.keys()] }
}

function checkIncludes(contexts: ReadonlyMap<string, OpenContext>, findings: Findings): void {
  for (const [name, { includes }] of contexts) {
    for (const [included, { place, foreign }] of includes) {
      if (foreign || contexts.has(included)) continue
      findings.problem(`[${name}] includes '${included}', which is not there, expected a context`, place)
    }
  }
}
