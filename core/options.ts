/**
 * Options are declared once: how the text is read, what holds without it, and one sentence for the administrator.
 *
 *     const endpointOptions = options({ allow_subscribe: yesno(true, 'Whether this endpoint may subscribe.') })
 *     const endpoint = readSection(section, endpointOptions, problems)   // { allow_subscribe: boolean }
 */

import { didYouMean } from './conf/suggestion.ts'
import type { ConfigSection, Place } from './config.ts'
import { reasonOf } from './log.ts'

/** What an operator did wrong: `file:line: what is wrong, what is expected`. */
export class ConfigError extends Error {
  readonly place: Place | undefined

  constructor(message: string, place?: Place) {
    // Where no line stands for it, as for the transport of an empty pjsip.conf and objects read over ARI, it is 0.
    const where = place && (place.line > 0 ? `${place.file}:${place.line}` : place.file)
    super(where === undefined ? message : `${where}: ${message}`)
    this.name = 'ConfigError'
    this.place = place
  }
}

/** Reads one value; throws an Error that says what is expected. */
export type Reader<T> = (text: string) => T

export interface Option<T> {
  readonly read: Reader<T>
  readonly default: T
  /** The default as an administrator would write it; empty where there is none. */
  readonly defaultText: string
  /** One sentence: what the option does. */
  readonly doc: string
  /** What a value looks like: `yes or no`, `seconds`. */
  readonly expects: string
  /**
   * Set where every line of the name counts, not only the last one: gets the texts of all lines, and for options whose
   * order matters across names (deny and permit) the place of each line in its section.
   */
  readonly many?: (texts: readonly string[], positions: readonly number[]) => T
  /** What Asterisk takes each text for that `read` refuses; without it, it refuses it as well. */
  readonly otherwise?: { readonly value: T; readonly text: string }
  /** Never shown on the console or in the log. */
  readonly secret?: boolean
}
export type OptionSet = Readonly<Record<string, Option<unknown>>>
export type OptionValues<S extends OptionSet> = { readonly [K in keyof S]: S[K] extends Option<infer T> ? T : never }

export const options = <S extends OptionSet>(set: S): S => set

const YES = new Set(['yes', 'true', 'y', 't', '1', 'on'])
const NO = new Set(['no', 'false', 'n', 'f', '0', 'off'])

export const isYes = (text: string): boolean => YES.has(text.toLowerCase())
export const isNo = (text: string): boolean => NO.has(text.toLowerCase())

export const yesno = (byDefault: boolean, doc: string): Option<boolean> => ({
  default: byDefault,
  defaultText: byDefault ? 'yes' : 'no',
  doc,
  expects: 'yes or no',
  otherwise: { value: false, text: 'no' },
  read: (text) => {
    if (isYes(text)) return true
    if (isNo(text)) return false
    throw new Error('expected yes or no')
  },
})

export const integer = (
  byDefault: number,
  doc: string,
  {
    min = 0,
    max = Number.MAX_SAFE_INTEGER,
    unit = 'a whole number',
  }: { min?: number; max?: number; unit?: string } = {},
): Option<number> => ({
  default: byDefault,
  defaultText: String(byDefault),
  doc,
  expects: unit,
  read: (text) => {
    const value = wholeNumber(text)
    if (Number.isNaN(value) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
      throw new Error(`expected ${unit} ${range}`)
    }
    return value
  },
})

/** As Asterisk reads one (strtol): `0x10` is 16, `010` is 8, and `+5` is 5. NaN for anything else. */
export function wholeNumber(text: string): number {
  const digits = text.replace(/^[+-]/, '')
  if (!/^(?:0x[0-9a-f]{1,12}|0[0-7]{0,15}|[1-9][0-9]{0,14})$/i.test(digits)) return Number.NaN
  const value = Number(/^0[0-7]/.test(digits) ? `0o${digits}` : digits)
  return text.startsWith('-') ? -value : value
}

export const text = (byDefault: string, doc: string, expects = 'text'): Option<string> => ({
  default: byDefault,
  defaultText: byDefault,
  doc,
  expects,
  read: (value) => value,
})

export const secret = (doc: string): Option<string> => ({ ...text('', doc), secret: true })

export const choice = <const C extends readonly string[]>(
  choices: C,
  byDefault: C[number],
  doc: string,
): Option<C[number]> => ({
  default: byDefault,
  defaultText: byDefault,
  doc,
  expects: choices.join(' or '),
  read: (value) => {
    const found = choices.find((c) => c === value.toLowerCase())
    if (found === undefined) throw new Error(`expected ${choices.join(' or ')}`)
    return found
  },
})

