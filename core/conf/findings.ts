/**
 * What reading the configuration found. Problems keep it from taking effect; warnings, which a check counts as faults, and
 * notes do not, and are for the log.
 * Asterisk's own files get the benefit of the doubt: what Asterisk only warns about is a note there, and a problem in ours.
 */
import type { Place } from '../config.ts'
import { ConfigError } from '../options.ts'

/** What the reading of a file found. */
export interface Faults {
  /** What must be put right before the file can be used. */
  readonly problems: readonly ConfigError[]
  /** What phones may be refused for, as an object that Asterisk does without; in Asterisk's own files only. */
  readonly warnings: readonly ConfigError[]
  /** What Asterisk only warns about; in Asterisk's own files only. */
  readonly notes: readonly ConfigError[]
}

export class Findings {
  readonly problems: ConfigError[] = []
  readonly warnings: ConfigError[] = []
  readonly notes: ConfigError[] = []

  problem(message: string, place?: Place): void {
    this.problems.push(new ConfigError(message, place))
  }

  warning(message: string, place?: Place): void {
    this.warnings.push(new ConfigError(message, place))
  }

  note(message: string, place?: Place): void {
    this.notes.push(new ConfigError(message, place))
  }

  /** `foreign`: the file is Asterisk's. */
  doubt(foreign: boolean, message: string, place?: Place): void {
    ;(foreign ? this.notes : this.problems).push(new ConfigError(message, place))
  }

  /** The problems from this one on can be lived with, in this way. */
  liveWith(from: number, how: string): void {
    for (const { message } of this.problems.splice(from)) this.warning(`${message}; ${how}`)
  }

  add({ problems = [], warnings = [], notes = [] }: Partial<Faults>): void {
    for (const problem of problems) this.problems.push(problem)
    for (const warning of warnings) this.warnings.push(warning)
    for (const note of notes) this.notes.push(note)
  }

  /** Of a file that can be done without. */
  addAsWarnings({ problems, warnings, notes }: Faults): void {
    this.add({ warnings: [...problems, ...warnings], notes })
  }
}
