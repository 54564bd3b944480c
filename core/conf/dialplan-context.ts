/** The lines of one `[context]`: `exten =>` and `same =>` with priority `hint`, and `include =>`. */
import type { ConfigEntry, ConfigSection, Place } from '../config.ts'
import { reasonOf } from '../log.ts'
import { evaluateHint, type WrittenHint } from './dialplan-hint.ts'
import { type ExtenPattern, isPattern, plainExten, readExtenPattern } from './dialplan-pattern.ts'
import { CannotEvaluate, expandVariables, hasVariables, type Variables } from './dialplan-variables.ts'
import type { Findings } from './findings.ts'
import { didYouMean } from './suggestion.ts'

/** While the files are being read. */
export interface OpenContext {
  readonly exact: Map<string, WrittenHint>
  readonly patterns: Map<string, { pattern: ExtenPattern; hint: WrittenHint }>
  readonly includes: Map<string, { readonly place: Place; readonly foreign: boolean }>
}

const OTHER_DIRECTIVES = ['ignorepat', 'switch', 'lswitch', 'eswitch']

/** One `[context]` of one file. */
export class ContextReader {
  readonly #section: ConfigSection
  readonly #foreign: boolean
  readonly #globals: Variables
  readonly #contexts: Map<string, OpenContext>
  readonly #findings: Findings
  /** What `same =>` goes on with; undefined before the first `exten =>`. */
  #exten: string | undefined

  constructor(
    section: ConfigSection,
    foreign: boolean,
    globals: Variables,
    contexts: Map<string, OpenContext>,
    findings: Findings,
  ) {
    this.#section = section
    this.#foreign = foreign
    this.#globals = globals
    this.#contexts = contexts
    this.#findings = findings
  }

