/** The objects of pjsip.conf that Lamplighter uses: their options. */
import { isIP } from 'node:net'
import { type AclRule, readAclRules } from './auth/acl.ts'
import { DIGEST_ALGORITHMS, type DigestAlgorithm, readAlgorithms, readDigests } from './auth/digest.ts'
import { compilePattern } from './auth/pattern.ts'
import {
  choice,
  commaList,
  custom,
  integer,
  list,
  type Option,
  options,
  secret,
  text,
  wholeNumber,
  yesno,
} from './options.ts'

/** deny and permit lines hold in the order in which they are written, across both names: the last that matches wins. */
const aclRules = (allow: boolean, doc: string): Option<readonly AclRule[]> => ({
  default: [],
  defaultText: '',
  doc,
  expects: 'address, address/bits or address/mask',
  read: (value) => readAclRules(allow, [value], [0]),
  many: (texts, positions) => readAclRules(allow, texts, positions),
})

const algorithms = (byDefault: readonly DigestAlgorithm[], doc: string): Option<readonly DigestAlgorithm[]> => ({
  default: byDefault,
  defaultText: byDefault.join(','),
  doc,
  expects: `${DIGEST_ALGORITHMS.join(', ')}, with commas between them`,
  read: readAlgorithms,
})

/** Words that compare without case. */
const words = (byDefault: readonly string[], doc: string): Option<readonly string[]> => {
  const option = commaList(byDefault, doc)
  return { ...option, read: (text) => option.read(text.toLowerCase()) }
}

const digests = (doc: string): Option<readonly string[]> => ({
  ...list([], doc),
  read: readDigests,
  many: (texts) => texts.flatMap(readDigests),
  secret: true,
})

/** As Asterisk reads `debug`: what stands for yes or no, or whose messages are shown. */
function readDebug(text: string): string {
  const address = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(address) !== 0) return address
  try {
    return yesno(false, '').read(text) ? 'yes' : 'no'
  } catch {
    throw new Error('expected yes, no, or an IP address')
  }
}

export const endpointOptions = options({
  allow_subscribe: yesno(true, 'Whether this endpoint may subscribe.'),
  sub_min_expiry: integer(0, 'The shortest subscription this endpoint may ask for.', { unit: 'seconds' }),
  context: text(
    'default',
    'Dialplan context of the endpoint; hints are looked up here where subscribe_context is empty.',
  ),
  subscribe_context: text('', 'Dialplan context in which the hints of its subscriptions are looked up.'),
  aors: commaList([], 'The AORs of this endpoint.'),
  auth: commaList([], 'The auth sections it must answer a challenge with; without any it is not challenged.'),
  outbound_auth: commaList(
    [],
    'The auth sections that answer where this endpoint challenges our NOTIFYs: the one with its realm, else one without a realm, or with *, and with a password.',
  ),
  identify_by: words(
    ['username', 'ip'],
    'How a request is matched to this endpoint, in order: username, auth_username, ip, header.',
  ),
  mailboxes: commaList([], 'Mailboxes whose state its contacts get without having asked.'),
  aggregate_mwi: yesno(true, 'One unsolicited NOTIFY with the sum of all mailboxes, not one each.'),
  mwi_subscribe_replaces_unsolicited: yesno(
    false,
    'A SUBSCRIBE for message-summary ends the unsolicited NOTIFYs for the same mailboxes.',
  ),
  mwi_from_user: text('', 'User part of From in unsolicited NOTIFYs.'),
  voicemail_extension: text('', 'Extension for Message-Account in unsolicited NOTIFYs.'),
  incoming_mwi_mailbox: text(
    '',
    'Mailbox that a provider reports on with unsolicited NOTIFYs, which come from this endpoint.',
  ),
  notify_early_inuse_ringing: yesno(false, 'Show a second call that rings as early, not as confirmed.'),
  device_state_busy_at: integer(0, "Calls at which Asterisk shows the endpoint busy; Asterisk's own states carry it.", {
    unit: 'calls',
  }),
  rewrite_contact: yesno(false, 'Send to the address a request came from, not to what its Contact says.'),
  force_rport: yesno(true, 'Answer to the port a request came from even where its Via has no rport.'),
  callerid: text('', 'Name and number shown for this endpoint: "Alice" <100>.'),
  from_user: text('', 'User part of From in requests to this endpoint.'),
  from_domain: text('', 'Host part of From in requests to this endpoint.'),
  transport: text(
    '',
    'Transport that requests to this endpoint start from where there is no flow; its protocol is taken where the contact states none.',
  ),
  outbound_proxy: text('', 'Where requests to this endpoint are sent first.'),
  deny: aclRules(false, 'Addresses that may not act as this endpoint.'),
  permit: aclRules(true, 'Addresses that may, in spite of deny.'),
  acl: list([], 'ACL sections that hold for this endpoint.'),
  contact_deny: aclRules(false, 'Addresses that its Contacts may not have.'),
  contact_permit: aclRules(true, 'Addresses that its Contacts may have, in spite of contact_deny.'),
  contact_acl: list([], 'ACL sections that hold for its Contacts.'),
  trust_id_inbound: yesno(
    false,
    'Whether what this endpoint says of others is believed: P-Asserted-Identity and the other headers that pubsub.conf names.',
  ),
  subscription_limit: integer(0, 'The most subscriptions this endpoint may have at once; 0 is no limit.'),
  allow_publish: custom(
    'own',
    'own',
    'own, any, no, or a regular expression',
    readAllowPublish,
    'Whose state this endpoint may publish: own is its name and AORs, any is all, no is none, and an expression adds those whose name it matches.',
  ),
  publication_limit: integer(0, 'The most publications this endpoint may have at once; 0 is no limit.'),
  hide_callers: choice(
    ['default', 'no', 'name', 'yes'],
    'default',
    'As hide_callers in lamplighter.conf, for what this endpoint sees.',
  ),
  single_dialog: choice(
    ['default', 'no', 'yes'],
    'default',
    'As single_dialog in lamplighter.conf, for what this endpoint sees.',
  ),
})

