/**
 * Reads files in Asterisk's .conf dialect. Each line without its comment is one of three things:
 *
 *     [name](template,!,+)         a section, begun or gone on with
 *     #include "other.conf"        another file, read as if it stood here
 *     key = value                  an entry of the section above it
 *
 * Nothing stops at the first error: all are gathered, and what can be read is.
 */
import { accessSync, constants, lstatSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { ConfigFile, Place } from '../config.ts'
import { type Faults, Findings } from './findings.ts'
import { ConfLines } from './lines.ts'
import { SectionBuilder } from './sections.ts'

export interface ConfigReading extends Faults {
  readonly file: ConfigFile
}

/** A file, and whose it is. */
export interface ConfigSource {
  readonly file: ConfigFile
  /** Asterisk's file, not ours. */
  readonly foreign: boolean
}

export interface ReadingOptions {
  /** The file belongs to Asterisk, not to us. */
  readonly foreign?: boolean
  /** Nobody is asked for what such a file of Asterisk's does not tell. */
  readonly isMissed?: boolean
}

/** Files above this are no configuration. In bytes. */
const LARGEST_FILE = 64 * 1024 * 1024
const DEEPEST_INCLUDE = 64
const MOST_FILES = 10_000
const LISTABLE = constants.R_OK | constants.X_OK
const GLOB_MAGIC = /[*?[{]/

/** What Node puts where bytes are no UTF-8. */
const NOT_UTF_8 = '\uFFFD'

/**
 * Whether there is something to be read by that name. A link that leads nowhere is there, too, and so is what may not be
 * looked at: reading it says why.
 */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

export function readConfigFile(path: string, options: ReadingOptions = {}): ConfigReading {
  const reading = new Reading(dirname(path), options)
  reading.readRoot(path)
  return reading.result(path)
}

/** The same from a text, for what is not a file. */
export function parseConfig(text: string, path: string, options: ReadingOptions = {}): ConfigReading {
  const reading = new Reading(dirname(path), options)
  reading.readFile(path, { text, realPath: path })
  return reading.result(path)
}

interface FileText {
  readonly text: string
  readonly realPath: string
}

class Reading {
  /** Of the first file: relative #include paths start there. */
  readonly #directory: string
  readonly #foreign: boolean
  readonly #isMissed: boolean
  readonly #findings = new Findings()
  readonly #sections: SectionBuilder
  readonly #files: string[] = []
  /** What is there could not be read: Asterisk, which is another user, may have read it and gone on. */
  #isBarred = false
  /** Real paths of the files that are being read, outermost first. */
  readonly #stack: string[] = []

  constructor(directory: string, { foreign = false, isMissed = false }: ReadingOptions) {
    this.#directory = directory
    this.#foreign = foreign
    this.#isMissed = foreign && isMissed
    this.#sections = new SectionBuilder(this.#findings, foreign)
  }

  result(path: string): ConfigReading {
    const { problems, warnings, notes } = this.#findings
    return { file: { path, sections: this.#sections.finished(), files: this.#files }, problems, warnings, notes }
  }

  readRoot(path: string): void {
    const text = readText(path)
    if ('fault' in text) this.#findings.problem(`${path}: ${text.fault}, expected a readable file`)
    else this.readFile(path, text)
  }

  readFile(path: string, { text, realPath }: FileText): void {
    this.#files.push(path)
    this.#stack.push(realPath)
    this.#readLines(text, path)
    this.#stack.pop()
  }

  #readLines(text: string, file: string): void {
    const lines = new ConfLines(text)
    if (text.includes(NOT_UTF_8)) this.#doubtEncoding(text, file)
    // An included file goes on in the section it was included in, and so does what follows the #include.
    const scope = this.#sections.enter()
    const isIncluded = this.#stack.length > 1
    for (const { text: line, number, lost, hasStrayEnd } of lines) {
      const place = { file, line: number }
      const faults = this.#findings.problems.length
      if (lost !== undefined)
        this.#doubt(`';${lost}' begins a comment, expected '\\;${lost}' for a parameter of the URI`, place)
      // Seen with 22.10.1, which says nothing of it.
      if (hasStrayEnd && this.#foreign) {
        const expected = "expected a blank before the ';'"
        this.#findings.warning(
          `'--;' without ';--': Asterisk passes over what follows in this file, ${expected}`,
          place,
        )
      }
      if (line.startsWith('[')) scope.header(line, place)
      else if (line.startsWith('#')) this.#directive(line, place)
      else scope.entry(line, place)
      // Only what is wrong in the first file makes Asterisk refuse all of it.
      if (this.#foreign && isIncluded && !this.#isBarred && this.#findings.problems.length > faults)
        return this.#findings.liveWith(faults, 'Asterisk reads this file no further')
    }
    const { unterminated } = lines
    if (unterminated !== undefined)
      this.#doubt('comment ;-- is never closed, expected --;', { file, line: unterminated })
  }

  /** Said once a file. A comment may be in any encoding. */
  #doubtEncoding(text: string, file: string): void {
    for (const { text: line, number } of new ConfLines(text))
      if (line.includes(NOT_UTF_8))
        return this.#doubt('text that is not UTF-8, expected UTF-8 throughout the file', { file, line: number })
  }

  #directive(line: string, place: Place): void {
    const [, name = '', rest = ''] = /^#(\S*)\s*(.*)$/s.exec(line) ?? []
    const argument = unquote(rest)
    switch (name.toLowerCase()) {
      case 'include':
      case 'tryinclude':
        if (argument === '') return this.#doubt(`#${name} without a file, expected #${name} "file"`, place)
        return this.#include(argument, name.toLowerCase() === 'tryinclude', place)
      case 'exec':
        return this.#exec(place)
      default:
        return this.#doubt(`unknown directive '#${name}', expected #include or #tryinclude`, place)
    }
  }

  #exec(place: Place): void {
    const instead = 'expected #include of a file with its output'
    if (!this.#isMissed) return this.#doubt(`#exec is never run here, ${instead}`, place)
    const refused = 'and the phones that it tells of are refused'
    this.#findings.warning(`#exec is never run here, ${refused}, ${instead}, or no asterisk_config`, place)
  }

  #include(argument: string, optional: boolean, place: Place): void {
    const paths = this.#find(argument, place.file)
    if (paths.length === 0 && !optional) {
      this.#findings.problem(
        `#include "${argument}": no such file, expected one in ${this.#directory} (or #tryinclude)`,
        place,
      )
    }
    for (const path of paths) {
      const text = readText(path)
      if ('fault' in text) {
        const fault = `${path} ${text.fault}, expected a readable file`
        // What is there is meant to be read.
        if (optional) this.#doubt(`#tryinclude "${argument}": ${fault}`, place)
        else {
          this.#isBarred = true
          this.#findings.problem(`#include "${argument}": ${fault}`, place)
        }
        continue
      }
      const real = text.realPath
      if (this.#stack.includes(real)) {
        const way = [...this.#stack.slice(this.#stack.indexOf(real)), real].map((p) => basename(p)).join(' → ')
        this.#findings.problem(`#include "${argument}" goes in a circle (${way}), expected a file not yet open`, place)
        continue
      }
      if (this.#stack.length >= DEEPEST_INCLUDE) {
        this.#findings.problem(
          `#include "${argument}" is nested too deeply, expected at most ${DEEPEST_INCLUDE}`,
          place,
        )
        continue
      }
      if (this.#files.length >= MOST_FILES) {
        if (this.#files.length === MOST_FILES) {
          this.#files.push(path)
          this.#findings.problem(`too many files are included, expected at most ${MOST_FILES}`, place)
        }
        return
      }
      this.readFile(path, text)
    }
  }

  /** Asterisk looks in its configuration directory only; the including file's own directory is tried after it. */
  #find(argument: string, includingFile: string): string[] {
    if (isAbsolute(argument)) return expand('/', argument)
    const found = expand(this.#directory, argument)
    return found.length > 0 ? found : expand(dirname(includingFile), argument)
  }

  #doubt(message: string, place: Place): void {
    this.#findings.doubt(this.#foreign, message, place)
  }
}

