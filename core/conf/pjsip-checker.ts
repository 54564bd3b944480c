/** What is wrong with one section of pjsip.conf, told with the line where that is written. */
import { type ConfigSection, lastValue, type Place } from '../config.ts'
import type { OutboundPublish } from '../publication-options.ts'
import type { Findings } from './findings.ts'
import type { Draft, PjsipType } from './pjsip-conf.ts'

/** That of an object. */
export type CheckerOf = (type: PjsipType, id: string) => Checker
/** Whether there is such a section; one that is left out for a fault of its own is no unknown name. ACL: a list of acl.conf. */
export type IsWritten = (type: PjsipType | 'ACL', name: string) => boolean

export class Checker {
  readonly id: string
  readonly #section: ConfigSection | undefined
  readonly #foreign: boolean
  readonly #findings: Findings

  /** `draft`: what the object was made from. */
  constructor(id: string, draft: Draft | undefined, findings: Findings) {
    this.id = id
    this.#section = draft?.section
    this.#foreign = draft?.foreign ?? false
    this.#findings = findings
  }

  /** Whether there is such a line with anything in it, good or bad. */
  says(option: string): boolean {
    return this.#section?.entries.some(({ key, value }) => key.toLowerCase() === option && value !== '') ?? false
  }

  problem(option: string, what: string): void {
    this.#findings.problem(`[${this.id}] ${what}`, this.#place(option))
  }

  note(option: string, what: string): void {
    this.#findings.note(`[${this.id}] ${what}`, this.#place(option))
  }

  /** A problem in our own files; in Asterisk's a note. `text`: of the line that is meant, where several have the option. */
  doubt(option: string, message: string, text?: string): void {
    this.#findings.doubt(this.#foreign, message, this.#place(option, text))
  }

  /** What Asterisk refuses the object for. `text` as for `doubt`. */
  refusal(option: string, message: string, text?: string): void {
    this.#findings.problem(message, this.#place(option, text))
  }

  names(option: string, names: readonly string[], kind: string, isKnown: (name: string) => boolean): void {
    const where = kind === 'ACL' ? '[NAME] of acl.conf' : `a section with type = ${kind}`
    for (const name of names) {
      if (isKnown(name)) continue
      const what = `${option} = ${name} of [${this.id}]: there is no ${kind} '${name}', expected the name of ${where}`
      this.doubt(option, what, name)
    }
  }

  /** What requests of ours are sent with. */
  way({ outbound_auth, transport }: Pick<OutboundPublish, 'outbound_auth' | 'transport'>, isWritten: IsWritten): void {
    for (const auth of outbound_auth) this.reference('outbound_auth', auth, isWritten('auth', auth), 'auth')
    if (transport !== '') this.reference('transport', transport, isWritten('transport', transport), 'transport')
  }

  reference(option: string, name: string, there: boolean, type: string): void {
    if (there) return
    this.problem(
      option,
      `has ${option} = ${name}: there is no ${type} '${name}', expected the name of a section with type = ${type}`,
    )
  }

  /** The last line of the option that has this text in it, else the last one. */
  #place(option: string, text = ''): Place | undefined {
    const named = this.#section?.entries.findLast(
      (entry) => entry.key.toLowerCase() === option && entry.value.includes(text),
    )
    return named ?? lastValue(this.#section, option) ?? this.#section
  }
}
