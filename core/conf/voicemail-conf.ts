/** voicemail.conf → which mailboxes there are and whose they are. Their PINs are never kept. */
import { type ConfigEntry, type ConfigSection, lastValue, type Place } from '../config.ts'
import { mailboxName } from '../states/mailboxes.ts'
import { type Faults, Findings } from './findings.ts'
import type { ConfigSource } from './parser.ts'

export interface MailboxEntry extends Place {
  /** `100@default` */
  readonly name: string
  readonly fullName: string
}

export interface MailboxDirectory {
  /** By name: `100@default`. */
  readonly mailboxes: ReadonlyMap<string, MailboxEntry>
  /** Other names of mailboxes (`aliasescontext`): `100@devices` → `100@default`. */
  readonly aliases: ReadonlyMap<string, string>
}

interface VoicemailReading extends Omit<Faults, 'warnings'> {
  readonly directory: MailboxDirectory
}

/** Lines of a context that are settings, not mailboxes. */
const SETTINGS = new Set([
  'directoryintro',
  'imapuser',
  'imappassword',
  'imapvmshareid',
  'imapfolder',
  'imapserver',
  'imapport',
  'imapflags',
])

/** Sources that come first are overruled by those that follow. */
export function readVoicemail(sources: readonly ConfigSource[]): VoicemailReading {
  const findings = new Findings()
  const mailboxes = new Map<string, MailboxEntry>()
  const aliases = new Map<string, string>()
  for (const { file, foreign } of sources) {
    const general = file.sections.find((section) => section.name.toLowerCase() === 'general')
    const aliasesContext = lastValue(general, 'aliasescontext')?.value.toLowerCase()
    const reader = new MailboxReader(foreign, mailboxes, findings)
    for (const section of file.sections) {
      const name = section.name.toLowerCase()
      if (name === 'general' || name === 'zonemessages') continue
      if (name === aliasesContext) readAliases(section, aliases)
      else for (const entry of section.entries) reader.read(entry, section.name)
    }
  }
  return { directory: { mailboxes, aliases }, problems: findings.problems, notes: findings.notes }
}

/** The mailboxes of one file. */
class MailboxReader {
  readonly #foreign: boolean
  readonly #mailboxes: Map<string, MailboxEntry>
  readonly #findings: Findings
  readonly #seen = new Map<string, Place>()

  constructor(foreign: boolean, mailboxes: Map<string, MailboxEntry>, findings: Findings) {
    this.#foreign = foreign
    this.#mailboxes = mailboxes
    this.#findings = findings
  }

  /** `100 => PIN,Full Name,e-mail,pager,options`. What the line says is never shown: the PIN is in it. */
  read(entry: ConfigEntry, context: string): void {
    const { key, value, file, line } = entry
    if (SETTINGS.has(key.toLowerCase())) return
    const name = `${key}@${context}`
    const doubt = (what: string): void => this.#findings.doubt(this.#foreign, what, entry)
    if (/[\s@,]/.test(key)) {
      const isAlias = /^[^\s@,]+@[^\s@,]+$/.test(key)
      const expected = isAlias ? `aliasescontext = ${context} in [general] if these are aliases` : '100 => PIN,Name'
      return doubt(`a mailbox of [${context}] has a blank, @ or comma in its name, expected ${expected}`)
    }
    const earlier = this.#seen.get(name)
    if (earlier)
      return doubt(`a second mailbox ${name}, expected one (the first is at ${earlier.file}:${earlier.line})`)
    this.#seen.set(name, { file, line })
    this.#mailboxes.set(name, { name, fullName: value.split(',', 2)[1]?.trim() ?? '', file, line })
  }
}

function readAliases(section: ConfigSection, aliases: Map<string, string>): void {
  for (const { key, value } of section.entries) aliases.set(mailboxName(key), mailboxName(value))
}
