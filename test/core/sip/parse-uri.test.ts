import { expect } from 'chai'
import * as fc from 'fast-check'
import { equalUris } from '../../../core/sip/equal-uris.ts'
import {
  parseHostPort,
  parseNameAddr,
  parseUri,
  printHostPort,
  printNameAddr,
  printUri,
  schemeOf,
} from '../../../core/sip/parse-uri.ts'
import type { NameAddr, SipUri } from '../../../core/sip/uri.ts'

function uri(text: string): SipUri {
  const parsed = parseUri(text)
  if (!parsed) throw new Error(`${text} does not parse`)
  return parsed
}

function address(text: string): NameAddr {
  const parsed = parseNameAddr(text)
  if (!parsed) throw new Error(`${text} does not parse`)
  return parsed
}

describe('SIP URIs', () => {
  it('takes a URI apart', () => {
    const parsed = uri('SIPS:%61lice;ext=1:se%3Acret@Example.COM:5061;Transport=TCP;lr;x=%41?Subject=a%20b&To=c')
    expect(parsed.scheme).to.equal('sips')
    expect(parsed.user).to.equal('alice;ext=1')
    expect(parsed.password).to.equal('se:cret')
    expect(parsed.host).to.equal('example.com')
    expect(parsed.port).to.equal(5061)
    expect([...parsed.params]).to.deep.equal([
      ['transport', 'TCP'],
      ['lr', ''],
      ['x', 'A'],
    ])
    expect(parsed.headers).to.equal('Subject=a%20b&To=c')
  })

  it('reads IPv6 without its brackets', () => {
    expect(uri('sip:100@[2001:DB8::9]:5070;lr')).to.include({ host: '2001:db8::9', port: 5070, user: '100' })
    expect(uri('sip:[::1]')).to.include({ host: '::1', port: undefined, user: '' })
  })

  it('takes a port 0 for none', () => {
    expect(uri('sip:a@h:0').port).to.equal(undefined)
  })

  it('takes a parameter that says the same twice', () => {
    const { params, text } = uri('sip:a@h;lr;transport=tcp;LR;transport=tcp')
    expect([...params]).to.deep.equal([
      ['lr', ''],
      ['transport', 'tcp'],
    ])
    expect(text, 'what is sent to it').to.equal('sip:a@h;lr;transport=tcp;LR;transport=tcp')
  })

  it('keeps what phones dial', () => {
    expect(uri('sip:*72#@h').user).to.equal('*72#')
    expect(uri('sip:%2372@h').user).to.equal('#72')
    expect(uri('sip:+49-30-1234;phone-context=x@h').user).to.equal('+49-30-1234;phone-context=x')
  })

  for (const text of [
    '',
    'sip:',
    'sip',
    'sip:@h',
    'sip::p@h',
    'sip:a@',
    'sip:a@b@c',
    'sip:a b@h',
    'sip:a@h:99999',
    'sip:a@h:',
    'sip:a@h:5x',
    'sip:a@[::1',
    'sip:a@[zz]',
    'sip:a@[::1]x',
    'sip:a%@h',
    'sip:a%4@h',
    'sip:%4g@h',
    'sip:%%41@h',
    'sip:a@h;x=%4',
    'sip:a@h?x=%',
    'sip:a@h;',
    'sip:a@h;;lr',
    'sip:a@h;lr;LR=on',
    'sip:a@h;transport=tcp;transport=udp',
    'sip:a@h;=x',
    'sip:a@h<',
    'sip:a@h\r\nEvil: 1',
    'tel:+49301234',
    `sip:a@${'h'.repeat(256)}`,
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(parseUri(text)).to.equal(undefined)
    })
  }

  it('names schemes', () => {
    expect(schemeOf('soap.beep://h')).to.equal('soap.beep')
    expect(schemeOf('TEL:1')).to.equal('tel')
    for (const text of ['<sip:a@h>', '1sip:a', ':a', 'sip', 'sip:']) expect(schemeOf(text), text).to.equal(undefined)
  })

  it('reads back what it prints', () => {
    const parts = fc.record({
      scheme: fc.constantFrom('sip' as const, 'sips' as const),
      user: fc.string({ unit: 'grapheme' }),
      host: fc.constantFrom('example.com', '192.0.2.1', '2001:db8::1'),
      port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
      value: fc.string(),
    })
    fc.assert(
      fc.property(parts, ({ value, ...rest }) => {
        const parsed = uri(
          printUri({
            ...rest,
            params: [
              ['transport', 'tcp'],
              ['x', value],
            ],
          }),
        )
        expect(parsed).to.include(rest)
        expect([...parsed.params]).to.deep.equal([
          ['transport', 'tcp'],
          ['x', value],
        ])
      }),
    )
  })

  it('prints hosts and ports', () => {
    expect(printHostPort('::1', 5060)).to.equal('[::1]:5060')
    expect(printHostPort('h')).to.equal('h')
    expect(parseHostPort('[::1]:5060')).to.deep.equal({ host: '::1', port: 5060 })
  })
})

