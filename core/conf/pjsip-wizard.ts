/**
 * pjsip_wizard.conf: one `type = wizard` section stands for an endpoint, its AOR, its auth, its identify and its hint.
 * Each becomes sections as pjsip.conf would have them, so that there is one way to read them; every line keeps its place.
 */
import { type ConfigEntry, type ConfigFile, type ConfigSection, lastValue } from '../config.ts'
import { isNo, isYes, splitCommas } from '../options.ts'
import type { Findings } from './findings.ts'
import { WIZARD_OPTIONS } from './pjsip-names.ts'
import { didYouMean } from './suggestion.ts'

/** `exten => EXTEN,hint,PJSIP/ENDPOINT` by other means. */
export interface WizardHint {
  readonly foreign: boolean
  readonly context: string
  readonly exten: string
  readonly device: string
  readonly file: string
  readonly line: number
}

export interface WizardSections {
  readonly sections: readonly ConfigSection[]
  readonly hints: readonly WizardHint[]
}

/** Of those that are read here. */
const YES_OR_NO = new Set([
  'accepts_auth',
  'accepts_registrations',
  'has_hint',
  'sends_auth',
  'sends_line_with_registrations',
])

const PARTS = ['endpoint', 'aor', 'inbound_auth', 'outbound_auth', 'identify', 'registration', 'phoneprov']

type AuthPart = 'inbound_auth' | 'outbound_auth'

export function expandWizards(file: ConfigFile, foreign: boolean, findings: Findings): WizardSections {
  const sections: ConfigSection[] = []
  const hints: WizardHint[] = []
  for (const section of file.sections) {
    const type = lastValue(section, 'type')
    if (type?.value !== 'wizard') {
      const why = type ? `type = ${type.value} in pjsip_wizard.conf` : `[${section.name}] has no type`
      findings.doubt(foreign, `${why}, expected type = wizard`, type ?? section)
      continue
    }
    if (!foreign) checkNames(section, findings)
    checkYesOrNo(section, foreign, findings)
    const wizard = new Wizard(section, foreign, findings)
    sections.push(...wizard.sections())
    hints.push(...wizard.hints())
  }
  return { sections, hints }
}

class Wizard {
  readonly #section: ConfigSection
  readonly #foreign: boolean
  readonly #findings: Findings
  readonly #hosts: readonly string[]

  constructor(section: ConfigSection, foreign: boolean, findings: Findings) {
    this.#section = section
    this.#foreign = foreign
    this.#findings = findings
    this.#hosts = splitCommas(this.#text('remote_hosts'))
  }

