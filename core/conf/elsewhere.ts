/**
 * What an Asterisk has elsewhere than in its files, and where it says so: extconfig.conf takes whole files to a database
 * (static realtime: `extensions.conf => sqlite3,general,ast_config`; families such as `ps_endpoints` are no files), and
 * sorcery.conf kinds of objects (`endpoint = realtime,ps_endpoints`). Phones that only it knows would be refused, and
 * nothing would tell why.
 */
import type { ConfigEntry, ConfigFile } from '../config.ts'
import type { Findings } from './findings.ts'

const NOT_OVER_ARI = 'expected no asterisk_config, with which endpoints are not asked for over ARI'

/** What helps where Asterisk has the file in a database. */
const IN_DATABASE = {
  'extensions.conf': { isMissed: false, instead: 'hints are asked for over ARI' },
  'voicemail.conf': { isMissed: false, instead: 'aliases of mailboxes are told over ARI' },
  'pjsip.conf': { isMissed: true, instead: NOT_OVER_ARI },
  'pjsip_wizard.conf': { isMissed: true, instead: NOT_OVER_ARI },
  'acl.conf': { isMissed: true, instead: 'expected an acl.conf of our own' },
} as const
/** In extconfig.conf: all files at once. */
const EVERY_FILE = 'global'

/** Sections of pjsip.conf that phones are found and proved by. */
const OBJECTS: ReadonlySet<string> = new Set(['endpoint', 'aor', 'auth'])
/** In sorcery.conf: Asterisk's default for them, and what its wizard makes. */
const IN_FILES = /^config\s*,\s*pjsip(_wizard)?\.conf\b/i

/** Asterisk's directory. */
export interface TheirFiles {
  has(name: string): boolean
  /** Of a file that only says where others are: what is wrong with it keeps nobody from starting. */
  lookInto(name: string): ConfigFile | undefined
  /** From now on as if it were not there. */
  leaveOut(name: string): void
}

export function findElsewhere(theirs: TheirFiles, findings: Findings): void {
  leaveOutDatabase(theirs, findings)
  for (const line of keptElsewhere(theirs.lookInto('sorcery.conf')))
    findings.warning(
      `Asterisk has objects elsewhere than in pjsip.conf (${line.key} = ${line.value}), ${NOT_OVER_ARI}`,
      line,
    )
}

/** A file that Asterisk does not read, mostly the sample that came with it, must not tell what there is. */
function leaveOutDatabase(theirs: TheirFiles, findings: Findings): void {
  const extconfig = theirs.lookInto('extconfig.conf')
  for (const [name, { isMissed, instead }] of Object.entries(IN_DATABASE)) {
    const line = takenToDatabase(extconfig, name)
    if (!line) continue
    // What is missed is so too where no file was left.
    if (!theirs.has(name) && !(isMissed && line.key.toLowerCase() === name)) continue
    theirs.leaveOut(name)
    const message = `Asterisk has ${name} in a database and so the file is not read: ${instead}`
    if (isMissed) findings.warning(message, line)
    else findings.note(message, line)
  }
}

/** The line of extconfig.conf that takes this file to a database, where one does. */
function takenToDatabase(extconfig: ConfigFile | undefined, name: string): ConfigEntry | undefined {
  const entries = entriesOf(extconfig, 'settings').filter(isFirstChoice)
  return [name, EVERY_FILE].map((wanted) => entries.find(({ key }) => key.toLowerCase() === wanted)).find(Boolean)
}

/** `driver,database[,table[,priority]]`: what is read as a file is asked of priority 1 alone, which is that of a line without one. */
function isFirstChoice({ value }: ConfigEntry): boolean {
  const [, driver, database, priority = ''] = /^([^,]+),("[^"]*"|[^,]*)(?:,[^,]*)?(?:,([^,]*))?/.exec(value) ?? []
  return driver !== undefined && database !== undefined && [0, 1].includes(Number.parseInt(priority, 10) || 0)
}

/** The lines of sorcery.conf that say so. */
function keptElsewhere(sorcery: ConfigFile | undefined): readonly ConfigEntry[] {
  return entriesOf(sorcery, 'res_pjsip').filter(({ key, value }) => {
    const [type = '', ...options] = key.toLowerCase().split('/')
    return OBJECTS.has(type) && !options.includes('cache') && !IN_FILES.test(value)
  })
}

function entriesOf(file: ConfigFile | undefined, section: string): readonly ConfigEntry[] {
  return (file?.sections ?? []).filter(({ name }) => name.toLowerCase() === section).flatMap(({ entries }) => entries)
}
