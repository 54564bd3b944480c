import { expect } from 'chai'
import { checkRequest, checkResponse } from '../../../core/sip/check.ts'
import { requestOf, responseOf, sipBytes, subscribeLines } from '../../support/sip-text.ts'

type Changes = Parameters<typeof subscribeLines>[0]

const settings = (): readonly string[] => ['eventlist', 'path']
const check = (lines: readonly string[], body = ''): ReturnType<typeof checkRequest> =>
  checkRequest(requestOf(sipBytes(lines, body)), settings)

describe('Checking requests', () => {
  const refused: readonly (readonly [reason: string, changes: Changes])[] = [
    ['Missing Via', { Via: undefined }],
    ['Malformed Via', { Via: 'SIP/2.0/UDP' }],
    ['Missing From', { From: undefined }],
    ['Malformed From', { From: '"Alice <sip:100@h>;tag=1' }],
    ['Malformed From', { From: '<sip:100@h:99999>;tag=1' }],
    ['Duplicate From', { From: ['<sip:100@h>;tag=1', '<sip:100@h>;tag=1'] }],
    ['Missing To', { To: undefined }],
    ['Malformed To', { To: 'Watson <sip:t@h' }],
    ['Duplicate To', { To: ['<sip:1@h>', '<sip:2@h>'] }],
    ['Missing Call-ID', { 'Call-ID': undefined }],
    ['Malformed Call-ID', { 'Call-ID': '' }],
    ['Malformed Call-ID', { 'Call-ID': 'a b' }],
    ['Duplicate Call-ID', { 'Call-ID': ['a', 'b'] }],
    ['Missing CSeq', { CSeq: undefined }],
    ['Malformed CSeq', { CSeq: 'SUBSCRIBE' }],
    ['Malformed CSeq', { CSeq: '7' }],
    ['Malformed CSeq', { CSeq: '-7 SUBSCRIBE' }],
    ['Malformed CSeq', { CSeq: '4294967296 SUBSCRIBE' }],
    ['Malformed CSeq', { CSeq: '7 SUB SCRIBE' }],
    ['Duplicate CSeq', { CSeq: ['7 SUBSCRIBE', '8 SUBSCRIBE'] }],
    ['CSeq Method Mismatch', { CSeq: '7 NOTIFY' }],
    ['CSeq Method Mismatch', { CSeq: '7 subscribe' }],
    ['Malformed Max-Forwards', { 'Max-Forwards': '256' }],
    ['Malformed Max-Forwards', { 'Max-Forwards': '-1' }],
    ['Duplicate Max-Forwards', { 'Max-Forwards': ['70', '70'] }],
    ['Malformed Content-Length', { 'Content-Length': '-1' }],
    ['Malformed Content-Length', { 'Content-Length': '0x0' }],
    ['Duplicate Content-Length', { 'Content-Length': ['0', '0'] }],
    ['Content-Length Beyond Message', { 'Content-Length': '1' }],
    ['Missing Contact', { Contact: undefined }],
    ['Malformed Contact', { Contact: '*' }],
    ['Malformed Contact', { Contact: '<sip:100@h' }],
    ['Duplicate Contact', { Contact: ['<sip:100@h>', '<sip:100@i>'] }],
    ['Duplicate Contact', { Contact: '<sip:100@h>, <sip:100@i>' }],
    ['Contact Is No SIP URI', { Contact: '<tel:100>' }],
    ['Duplicate Event', { Event: ['dialog', 'presence'] }],
    ['Duplicate SIP-If-Match', { 'SIP-If-Match': ['a', 'b'] }],
    ['Duplicate Event', { Event: 'dialog', o: 'dialog' }],
    ['Duplicate Expires', { Expires: ['1', '2'] }],
  ]
  for (const [reason, changes] of refused) {
    it(`${reason}: ${JSON.stringify(changes)}`, () => {
      expect(check(subscribeLines(changes))).to.deep.equal({ status: 400, reason })
    })
  }

  const accepted: readonly (readonly [what: string, changes: Changes])[] = [
    ['as it should be', {}],
    [
      'no Max-Forwards, no tag, no branch: RFC 2543',
      { 'Max-Forwards': undefined, From: 'sip:1@h', Via: 'SIP/2.0/UDP h' },
    ],
    ['Max-Forwards 0: it has arrived', { 'Max-Forwards': '0' }],
    ['no Content-Length in a datagram', { 'Content-Length': undefined }],
    ['a refresh without Contact', { Contact: undefined, To: '<sip:200@h>;tag=x' }],
    ['a date that is none', { Date: 'Fri, 32 Foo' }],
    ['an extension we know', { Require: 'EventList' }],
    ['an extension for proxies', { 'Proxy-Require': 'foo' }],
    ['folded and spaced', { CSeq: '0007 \r\n\tSUBSCRIBE' }],
    ['a name that needs quotes and has none (RFC 4475 3.1.2.15)', { To: 'Watson, Thomas <sip:t@h>' }],
    ['From of another scheme', { From: '<http://h>;tag=1' }],
  ]
  for (const [what, changes] of accepted) {
    it(`accepts: ${what}`, () => expect(check(subscribeLines(changes))).to.equal(undefined))
  }

  const uris: readonly (readonly [uri: string, status: number])[] = [
    ['tel:+49301234', 416],
    ['nobodyKnowsThisScheme:totallyopaquecontent', 416],
    ['soap.beep://192.0.2.103:3002', 416],
    ['<sip:200@h>', 400],
    ['sip:200@h; lr', 400],
    ['sip:200@h?Route=%3Csip:x%3E', 400],
    ['sip:200@h:99999', 400],
    ['sip:', 400],
    ['200', 400],
    ['*', 400],
  ]
  for (const [uri, status] of uris) {
    it(`answers ${status} for ${uri}`, () => {
      const refusal = check([`SUBSCRIBE ${uri} SIP/2.0`, ...subscribeLines().slice(1)])
      expect(refusal?.status).to.equal(status)
      if (status === 400) expect(refusal?.reason).to.equal('Malformed Request-URI')
    })
  }

  it('names what it does not support, as it was written', () => {
    expect(check(subscribeLines({ Require: ['eventlist, Foo', '100rel'] }))).to.deep.equal({
      status: 420,
      headers: [['Unsupported', 'Foo, 100rel']],
    })
  })

  it('names some of very many, all of which no datagram may have room for', () => {
    const tags = Array.from({ length: 1000 }, (_, at) => `t${at}`)
    const refusal = check(subscribeLines({ Require: tags.join(',') }))
    expect(refusal?.headers?.[0]?.[1])
      .to.match(/^t0, t1, /)
      .and.have.length.below(1000)
  })

  it('ignores Require in CANCEL and ACK', () => {
    for (const method of ['CANCEL', 'ACK']) {
      const lines = subscribeLines({ CSeq: `7 ${method}`, Require: 'foo' })
      expect(check([`${method} sip:200@h SIP/2.0`, ...lines.slice(1)])).to.equal(undefined)
    }
  })

  it('does not know methods of nobody, nor known ones in lower case', () => {
    for (const method of ['NEWMETHOD', 'subscribe']) {
      const lines = subscribeLines({ CSeq: `7 ${method}` })
      expect(check([`${method} sip:200@h SIP/2.0`, ...lines.slice(1)])).to.deep.equal({ status: 501 })
    }
  })

  it('takes every form of Contact in REGISTER but a star among others', () => {
    const register = (contact: Changes): unknown =>
      check(['REGISTER sip:h SIP/2.0', ...subscribeLines({ CSeq: '7 REGISTER', ...contact }).slice(1)])
    for (const Contact of [undefined, '*', '<sip:1@h>, <sip:2@h>;expires=1', '<tel:1>']) {
      expect(register({ Contact }), String(Contact)).to.equal(undefined)
    }
    for (const Contact of ['*, <sip:1@h>', ['*', '*'], '', '<sip:1@h>, <']) {
      expect(register({ Contact }), String(Contact)).to.deep.equal({ status: 400, reason: 'Malformed Contact' })
    }
  })
})

describe('Checking responses', () => {
  const response = (changes: Changes): string | undefined =>
    checkResponse(responseOf(sipBytes(['SIP/2.0 200 OK', ...subscribeLines(changes).slice(1)])))

  it('takes a good one', () => expect(response({})).to.equal(undefined))

  for (const [why, changes] of [
    ['Via', { Via: undefined }],
    ['From', { From: undefined }],
    ['To', { To: '"' }],
    ['Call-ID', { 'Call-ID': undefined }],
    ['CSeq', { CSeq: '9292394834772304023312 OPTIONS' }],
    ['CSeq', { CSeq: ['1 NOTIFY', '2 NOTIFY'] }],
    ['Content-Length', { 'Content-Length': '10' }],
  ] as const) {
    it(`names what is wrong: ${why}`, () => expect(response(changes)).to.equal(why))
  }
})
