import { expect } from 'chai'
import * as fc from 'fast-check'
import { checkRequest, checkResponse } from '../../../core/sip/check.ts'
import type { HeaderLine } from '../../../core/sip/contract.ts'
import { fromWire } from '../../../core/sip/grammar.ts'
import { Origin } from '../../../core/sip/origin.ts'
import {
  beforeCseq,
  type RequestParts,
  type RequestPieces,
  upToFrom,
  writePieces,
  writeRequest,
} from '../../../core/sip/write-request.ts'
import { requestOf, responseOf, sipBytes, subscribeLines, writeResponse } from '../../support/sip-text.ts'

const source = { address: '192.0.2.7', port: 5099 }

const origin = new Origin({ host: '192.0.2.1', port: 5060 }, 'UDP', true)
const body = { contentType: 'text/plain', content: 'Grüße' }

const notify: RequestParts = {
  method: 'NOTIFY',
  requestUri: 'sip:100@192.0.2.7:5062',
  origin,
  branch: 'z9hG4bKbranch',
  maxForwards: 70,
  from: '<sip:200@192.0.2.1>;tag=local',
  to: '"Alice" <sip:100@192.0.2.1>;tag=from',
  callId: 'call@192.0.2.7',
  cseq: 12,
  contact: '<sip:192.0.2.1:5060>',
  routes: ['<sip:p1;lr>', '<sip:p2;lr>'],
  content: {
    headers: [
      ['Event', 'dialog'],
      ['Subscription-State', 'active;expires=599'],
    ],
    body,
  },
}

describe('Writing responses', () => {
  it('repeats what belongs to the transaction, in order', () => {
    const request = requestOf(
      sipBytes(
        subscribeLines({
          Via: ['SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport', 'SIP/2.0/TCP h2;branch=2, SIP/2.0/TCP h3;branch=3'],
          'Record-Route': ['<sip:p2;lr>', '<sip:p1;lr>'],
          Timestamp: '54',
        }),
      ),
    )
    const text = writeResponse({
      request,
      status: 200,
      toTag: 'local',
      source,
      recordRoute: true,
      server: 'Lamplighter',
      headers: [['Expires', '600']],
    })
    expect(text.split('\r\n')).to.deep.equal([
      'SIP/2.0 200 OK',
      'Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;received=192.0.2.7;rport=5099',
      'Via: SIP/2.0/TCP h2;branch=2, SIP/2.0/TCP h3;branch=3',
      'Record-Route: <sip:p2;lr>',
      'Record-Route: <sip:p1;lr>',
      'From: "Alice" <sip:100@192.0.2.1>;tag=from',
      'To: <sip:200@192.0.2.1>;tag=local',
      'Call-ID: call@192.0.2.7',
      'CSeq: 7 SUBSCRIBE',
      'Server: Lamplighter',
      'Expires: 600',
      'Content-Length: 0',
      '',
      '',
    ])
  })

  it('changes only the first of several Vias in a line', () => {
    const request = requestOf(sipBytes(subscribeLines({ Via: 'SIP/2.0/UDP h1;branch=1, SIP/2.0/UDP h2;branch=2' })))
    const response = responseOf(writeResponse({ request, status: 404, source }))
    expect(response.headers('Via')).to.deep.equal([
      'SIP/2.0/UDP h1;branch=1;received=192.0.2.7',
      'SIP/2.0/UDP h2;branch=2',
    ])
    expect(response).to.include({ status: 404, reason: 'Not Found' })
  })

  it('adds no second tag, and none to a 100, which has the Timestamp instead', () => {
    const tagged = requestOf(sipBytes(subscribeLines({ To: '<sip:200@h>;tag=there', Timestamp: '54' })))
    expect(responseOf(writeResponse({ request: tagged, status: 200, toTag: 'x', source })).to.text).to.equal(
      '<sip:200@h>;tag=there',
    )
    const fresh = requestOf(sipBytes(subscribeLines({ Timestamp: '54' })))
    const trying = responseOf(writeResponse({ request: fresh, status: 100, toTag: 'x', source }))
    expect([trying.to.tag, trying.header('Timestamp')]).to.deep.equal([undefined, '54'])
  })

  it('tags a bare To that has parameters', () => {
    const request = requestOf(sipBytes(subscribeLines({ To: 'sip:200@h;x=1' })))
    const { to } = responseOf(writeResponse({ request, status: 200, toTag: 'new', source }))
    expect([to.uriText, to.tag]).to.deep.equal(['sip:200@h', 'new'])
  })

  it('gives back every byte of From, also where it is no UTF-8', () => {
    const head = Buffer.from('OPTIONS sip:h SIP/2.0\r\nFrom: "')
    const request = requestOf(Buffer.concat([head, Buffer.from([0xe9, 0xa0]), Buffer.from('" <sip:h>;tag=1\r\n\r\n')]))
    expect(writeResponse({ request, status: 200, source }).includes('"\xe9\xa0"')).to.equal(true)
  })

  it('carries a body as text or bytes, with its length in bytes', () => {
    const request = requestOf(sipBytes(subscribeLines()))
    for (const body of ['Grüße', Buffer.from('Grüße')]) {
      const response = responseOf(writeResponse({ request, status: 200, source, body, contentType: 'text/plain' }))
      expect(response.header('Content-Length')).to.equal('7')
      expect(response.header('Content-Type')).to.equal('text/plain')
      expect(response.body.toString()).to.equal('Grüße')
    }
  })

  it('answers what lacks nearly everything with what is there', () => {
    const request = requestOf(sipBytes(['OPTIONS sip:h SIP/2.0', 'Via: SIP/2.0/UDP h;branch=1']))
    expect(writeResponse({ request, status: 400, reason: 'Missing From', source })).to.equal(
      'SIP/2.0 400 Missing From\r\nVia: SIP/2.0/UDP h;branch=1;received=192.0.2.7\r\nContent-Length: 0\r\n\r\n',
    )
  })
})

