import { expect } from 'chai'
import ipaddr from 'ipaddr.js'
import { forbiddenByAll } from '../../../core/auth/acl.ts'
import { parseConfig } from '../../../core/conf/parser.ts'
import { type PjsipReading, type PjsipSource, readPjsip } from '../../../core/conf/pjsip-conf.ts'
import type { Endpoint, PjsipConfig } from '../../../core/endpoints.ts'
import type { ConfigError } from '../../../core/options.ts'

const PATHS = { pjsip: 'pjsip.conf', wizard: 'pjsip_wizard.conf', acl: 'acl.conf' }

function source(text: string, foreign = false, kind: PjsipSource['kind'] = 'pjsip'): PjsipSource {
  const { file, problems } = parseConfig(text, `/${foreign ? 'ast' : 'own'}/${PATHS[kind]}`, { foreign })
  expect(problems).to.deep.equal([])
  return { kind, file, foreign }
}

const own = (text: string): PjsipReading => readPjsip([source(text)], '/own')
const messages = (problems: readonly ConfigError[]): string[] => problems.map((problem) => problem.message)
const faults = (text: string): string[] => messages(own(text).problems)

function endpointOf({ config }: PjsipReading, id: string): Endpoint {
  const endpoint = config.endpoints.get(id)
  if (!endpoint) throw new Error(`no endpoint ${id}`)
  return endpoint
}

