/** Puts sections together from their headers and entries: templates, inheritance, and going on with an earlier one. */

import { compilePattern } from '../auth/pattern.ts'
import type { ConfigEntry, ConfigSection, Place } from '../config.ts'
import { reasonOf } from '../log.ts'
import type { Findings } from './findings.ts'

interface OpenSection extends Place {
  readonly name: string
  template: boolean
  readonly entries: ConfigEntry[]
}

/** Templates that inherit each other twice over double with every line; nobody means that. */
const MOST_INHERITED = 1_000_000

export class SectionBuilder {
  readonly #findings: Findings
  readonly #foreign: boolean
  readonly #sections: OpenSection[] = []
  readonly #byName = new Map<string, OpenSection[]>()
  #last: OpenSection | undefined
  #inherited = 0

  constructor(findings: Findings, foreign: boolean) {
    this.#findings = findings
    this.#foreign = foreign
  }

  finished(): ConfigSection[] {
    return this.#sections
      .filter((section) => !section.template)
      .map(({ name, file, line, entries }) => ({ name, file, line, entries }))
  }

  /** A file begins: until its first header it goes on with the section that was begun last. */
  enter(): { header(line: string, place: Place): void; entry(line: string, place: Place): void } {
    let current = this.#last
    return {
      header: (line, place) => {
        current = this.#header(line, place)
      },
      entry: (line, place) => {
        if (current) return this.#entry(current, line, place)
        this.#findings.problem('an entry before the first section, expected [section] above it', place)
        // Said once a file: what follows belongs to nothing either.
        current = { name: '', ...place, template: true, entries: [] }
      },
    }
  }