describe('Writing requests', () => {
  it('writes what is given', () => {
    expect(fromWire(writeRequest(notify)).split('\r\n')).to.deep.equal([
      'NOTIFY sip:100@192.0.2.7:5062 SIP/2.0',
      'Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKbranch',
      'Max-Forwards: 70',
      'Route: <sip:p1;lr>',
      'Route: <sip:p2;lr>',
      'From: <sip:200@192.0.2.1>;tag=local',
      'To: "Alice" <sip:100@192.0.2.1>;tag=from',
      'Call-ID: call@192.0.2.7',
      'Contact: <sip:192.0.2.1:5060>',
      'CSeq: 12 NOTIFY',
      'Event: dialog',
      'Subscription-State: active;expires=599',
      'Content-Type: text/plain',
      'Content-Length: 7',
      '',
      'Grüße',
    ])
  })

  it('writes compact forms where they are wanted', () => {
    const text = writeRequest({ ...notify, compact: true })
    for (const line of ['v: SIP', 'f: <', 't: "', 'i: call', 'm: <', 'o: dialog', 'c: text/plain', 'l: 7']) {
      expect(text).to.include(`\r\n${line}`)
    }
    const request = requestOf(writeRequest({ ...notify, compact: true }))
    expect(checkRequest(request, () => [])).to.equal(undefined)
    expect(request.header('Event')).to.equal('dialog')
  })

  it('writes one request after the other from the same pieces', () => {
    const pieces: RequestPieces = {
      method: 'NOTIFY',
      requestUri: notify.requestUri,
      head: {
        origin,
        upToFrom: upToFrom('<sip:200@192.0.2.1>', 70, notify.routes ?? [], false),
        beforeCseq: beforeCseq('<sip:192.0.2.1:5060>', false),
        compact: false,
      },
      afterFrom: `;tag=local\r\nTo: ${notify.to}\r\nCall-ID: ${notify.callId}\r\n`,
    }
    expect(writePieces(pieces, notify.branch, 12, notify.content)).to.equal(writeRequest(notify))
    const two = requestOf(writePieces(pieces, 'z9hG4bK2', 2, { headers: [], body }))
    expect([two.topVia?.branch, two.cseq.number, two.body.toString()]).to.deep.equal(['z9hG4bK2', 2, 'Grüße'])
    expect(two.header('Event')).to.equal(undefined)
  })

  it('has no method and no header name that is no token', () => {
    expect(() => writeRequest({ ...notify, method: 'NOTIFY x' })).to.throw('method')
    expect(() => writeRequest({ ...notify, content: { headers: [['Event: x\r\nEvil', 'y']] } })).to.throw('header name')
  })
})

const nasty = fc.string({ unit: fc.constantFrom('\r', '\n', '\0', ' ', ':', '"', 'a', 'é', '€', '\u2028', ';', ',') })
const names = ['Subject', 'Event', 'X-Own', 'Call-Info', 'Expires'] as const
const lines = fc.array(fc.tuple(fc.constantFrom(...names), nasty))

describe('What is written', () => {
  it('has exactly the headers that were given, whatever their values', () => {
    fc.assert(
      fc.property(lines, nasty, nasty, (headers: HeaderLine[], callId, content) => {
        const text = writeRequest({
          ...notify,
          callId,
          content: { headers, body: { contentType: 'text/plain', content } },
        })
        const request = requestOf(text)
        for (const name of names) {
          const given = headers.filter((line) => line[0] === name).length
          expect(text.split(`\r\n${name}:`).length - 1).to.equal(given)
        }
        expect(request.cseq.number).to.equal(12)
        expect(request.body.toString()).to.equal(content)
      }),
    )
  })

  it('is read back as it was meant', () => {
    const word = fc.string({ minLength: 1, unit: fc.constantFrom(...'abcXYZ019-._'.split('')) })
    const value = fc
      .string({ unit: fc.constantFrom(...'ab é€"<>;=,\\'.split('')), maxLength: 40 })
      .map((text) => text.trim())
    const parts = fc.record({
      callId: word,
      cseq: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      maxForwards: fc.integer({ min: 0, max: 255 }),
      branch: word,
      tag: word,
      subject: value,
      content: fc.string({ unit: 'grapheme' }),
      compact: fc.boolean(),
    })
    fc.assert(
      fc.property(parts, ({ tag, subject, content, ...rest }) => {
        const text = writeRequest({
          ...notify,
          ...rest,
          from: `<sip:a@h>;tag=${tag}`,
          content: { headers: [['Subject', subject]], body: { contentType: 'text/plain', content } },
        })
        const request = requestOf(text)
        expect(checkRequest(request, () => [])).to.equal(undefined)
        expect(request).to.include({ callId: rest.callId, method: 'NOTIFY' })
        expect(request.cseq.number).to.equal(rest.cseq)
        expect(request.from.tag).to.equal(tag)
        expect(request.header('Subject')).to.equal(subject)
        expect(request.body.toString()).to.equal(content)
        expect(request.topVia?.branch).to.equal(rest.branch)
        const response = responseOf(writeResponse({ request, status: 200, toTag: 'x', source, compact: rest.compact }))
        expect(checkResponse(response)).to.equal(undefined)
        expect([response.callId, response.cseq, response.from.text]).to.deep.equal([
          request.callId,
          request.cseq,
          request.from.text,
        ])
      }),
    )
  })
})