describe('pjsip.conf: objects', () => {
  const PHONES = `
[phone](!)
type = endpoint
context = internal
mailboxes = common@default
disallow = all
allow = ulaw,alaw
[100](phone)
auth = 100
aors = 100
mailboxes = 100@default
subscribe_context = blf
[100]
type = auth
auth_type = userpass
username = alice
password = secret
[100]
type = aor
max_contacts = 2
contact = sip:a@192.0.2.1
contact = sip:b@192.0.2.1
[101](phone)
`

  it('reads endpoints, auths and AORs of one name, with templates', () => {
    const reading = own(PHONES)
    expect(messages(reading.problems)).to.deep.equal([])
    const { config } = reading
    const alice = endpointOf(reading, '100')
    expect(alice.auth).to.deep.equal(['100'])
    expect(alice.hintContext).to.equal('blf')
    expect(alice.mailboxes, 'the last line counts').to.deep.equal(['100@default'])
    expect(endpointOf(reading, '101').hintContext).to.equal('internal')
    expect(endpointOf(reading, '101').mailboxes).to.deep.equal(['common@default'])
    expect(config.auths.get('100')?.username).to.equal('alice')
    expect(config.aors.get('100')?.max_contacts).to.equal(2)
    expect(config.aors.get('100')?.contact).to.deep.equal(['sip:a@192.0.2.1', 'sip:b@192.0.2.1'])
  })

  it('reads identify, acl, global, system and named ACLs', () => {
    const reading = readPjsip(
      [
        source(
          '[g]\ntype=global\ndefault_realm=here\nmwi_tps_queue_low=0x10\n[s]\ntype=system\ntimer_t1=100\n[door]\ntype=endpoint\nacl=lan\n' +
            '[d]\ntype=identify\nendpoint=door\nmatch=192.0.2.1\nmatch=192.0.2.0/28,door.example\n[all]\ntype=acl\ndeny=203.0.113.0/24',
        ),
        source('[lan]\ndeny=0.0.0.0/0\npermit=10.0.0.0/8', false, 'acl'),
      ],
      '/own',
    )
    expect(messages(reading.problems)).to.deep.equal([])
    const { config } = reading
    expect(config.global.default_realm).to.equal('here')
    expect(config.global.mwi_tps_queue_low).to.equal(16)
    expect(config.system.timer_t1).to.equal(100)
    expect(config.identifies.map(({ id, endpoint, match }) => ({ id, endpoint, match }))).to.deep.equal([
      { id: 'd', endpoint: 'door', match: ['192.0.2.1', '192.0.2.0/28', 'door.example'] },
    ])
    expect([...config.acls.keys()]).to.deep.equal(['all'])
    expect([...(config.namedAcls?.keys() ?? [])]).to.deep.equal(['lan'])
  })

  it('says where it is wrong', () => {
    expect(
      faults(
        '[a]\ntype=endpoint\nallow_subscribe=maybe\ncontxt=x\nsub_min_expiry=-1\n[b]\nx=1\n[c]\ntype=endpiont\n[d]\ntype=quux\n' +
          '[e]\ntype=auth\npasword=hunter2\nnonce_lifetime=hunter2\n[a]\ntype=endpoint\n[f]\ntype=aor\n@mine=1\n100rel=yes',
      ),
    ).to.deep.equal([
      "/own/pjsip.conf:4: unknown option 'contxt' in [a], did you mean 'context'?",
      '/own/pjsip.conf:6: [b] has no type, expected type = endpoint, aor, auth …',
      "/own/pjsip.conf:9: unknown type 'endpiont' in [c], did you mean 'endpoint'?",
      "/own/pjsip.conf:11: unknown type 'quux' in [d], expected one of: endpoint, aor, auth, acl, identify, global, system, transport, outbound-publish, inbound-publication, asterisk-publication, resource_list, outbound-subscription",
      "/own/pjsip.conf:14: unknown option 'pasword' in [e], did you mean 'password'?",
      '/own/pjsip.conf:16: a second endpoint [a], expected one (the first is at /own/pjsip.conf:1)',
      "/own/pjsip.conf:21: unknown option '100rel' in [f], expected an option of type = aor",
      "/own/pjsip.conf:3: allow_subscribe = 'maybe' is not valid, expected yes or no",
      "/own/pjsip.conf:5: sub_min_expiry = '-1' is not valid, expected seconds of at least 0",
      "/own/pjsip.conf:15: nonce_lifetime = 'hunter2' is not valid, expected seconds of at least 0",
      '/own/pjsip.conf:12: auth [e] has no password, expected password, or a hash of it',
    ])
  })

  it('knows every line of our own acl.conf, as Asterisk does of its own', () => {
    const lines = '[lan]\ndeny=0.0.0.0/0\nperimt=10.0.0.0/8\nfoo=bar'
    expect(messages(readPjsip([source(lines, false, 'acl')], '/own').problems)).to.deep.equal([
      "/own/acl.conf:3: unknown option 'perimt' in [lan], did you mean 'permit'?",
      "/own/acl.conf:4: unknown option 'foo' in [lan], expected one of: deny, permit, contact_deny, contact_permit, acl, contact_acl",
    ])
    expect(messages(readPjsip([source(lines, true, 'acl')], '/own').problems)).to.deep.equal([])
  })

  it('takes a hash without an algorithm for one of MD5, as Asterisk does, and refuses what is none', () => {
    const hash = '0123456789abcdef0123456789ABCDEF'
    const good = own(
      `[a]\ntype=auth\nauth_type=digest\npassword_digest=${hash}\npassword_digest=sha-256:${hash}${hash}`,
    )
    expect(messages(good.problems)).to.deep.equal([])
    expect(good.config.auths.get('a')?.password_digest).to.deep.equal([
      'MD5:0123456789abcdef0123456789abcdef',
      `SHA-256:${hash.toLowerCase().repeat(2)}`,
    ])
    const bad = ['hunter2', `SHA-256:${hash}`, `SHA-1:${hash}`, `MD5:${hash}0`]
    expect(
      faults(`[a]\ntype=auth\nauth_type=digest\n${bad.map((it) => `password_digest=${it}\n`).join('')}`),
    ).to.deep.equal(
      bad.map(
        (_, i) =>
          `/own/pjsip.conf:${4 + i}: password_digest = (hidden) is not valid, expected ALGORITHM:hash, of MD5, SHA-256, SHA-512-256, the hash in hexadecimal digits`,
      ),
    )
  })

  it('wants a secret in each auth, as Asterisk does, which may be a hash whatever auth_type says', () => {
    const md5 = '0123456789abcdef0123456789abcdef'
    expect(
      faults(
        `[a]\ntype=auth\nusername=a\n[b]\ntype=auth\npassword=\n[c]\ntype=auth\nauth_type=md5\n[d]\ntype=auth\nmd5_cred=x\npassword=y\n` +
          `[e]\ntype=auth\nauth_type=digest\n[f]\ntype=auth\nmd5_cred=${md5}\n[g]\ntype=auth\nauth_type=md5\npassword=x\n` +
          '[h]\ntype=auth\nauth_type=digest\npassword_digest=\n',
      ),
    ).to.deep.equal([
      '/own/pjsip.conf:1: auth [a] has no password, expected password, or a hash of it',
      '/own/pjsip.conf:6: auth [b] has no password, expected password, or a hash of it',
      '/own/pjsip.conf:7: auth [c] has no good md5_cred, expected 32 hexadecimal digits',
      '/own/pjsip.conf:12: auth [d] has no good md5_cred, expected 32 hexadecimal digits',
      '/own/pjsip.conf:14: auth [e] has no password, expected password, or a hash of it',
      '/own/pjsip.conf:24: auth [h] has no password, expected password, or a hash of it',
    ])
  })

  it('checks words of which there are few: how to identify, and what to trace', () => {
    const words =
      '[e]\ntype=endpoint\nidentify_by=usernme,ip\n[f]\ntype=endpoint\nidentify_by=Auth_Username,header,request_uri\n' +
      '[g]\ntype=global\nendpoint_identifier_order=ip,usrname,anonymous\n'
    const known = 'expected username, auth_username, ip, header'
    const found = [
      `3: identify_by = usernme of [e] is no way to identify, ${known}`,
      `9: endpoint_identifier_order = usrname of [g] is no way to identify, ${known}, anonymous`,
    ]
    expect(faults(words)).to.deep.equal(found.map((it) => `/own/pjsip.conf:${it}`))
    expect(endpointOf(own(words), 'f').identify_by).to.deep.equal(['auth_username', 'header', 'request_uri'])
    const theirs = readPjsip([source(words, true)], '/own')
    expect(messages(theirs.problems)).to.deep.equal([])
    expect(messages(theirs.notes)).to.deep.equal(found.map((it) => `/ast/pjsip.conf:${it}`))
    const debug = (value: string): PjsipReading => own(`[g]\ntype=global\ndebug=${value}`)
    expect(
      ['on', 'TRUE', 'off', '192.0.2.1', '[2001:db8::1]'].map((it) => debug(it).config.global.debug),
    ).to.deep.equal(['yes', 'yes', 'no', '192.0.2.1', '2001:db8::1'])
    expect(messages(debug('phone.example').problems)).to.deep.equal([
      "/own/pjsip.conf:3: debug = 'phone.example' is not valid, expected yes, no, or an IP address",
    ])
  })

  it('refuses a permanent contact that is no SIP URI; Asterisk refuses the AOR for it', () => {
    const contacts = '[a]\ntype=aor\ncontact=sip:a@192.0.2.1,192.0.2.2\ncontact=tel:1\ncontact="A" <sips:a@b>\n'
    const found = [
      '3: contact = 192.0.2.2 of [a] is not valid, expected a SIP URI',
      '4: contact = tel:1 of [a] is not valid, expected a SIP URI',
    ]
    expect(faults(contacts)).to.deep.equal(found.map((it) => `/own/pjsip.conf:${it}`))
    const theirs = readPjsip([source(contacts, true)], '/own')
    expect(messages(theirs.problems)).to.deep.equal([])
    expect(messages(theirs.warnings)).to.deep.equal(found.map((it) => `/ast/pjsip.conf:${it}; aor [a] is left out`))
    expect([...theirs.config.aors.keys()]).to.deep.equal([])
  })

  it("refuses an endpoint's outbound_proxy that is no SIP URI, as that of other sections", () => {
    const proxies = '[a]\ntype=endpoint\noutbound_proxy=abc\n[b]\ntype=endpoint\noutbound_proxy=sip:192.0.2.1\\;lr\n'
    const found = 'pjsip.conf:3: outbound_proxy = abc of [a] is not valid, expected a SIP URI'
    expect(faults(proxies)).to.deep.equal([`/own/${found}`])
    expect(messages(readPjsip([source(proxies, true)], '/own').notes)).to.deep.equal([`/ast/${found}`])
  })

  it('checks that what is named is there', () => {
    expect(
      faults(
        '[a]\ntype=endpoint\nauth=x\naors=y,z\nacl=l\ncontact_acl=m\ntransport=t\n[z]\ntype=aor\n[i]\ntype=identify\nendpoint=b\n' +
          '[j]\ntype=identify\n[k]\ntype=acl\nacl=n\n[h]\ntype=auth\nauth_type=md5\nmd5_cred=hunter2',
      ),
    ).to.deep.equal([
      '/own/pjsip.conf:21: auth [h] has no good md5_cred, expected 32 hexadecimal digits',
      "/own/pjsip.conf:3: auth = x of [a]: there is no auth 'x', expected the name of a section with type = auth",
      "/own/pjsip.conf:4: aors = y of [a]: there is no aor 'y', expected the name of a section with type = aor",
      "/own/pjsip.conf:5: acl = l of [a]: there is no ACL 'l', expected the name of [NAME] of acl.conf",
      "/own/pjsip.conf:6: contact_acl = m of [a]: there is no ACL 'm', expected the name of [NAME] of acl.conf",
      "/own/pjsip.conf:7: transport = t of [a]: there is no transport 't', expected the name of a section with type = transport",
      "/own/pjsip.conf:12: endpoint = b of [i]: there is no endpoint 'b', expected the name of a section with type = endpoint",
      '/own/pjsip.conf:13: identify [j] has no endpoint, expected endpoint = NAME',
      "/own/pjsip.conf:17: acl = n of [k]: there is no ACL 'n', expected the name of [NAME] of acl.conf",
    ])
  })

  it('checks addresses and patterns', () => {
    expect(
      faults(
        '[e]\ntype=endpoint\n[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.1:5060,[2001:db8::1]:5060,door.example:5060\nmatch=192.0.2.0/33\nmatch=1.2.3\n' +
          'match_header=X-Phone: /[/\n[j]\ntype=identify\nendpoint=e\nmatch_header=X-Phone\n[t]\ntype=transport\nlocal_net=10.0.0.0/8,lan',
      ),
    ).to.deep.equal([
      "/own/pjsip.conf:7: match = 192.0.2.0/33 of [i] is not valid, expected 0 to 32 bits or a mask after the slash of '192.0.2.0/33'",
      "/own/pjsip.conf:8: match = 1.2.3 of [i] is not valid, expected an address, address/bits or address/mask, not '1.2.3'",
      '/own/pjsip.conf:9: match_header of [i] is not valid, the expression ends too early',
      '/own/pjsip.conf:13: match_header of [j] is not valid, expected Header: value',
      "/own/pjsip.conf:16: local_net = lan of [t] is not valid, expected an address, address/bits or address/mask, not 'lan'",
    ])
  })

  it('takes as external address what a Via can have: without a port, and nothing else', () => {
    const at = (address: string): string[] =>
      faults(`[t]\ntype=transport\nexternal_signaling_address=${address}\nexternal_signaling_port=5062`)
    for (const address of ['', '192.0.2.1', '2001:db8::1', '[2001:db8::1]', 'pbx_1.example'])
      expect(at(address), address).to.deep.equal([])
    for (const address of ['192.0.2.1:5060', '[2001:db8::1]:5060', 'sip:192.0.2.1', '192.0.2.1, 192.0.2.2'])
      expect(at(address)).to.deep.equal([
        `/own/pjsip.conf:3: external_signaling_address = ${address} of [t] is not valid, expected an address or a host name, and the port in external_signaling_port`,
      ])
  })

  it('takes no blank for a comma between mailboxes', () => {
    const at = (type: string, lines: string): string[] => faults(`[e]\ntype=${type}\n${lines}`)
    for (const [type, lines, name] of [
      ['endpoint', 'mailboxes = 100@default 101@default', '100@default 101@default'],
      ['aor', 'mailboxes = 100@default, 101 102', '101 102'],
      ['aor', 'mailboxes += 100\nmailboxes += 101', '100 101'],
    ] as const)
      expect(at(type, lines)[0])
        .to.match(/^.own.pjsip.conf:[34]: /)
        .and.contain(
          `mailboxes = ${name} of [e] has a blank in the name of a mailbox, expected commas between mailboxes`,
        )
    expect(at('aor', 'mailboxes = 100@default , 101\nmailboxes += ,102')).to.deep.equal([])
  })

  it('takes as from_domain what a URI can have', () => {
    const at = (domain: string): string[] => faults(`[e]\ntype=endpoint\nfrom_domain=${domain}`)
    for (const domain of ['', '192.0.2.1', '2001:db8::1', '[2001:db8::1]:5070', 'pbx_1.example', 'pbx.example:5070'])
      expect(at(domain), domain).to.deep.equal([])
    for (const domain of ['a b', 'sip:pbx.example', 'alice@pbx.example', 'pbx.example:x', 'a>', 'b\u00FCro'])
      expect(at(domain)).to.deep.equal([
        `/own/pjsip.conf:3: from_domain = ${domain} of [e] is not valid, expected an address or a host name`,
      ])
  })

  it("passes over Asterisk's other types and options, in our own file too", () => {
    expect(
      faults(
        '[r]\ntype=registration\nserver_uri=sip:x\n[d]\ntype=domain_alias\n[e]\ntype=endpoint\nwebrtc=yes\ndtls_setup=actpass',
      ),
    ).to.deep.equal([])
  })
})

