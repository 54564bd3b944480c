/** What the objects of pjsip.conf say beyond their own section: names that must be there, addresses and patterns. */

import { isIPv6 } from 'node:net'
import { holdsSecret, isMd5 } from '../auth/digest.ts'
import { looksLikeAddress, readHeaderMatch } from '../auth/identifies.ts'
import { readNetwork } from '../auth/networks.ts'
import { BeyondUs } from '../auth/pattern.ts'
import { lastValue } from '../config.ts'
import type { Acl, Aor, Auth, Endpoint, Identify, PjsipConfig, TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { globalOptions } from '../pjsip-options.ts'
import { parseHostPort, parseNameAddr, printHostPort, withoutBrackets } from '../sip/parse-uri.ts'
import type { Checker, CheckerOf, IsWritten } from './pjsip-checker.ts'
import type { Draft } from './pjsip-conf.ts'

/** What identify_by may name; the last two are Asterisk's, and nobody is found by them here. */
const IDENTIFY_BY = ['username', 'auth_username', 'ip', 'header', 'request_uri', 'transport']
const IDENTIFIER_ORDER = [...IDENTIFY_BY, 'anonymous']
const ASTERISKS_OWN = ['request_uri', 'transport']

const ANY_PORT = 5060

/** In Asterisk's files it is only noted: what is missing there may be in a database that Asterisk reads. */
export function checkReferences(config: PjsipConfig, checkerOf: CheckerOf, isWritten: IsWritten): void {
  for (const endpoint of config.endpoints.values())
    checkEndpoint(endpoint, checkerOf('endpoint', endpoint.id), isWritten)
  for (const identify of config.identifies) checkIdentify(identify, checkerOf('identify', identify.id), isWritten)
  for (const acl of config.acls.values()) checkAcls(acl, checkerOf('acl', acl.id), isWritten)
  for (const transport of config.transports) {
    checkLocalNet(transport, checkerOf('transport', transport.id))
    checkExternal(transport, checkerOf('transport', transport.id))
  }
  for (const aor of config.aors.values()) checkMailboxes(aor, checkerOf('aor', aor.id))
}

function checkEndpoint(endpoint: Endpoint, checker: Checker, isWritten: IsWritten): void {
  const { auth, outbound_auth, aors, transport, identify_by, outbound_proxy } = endpoint
  checker.names('auth', auth, 'auth', (name) => isWritten('auth', name))
  checker.names('outbound_auth', outbound_auth, 'auth', (name) => isWritten('auth', name))
  checker.names('aors', aors, 'aor', (name) => isWritten('aor', name))
  checkAcls(endpoint, checker, isWritten)
  const transports = transport === '' ? [] : [transport]
  checker.names('transport', transports, 'transport', (name) => isWritten('transport', name))
  checkWords('identify_by', identify_by, IDENTIFY_BY, checker)
  if (outbound_proxy !== '' && !isUri(outbound_proxy))
    checker.doubt('outbound_proxy', `outbound_proxy = ${outbound_proxy} of [${endpoint.id}] ${NO_URI}`)
  checkDomain(endpoint, checker)
  checkMailboxes(endpoint, checker)
}

/** No mailbox has such a name: a comma is missing, which `mailboxes += 101` needs, too. */
function checkMailboxes({ id, mailboxes }: Endpoint | Aor, checker: Checker): void {
  for (const name of mailboxes)
    if (/\s/.test(name))
      checker.doubt(
        'mailboxes',
        `mailboxes = ${name} of [${id}] has a blank in the name of a mailbox, expected commas between mailboxes`,
        name,
      )
}

/** It stands in From: with one that cannot be read the phone refuses all of the NOTIFY. */
function checkDomain({ id, from_domain }: Endpoint, checker: Checker): void {
  if (from_domain === '' || isIPv6(from_domain) || parseHostPort(from_domain)) return
  checker.doubt(
    'from_domain',
    `from_domain = ${from_domain} of [${id}] is not valid, expected an address or a host name`,
  )
}

function checkAcls({ acl, contact_acl }: Endpoint | Acl, checker: Checker, isWritten: IsWritten): void {
  const isKnown = (name: string): boolean => isWritten('acl', name) || isWritten('ACL', name)
  checker.names('acl', acl, 'ACL', isKnown)
  checker.names('contact_acl', contact_acl, 'ACL', isKnown)
}

/** Each section's own line: of Asterisk's and ours only one holds. */
export function checkOrder({ section }: Draft, checker: Checker): void {
  const written = lastValue(section, 'endpoint_identifier_order')?.value ?? ''
  checkWords(
    'endpoint_identifier_order',
    globalOptions.endpoint_identifier_order.read(written),
    IDENTIFIER_ORDER,
    checker,
  )
}

function checkWords(option: string, words: readonly string[], known: readonly string[], checker: Checker): void {
  const expected = known.filter((word) => !ASTERISKS_OWN.includes(word)).join(', ')
  for (const word of words) {
    if (known.includes(word.toLowerCase())) continue
    const what = `${option} = ${word} of [${checker.id}] is no way to identify, expected ${expected}`
    checker.doubt(option, what, word)
  }
}

const NO_URI = 'is not valid, expected a SIP URI'
const isUri = (text: string): boolean => parseNameAddr(text)?.uri !== undefined

export function checkContacts({ id, contact }: Aor, checker: Checker): void {
  for (const uri of contact) if (!isUri(uri)) checker.refusal('contact', `contact = ${uri} of [${id}] ${NO_URI}`, uri)
}

function checkIdentify(identify: Identify, checker: Checker, isWritten: IsWritten): void {
  const { id, endpoint } = identify
  if (endpoint === '') return checker.doubt('endpoint', `identify [${id}] has no endpoint, expected endpoint = NAME`)
  checker.names('endpoint', [endpoint], 'endpoint', (name) => isWritten('endpoint', name))
}

/** Asterisk takes `192.0.2.1:5060` and `[2001:db8::1]:5060` in match; phones come from any port, and so may these. */
export function withoutPort(match: string): string {
  return /^([^:/]+):[0-9]{1,5}$/.exec(match)?.[1] ?? /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(match)?.[1] ?? match
}

/** Addresses and networks of `match`, and the expression of `match_header`. Host names are resolved later. */
export function checkMatches({ id, match, match_header }: Identify, checker: Checker): void {
  for (const one of match.map(withoutPort)) {
    const fault = looksLikeAddress(one) && faultOf(() => readNetwork(one))
    if (fault) checker.refusal('match', `match = ${one} of [${id}] is not valid, ${fault}`, one)
  }
  if (match_header === '') return
  try {
    readHeaderMatch(match_header)
  } catch (error) {
    const fault = `match_header of [${id}] is not valid, ${reasonOf(error)}`
    // Asterisk reads more, and takes the section's other lines with it.
    if (error instanceof BeyondUs) checker.doubt('match_header', fault)
    else checker.refusal('match_header', fault)
  }
}

function checkLocalNet({ id, local_net }: TransportConfig, checker: Checker): void {
  for (const net of local_net) {
    const fault = faultOf(() => readNetwork(net))
    if (fault) checker.doubt('local_net', `local_net = ${net} of [${id}] is not valid, ${fault}`, net)
  }
}

/** It stands in each Via: an answer that has one which cannot be read belongs to no request. */
function checkExternal({ id, external_signaling_address: address }: TransportConfig, checker: Checker): void {
  if (address === '' || parseHostPort(printHostPort(withoutBrackets(address), ANY_PORT))) return
  const expected = 'an address or a host name, and the port in external_signaling_port'
  checker.doubt(
    'external_signaling_address',
    `external_signaling_address = ${address} of [${id}] is not valid, expected ${expected}`,
  )
}

function faultOf(read: () => unknown): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    return reasonOf(error)
  }
}

export function checkAuth(auth: Auth, checker: Checker): void {
  const { id, auth_type, md5_cred } = auth
  const hasHash = auth_type === 'md5' || md5_cred !== ''
  if (hasHash && !isMd5(md5_cred) && (md5_cred !== '' || !holdsSecret(auth)))
    checker.refusal('md5_cred', `auth [${id}] has no good md5_cred, expected 32 hexadecimal digits`)
  // What is wrong with a digest that is there is said of its line.
  else if (!holdsSecret(auth) && !checker.says('password_digest'))
    checker.doubt('password', `auth [${id}] has no password, expected password, or a hash of it`)
}
