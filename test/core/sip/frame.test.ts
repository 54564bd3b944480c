import { expect } from 'chai'
import * as fc from 'fast-check'
import { type Frame, StreamFramer } from '../../../core/sip/frame.ts'
import { requestOf, sipBytes, subscribeLines, textOf } from '../../support/sip-text.ts'

const one = sipBytes(subscribeLines({ 'Content-Length': '5' }), 'hello')
const two = Buffer.from(`${subscribeLines({ 'Content-Length': undefined, L: '\n 3' }).join('\n')}\n\nfoo`)
const three = sipBytes(subscribeLines({ 'Content-Length': undefined, 'content-LENGTH ': '00000' }))

const shown = (frames: readonly Frame[]): string[] =>
  frames.map((frame) => (frame.kind === 'message' ? frame.text : frame.kind))

describe('Framing a stream', () => {
  it('finds messages and pings however they are cut', () => {
    const stream = Buffer.concat([
      one,
      Buffer.from('\r\n\r\n'),
      two,
      three,
      Buffer.from('\r\n'),
      one,
      Buffer.from('\r\n\r\n'),
    ])
    const expected = shown([
      { kind: 'message', text: textOf(one) },
      { kind: 'ping' },
      ...[two, three, one].map((bytes) => ({ kind: 'message' as const, text: textOf(bytes) })),
      { kind: 'ping' },
    ])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 12 }), (cuts) => {
        const framer = new StreamFramer()
        const places = [0, ...cuts.sort((a, b) => a - b), stream.length]
        const frames = places.slice(1).flatMap((to, at) => framer.push(stream.subarray(places[at], to)))
        expect(shown(frames).filter((text) => text !== 'ping')).to.deep.equal(
          expected.filter((text) => text !== 'ping'),
        )
        expect(frames.some(({ kind }) => kind === 'ping')).to.equal(true)
        expect(framer.partial).to.equal(false)
      }),
    )
    const framer = new StreamFramer()
    expect(shown([...stream].flatMap((byte) => framer.push(Buffer.from([byte]))))).to.deep.equal(expected)
  })

  it('gives frames that parse', () => {
    const frames = new StreamFramer().push(Buffer.concat([one, two, three]))
    const bodies = frames.map((frame) => (frame.kind === 'message' ? requestOf(frame.text).body.toString() : ''))
    expect(bodies).to.deep.equal(['hello', 'foo', ''])
  })

  it('takes two line ends for a ping, also one after the other, and one for nothing', () => {
    const framer = new StreamFramer()
    expect(shown(framer.push(Buffer.from('\r')))).to.deep.equal([])
    expect(framer.partial).to.equal(true)
    expect(shown(framer.push(Buffer.from('\n')))).to.deep.equal([])
    expect(shown(framer.push(Buffer.from('\r\n')))).to.deep.equal(['ping'])
    expect(shown(framer.push(Buffer.from('\r\n')))).to.deep.equal([])
    expect(shown(framer.push(three))).to.deep.equal([three.toString()])
    expect(shown(framer.push(Buffer.from('\r\n')))).to.deep.equal([])
    expect(shown(framer.push(Buffer.from('\r\n'.repeat(1001))))).to.deep.equal(['ping'])
  })

  const broken: readonly (readonly [why: string, status: number, bytes: Buffer, answerable: boolean])[] = [
    ['Missing Content-Length', 400, sipBytes(subscribeLines({ 'Content-Length': undefined })), true],
    ['Malformed Content-Length', 400, sipBytes(subscribeLines({ 'Content-Length': '-1' })), true],
    ['Malformed Content-Length', 400, sipBytes(subscribeLines({ 'Content-Length': 'abc' })), true],
    ['Malformed Content-Length', 400, sipBytes(subscribeLines({ 'Content-Length': '1\r\n 0' })), true],
    ['Duplicate Content-Length', 400, sipBytes(subscribeLines({ 'Content-Length': '0', l: '0' })), true],
    ['Message Too Large', 513, sipBytes(subscribeLines({ 'Content-Length': '65535' })), true],
    ['Message Too Large', 513, Buffer.from(`OPTIONS sip:h SIP/2.0\r\n${'X: y\r\n'.repeat(11000)}`), false],
    ['Message Too Large', 513, Buffer.alloc(66000, 'x'), false],
    ['TLS and no SIP', 400, Buffer.from('\x16\x03\x01\x02\x00\x01'), false],
    ['no SIP', 400, Buffer.from('\r\rOPTIONS'), false],
    ['Missing Content-Length', 400, Buffer.from('GET / HTTP/1.1\r\nHost: h\r\n\r\n'), true],
  ]
  for (const [why, status, bytes, hasHead] of broken) {
    it(`gives up at ${JSON.stringify(bytes.subarray(0, 12).toString('latin1'))}…: ${why}`, () => {
      const framer = new StreamFramer()
      const frames = framer.push(Buffer.concat([one, bytes]))
      expect(frames.map(({ kind }) => kind)).to.deep.equal(['message', 'error'])
      const last = frames.at(-1)
      if (last?.kind !== 'error') throw new Error('no error')
      expect([last.why, last.status, last.head !== undefined]).to.deep.equal([why, status, hasHead])
      expect(framer.push(one)).to.deep.equal([])
      expect(framer.partial).to.equal(false)
    })
  }

  it('never buffers without bound', () => {
    const framer = new StreamFramer({ maxBytes: 2000 })
    let pushed = 0
    while (framer.push(Buffer.from(`X: ${'y'.repeat(96)}\r\n`)).length === 0) pushed++
    expect(pushed).to.be.within(18, 21)
  })

  it('never fails on any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 }), (chunks) => {
        const framer = new StreamFramer()
        for (const chunk of chunks) framer.push(Buffer.from(chunk))
      }),
    )
  })
})