describe("pjsip.conf: Asterisk's files", () => {
  it('are passed over where they are of no use, and only noted where something may be elsewhere', () => {
    const { problems, notes, config } = readPjsip(
      [
        source(
          '[t]\ntype=transport\nprotocol=wss\nbind=0.0.0.0\n[t2]\ntype=transport\n[x]\nno=type\n[y]\ntype=brand-new\n' +
            '[a]\ntype=endpoint\nauth=indb\ntransport=t\nbrand_new=1\n[o]\ntype=auth\nauth_type=google_oauth',
          true,
        ),
      ],
      '/own',
    )
    expect(messages(problems)).to.deep.equal([])
    expect(messages(notes)).to.deep.equal([
      '/ast/pjsip.conf:7: [x] has no type, expected type = endpoint, aor, auth …',
      "/ast/pjsip.conf:13: auth = indb of [a]: there is no auth 'indb', expected the name of a section with type = auth",
    ])
    expect(config.transports).to.deep.equal([])
    expect(config.endpoints.get('a')?.transport).to.equal('')
    expect([...config.auths]).to.deep.equal([])
  })

  it('have [global] and [system] without a type, as Asterisk takes them where it knows each option', () => {
    const untyped =
      '[global]\ndefault_realm=office\nregcontext=x\n[system]\ntimer_t1=600\n[a]\ntype=auth\nusername=a\npassword=p'
    for (const foreign of [true, false]) {
      const { config, problems, notes } = readPjsip([source(untyped, foreign)], '/own')
      expect(messages([...problems, ...notes])).to.deep.equal([])
      expect(config.global.default_realm).to.equal('office')
      expect(config.system.timer_t1).to.equal(600)
    }
    const unknown = '[global]\ndefault_realm=office\nexternal_media_address=192.0.2.1'
    const { config, notes } = readPjsip([source(unknown, true)], '/own')
    expect(config.global.default_realm).to.equal('asterisk')
    expect(messages(notes)).to.deep.equal([
      '/ast/pjsip.conf:1: [global] has no type, expected type = endpoint, aor, auth …',
    ])
    expect(faults(unknown)).to.deep.equal([
      "/own/pjsip.conf:3: unknown option 'external_media_address' in [global], expected an option of type = global",
    ])
  })

  const FAULTY = `
[e]
type=endpoint
sub_min_expiry=5s
[r]
type=aor
qualify_frequency=@X@
[p]
type=auth
auth_type=digest
password=x
password_digest=nonsense
[m]
type=auth
auth_type=md5
md5_cred=zz
password=x
[i]
type=identify
endpoint=good
match=192.0.2.1
match=192.0.2.0/33
[h]
type=identify
endpoint=good
match_header=nonsense
[l]
type=resource_list
event=presence
list_item=100
notification_batch_interval=soon
[g]
type=global
default_realm=office
max_forwards=many
[s]
type=system
timer_t1=600
timer_b=long
[good]
type=endpoint
acl=list,other
auth=p
aors=r
`
  const FAULTY_LISTS = '[list]\ndeny=0.0.0.0/0\npermit=nonsense\n[other]\ndeny=192.0.2.0/24\n'
  const OUR_GLOBAL = '[global]\ntype=global\nkeep_alive_interval=50\n'
  const theirsAndOurs = (pjsip: string, lists: string, before?: PjsipConfig): PjsipReading =>
    readPjsip([source(pjsip, true), source(lists, true, 'acl'), source(OUR_GLOBAL)], '/own', before)
  /** What of a configuration has the fate of FAULTY. */
  const told = ({
    endpoints,
    aors,
    auths,
    identifies,
    resourceLists,
    namedAcls,
    global,
    system,
  }: PjsipConfig): object => ({
    endpoints: [...endpoints.keys()],
    aors: [...aors.keys()],
    auths: [...auths.keys()],
    identifies: identifies.map(({ id }) => id),
    lists: [...(resourceLists ?? new Map()).keys()],
    acls: [...(namedAcls ?? new Map()).keys()],
    global: [global.default_realm, global.max_forwards, global.keep_alive_interval],
    system: [system.timer_t1, system.timer_b],
  })

  it('are done without one by one where a value cannot be read, as Asterisk does', () => {
    const { config, problems, warnings } = theirsAndOurs(FAULTY, FAULTY_LISTS)
    expect(messages(problems)).to.deep.equal([])
    expect(warnings[0]?.message).to.equal(
      "/ast/pjsip.conf:4: sub_min_expiry = '5s' is not valid, expected seconds of at least 0; endpoint [e] is left out",
    )
    expect(messages(warnings).map((message) => message.replace(/^.*; /, ''))).to.have.members([
      'endpoint [e] is left out',
      'aor [r] is left out',
      'auth [p] is left out',
      'auth [m] is left out',
      'ACL [list] is left out',
      'identify [i] is left out',
      'identify [h] is left out',
      'global [g] is left out',
      'system [s] is left out',
      'resource_list [l] is left out',
    ])
    expect(told(config)).to.deep.equal({
      endpoints: ['good'],
      aors: [],
      auths: [],
      identifies: [],
      lists: [],
      acls: ['other'],
      global: ['asterisk', 70, 50],
      system: [500, 32000],
    })
    const { auth, acl } = config.endpoints.get('good') ?? {}
    expect({ auth, acl }, 'still asked for').to.deep.equal({ auth: ['p'], acl: ['list', 'other'] })
  })

  it('stay as they were where it is a reload that finds a value which cannot be read', () => {
    const mended = FAULTY.replace('5s', '5')
      .replace('@X@', '60')
      .replace('nonsense', '0123456789abcdef0123456789abcdef')
      .replace('zz', '0123456789abcdef0123456789abcdef')
      .replace('/33', '/24')
      .replace('nonsense', 'X-Phone: lobby')
      .replace('soon', '100')
      .replace('many', '60')
      .replace('long', '16000')
    const before = theirsAndOurs(mended, FAULTY_LISTS.replace('nonsense', '10.0.0.0/8'))
    expect(messages([...before.problems, ...before.warnings])).to.deep.equal([])
    const { config, problems, warnings } = theirsAndOurs(FAULTY, FAULTY_LISTS, before.config)
    expect(messages(problems)).to.deep.equal([])
    expect(told(config)).to.deep.equal(told(before.config))
    expect(config.endpoints.get('e')?.sub_min_expiry).to.equal(5)
    expect(warnings).to.have.length(10)
    for (const message of messages(warnings)) expect(message).to.match(/; .* \[[a-z]+\] stays as it was$/)
  })

  it('keep ours from their work no more than others, where ours name what is left out', () => {
    const ours =
      '[own]\ntype=endpoint\nauth=p\naors=r\nacl=list\n[ours]\ntype=identify\nendpoint=e\nmatch=192.0.2.1\n' +
      '[s]\ntype=outbound-subscription\nserver_uri=sip:1@192.0.2.1\nevent=dialog\ndevice=Custom:1\noutbound_auth=p'
    const { config, problems } = readPjsip(
      [source(FAULTY, true), source(FAULTY_LISTS, true, 'acl'), source(ours)],
      '/own',
    )
    expect(messages(problems)).to.deep.equal([])
    expect(config.endpoints.get('own')?.auth).to.deep.equal(['p'])
  })

  it('keep an auth of type md5 whose hash is in password_digest, as Asterisk takes it', () => {
    const text = `[a]\ntype=auth\nauth_type=md5\npassword_digest=MD5:${'0'.repeat(32)}`
    const { config, problems, warnings, notes } = readPjsip([source(text, true)], '/own')
    expect(messages([...problems, ...warnings, ...notes])).to.deep.equal([])
    expect([...config.auths.keys()]).to.deep.equal(['a'])
  })

  it('keep an identify whose match_header has an expression that only Asterisk can read', () => {
    const text = '[i]\ntype=identify\nendpoint=e\nmatch=192.0.2.1\nmatch_header=X-Line: /^\\w+$/\n[e]\ntype=endpoint'
    const { config, problems, warnings, notes } = readPjsip([source(text, true)], '/own')
    expect(messages([...problems, ...warnings])).to.deep.equal([])
    expect(messages(notes)).to.deep.equal(["/ast/pjsip.conf:5: match_header of [i] is not valid, unknown escape '\\w'"])
    expect(config.identifies.map(({ match }) => match)).to.deep.equal([['192.0.2.1']])
  })

  it('leave to us what we have taken back, where their section stays as it was', () => {
    const reading = (ours: string, before?: PjsipConfig): PjsipReading =>
      readPjsip([source('[g]\ntype=global\nmax_forwards=many', true), source(ours)], '/own', before)
    const before = reading('[global]\ntype=global\ndebug=yes\nkeep_alive_interval=50').config
    expect([before.global.debug, before.global.keep_alive_interval]).to.deep.equal(['yes', 50])
    const { config, warnings } = reading('', before)
    expect(messages(warnings).join()).to.include('stays as it was')
    expect([config.global.debug, config.global.keep_alive_interval]).to.deep.equal(['no', 90])
  })

  it('keep out whom the other lines of a type=acl section keep out, where one of them cannot be read', () => {
    const { config, problems, warnings } = readPjsip(
      [source('[c]\ntype=acl\ndeny=0.0.0.0/0\npermit=10.0.0.0/33\npermit=127.0.0.1', true)],
      '/own',
    )
    expect(messages(problems)).to.deep.equal([])
    expect(messages(warnings)).to.have.length(1)
    expect(warnings[0]?.message).to.match(/^\/ast\/pjsip\.conf:4: .*; only the other lines of acl \[c\] hold$/)
    const why = (address: string): string | undefined => forbiddenByAll(config, 'source', ipaddr.process(address))
    expect([why('10.0.0.1'), why('127.0.0.1')]).to.deep.equal(['deny lines of [c]', undefined])
  })

  it('say no with whatever is neither yes nor no, as Asterisk takes it, and that is noted', () => {
    const { config, problems, notes } = readPjsip(
      [
        source('[a]\ntype=endpoint\naggregate_mwi=7\nforce_rport=\n[system]\ncompact_headers=enabled', true),
        source('[system]\ndisable_rport=enabled'),
      ],
      '/own',
    )
    expect(config.endpoints.get('a')).to.include({ aggregate_mwi: false, force_rport: false })
    expect(config.system.compact_headers).to.equal(false)
    expect(messages(notes)).to.deep.equal([
      "/ast/pjsip.conf:3: aggregate_mwi = '7' is not valid, expected yes or no; Asterisk takes it for no",
      "/ast/pjsip.conf:4: force_rport = '' is not valid, expected yes or no; Asterisk takes it for no",
      "/ast/pjsip.conf:6: compact_headers = 'enabled' is not valid, expected yes or no; Asterisk takes it for no",
    ])
    expect(messages(problems), 'in our own file it is a fault').to.deep.equal([
      "/own/pjsip.conf:2: disable_rport = 'enabled' is not valid, expected yes or no",
    ])
  })

  it('are overruled by ours: objects as a whole, global and system line by line', () => {
    const { config, problems, notes } = readPjsip(
      [
        source(
          '[g]\ntype=global\nuser_agent=Asterisk\ndebug=yes\ndefault_realm=ast\nmax_forwards=60\n[a]\ntype=endpoint\ncontext=ast\nmailboxes=1\n[b]\ntype=endpoint\ntransport=udp',
          true,
        ),
        source('[global]\ntype=global\ndefault_realm=own\n[a]\ntype=endpoint\ncontext=own\n[udp]\ntype=transport'),
      ],
      '/own',
    )
    expect([...problems, ...notes]).to.deep.equal([])
    expect(config.endpoints.get('a')?.context).to.equal('own')
    expect(config.endpoints.get('a')?.mailboxes).to.deep.equal([])
    expect(config.endpoints.get('b')?.transport, 'one of ours has that name').to.equal('udp')
    const { user_agent, debug, default_realm, max_forwards } = config.global
    expect({ user_agent, debug, default_realm, max_forwards }).to.deep.equal({
      user_agent: 'Lamplighter',
      debug: 'no',
      default_realm: 'own',
      max_forwards: 60,
    })
  })
})