  sections(): ConfigSection[] {
    const auths = [...this.#auth('accepts_auth', 'inbound_auth'), ...this.#auth('sends_auth', 'outbound_auth')]
    return [this.#endpoint(), this.#aor(), ...auths, ...this.#identify()]
  }

  hints(): WizardHint[] {
    const exten = lastValue(this.#section, 'hint_exten')
    if (!exten || exten.value === '' || !this.#yes('has_hint')) return []
    const context = this.#text('hint_context') || this.#text('endpoint/context') || 'default'
    const { file, line } = exten
    return [{ foreign: this.#foreign, context, exten: exten.value, device: `PJSIP/${this.#section.name}`, file, line }]
  }

  #endpoint(): ConfigSection {
    const entries = [...this.#part('endpoint'), this.#made('aors', this.#section.name)]
    for (const name of ['outbound_proxy', 'transport'])
      if (this.#text(name) !== '') entries.push(this.#made(name, this.#text(name)))
    if (this.#yes('accepts_auth')) entries.push(this.#made('auth', this.#nameOf('inbound_auth')))
    if (this.#yes('sends_auth')) entries.push(this.#made('outbound_auth', this.#nameOf('outbound_auth')))
    return this.#make(this.#section.name, 'endpoint', entries)
  }

  #aor(): ConfigSection {
    const entries = this.#part('aor')
    if (!entries.some((entry) => entry.key === 'contact')) {
      const pattern = lastValue(this.#section, 'contact_pattern')?.value ?? 'sip:${REMOTE_HOST}'
      if (pattern !== '')
        for (const host of this.#hosts) entries.push(this.#made('contact', pattern.replaceAll('${REMOTE_HOST}', host)))
    }
    return this.#make(this.#section.name, 'aor', entries)
  }

  #auth(option: 'accepts_auth' | 'sends_auth', part: AuthPart): ConfigSection[] {
    if (!this.#yes(option)) return []
    const entries = this.#part(part)
    if (!entries.some((entry) => entry.key === 'username')) {
      this.#findings.doubt(
        this.#foreign,
        `wizard [${this.#section.name}] ${option} without ${part}/username, expected one`,
        lastValue(this.#section, option),
      )
    }
    return [this.#make(this.#nameOf(part), 'auth', entries)]
  }

  #identify(): ConfigSection[] {
    if (this.#yes('accepts_registrations') || this.#yes('sends_line_with_registrations')) return []
    const entries = this.#part('identify')
    if (this.#hosts.length === 0) {
      this.#findings.doubt(
        this.#foreign,
        `wizard [${this.#section.name}] has no remote_hosts, expected some where it does not accept registrations`,
        this.#section,
      )
      return []
    }
    entries.push(this.#made('endpoint', this.#section.name))
    if (!entries.some((entry) => entry.key === 'match'))
      for (const host of this.#hosts) entries.push(this.#made('match', host))
    return [this.#make(`${this.#section.name}-identify`, 'identify', entries)]
  }

  /** As Asterisk's wizard names them. */
  #nameOf(part: AuthPart): string {
    return `${this.#section.name}-${part === 'inbound_auth' ? 'iauth' : 'oauth'}`
  }

  /** `endpoint/context = x` of the wizard is `context = x` of the endpoint. */
  #part(part: string): ConfigEntry[] {
    const prefix = `${part}/`
    return this.#section.entries
      .filter((entry) => entry.key.startsWith(prefix) && entry.key.length > prefix.length)
      .map((entry) => ({ ...entry, key: entry.key.slice(prefix.length) }))
  }

  #make(name: string, type: string, entries: ConfigEntry[]): ConfigSection {
    const { file, line } = this.#section
    return { name, file, line, entries: [this.#made('type', type), ...entries] }
  }

  #made(key: string, value: string): ConfigEntry {
    const { file, line } = this.#section
    return { key, value, file, line }
  }

  #text(key: string): string {
    return lastValue(this.#section, key)?.value ?? ''
  }

  #yes(key: string): boolean {
    return isYes(this.#text(key))
  }
}

/** `accepts_auth = yess` would let everybody in. */
function checkYesOrNo(section: ConfigSection, foreign: boolean, findings: Findings): void {
  for (const entry of section.entries) {
    const { key, value } = entry
    if (!YES_OR_NO.has(key.toLowerCase()) || isYes(value) || isNo(value)) continue
    const fault = `${key} = '${value}' is not valid, expected yes or no`
    if (foreign) findings.note(`${fault}; Asterisk takes it for no`, entry)
    else findings.problem(fault, entry)
  }
}

function checkNames(section: ConfigSection, findings: Findings): void {
  for (const entry of section.entries) {
    const slash = entry.key.indexOf('/')
    const name = slash < 0 ? entry.key : entry.key.slice(0, slash)
    const known = slash < 0 ? name === 'type' || WIZARD_OPTIONS.has(name) : PARTS.includes(name)
    if (known) continue
    const names = slash < 0 ? WIZARD_OPTIONS : PARTS
    const hint = didYouMean(name, names) || ', expected an option of a wizard or of one of its parts: endpoint/context'
    findings.problem(`unknown option '${entry.key}' in wizard [${section.name}]${hint}`, entry)
  }
}