/** The items of a comma list, without blanks around them and without empty ones. */
export const splitCommas = (value: string): string[] =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** A comma list; several lines of the name add up. */
export const list = (
  byDefault: readonly string[],
  doc: string,
  expects = 'names with commas between them',
): Option<readonly string[]> => ({
  default: byDefault,
  defaultText: byDefault.join(','),
  doc,
  expects,
  read: splitCommas,
  many: (texts) => texts.flatMap(splitCommas),
})

/** A comma list of which only the last line counts: a section's own line replaces that of its template. */
export const commaList = (
  byDefault: readonly string[],
  doc: string,
  expects = 'names with commas between them',
): Option<readonly string[]> => ({ ...list(byDefault, doc, expects), many: undefined })

/** An option of one's own making. */
export const custom = <T>(
  byDefault: T,
  defaultText: string,
  expects: string,
  read: Reader<T>,
  doc: string,
): Option<T> => ({ default: byDefault, defaultText, expects, read, doc })

/** The values of a set where nothing is configured. */
export function defaultsOf<S extends OptionSet>(set: S): OptionValues<S> {
  return Object.fromEntries(Object.entries(set).map(([name, option]) => [name, option.default])) as OptionValues<S>
}

interface Prepared {
  readonly defaults: Readonly<Record<string, unknown>>
  /** By name in lower case. */
  readonly byName: ReadonlyMap<string, { readonly name: string; readonly option: Option<unknown> }>
}

/** Sets are read for thousands of sections each. */
const prepared = new WeakMap<OptionSet, Prepared>()

function preparedOf(set: OptionSet): Prepared {
  let found = prepared.get(set)
  if (!found) {
    const byName = new Map(Object.entries(set).map(([name, option]) => [name.toLowerCase(), { name, option }]))
    prepared.set(set, (found = { defaults: defaultsOf(set), byName }))
  }
  return found
}

export interface ReadSettings {
  /** `error`: a name outside the set is a problem (our own files); `ignore`: it is somebody else's (Asterisk's files). Default `error`. */
  readonly unknown?: 'error' | 'ignore'
  /** Of a section of Asterisk's, which is read as Asterisk reads it: what is odd about it. */
  readonly notes?: ConfigError[] | undefined
  /** What holds where the section says nothing. Default: what the set says. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Reads a section by its declared options. What is wrong is pushed to `problems`, one ConfigError per line, and the
 * default stands in for it. `type` is never an unknown name. Names compare without case, as Asterisk's do.
 */
export function readSection<S extends OptionSet>(
  section: ConfigSection | undefined,
  set: S,
  problems: ConfigError[],
  { unknown = 'error', notes, defaults = preparedOf(set).defaults }: ReadSettings = {},
): OptionValues<S> {
  const { byName } = preparedOf(set)
  const values: Record<string, unknown> = { ...defaults }
  const gathered = new Map<string, { texts: string[]; positions: number[] }>()
  for (const [position, entry] of (section?.entries ?? []).entries()) {
    const known = byName.get(entry.key.toLowerCase())
    if (!known) {
      if (unknown === 'error' && entry.key.toLowerCase() !== 'type') {
        problems.push(
          new ConfigError(
            `unknown option '${entry.key}' in [${section?.name}]` +
              (didYouMean(entry.key, Object.keys(set)) || `, expected one of: ${Object.keys(set).join(', ')}`),
            entry,
          ),
        )
      }
      continue
    }
    try {
      values[known.name] = known.option.read(entry.value)
      if (known.option.many) {
        const lines = gathered.get(known.name) ?? { texts: [], positions: [] }
        lines.texts.push(entry.value)
        lines.positions.push(position)
        gathered.set(known.name, lines)
      }
    } catch (error) {
      const shown = known.option.secret ? '(hidden)' : `'${withoutPassword(entry.value)}'`
      const fault = `${entry.key} = ${shown} is not valid, ${reasonOf(error)}`
      const { otherwise } = known.option
      if (otherwise && notes) {
        values[known.name] = otherwise.value
        notes.push(new ConfigError(`${fault}; Asterisk takes it for ${otherwise.text}`, entry))
      } else {
        problems.push(new ConfigError(fault, entry))
      }
    }
  }
  // Each line was good by itself, so that together they are.
  for (const [name, { texts, positions }] of gathered) values[name] = set[name]?.many?.(texts, positions)
  return values as OptionValues<S>
}

/** A URL or URI may have one: `mysql://kamailio:(hidden)@localhost/kamailio`. What is wrong with it ends up in logs. */
function withoutPassword(value: string): string {
  return value.replace(/([a-z][a-z0-9+.-]*:(?:\/\/)?[^\s:@/]*):\S*@/gi, '$1:(hidden)@')
}