describe('pjsip.conf: global and system', () => {
  it("keep Asterisk's lines beside ours where both sections have the usual name", () => {
    for (const type of ['', 'type=global\n']) {
      const { config, problems, notes } = readPjsip(
        [
          source(`[global]\n${type}default_realm=office\nmax_forwards=60\n[system]\ntype=system\ntimer_t1=600`, true),
          source(`[global]\n${type}max_forwards=50\n[system]\ntype=system\ncompact_headers=yes`),
        ],
        '/own',
      )
      expect(messages([...problems, ...notes])).to.deep.equal([])
      expect(config.global).to.include({ default_realm: 'office', max_forwards: 50 })
      expect(config.system).to.include({ timer_t1: 600, compact_headers: true })
    }
  })
})

describe('pjsip.conf: transports', () => {
  it('need a good address, one each, and certificates for TLS', () => {
    expect(
      faults(
        '[a]\ntype=transport\nbind=0.0.0.0:5060\n[b]\ntype=transport\nbind=0.0.0.0\n[c]\ntype=transport\nprotocol=tcp\nbind=0.0.0.0\n' +
          '[d]\ntype=transport\nbind=pbx.example:5060\n[e]\ntype=transport\nprotocol=tls\nbind=[::]\n' +
          '[f]\ntype=transport\nprotocol=tls\nbind=[::1]:0\ncert_file=no.pem\n[g]\ntype=transport\nprotocol=wss',
      ),
    ).to.deep.equal([
      '/own/pjsip.conf:6: transport [b] binds 0.0.0.0:5060 as [a] does, expected another',
      '/own/pjsip.conf:13: bind = pbx.example:5060 is not valid, expected an address and a port, 0.0.0.0:5060 or [::]:5060',
      '/own/pjsip.conf:14: transport [e] is tls without cert_file, expected a PEM file',
      '/own/pjsip.conf:22: cert_file = no.pem: no such file, expected a PEM file',
      "/own/pjsip.conf:25: protocol = 'wss' is not valid, expected udp or tcp or tls",
      '/own/pjsip.conf:23: transport [g] binds 0.0.0.0:5060 as [b] does, expected another',
    ])
  })

  it('keep their place, and take the key from the certificate where there is none', () => {
    const { config } = own('\n[a]\ntype=transport\nprotocol=tls\ncert_file=keys/a.pem')
    const { id, file, line, cert_file, priv_key_file } = config.transports[0] ?? {}
    expect({ id, file, line, cert_file, priv_key_file }).to.deep.equal({
      id: 'a',
      file: '/own/pjsip.conf',
      line: 2,
      cert_file: '/own/keys/a.pem',
      priv_key_file: '/own/keys/a.pem',
    })
  })
})