/** The files that a path or a pattern names, in the order of their names. */
function expand(directory: string, pattern: string): string[] {
  if (!GLOB_MAGIC.test(pattern)) {
    const path = isAbsolute(pattern) ? pattern : join(directory, pattern)
    return exists(path) ? [path] : []
  }
  const parts = pattern.split('/')
  const firstMagic = parts.findIndex((part) => GLOB_MAGIC.test(part))
  const base = resolve(directory, parts.slice(0, firstMagic).join('/') || (isAbsolute(pattern) ? '/' : '.'))
  if (!exists(base) || base.includes('\0')) return []
  // A pattern finds nothing there; reading it says why.
  if (isClosed(base)) return [base]
  // Few configurations have patterns; all others start sooner without what expands them.
  const { globSync } = createRequire(import.meta.url)('tinyglobby') as typeof import('tinyglobby')
  return globSync(parts.slice(firstMagic).join('/'), {
    cwd: base,
    absolute: true,
    expandDirectories: false,
    extglob: false,
    globstar: false,
    deep: parts.length - firstMagic,
  }).sort()
}

/** A directory whose names cannot be read, or what cannot even be told for one. */
function isClosed(path: string): boolean {
  try {
    if (statSync(path).isDirectory()) accessSync(path, LISTABLE)
    return false
  } catch {
    return true
  }
}

/** What cannot be looked at is there, too: reading it says why. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

function readText(path: string): FileText | { readonly fault: string } {
  try {
    const found = statSync(path)
    if (found.isDirectory()) {
      accessSync(path, LISTABLE)
      return { fault: 'is a directory' }
    }
    if (!found.isFile()) return { fault: 'is not a regular file' }
    if (found.size > LARGEST_FILE) return { fault: 'is too large' }
    return { text: readFileSync(path, 'utf8'), realPath: realpathSync(path) }
  } catch (error) {
    return { fault: `cannot be read (${codeOf(error)})` }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error)
}

/** `"file"`, `<file>` or plain. */
function unquote(text: string): string {
  const trimmed = text.trim()
  const closing = trimmed.startsWith('"') ? '"' : trimmed.startsWith('<') ? '>' : undefined
  const quoted = closing !== undefined && trimmed.length > 1 && trimmed.endsWith(closing)
  return quoted ? trimmed.slice(1, -1).trim() : trimmed
}