  #header(line: string, place: Place): OpenSection {
    const end = line.indexOf(']')
    if (end < 0) {
      this.#findings.problem('section without a closing ], expected [name]', place)
      return { name: '', ...place, template: true, entries: [] }
    }
    const name = line.slice(1, end)
    const rest = line.slice(end + 1)
    if (rest !== '' && !rest.startsWith('(')) {
      this.#findings.doubt(this.#foreign, `text after [${name}], expected ( directly after ] or nothing`, place)
    }
    const close = rest.indexOf(')')
    const hasOptions = rest.startsWith('(')
    if (hasOptions && close < 0)
      this.#findings.problem(`[${name}]( without a closing ), expected [name](options)`, place)
    const marks = hasOptions && close > 0 ? rest.slice(1, close).split(',') : []
    return this.#begin(name, marks, place)
  }

  #begin(name: string, marks: readonly string[], place: Place): OpenSection {
    let section: OpenSection = { name, ...place, template: false, entries: [] }
    let goesOn = false
    const faults = this.#findings.problems.length
    for (const written of marks) {
      const mark = written.trim()
      if (mark === '!') {
        section.template = true
      } else if (mark.startsWith('+')) {
        const earlier = this.#find(name, mark.slice(1), place)
        if (!earlier) {
          this.#findings.problem(
            `[${name}](${mark}) goes on with a section that is not there, expected [${name}] above it`,
            place,
          )
          continue
        }
        for (const entry of section.entries) earlier.entries.push(entry)
        earlier.template ||= section.template
        section = earlier
        goesOn = true
      } else if (mark !== '') {
        this.#inherit(section, mark, place)
      }
    }
    // Asterisk leaves it out.
    if (this.#foreign && this.#findings.problems.length > faults) return section
    if (!goesOn) this.#add(section)
    this.#last = section
    return section
  }

  #add(section: OpenSection): void {
    this.#sections.push(section)
    const key = section.name.toLowerCase()
    const same = this.#byName.get(key)
    if (same) same.push(section)
    else this.#byName.set(key, [section])
  }

  /**
   * The first section of the name that has the entries the filter names: `type=endpoint&context=^from-`. Templates are
   * none of them but with `TEMPLATES=include`, and with `TEMPLATES=restrict` only they are.
   */
  #find(name: string, filter: string, place: Place): OpenSection | undefined {
    const written = filter === '' ? [] : filter.split('&')
    const choices = written.filter(isChoice).map((term) => this.#choice(term, place))
    const terms = written.filter((term) => !isChoice(term)).map((term) => this.#term(term, place))
    const isMeant = (section: OpenSection): boolean =>
      choices.length === 0 ? !section.template : choices.every((fits) => fits(section))
    return this.#byName
      .get(name.toLowerCase())
      ?.find((s) => isMeant(s) && terms.every((term) => s.entries.some((e) => term(e))))
  }

  #choice(text: string, place: Place): (section: OpenSection) => boolean {
    const value = text
      .slice(text.indexOf('=') + 1)
      .trim()
      .toLowerCase()
    if (value === 'include') return () => true
    if (value === 'restrict') return (section) => section.template
    this.#findings.problem(`(+${text}) is not a filter, expected TEMPLATES=include or TEMPLATES=restrict`, place)
    return () => false
  }

  #term(text: string, place: Place): (entry: ConfigEntry) => boolean {
    const equals = text.indexOf('=')
    if (equals < 0) {
      this.#findings.problem(`(+${text}) is not a filter, expected (+key=value)`, place)
      return () => false
    }
    try {
      const key = compilePattern(text.slice(0, equals).trim())
      const value = compilePattern(text.slice(equals + 1).trim())
      return (entry) => key.test(entry.key) && value.test(entry.value)
    } catch (error) {
      this.#findings.problem(`(+${text}) is not a filter, ${reasonOf(error)}`, place)
      return () => false
    }
  }

  #inherit(section: OpenSection, from: string, place: Place): void {
    const base = this.#byName.get(from.toLowerCase())?.[0]
    if (!base) {
      this.#findings.problem(
        `[${section.name}](${from}) inherits from a section that is not there, expected [${from}](!) above it`,
        place,
      )
      return
    }
    if (this.#inherited > MOST_INHERITED) return
    this.#inherited += base.entries.length
    if (this.#inherited > MOST_INHERITED) {
      this.#findings.problem(`templates add up to more than ${MOST_INHERITED} lines, expected fewer`, place)
      return
    }
    // A section that inherits from itself, `[a](+,a)`, must not chase its own tail.
    for (const entry of base.entries.slice()) section.entries.push(entry)
  }

  #entry(section: OpenSection, line: string, place: Place): void {
    // A first character that would make it something else: `\[key] = value`.
    const escaped = line.startsWith('\\')
    const text = escaped ? line.slice(1) : line
    const equals = text.indexOf('=', escaped ? 1 : 0)
    if (equals < 0) {
      this.#findings.doubt(this.#foreign, 'a line without =, expected key = value', place)
      return
    }
    // `=>` says nothing else than `=`.
    const arrow = text[equals + 1] === '>'
    const adds = !arrow && equals > (escaped ? 1 : 0) && text[equals - 1] === '+'
    const key = text.slice(0, adds ? equals - 1 : equals).trim()
    const value = text.slice(equals + (arrow ? 2 : 1)).trim()
    if (key === '') {
      this.#findings.doubt(this.#foreign, 'nothing before =, expected key = value', place)
      return
    }
    if (adds && this.#append(section, key, text.slice(equals + 1), place)) return
    section.entries.push({ key, value, file: place.file, line: place.line })
  }

  /** `key += value`: the last value of the key, an inherited one too, grows. Asterisk keeps the blank after the sign. */
  #append(section: OpenSection, key: string, added: string, place: Place): boolean {
    const at = section.entries.findLastIndex((entry) => entry.key === key)
    const before = section.entries[at]
    if (!before) return false
    section.entries[at] = { ...before, value: (before.value + added).trim(), ...place }
    return true
  }
}

/** Its name has a case, unlike all others. */
function isChoice(term: string): boolean {
  return /^\s*TEMPLATES\s*=/.test(term)
}