describe('pjsip_wizard.conf', () => {
  it('makes endpoint, AOR, auth and hint of one section', () => {
    const wizard = source(
      '[user](!)\ntype=wizard\naccepts_registrations=yes\naccepts_auth=yes\nhas_hint=yes\nendpoint/context=internal\naor/max_contacts=3\ninbound_auth/password=p\n' +
        '[300](user)\ninbound_auth/username=bob\ninbound_auth/password=secret\nhint_exten=300\nhint_context=blf\nendpoint/allow=ulaw\n' +
        '[301](user)\ninbound_auth/username=eve\nhint_exten=301\n[302](user)\ninbound_auth/username=x\nhas_hint=no\nhint_exten=302',
      true,
      'wizard',
    )
    const reading = readPjsip([wizard], '/own')
    expect([...reading.problems, ...reading.notes]).to.deep.equal([])
    const bob = endpointOf(reading, '300')
    expect({ context: bob.context, auth: bob.auth, aors: bob.aors }).to.deep.equal({
      context: 'internal',
      auth: ['300-iauth'],
      aors: ['300'],
    })
    expect(reading.config.auths.get('300-iauth')?.username).to.equal('bob')
    expect(reading.config.aors.get('300')?.max_contacts).to.equal(3)
    expect(reading.config.identifies).to.deep.equal([])
    expect(reading.hints).to.deep.equal([
      { foreign: true, context: 'blf', exten: '300', device: 'PJSIP/300', file: '/ast/pjsip_wizard.conf', line: 12 },
      {
        foreign: true,
        context: 'internal',
        exten: '301',
        device: 'PJSIP/301',
        file: '/ast/pjsip_wizard.conf',
        line: 17,
      },
    ])
  })

  it('makes identify and contacts of remote hosts', () => {
    const { config, problems } = readPjsip(
      [
        source(
          '[trunk]\ntype=wizard\nremote_hosts=192.0.2.1, 192.0.2.2:5070\nsends_auth=yes\noutbound_auth/username=u\noutbound_auth/password=p\ncontact_pattern=sip:me@${REMOTE_HOST}',
          false,
          'wizard',
        ),
      ],
      '/own',
    )
    expect(messages(problems)).to.deep.equal([])
    expect(config.aors.get('trunk')?.contact).to.deep.equal(['sip:me@192.0.2.1', 'sip:me@192.0.2.2:5070'])
    expect(config.identifies[0]?.match).to.deep.equal(['192.0.2.1', '192.0.2.2'])
    expect(config.endpoints.get('trunk')?.auth).to.deep.equal([])
    expect(config.endpoints.get('trunk')?.outbound_auth).to.deep.equal(['trunk-oauth'])
    expect(config.auths.get('trunk-oauth')?.username).to.equal('u')
  })

  it('does not take what is neither yes nor no for no in silence: with accepts_auth that lets everybody in', () => {
    const text = '[100]\ntype=wizard\naccepts_registrations=on\naccepts_auth=yess\ninbound_auth/username=100'
    const reading = readPjsip([source(text, true, 'wizard'), source(text, false, 'wizard')], '/own')
    const fault = "pjsip_wizard.conf:4: accepts_auth = 'yess' is not valid, expected yes or no"
    expect(messages(reading.problems)).to.deep.equal([`/own/${fault}`])
    expect(messages(reading.notes)).to.deep.equal([`/ast/${fault}; Asterisk takes it for no`])
  })

  it('says where it is wrong', () => {
    const { problems } = readPjsip(
      [
        source(
          '[a]\ntype=wizard\naccept_auth=yes\nendpoit/context=x\nendpoint/contxt=y\naccepts_registrations=yes\n[b]\ntype=endpoint\n' +
            '[c]\ntype=wizard\naccepts_auth=yes\ninbound_auth/password=p\n[d]\nx=1',
          false,
          'wizard',
        ),
      ],
      '/own',
    )
    expect(messages(problems)).to.deep.equal([
      "/own/pjsip_wizard.conf:3: unknown option 'accept_auth' in wizard [a], did you mean 'accepts_auth'?",
      "/own/pjsip_wizard.conf:4: unknown option 'endpoit/context' in wizard [a], did you mean 'endpoint'?",
      '/own/pjsip_wizard.conf:8: type = endpoint in pjsip_wizard.conf, expected type = wizard',
      '/own/pjsip_wizard.conf:11: wizard [c] accepts_auth without inbound_auth/username, expected one',
      '/own/pjsip_wizard.conf:9: wizard [c] has no remote_hosts, expected some where it does not accept registrations',
      '/own/pjsip_wizard.conf:13: [d] has no type, expected type = wizard',
      "/own/pjsip_wizard.conf:5: unknown option 'contxt' in [a], did you mean 'context'?",
    ])
  })
})
