/**
 * sorcery.conf of Asterisk → the kinds of objects that it has elsewhere than in the files (`endpoint =
 * realtime,ps_endpoints`). Phones that only it knows would be refused, and nothing would tell why.
 */
import type { ConfigEntry, ConfigFile } from '../config.ts'

/** Sections of pjsip.conf that phones are found and proved by. */
const OBJECTS: ReadonlySet<string> = new Set(['endpoint', 'aor', 'auth'])
/** Asterisk's default for them, and what its wizard makes. */
const IN_FILES = /^config\s*,\s*pjsip(_wizard)?\.conf\b/i

/** The lines that say so. */
export function keptElsewhere(file: ConfigFile | undefined): readonly ConfigEntry[] {
  const entries = file?.sections.filter(({ name }) => name === 'res_pjsip').flatMap((section) => section.entries) ?? []
  return entries.filter(({ key, value }) => {
    const [type = '', ...options] = key.toLowerCase().split('/')
    return OBJECTS.has(type) && !options.includes('cache') && !IN_FILES.test(value)
  })
}