describe('SIP URI equality (RFC 3261 19.1.4)', () => {
  const equal: readonly (readonly [string, string])[] = [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
  ]
  const different: readonly (readonly [string, string])[] = [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@h', 'sips:a@h'],
    ['sip:a:p@h', 'sip:a@h'],
  ]
  for (const [one, other] of equal) {
    it(`${one} = ${other}`, () => {
      expect(equalUris(uri(one), uri(other))).to.equal(true)
      expect(equalUris(uri(other), uri(one))).to.equal(true)
    })
  }
  for (const [one, other] of different) {
    it(`${one} ≠ ${other}`, () => {
      expect(equalUris(uri(one), uri(other))).to.equal(false)
      expect(equalUris(uri(other), uri(one))).to.equal(false)
    })
  }
  it('does not stumble over a broken escape in the headers', () => {
    expect(equalUris(uri('sip:a@h?x=1&y=2'), uri('sip:a@h?y=3&x=1'))).to.equal(false)
  })
})

describe('name-addr values', () => {
  it('reads a quoted name and header parameters', () => {
    const parsed = address(' "Bob \\"the\\" Builder, \\\\o/" <sip:bob@h;lr>;tag=1;x="y z" ')
    expect(parsed).to.include({ display: 'Bob "the" Builder, \\o/', uriText: 'sip:bob@h;lr', tag: '1' })
    expect(parsed.uri?.params.get('lr')).to.equal('')
    expect(parsed.params.get('x')).to.equal('y z')
    expect(parsed.param('x')).to.equal('y z')
    expect(parsed.param('lr')).to.equal(undefined)
    expect(parsed.paramCount).to.equal(parsed.params.size)
  })

  it('reads names without quotes, also beyond ASCII', () => {
    expect(address('Bob B. <sip:bob@h>').display).to.equal('Bob B.')
    expect(address('Jörg (Küche) <sip:1@h>').display).to.equal('Jörg (Küche)')
    for (const display of ['Watson, Thomas', 'thomas@h.example', 'A;tag=2', '2nd "Floor"', 'Tom \\ 1'])
      expect(address(`${display} <sip:1@h>;tag=3`)).to.include({ display, uriText: 'sip:1@h', tag: '3' })
    expect(address('caller<sip:caller@h>;tag=323')).to.include({ display: 'caller', tag: '323' })
  })

  it('takes the semicolons of a bare URI for header parameters', () => {
    const parsed = address('sip:bob@h:5062;tag=1;expires=60')
    expect(parsed).to.include({ uriText: 'sip:bob@h:5062', tag: '1' })
    expect(parsed.params.get('expires')).to.equal('60')
    expect(address('sip:bob@h;x="<y>"').params.get('x')).to.equal('<y>')
  })

  it('reads other schemes as text', () => {
    expect(address('<tel:+4930>;tag=1')).to.include({ uriText: 'tel:+4930', uri: undefined, tag: '1' })
  })

  for (const text of [
    '',
    '*',
    'bob',
    '<>',
    '<sip:a@h',
    '"Bob <sip:a@h>',
    '"Bob" sip:a@h',
    'Watson, "<sip:b@h>" <sip:a@h>',
    'Bob: <sip:a@h>',
    '< sip:a@h >',
    '<sip:a@h>;;',
    '<sip:a@h> tag=1',
    '<sip:a@h>, <sip:b@h>',
    'sip:a@h?Route=%3Csip:b%3E',
    '<sip:a@h:99999>',
    '<sip:>',
  ]) {
    it(`refuses ${text}`, () => {
      expect(parseNameAddr(text)).to.equal(undefined)
    })
  }

  it('reads back what it prints', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (display, value) => {
        const parsed = address(
          printNameAddr({
            display,
            uri: 'sip:a@h;lr',
            params: [
              ['tag', value],
              ['ob', ''],
            ],
          }),
        )
        expect(parsed).to.include({ display, uriText: 'sip:a@h;lr', tag: value })
        expect(parsed.params.get('ob')).to.equal('')
      }),
    )
  })
})
