/** What the objects of pjsip.conf say beyond their own section: names that must be there, addresses and patterns. */

import { holdsSecret, isMd5 } from '../auth/digest.ts'
import { looksLikeAddress, readHeaderMatch } from '../auth/identifies.ts'
import { readNetwork } from '../auth/networks.ts'
import { type ConfigEntry, type ConfigSection, lastValue, type Place } from '../config.ts'
import type { Aor, Auth, Endpoint, Identify, PjsipConfig, TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { globalOptions } from '../pjsip-options.ts'
import { parseNameAddr } from '../sip/parse-uri.ts'
import type { Findings } from './findings.ts'
import type { Draft, Drafts } from './pjsip-conf.ts'

type Sections = Readonly<Record<'endpoint' | 'aor' | 'auth' | 'acl' | 'identify' | 'transport' | 'global', Drafts>>

/** What identify_by may name; the last two are Asterisk's, and nobody is found by them here. */
const IDENTIFY_BY = ['username', 'auth_username', 'ip', 'header', 'request_uri', 'transport']
const IDENTIFIER_ORDER = [...IDENTIFY_BY, 'anonymous']
const ASTERISKS_OWN = ['request_uri', 'transport']

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
  for (const transport of config.transports) checkLocalNet(transport, sections.transport.get(transport.id), findings)
  for (const auth of config.auths.values()) checkAuth(auth, sections.auth.get(auth.id), findings)
  for (const aor of config.aors.values()) checkContacts(aor, sections.aor.get(aor.id), findings)
  for (const draft of sections.global.values()) checkOrder(draft, findings)
}

function checkEndpoint(endpoint: Endpoint, draft: Draft | undefined, config: PjsipConfig, findings: Findings): void {
  checkNames('auth', endpoint.auth, 'auth', (name) => config.auths.has(name), draft, findings)
  checkNames('outbound_auth', endpoint.outbound_auth, 'auth', (name) => config.auths.has(name), draft, findings)
  checkNames('aors', endpoint.aors, 'aor', (name) => config.aors.has(name), draft, findings)
  checkNames('acl', endpoint.acl, 'ACL', knownAcls(config), draft, findings)
  checkNames('contact_acl', endpoint.contact_acl, 'ACL', knownAcls(config), draft, findings)
  const transports = endpoint.transport === '' ? [] : [endpoint.transport]
  const known = (name: string): boolean => config.transports.some((transport) => transport.id === name)
  checkNames('transport', transports, 'transport', known, draft, findings)
  if (!draft) return
  checkWords('identify_by', endpoint.identify_by, IDENTIFY_BY, draft, findings)
  if (endpoint.outbound_proxy !== '') checkUris('outbound_proxy', [endpoint.outbound_proxy], draft, findings)
}

/** Each section's own line: of Asterisk's and ours only one holds. */
function checkOrder(draft: Draft, findings: Findings): void {
  const written = lastValue(draft.section, 'endpoint_identifier_order')?.value ?? ''
  const order = globalOptions.endpoint_identifier_order.read(written)
  checkWords('endpoint_identifier_order', order, IDENTIFIER_ORDER, draft, findings)
}

function checkWords(
  option: string,
  words: readonly string[],
  known: readonly string[],
  { section, foreign }: Draft,
  findings: Findings,
): void {
  const expected = known.filter((word) => !ASTERISKS_OWN.includes(word)).join(', ')
  for (const word of words) {
    if (known.includes(word.toLowerCase())) continue
    const what = `${option} = ${word} of [${section.name}] is no way to identify, expected ${expected}`
    findings.doubt(foreign, what, placeOf(section, option, word))
  }
}

/** Asterisk refuses the whole AOR. */
function checkContacts({ contact }: Aor, draft: Draft | undefined, findings: Findings): void {
  if (draft) checkUris('contact', contact, draft, findings)
}

function checkUris(option: string, uris: readonly string[], { section, foreign }: Draft, findings: Findings): void {
  for (const uri of uris) {
    if (parseNameAddr(uri)?.uri) continue
    const what = `${option} = ${uri} of [${section.name}] is not valid, expected a SIP URI`
    findings.doubt(foreign, what, placeOf(section, option, uri))
  }
}

function checkIdentify(identify: Identify, draft: Draft | undefined, config: PjsipConfig, findings: Findings): void {
  if (!draft) return
  if (identify.endpoint === '') {
    findings.doubt(draft.foreign, `identify [${identify.id}] has no endpoint, expected endpoint = NAME`, draft.section)
    return
  }
  checkMatches(identify, draft, findings)
  checkNames('endpoint', [identify.endpoint], 'endpoint', (name) => config.endpoints.has(name), draft, findings)
}

/** Addresses and networks of `match`, and the expression of `match_header`. Host names are resolved later. */
function checkMatches(identify: Identify, draft: Draft, findings: Findings): void {
  for (const match of identify.match) {
    if (!looksLikeAddress(match)) continue
    const fault = faultOf(() => readNetwork(match))
    if (fault)
      findings.doubt(
        draft.foreign,
        `match = ${match} of [${identify.id}] is not valid, ${fault}`,
        placeOf(draft.section, 'match', match),
      )
  }
  if (identify.match_header === '') return
  const fault = faultOf(() => readHeaderMatch(identify.match_header))
  if (fault)
    findings.doubt(
      draft.foreign,
      `match_header of [${identify.id}] is not valid, ${fault}`,
      placeOf(draft.section, 'match_header'),
    )
}

function checkLocalNet(transport: TransportConfig, draft: Draft | undefined, findings: Findings): void {
  for (const net of transport.local_net) {
    const fault = faultOf(() => readNetwork(net))
    if (fault && draft)
      findings.problem(
        `local_net = ${net} of [${transport.id}] is not valid, ${fault}`,
        placeOf(draft.section, 'local_net', net),
      )
  }
}

function faultOf(read: () => unknown): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}

function checkAuth(auth: Auth, draft: Draft | undefined, findings: Findings): void {
  if (!draft) return
  const hasHash = auth.auth_type === 'md5' || auth.md5_cred !== ''
  const place = placeOf(draft.section, hasHash ? 'md5_cred' : 'password')
  if (hasHash && !isMd5(auth.md5_cred) && (auth.md5_cred !== '' || auth.password === ''))
    findings.doubt(draft.foreign, `auth [${auth.id}] has no good md5_cred, expected 32 hexadecimal digits`, place)
  else if (!holdsSecret(auth) && !draft.section.entries.some(isWrittenSecret))
    findings.doubt(draft.foreign, `auth [${auth.id}] has no password, expected password, or a hash of it`, place)
}

/** What is wrong with one that is there is said of its line. */
function isWrittenSecret({ key, value }: ConfigEntry): boolean {
  return value !== '' && ['password', 'md5_cred', 'password_digest'].includes(key.toLowerCase())
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
      placeOf(draft.section, option, name),
    )
  }
}

/** The line of the option that has this text in it, else the last one. */
function placeOf(section: ConfigSection, option: string, text = ''): Place {
  const named = section.entries.findLast((entry) => entry.key.toLowerCase() === option && entry.value.includes(text))
  return named ?? lastValue(section, option) ?? section
}