export const aorOptions = options({
  mailboxes: commaList([], 'Mailboxes that a SUBSCRIBE to this AOR shows.'),
  voicemail_extension: text('', 'Extension for Message-Account in solicited NOTIFYs.'),
  contact: list([], 'Permanent contacts.', 'SIP URIs'),
  max_contacts: integer(0, 'The most contacts that may be registered; 0 forbids registering.'),
  remove_existing: yesno(false, 'A new registration over max_contacts replaces the oldest instead of being refused.'),
  remove_unavailable: yesno(false, 'With remove_existing off: unreachable contacts make room.'),
  default_expiration: integer(3600, 'Expiry of a registration that asks for none.', { unit: 'seconds' }),
  minimum_expiration: integer(60, 'The shortest registration; less is refused with 423.', { unit: 'seconds' }),
  maximum_expiration: integer(7200, 'The longest registration; more is cut.', { unit: 'seconds' }),
  support_path: yesno(false, 'Whether Path (RFC 3327) is kept and used.'),
  qualify_frequency: integer(0, 'Seconds between OPTIONS to each contact; read, and left to Asterisk.', {
    unit: 'seconds',
  }),
})

export const authOptions = options({
  auth_type: choice(
    ['userpass', 'md5', 'digest'],
    'userpass',
    'What the secret is: the password, an MD5 hash, or for each algorithm its hash, else the password.',
  ),
  username: text('', 'User name of the digest; the name of the section when empty.'),
  password: secret('The password.'),
  md5_cred: secret('MD5 of user:realm:password.'),
  password_digest: digests('ALGORITHM:hash of user:realm:password, one or more.'),
  realm: text('', 'Realm of the challenge; the global default_realm when empty.'),
  nonce_lifetime: integer(32, 'Seconds a nonce is good for.', { unit: 'seconds' }),
  supported_algorithms_uas: algorithms([], 'Digest algorithms offered, best first; the global default when empty.'),
})

export const aclOptions = options({
  deny: aclRules(false, 'Addresses that are refused.'),
  permit: aclRules(true, 'Addresses that are not, in spite of deny.'),
  contact_deny: aclRules(false, 'Addresses that a Contact may not have.'),
  contact_permit: aclRules(true, 'Addresses that a Contact may have, in spite of contact_deny.'),
  acl: list([], 'Named ACLs that hold as well.'),
  contact_acl: list([], 'Named ACLs for Contacts.'),
})

export const identifyOptions = options({
  endpoint: text('', 'The endpoint that requests from these addresses are from.'),
  match: list([], 'Addresses, networks or host names.'),
  match_header: text('', 'A header and its value: `X-Phone: lobby`; a value between slashes is a regular expression.'),
  srv_lookups: yesno(true, 'Look up SRV records of host names in match.'),
})

