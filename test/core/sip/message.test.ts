import { expect } from 'chai'
import { headerNumber } from '../../../core/sip/headers.ts'
import { parseMessage } from '../../../core/sip/message.ts'
import { requestOf, responseOf, sipBytes, subscribeLines, textOf } from '../../support/sip-text.ts'

describe('SIP messages', () => {
  it('are read as what they are', () => {
    const request = requestOf(sipBytes(subscribeLines({ 'Content-Length': '2' }), 'ab'))
    expect(request).to.include({ method: 'SUBSCRIBE', requestUri: 'sip:200@192.0.2.1', callId: 'call@192.0.2.7' })
    expect(request.uri?.user).to.equal('200')
    expect(request.from).to.include({ display: 'Alice', tag: 'from' })
    expect(request.to.tag).to.equal(undefined)
    expect(request.cseq).to.deep.equal({ number: 7, method: 'SUBSCRIBE' })
    expect(request.contacts.map(({ uriText }) => uriText)).to.deep.equal(['sip:100@192.0.2.7:5062'])
    expect(request.topVia).to.include({ host: '192.0.2.7', port: 5062, branch: 'z9hG4bK1' })
    expect(request.body.toString()).to.equal('ab')

    const response = responseOf(sipBytes(['SIP/2.0 481 Gone, Günter', ...subscribeLines().slice(1)]))
    expect(response).to.include({ status: 481, reason: 'Gone, Günter' })
  })

  it('know names in any case and every compact form', () => {
    const compact = {
      v: 'SIP/2.0/UDP h;branch=z9hG4bK1',
      f: '<sip:f@h>;tag=1',
      t: '<sip:t@h>',
      i: 'id',
      m: '<sip:m@h>',
      l: '0',
      c: 'text/plain',
      e: 'gzip',
      o: 'dialog;id=1',
      u: 'dialog, presence',
      r: '<sip:r@h>',
      b: '<sip:b@h>',
      k: 'eventlist, path',
      s: 'subject',
      x: '1800;refresher=uac',
      a: '*;audio',
      j: '*;video',
      d: 'proxy',
      y: 'identity',
    }
    const long = `Via From To Call-ID Contact Content-Length Content-Type Content-Encoding Event Allow-Events Refer-To
      Referred-By Supported Subject Session-Expires Accept-Contact Reject-Contact Request-Disposition Identity`.split(
      /\s+/,
    )
    for (const upper of [false, true]) {
      const lines = Object.entries(compact).map(([name, value]) => `${upper ? name.toUpperCase() : name}: ${value}`)
      const request = requestOf(sipBytes(['OPTIONS sip:h SIP/2.0', 'CSEQ: 1 OPTIONS', ...lines]))
      expect(long.map((name) => request.headers(name).join(', '))).to.deep.equal(Object.values(compact))
      expect(request.header('o')).to.equal('dialog;id=1')
      expect(request.header('ALLOW-EVENTS')).to.equal('dialog')
      expect(request.cseq.number).to.equal(1)
    }
  })

  it('take lists apart, over several lines, and leave other commas alone', () => {
    const request = requestOf(
      sipBytes([
        'OPTIONS sip:h SIP/2.0',
        'Route: <sip:a,b@h;lr>, "x, y" <sip:c@h>',
        'Subject: one, two',
        'route:<sip:d@h>',
        'X-Own: a, b',
      ]),
    )
    expect(request.headers('Route')).to.deep.equal(['<sip:a,b@h;lr>', '"x, y" <sip:c@h>', '<sip:d@h>'])
    expect(request.headers('Subject')).to.deep.equal(['one, two'])
    expect(request.headers('x-own')).to.deep.equal(['a, b'])
    expect(request.headers('Path')).to.deep.equal([])
    expect(request.count(headerNumber('Route'))).to.equal(2)
    expect(request.lines('Route')).to.deep.equal(['<sip:a,b@h;lr>, "x, y" <sip:c@h>', '<sip:d@h>'])
  })

  it('unfold', () => {
    const request = requestOf(
      sipBytes(['OPTIONS sip:h SIP/2.0', 'Subject :', '  one', '\t two  ', ' ', 'To: <sip:t@h>']),
    )
    expect(request.header('Subject')).to.equal('one two')
    expect(request.to.uriText).to.equal('sip:t@h')
  })

  it('keep every byte of a value, also where it is no UTF-8', () => {
    const bytes = Buffer.concat([
      Buffer.from('OPTIONS sip:h SIP/2.0\r\nSubject: Voilà'),
      Buffer.from([0xff]),
      Buffer.from('\r\nFrom: "à" <sip:h>\r\n\r\n'),
    ])
    const request = requestOf(bytes)
    expect(request.header('Subject')).to.equal('Voilà\ufffd')
    expect(request.from.display).to.equal('à')
    expect(Buffer.from(request.lines('Subject')[0] ?? '', 'latin1')).to.deep.equal(
      Buffer.concat([Buffer.from('Voilà'), Buffer.from([0xff])]),
    )
  })

  it('end where Content-Length says, and with the datagram where it says nothing', () => {
    expect(requestOf(sipBytes(subscribeLines({ 'Content-Length': '3' }), 'abcdef')).body.toString()).to.equal('abc')
    expect(requestOf(sipBytes(subscribeLines({ 'Content-Length': undefined }), 'abcdef')).body.toString()).to.equal(
      'abcdef',
    )
  })

  it('may begin with empty lines and end lines with LF alone', () => {
    const text = `\r\n\r\n${subscribeLines().join('\n')}\n\nbody`
    const request = requestOf(Buffer.from(text.replace('Content-Length: 0', 'Content-Length: 4')))
    expect(request.header('Event')).to.equal('dialog')
    expect(request.body.toString()).to.equal('body')
  })

  it('read what is missing or malformed as empty', () => {
    const request = requestOf(sipBytes(['OPTIONS sip:h SIP/2.0', 'From: "', 'CSeq: x', 'Contact: <', 'Via: ;']))
    expect([request.from.uriText, request.to.uriText, request.callId]).to.deep.equal(['', '', ''])
    expect(request.cseq).to.deep.equal({ number: -1, method: '' })
    expect(request.contacts).to.deep.equal([])
    expect(request.topVia).to.equal(undefined)
    expect(request.header('Max-Forwards')).to.equal(undefined)
  })

  it('say the same after others were read', () => {
    const lines = (name: string): string[] => subscribeLines({ Subject: name, 'X-Own': [name, 'more'], Event: name })
    const requests = ['one', 'two', 'three'].map((name) => requestOf(sipBytes(lines(name))))
    parseMessage('OPTIONS sip:h SIP/2.0\r\nSubject: a\rb\r\n\r\n')
    for (let round = 0; round < 2; round++)
      requests.forEach((request, at) => {
        const name = ['one', 'two', 'three'][at]
        expect(request.header('Subject')).to.equal(name)
        expect(request.header('event')).to.equal(name)
        expect(request.headers('x-own')).to.deep.equal([name, 'more'])
        expect(request.count(headerNumber('Event'))).to.equal(1)
        expect(request.from.tag).to.equal('from')
      })
  })

  it('forget the line that has no end', () => {
    const request = 'OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nTo: <sip:t@h>\r\nSubject: '
    for (const rest of ['a\rb\r\n\r\n', 'a', 'a\r']) {
      const failure = parseMessage(request + rest)
      if (failure.kind !== 'failure' || !failure.answerable) throw new Error('it was taken, or is not answerable')
      expect(failure.answerable.header('Subject')).to.equal(undefined)
      expect(failure.answerable.to.uriText).to.equal('sip:t@h')
    }
  })

  it('know the star', () => {
    const request = requestOf(sipBytes(['REGISTER sip:h SIP/2.0', 'Contact: *']))
    expect(request.contactIsStar).to.equal(true)
    expect(request.contacts).to.deep.equal([])
  })

  const broken: readonly (readonly [what: string, bytes: Buffer, status: number, answerable: boolean])[] = [
    ['nothing', Buffer.alloc(0), 400, false],
    ['only line ends', Buffer.from('\r\n\r\n\r\n\r\n'), 400, false],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: h\r\n\r\n'), 400, false],
    ['a start line and no more', Buffer.from('OPTIONS sip:h SIP/2.0'), 400, false],
    ['no Via to answer to', sipBytes(['OPTIONS sip:h SIP/2.0', 'no header']), 400, false],
    ['a line that is no header', sipBytes([...subscribeLines(), 'no header']), 400, true],
    ['a header name that is no token', sipBytes([...subscribeLines(), 'a b: c']), 400, true],
    ['a folded start line', sipBytes(['OPTIONS sip:h SIP/2.0', ' folded']), 400, false],
    ['CR within a line', sipBytes([...subscribeLines(), 'Subject: a\rEvil: b']), 400, true],
    ['no empty line', Buffer.from(`${subscribeLines().join('\r\n')}\r\n`), 400, true],
    ['another version', sipBytes(['OPTIONS sip:h SIP/3.0', ...subscribeLines().slice(1)]), 505, true],
    ['no version', sipBytes(['OPTIONS sip:h', ...subscribeLines().slice(1)]), 400, true],
    ['an ACK in another version', sipBytes(['ACK sip:h SIP/3.0', ...subscribeLines().slice(1)]), 505, false],
    ['too many headers', sipBytes([...subscribeLines(), ...Array<string>(300).fill('X: y')]), 513, true],
    ['a header too long', sipBytes([...subscribeLines(), `X: ${'y'.repeat(9000)}`]), 513, true],
    ['a header too long by folding', sipBytes([...subscribeLines(), `X: y${'\r\n y'.repeat(3000)}`]), 513, true],
    ['a start line too long', sipBytes([`OPTIONS sip:${'h'.repeat(9000)} SIP/2.0`]), 513, false],
    ['too much', sipBytes(subscribeLines(), Buffer.alloc(65536)), 513, true],
    ['a status of four digits', sipBytes(['SIP/2.0 2000 OK', ...subscribeLines().slice(1)]), 400, false],
    ['a status below 100', sipBytes(['SIP/2.0 099 No', ...subscribeLines().slice(1)]), 400, false],
    ['a response in another version', sipBytes(['SIP/7.0 200 OK', ...subscribeLines().slice(1)]), 400, false],
  ]
  for (const [what, bytes, status, answerable] of broken) {
    it(`are refused: ${what}`, () => {
      const failure = parseMessage(textOf(bytes))
      if (failure.kind !== 'failure') throw new Error('it was taken')
      expect(failure.why).to.not.equal('')
      expect([failure.status, failure.answerable !== undefined]).to.deep.equal([status, answerable])
    })
  }

  it('are limited as one says', () => {
    const bytes = sipBytes(subscribeLines())
    expect(parseMessage(textOf(bytes), { maxBytes: bytes.length, maxHeaders: 10, maxLine: 100 }).kind).to.equal(
      'request',
    )
    expect(parseMessage(textOf(bytes), { maxBytes: bytes.length - 1, maxHeaders: 10, maxLine: 100 })).to.include({
      status: 513,
    })
    expect(parseMessage(textOf(bytes), { maxBytes: bytes.length, maxHeaders: 9, maxLine: 100 })).to.include({
      status: 513,
    })
  })
})
