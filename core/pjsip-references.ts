/** What the objects of pjsip.conf say about each other: every name must be there. */
import { type ConfigSection, lastValue, type Place } from './config.ts'
import type { Auth, Endpoint, Identify, PjsipConfig } from './endpoints.ts'
import type { Findings } from './findings.ts'
import type { Draft, Drafts } from './pjsip-conf.ts'

type Sections = Readonly<Record<'endpoint' | 'auth' | 'acl' | 'identify', Drafts>>

/** In Asterisk's files it is only noted: what is missing there may be in a database that Asterisk reads. */
export function checkReferences(config: PjsipConfig, sections: Sections, findings: Findings): void {
  for (const endpoint of config.endpoints.values()) {
    checkEndpoint(endpoint, sections.endpoint.get(endpoint.id), config, findings)
  }
  for (const identify of config.identifies) {
    checkIdentify(identify, sections.identify.get(identify.id), config, findings)
  }
  for (const acl of config.acls.values()) {
    const draft = sections.acl.get(acl.id)
    checkNames('acl', acl.acl, 'ACL', knownAcls(config), draft, findings)
    checkNames('contact_acl', acl.contact_acl, 'ACL', knownAcls(config), draft, findings)
  }
  for (const auth of config.auths.values()) checkAuth(auth, sections.auth.get(auth.id), findings)
}

function checkEndpoint(endpoint: Endpoint, draft: Draft | undefined, config: PjsipConfig, findings: Findings): void {
  checkNames('auth', endpoint.auth, 'auth', (name) => config.auths.has(name), draft, findings)
  checkNames('aors', endpoint.aors, 'aor', (name) => config.aors.has(name), draft, findings)
  checkNames('acl', endpoint.acl, 'ACL', knownAcls(config), draft, findings)
  checkNames('contact_acl', endpoint.contact_acl, 'ACL', knownAcls(config), draft, findings)
  const transports = endpoint.transport === '' ? [] : [endpoint.transport]
  const known = (name: string): boolean => config.transports.some((transport) => transport.id === name)
  checkNames('transport', transports, 'transport', known, draft, findings)
}

function checkIdentify(identify: Identify, draft: Draft | undefined, config: PjsipConfig, findings: Findings): void {
  if (!draft) return
  if (identify.endpoint === '') {
    findings.doubt(draft.foreign, `identify [${identify.id}] has no endpoint, expected endpoint = NAME`, draft.section)
    return
  }
  checkNames('endpoint', [identify.endpoint], 'endpoint', (name) => config.endpoints.has(name), draft, findings)
}

function checkAuth(auth: Auth, draft: Draft | undefined, findings: Findings): void {
  if (!draft || auth.auth_type !== 'md5' || /^[0-9a-f]{32}$/i.test(auth.md5_cred)) return
  const place = placeOf(draft.section, 'md5_cred')
  findings.doubt(draft.foreign, `auth [${auth.id}] has no good md5_cred, expected 32 hexadecimal digits`, place)
}

const knownAcls = (config: PjsipConfig) => (name: string) =>
  config.acls.has(name) || (config.namedAcls?.has(name) ?? false)

function checkNames(
  option: string,
  names: readonly string[],
  kind: string,
  known: (name: string) => boolean,
  draft: Draft | undefined,
  findings: Findings,
): void {
  if (!draft) return
  for (const name of names) {
    if (known(name)) continue
    const where = kind === 'ACL' ? '[NAME] of acl.conf' : `a section with type = ${kind}`
    findings.doubt(
      draft.foreign,
      `${option} = ${name} of [${draft.section.name}]: there is no ${kind} '${name}', expected the name of ${where}`,
      placeOf(draft.section, option),
    )
  }
}

function placeOf(section: ConfigSection, option: string): Place {
  return lastValue(section, option) ?? section
}