export const globalOptions = options({
  user_agent: text('Lamplighter', 'Text of the Server and User-Agent headers.'),
  default_realm: text('asterisk', 'Realm of challenges where the auth section has none.'),
  default_voicemail_extension: text('', 'Extension for Message-Account where neither AOR nor endpoint has one.'),
  endpoint_identifier_order: commaList(
    ['ip', 'username', 'anonymous'],
    'In which order requests are matched to endpoints.',
  ),
  ignore_uri_user_options: yesno(
    false,
    'Cut the user part of URIs at the first semicolon, where endpoints, AORs and extensions are looked for.',
  ),
  keep_alive_interval: integer(90, 'Seconds between two keep-alives on TCP and TLS; 0 sends none.', {
    unit: 'seconds',
  }),
  max_forwards: integer(70, 'Max-Forwards of requests.', { min: 1, max: 255 }),
  mwi_disable_initial_unsolicited: yesno(
    false,
    'Send no unsolicited NOTIFYs at start, only on changes and registrations.',
  ),
  mwi_tps_queue_high: integer(500, 'Queued unsolicited NOTIFYs at which a warning is logged.'),
  mwi_tps_queue_low: custom(
    -1,
    '-1',
    'a whole number, or -1 for 90 % of mwi_tps_queue_high',
    readInteger,
    'Queued unsolicited NOTIFYs at which it is taken back.',
  ),
  default_auth_algorithms_uas: algorithms(
    ['MD5'],
    'Digest algorithms offered where the auth section names none, best first.',
  ),
  unidentified_request_count: integer(
    5,
    'Unidentified requests from one address, in unidentified_request_period, that are logged as an attack.',
  ),
  unidentified_request_period: integer(5, 'The period for it.', { unit: 'seconds' }),
  request_limit: integer(0, 'The most requests a second from one address (of IPv6: one /64); 0 is no limit.', {
    unit: 'requests a second',
  }),
  endpoint_request_limit: integer(0, 'The most requests a second of one endpoint; 0 is no limit.', {
    unit: 'requests a second',
  }),
  debug: custom('no', 'no', 'text', readDebug, 'SIP trace at start: yes, no, or an address.'),
})

export const systemOptions = options({
  timer_t1: integer(500, 'Round trip estimate T1 (RFC 3261 17.1.1.1).', { unit: 'milliseconds', min: 10 }),
  timer_b: integer(32000, 'Time after which a request without answer is given up.', { unit: 'milliseconds', min: 100 }),
  compact_headers: yesno(false, 'Write compact header names.'),
  disable_tcp_switch: yesno(false, 'Keep requests over 1300 bytes on UDP (RFC 3261 18.1.1 moves them to TCP).'),
  disable_rport: yesno(false, 'Put no rport in our own Via.'),
})

export const transportOptions = options({
  protocol: choice(['udp', 'tcp', 'tls'], 'udp', 'The protocol of this transport.'),
  bind: text('0.0.0.0', 'Address and port to listen on: 0.0.0.0:5060, [::]:5061. Port 0 takes any free one.'),
  external_signaling_address: text('', 'Address that peers outside local_net are told to reach us at.'),
  external_signaling_port: integer(0, 'Port for the same; 0 is the bound one.', { max: 65535 }),
  local_net: list([], 'Networks that are told the bound address.', 'address/mask'),
  cert_file: text('', 'PEM certificate (tls).', 'a path'),
  priv_key_file: text('', 'PEM private key (tls).', 'a path'),
  ca_list_file: text('', 'PEM certificates of trusted authorities (tls).', 'a path'),
  ca_list_path: text('', 'A directory of them; read, and not used: ca_list_file has them all (tls).', 'a path'),
  require_client_cert: yesno(
    false,
    'Read, and not used alone: verify_client asks for a certificate and checks it (tls).',
  ),
  cipher: text(
    '',
    'Ciphers of TLS 1.2 as OpenSSL names them, with commas between them; the usual ones when empty (tls).',
  ),
  verify_client: yesno(false, 'Ask connecting peers for a certificate and check it (tls).'),
  verify_server: yesno(false, 'Check the certificate of a peer we connect to (tls).'),
  allow_wildcard_certs: yesno(false, 'Take *.example.com in that certificate for any host there (tls).'),
  method: text('', 'Lowest TLS version: tlsv1_2 or tlsv1_3 (tls).'),
  allow_reload: yesno(false, 'Apply changes of this section on reload; otherwise they wait for a restart.'),
  tos: text('', "Type of service; read, and left to the system's firewall rules."),
  max_connections: integer(
    10000,
    'The most connections open at once (tcp, tls). Where all are in use, one makes room for the next on which nobody has proved who it is.',
    { min: 1 },
  ),
  max_connections_per_host: integer(
    0,
    'The most of them that one address (of IPv6: one /64) may open; 0 is half of max_connections, and no less than 500.',
  ),
})

/** Words in lower case; anything else is an expression, as it is. */
function readAllowPublish(value: string): string {
  const word = value.toLowerCase()
  if (word === 'own' || word === 'any' || word === 'no') return word
  if (value === '') throw new Error('expected own, any, no, or a regular expression')
  compilePattern(value)
  return value
}

function readInteger(value: string): number {
  const number = wholeNumber(value)
  if (Number.isNaN(number)) throw new Error('expected a whole number')
  return number
}