  read(): void {
    openContext(this.#contexts, this.#section.name)
    for (const entry of this.#section.entries) this.#entry(entry)
  }

  #entry(entry: ConfigEntry): void {
    const directive = entry.key.toLowerCase()
    if (directive === 'exten') {
      const [exten, rest] = splitAtComma(entry.value)
      this.#exten = exten.trim()
      if (rest !== '') this.#extension(this.#exten, rest, entry)
      else if (!this.#foreign)
        this.#doubt('exten => without a priority, expected exten => 100,hint,PJSIP/100 (and [ closed by ])', entry)
    } else if (directive.startsWith('same')) {
      if (this.#exten === undefined)
        this.#doubt('same => without an extension before it, expected exten => first', entry)
      else this.#extension(this.#exten, entry.value, entry)
    } else if (directive === 'include') {
      this.#include(entry)
    } else if (directive === 'autohints') {
      const instead = this.#foreign ? 'Asterisk is asked for those over ARI' : 'only exten => lines do'
      this.#findings.note(`autohints of [${this.#section.name}] make no hints here, ${instead}`, entry)
    } else if (!this.#foreign && !OTHER_DIRECTIVES.includes(directive)) {
      const names = ['exten', 'same', 'include', 'autohints', ...OTHER_DIRECTIVES]
      const hint = didYouMean(directive, names) || ', expected exten, same or include'
      this.#findings.problem(`unknown directive '${entry.key}' in [${this.#section.name}]${hint}`, entry)
    }
  }

  /** `rest` is `hint,PJSIP/100(Alice)`; other priorities are Asterisk's business. */
  #extension(written: string, rest: string, place: Place): void {
    const comma = rest.indexOf(',')
    const priority = (comma < 0 ? rest : rest.slice(0, comma)).split(/[(+]/, 1)[0]?.trim()
    if (priority !== 'hint') return
    const value = comma < 0 ? '' : rest.slice(comma + 1).trim()
    try {
      const [exten = '', caller = ''] = expandVariables(written, this.#globals).split('/', 2)
      // Somebody who subscribes is no caller: a hint for one caller's number only is never found (Asterisk does the same).
      if (caller !== '') {
        this.#doubt(`hint ${written} is for the caller ${caller}, expected none: subscriptions have no caller`, place)
        return
      }
      const { file, line } = place
      const { device, name } = this.#splitName(value, place)
      this.#hint({ value: device, name, context: this.#section.name, exten, file, line })
    } catch (error) {
      this.#doubt(`extension ${written}: ${reasonOf(error)}, expected a number or a pattern`, place)
    }
  }

  #hint(hint: WrittenHint): void {
    if (hint.exten === '') return this.#doubt('hint without an extension, expected exten => 100,hint,PJSIP/100', hint)
    const other = enter(this.#contexts, hint)
    if (other) {
      // Our own file was read before Asterisk's, and is meant to overrule it.
      if (this.#foreign) return
      this.#doubt(
        `a second hint for ${hint.exten} in [${hint.context}], expected one (the first is at ${other.file}:${other.line})`,
        hint,
      )
    }
    this.#check(hint)
  }

  /** A pattern is tried with a number, so that what can be said now is said now. */
  #check(hint: WrittenHint): void {
    const exten = isPattern(hint.exten) ? '0000000000' : hint.exten
    try {
      const { devices, presence } = evaluateHint(hint, exten, this.#globals)
      if (devices.length + presence.length === 0)
        this.#doubt(`hint ${hint.exten} has no device, expected PJSIP/100`, hint)
      for (const device of devices)
        if (!/[/:]/.test(device))
          this.#doubt(`device '${device}' of hint ${hint.exten}, expected Tech/name or Provider:name`, hint)
      for (const provider of presence)
        if (!provider.includes(':'))
          this.#doubt(`presence '${provider}' of hint ${hint.exten}, expected CustomPresence:name`, hint)
    } catch (error) {
      if (!(error instanceof CannotEvaluate)) throw error
      const answer = this.#foreign ? 'Asterisk is asked over ARI' : 'expected devices, and variables set in [globals]'
      this.#doubt(`hint ${hint.exten}: ${error.message}, ${answer}`, hint)
    }
  }

  /** `PJSIP/100(Alice)`: with a variable before the parenthesis, Asterisk takes that for a part of the device. */
  #splitName(value: string, place: Place): { device: string; name: string } {
    const open = value.indexOf('(')
    if (open < 0) return { device: value, name: '' }
    if (hasVariables(value.slice(0, open))) {
      if (value.endsWith(')') && hasParenthesis(value))
        this.#doubt(
          'a name after a variable is taken for a part of the device, expected no variable before (Name)',
          place,
        )
      return { device: value, name: '' }
    }
    const close = value.lastIndexOf(')')
    if (close < open) this.#doubt('name of a hint without a closing ), expected PJSIP/100(Name)', place)
    return { device: value.slice(0, open).trim(), name: value.slice(open + 1, close < open ? undefined : close).trim() }
  }

  /** `context,09:00-17:00,mon-fri,*,*`: hints of a context that is included at times are there at all times. */
  #include(entry: ConfigEntry): void {
    try {
      const name = (expandVariables(entry.value, this.#globals).split(/[,|]/, 1)[0] ?? '').trim()
      const { includes } = openContext(this.#contexts, this.#section.name)
      if (name === '') this.#doubt('include => without a context, expected its name', entry)
      else if (!includes.has(name)) includes.set(name, { place: at(entry), foreign: this.#foreign })
    } catch (error) {
      this.#doubt(`include => ${entry.value}: ${reasonOf(error)}, expected the name of a context`, entry)
    }
  }

  #doubt(message: string, place: Place): void {
    this.#findings.doubt(this.#foreign, message, at(place))
  }
}

function openContext(contexts: Map<string, OpenContext>, name: string): OpenContext {
  let context = contexts.get(name)
  if (!context) contexts.set(name, (context = { exact: new Map(), patterns: new Map(), includes: new Map() }))
  return context
}

/** Returns the hint that has this extension already, and then nothing changes. Throws for a pattern that is none. */
export function enter(contexts: Map<string, OpenContext>, hint: WrittenHint): WrittenHint | undefined {
  const { exact, patterns } = openContext(contexts, hint.context)
  if (!isPattern(hint.exten)) {
    const key = plainExten(hint.exten)
    const other = exact.get(key)
    if (!other) exact.set(key, hint)
    return other
  }
  const other = patterns.get(hint.exten)
  if (!other) patterns.set(hint.exten, { pattern: readExtenPattern(hint.exten), hint })
  return other?.hint
}

/** The first comma that is not inside of brackets: `_[1,2]X,hint,…`. */
function splitAtComma(text: string): [string, string] {
  let open = 0
  for (let at = 0; at < text.length; at++) {
    const c = text[at]
    if (c === '[' || c === '(' || c === '{') open++
    else if (c === ']' || c === ')' || c === '}') open = Math.max(0, open - 1)
    else if (c === ',' && open === 0) return [text.slice(0, at), text.slice(at + 1)]
  }
  return [text, '']
}

/** One that belongs to no variable or function. */
function hasParenthesis(text: string): boolean {
  let open = 0
  for (const c of text) {
    if (c === '{') open++
    else if (c === '}') open--
    else if (c === '(' && open === 0) return true
  }
  return false
}

const at = ({ file, line }: Place): Place => ({ file, line })
