import { expect } from 'chai'
import { forbiddenBy, forbiddenByAll, permits } from '../../../core/auth/acl.ts'
import { type IpAddress, inNetwork, parseAddress, readNetwork } from '../../../core/auth/networks.ts'
import type { Acl, Endpoint, PjsipConfig } from '../../../core/endpoints.ts'
import { type ConfigError, type OptionSet, readSection } from '../../../core/options.ts'
import { aclOptions, endpointOptions } from '../../../core/pjsip-options.ts'
import { pjsipConfig } from '../../support/core.ts'

function at(text: string): IpAddress {
  const address = parseAddress(text)
  if (!address) throw new Error(`${text} is no address`)
  return address
}

function read<S extends OptionSet>(set: S, lines: readonly string[]): ReturnType<typeof readSection<S>> {
  const problems: ConfigError[] = []
  const entries = lines.map((line, n) => {
    const [key = '', value = ''] = line.split(/ ?= ?/)
    return { key, value, file: 'pjsip.conf', line: n + 1 }
  })
  const values = readSection({ name: 'x', entries, file: 'pjsip.conf', line: 1 }, set, problems)
  if (problems[0]) throw problems[0]
  return values
}

const acl = (id: string, ...lines: string[]): Acl => ({ ...read(aclOptions, lines), id })
const endpoint = (...lines: string[]): Endpoint => ({
  ...read(endpointOptions, lines),
  id: '100',
  hintContext: 'default',
})
const config = (parts: Partial<PjsipConfig> = {}): PjsipConfig => ({ ...pjsipConfig({}), ...parts })

describe('Networks', () => {
  for (const [network, inside, outside] of [
    ['192.0.2.7', '192.0.2.7', '192.0.2.8'],
    ['10.0.0.0/8', '10.255.0.1', '11.0.0.1'],
    ['10.0.0.0/255.255.0.0', '10.0.255.1', '10.1.0.1'],
    ['0.0.0.0/0', '203.0.113.9', '2001:db8::1'],
    ['0.0.0.0/0.0.0.0', '203.0.113.9', '::1'],
    ['2001:db8::/32', '2001:db8:1::1', '2001:db9::1'],
    ['::ffff:192.0.2.0/120', '192.0.2.9', '192.0.3.9'],
  ] as const) {
    it(`${network} holds ${inside} and not ${outside}`, () => {
      expect(inNetwork(at(inside), readNetwork(network))).to.equal(true)
      expect(inNetwork(at(outside), readNetwork(network))).to.equal(false)
    })
  }

  it('see through the zone of a link-local address', () => {
    expect(inNetwork(at('fe80::1%eth0'), readNetwork('fe80::/10'))).to.equal(true)
  })

  it('see IPv4 in IPv6 clothes', () => {
    expect(inNetwork(at('::ffff:10.1.2.3'), readNetwork('10.0.0.0/8'))).to.equal(true)
    expect(inNetwork(at('[2001:db8::1]'), readNetwork('2001:db8::1'))).to.equal(true)
  })

  for (const text of [
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/255.0.255.0',
    'pbx.example',
    '1.2.3.4/x',
    '::/129',
    '/8',
    '',
  ]) {
    it(`refuse '${text}'`, () => {
      expect(() => readNetwork(text)).to.throw(/expected/)
    })
  }
})

describe('Access lists', () => {
  const decide = (lines: string[], address: string): boolean => {
    const list = acl('x', ...lines)
    return permits(
      [...list.deny, ...list.permit].sort((a, b) => a.position - b.position),
      at(address),
    )
  }

  it('permit what no line matches', () => {
    expect(decide([], '192.0.2.7')).to.equal(true)
    expect(decide(['permit = 10.0.0.0/8'], '192.0.2.7')).to.equal(true)
    expect(decide(['deny = 10.0.0.0/8'], '192.0.2.7')).to.equal(true)
  })

  it('go by the last line that matches, in the order of the file', () => {
    const lines = ['deny = 0.0.0.0/0', 'permit = 10.0.0.0/8', 'deny = 10.1.0.0/16', 'permit = 10.1.1.1']
    expect(decide(lines, '192.0.2.7')).to.equal(false)
    expect(decide(lines, '10.2.0.1')).to.equal(true)
    expect(decide(lines, '10.1.0.1')).to.equal(false)
    expect(decide(lines, '10.1.1.1')).to.equal(true)
    expect(decide(lines.toReversed(), '10.1.1.1')).to.equal(false)
  })

  it('read commas and exclamation marks', () => {
    expect(decide(['deny = 10.0.0.0/8, 192.0.2.0/24'], '192.0.2.7')).to.equal(false)
    expect(decide(['deny = 10.0.0.0/8, !10.1.0.0/16'], '10.1.0.1')).to.equal(true)
  })

  it('are refused with file and line where they cannot be read', () => {
    expect(() => acl('x', 'permit = 10.0.0.0/8', 'deny = 10.0.0.0/77')).to.throw(/^pjsip.conf:2: deny = /)
  })

  it('hold for everybody where they are type=acl', () => {
    const files = config({ acls: new Map([['office', acl('office', 'deny=0.0.0.0/0', 'permit=10.0.0.0/8')]]) })
    expect(forbiddenByAll(files, 'source', at('192.0.2.7'))).to.equal('deny lines of [office]')
    expect(forbiddenByAll(files, 'source', at('10.0.0.1'))).to.equal(undefined)
    expect(forbiddenByAll(files, 'contact', at('192.0.2.7'))).to.equal(undefined)
  })

  it('hold for an endpoint, in its own lines and by name, and must all permit', () => {
    const namedAcls = new Map([['lan', acl('lan', 'deny=0.0.0.0/0', 'permit=10.0.0.0/8')]])
    const files = config({ namedAcls })
    const guarded = endpoint('acl=lan', 'deny=10.9.0.0/16')
    expect(forbiddenBy(guarded, files, 'source', at('10.0.0.1'))).to.equal(undefined)
    expect(forbiddenBy(guarded, files, 'source', at('10.9.0.1'))).to.equal('deny lines of [100]')
    expect(forbiddenBy(guarded, files, 'source', at('192.0.2.7'))).to.equal("ACL 'lan' of [100]")
  })

  it('forbid everything where the name is nobody’s', () => {
    expect(forbiddenBy(endpoint('acl=gone'), config(), 'source', at('10.0.0.1'))).to.match(
      /ACL 'gone' of \[100\], which is neither/,
    )
  })

  it('forbid everything where Asterisk has lines that it does not tell, and say so', () => {
    const why = forbiddenBy(endpoint('acl=deny/permit'), config(), 'source', at('10.0.0.1'))
    expect(why).to.match(/does not tell over ARI; give Lamplighter the files/)
  })

  it('look at Contacts by their own lines, and by the lines of the ACLs named for them', () => {
    const namedAcls = new Map([['lan', acl('lan', 'deny=0.0.0.0/0', 'permit=10.0.0.0/8')]])
    const files = config({ namedAcls })
    const guarded = endpoint('contact_acl=lan', 'contact_deny=10.9.0.0/16')
    expect(forbiddenBy(guarded, files, 'contact', at('10.0.0.1'))).to.equal(undefined)
    expect(forbiddenBy(guarded, files, 'contact', at('10.9.0.1'))).to.equal('deny lines of [100]')
    expect(forbiddenBy(guarded, files, 'contact', at('192.0.2.7'))).to.equal("ACL 'lan' of [100]")
    expect(forbiddenBy(guarded, files, 'source', at('192.0.2.7'))).to.equal(undefined)
  })
})
