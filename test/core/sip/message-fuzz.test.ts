/** No bytes do harm: random and mutated messages, inputs made to be slow, and another parser's opinion. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import * as fc from 'fast-check'
import sip from 'sip'
import { checkRequest, checkResponse } from '../../../core/sip/check.ts'
import { equalUris } from '../../../core/sip/equal-uris.ts'
import { StreamFramer } from '../../../core/sip/frame.ts'
import { parseParams, splitList, unescape, unquote } from '../../../core/sip/grammar.ts'
import { parseMessage } from '../../../core/sip/message.ts'
import { parseNameAddr, parseUri } from '../../../core/sip/parse-uri.ts'
import { parseAccept, parseAuthValue, parseEvent } from '../../../core/sip/values.ts'
import { parseVia, viaForAnswer } from '../../../core/sip/via.ts'
import { randomFrom } from '../../support/damage.ts'
import { sipBytes, subscribeLines, textOf, writeResponse } from '../../support/sip-text.ts'
import { computed } from '../../support/tools.ts'

const folder = fileURLToPath(new URL('torture/', import.meta.url))
const torture = readdirSync(folder)
  .filter((file) => file.endsWith('.sip'))
  .map((file) => ({ name: file.slice(0, -4), bytes: readFileSync(`${folder}${file}`) }))
const source = { address: '192.0.2.7', port: 5060 }

const subscribe = sipBytes(
  subscribeLines({
    Accept: 'application/dialog-info+xml;q=0.9, application/pidf+xml',
    Contact:
      '"A, B" <sip:100@192.0.2.7:5062;transport=udp>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-0A95>";expires=60',
    Authorization:
      'Digest username="100", realm="asterisk", nonce="1/a", uri="sip:200@192.0.2.1", response="d41d", qop=auth',
    'Record-Route': '<sip:p1.example.com;lr>, <sip:p2.example.com;lr;x="y">',
    Event: 'dialog;id=7',
  }),
)

function answeredVia(text: string): unknown {
  const via = parseVia(text)
  return via && viaForAnswer(via, source, true)
}

/** Everything anybody may ask of a message; its answer must read again. */
function useUp(bytes: Buffer | string): void {
  const message = parseMessage(textOf(bytes))
  const asked = message.kind === 'failure' ? message.answerable : message
  if (!asked) return
  void asked.topVia
  for (const name of ['Via', 'Route', 'Record-Route', 'Contact', 'Subject', 'X']) asked.headers(name)
  for (const value of asked.headers('Record-Route')) parseNameAddr(value)
  parseAccept(asked.headers('Accept'))
  parseEvent(asked.header('Event') ?? '')
  parseAuthValue(asked.header('Authorization') ?? '')
  expect(asked.cseq.number).to.be.within(-1, 0xffffffff)
  expect(asked.body.length).to.be.within(0, bytes.length)
  if (asked.kind === 'response') {
    checkResponse(asked)
    return
  }
  const refusal = checkRequest(asked, () => [])
  const { uri } = asked
  if (uri) for (const contact of asked.contacts) if (contact.uri) equalUris(uri, contact.uri)
  const answer = writeResponse({
    request: asked,
    status: refusal?.status ?? 200,
    reason: refusal?.reason,
    toTag: 'ours',
    recordRoute: true,
    source,
    forceRport: true,
    headers: refusal?.headers ?? [['Expires', asked.header('Expires') ?? '']],
  })
  const read = parseMessage(answer, { maxBytes: 2 * 65535, maxHeaders: 1000, maxLine: 65535 })
  if (read.kind !== 'response') throw new Error(`the answer does not read: ${answer}`)
  if (!refusal) expect(checkResponse(read), answer).to.equal(undefined)
}

const FRAGMENTS = [
  '\r\n',
  '\r\n ',
  '\n',
  '\r',
  '"',
  '\\',
  '<',
  '>',
  ';',
  ',',
  '=',
  '@',
  '%',
  '%00',
  '[',
  ']',
  ':',
  ' ',
  '\0',
  '?',
]
  .concat(['SIP/2.0', 'sip:', 'z9hG4bK', ';tag=', '4294967296', '-1', 'Via: ', 'l: 9', '\xff\xfe', '*', '\r\n\r\n'])
  .map((text) => Buffer.from(text, 'latin1'))

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let mutated = bytes
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(mutated.length + 1)
    const to = Math.min(mutated.length, at + random(random(4) === 0 ? 200 : 8))
    const middle = [
      (): Buffer => Buffer.from([random(256)]),
      (): Buffer => FRAGMENTS[random(FRAGMENTS.length)] ?? Buffer.alloc(0),
      (): Buffer => Buffer.concat([mutated.subarray(at, to), mutated.subarray(at, to)]),
      (): Buffer => Buffer.alloc(0),
      (): Buffer => mutated.subarray(random(mutated.length + 1)).subarray(0, random(100)),
    ][random(5)]
    mutated = Buffer.concat([mutated.subarray(0, at), middle?.() ?? Buffer.alloc(0), mutated.subarray(to)])
  }
  return mutated
}

describe('Any bytes', () => {
  it('are read without harm', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => useUp(Buffer.from(bytes))))
    const soup = fc.array(fc.constantFrom(...FRAGMENTS, Buffer.from('To'), Buffer.from('a')), { maxLength: 60 })
    fc.assert(
      fc.property(soup, (pieces) => {
        useUp(Buffer.concat(pieces))
        useUp(Buffer.concat([Buffer.from('OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n'), ...pieces]))
      }),
    )
  })

  it('may be a message with 20,000 kinds of damage', () => {
    const random = randomFrom(20260)
    const originals = [subscribe, subscribe, ...torture.map(({ bytes }) => bytes)]
    let understood = 0
    let longest = 0
    for (let count = 0; count < 20_000; count++) {
      const bytes = mutate(originals[random(originals.length)] ?? subscribe, random)
      const start = process.cpuUsage()
      useUp(bytes)
      const { user } = process.cpuUsage(start)
      longest = Math.max(longest, user)
      if (parseMessage(textOf(bytes)).kind !== 'failure') understood++
    }
    // Mutations that break everything at the start line would test nothing else.
    expect(understood).to.be.within(5000, 20_000)
    expect(longest, 'microseconds of the slowest').to.be.below(50_000)
  }).timeout(60_000)

  it('may come in pieces on a stream', () => {
    const random = randomFrom(5626)
    for (let count = 0; count < 2000; count++) {
      const framer = new StreamFramer()
      const stream = Buffer.concat([mutate(subscribe, random), subscribe, Buffer.from('\r\n\r\n')])
      for (let at = 0; at < stream.length; ) {
        const to = at + 1 + random(400)
        for (const frame of framer.push(stream.subarray(at, to))) if (frame.kind === 'message') useUp(frame.text)
        at = to
      }
    }
  })
})

describe('Work', () => {
  /** Microseconds of the fastest of some runs, each of at least a few milliseconds. */
  function cost(work: () => void): number {
    let fastest = Number.POSITIVE_INFINITY
    for (let run = 0; run < 5; run++) {
      let times = 0
      const start = computed()
      let elapsed = 0
      while (elapsed < 2) {
        work()
        times++
        elapsed = computed() - start
      }
      fastest = Math.min(fastest, (elapsed * 1000) / times)
    }
    return fastest
  }

  const everything = { maxBytes: 1 << 20, maxHeaders: 1 << 20, maxLine: 1 << 20 }
  function readAll(bytes: Buffer): void {
    const message = parseMessage(textOf(bytes), everything)
    if (message.kind !== 'request') return
    checkRequest(message, () => [])
    for (const name of ['Via', 'Contact', 'Route', 'Subject']) message.headers(name)
    writeResponse({ request: message, status: 200, source, recordRoute: true })
  }

  const values =
    (of: (text: string) => unknown, unit: string, before = '', after = '') =>
    (size: number) => {
      const text = before + unit.repeat(size / unit.length) + after
      return () => void of(text)
    }
  const headers =
    (unit: string, name: string, before = '') =>
    (size: number) => {
      const bytes = sipBytes(subscribeLines({ [name]: before + unit.repeat(size / unit.length) }))
      return () => readAll(bytes)
    }
  const heads = (unit: string) => (size: number) => {
    const bytes = Buffer.from(`${subscribeLines().join('\r\n')}\r\n${unit.repeat(size / unit.length)}\r\n\r\n`)
    return () => readAll(bytes)
  }
  const dribble = (unit: string, before: string) => (size: number) => {
    const bytes = Buffer.from(before + unit.repeat(size / unit.length))
    return () => {
      const framer = new StreamFramer({ maxBytes: 1 << 20 })
      for (let at = 0; at < bytes.length; at += 16) framer.push(bytes.subarray(at, at + 16))
    }
  }

  const inputs: Readonly<Record<string, (size: number) => () => void>> = {
    'spaces in a header': headers(' ', 'Subject', 'a'),
    'spaces in a Contact': headers(' ', 'Contact', '<a>'),
    'commas in a Via': headers(',', 'Via', 'SIP/2.0/UDP h'),
    'commas in a Contact': headers(',', 'Contact'),
    'quotes in a Contact': headers('"', 'Contact'),
    'backslashes in a From': headers('\\', 'From', '"'),
    'angles in a To': headers('<', 'To'),
    'angle pairs in a Route': headers('<>', 'Route'),
    'semicolons in a From': headers(';', 'From', '<sip:a@h>'),
    'parameters in a Via': headers(';a', 'Via', 'SIP/2.0/UDP h'),
    'folds in a Subject': headers('\r\n ', 'Subject', 'a'),
    'percent escapes in a To': headers('%41', 'To', 'sip:'),
    'open quotes in a Record-Route': headers('"\\",<', 'Record-Route'),
    'short header lines': heads('a:\r\n'),
    'short lines ended by LF': heads('a:\n'),
    'lines of spaces': heads(' \r\n'),
    'names without an end': heads('a'),
    CRs: heads('\r'),
    'splitList: quotes': values(splitList, '",'),
    'splitList: quotes that do not close': values(splitList, '\\"', ',"'),
    'parseParams: names': values(parseParams, ';abcdefgh="'),
    'parseParams: spaces': values(parseParams, ' ', ';a='),
    'unquote: escapes': values(unquote, '\\"', '"', '"'),
    'unescape: escapes': values(unescape, '%25'),
    'parseUri: at signs': values(parseUri, '@', 'sip:a'),
    'parseUri: colons': values(parseUri, ':', 'sip:a', '@h'),
    'parseUri: equal signs': values(parseUri, '=', 'sip:a@h;b'),
    'parseNameAddr: names': values(parseNameAddr, 'a ', '', '<sip:a@h'),
    'parseVia: slashes': values(parseVia, '/ ', 'SIP'),
    'viaForAnswer: quotes': values(answeredVia, 'a;', 'SIP/2.0/UDP h;rport=1;b="', '"'),
    'parseVia: parameters': values(parseVia, ';a1', 'SIP/2.0/UDP h'),
    'parseAuthValue: commas': values(parseAuthValue, ', ', 'Digest a=b'),
    'parseAuthValue: equal signs': values(parseAuthValue, '=', 'Digest a'),
    'parseAccept: slashes': values((text) => parseAccept([text]), '/', 'a'),
    'frames: a head that dribbles in': dribble('a: b\r\n', 'OPTIONS sip:h SIP/2.0\r\n'),
    'frames: a head of line ends that dribbles in': dribble('a\r\r\n', 'OPTIONS sip:h SIP/2.0\r\n'),
    'frames: a body that dribbles in': dribble('x', 'OPTIONS sip:h SIP/2.0\r\nl: 900000\r\n\r\n'),
    'frames: lengths': dribble('l: 1\r\n', 'OPTIONS sip:h SIP/2.0\r\n'),
  }
  for (const [what, make] of Object.entries(inputs)) {
    it(`grows with the size, not with its square: ${what}`, () => {
      // Eight times the size: 8 where it is linear, 64 where it is quadratic.
      const ratio = (): number => cost(make(64 * 1024)) / cost(make(8 * 1024))
      // A busy machine may spoil one measurement.
      const ratios = [ratio()]
      while (Math.min(...ratios) > 24 && ratios.length < 4) ratios.push(ratio())
      expect(Math.min(...ratios)).to.be.below(24)
    })
  }
})

describe('A second opinion', () => {
  /** Of the torture messages those that any parser can be expected to read. */
  const WELL_FORMED = `wsinv esc01 escnull lwsdisp longreq dblreq semiuri transports unreason badbranch invut regaut01
    bcast zeromf cparam01 cparam02 regescrt sdp01 inv2543`.split(/\s+/)
  for (const { name, bytes } of [{ name: 'subscribe', bytes: subscribe }, ...torture]) {
    if (name !== 'subscribe' && !WELL_FORMED.includes(name)) continue
    it(`agrees: ${name}`, () => {
      const ours = parseMessage(textOf(bytes))
      const theirs = sip.parse(bytes)
      if (ours.kind === 'failure' || !theirs) throw new Error('one of them does not read it')
      if (ours.kind === 'request') expect([ours.method, ours.requestUri]).to.deep.equal([theirs.method, theirs.uri])
      else expect(ours.status).to.equal(theirs.status)
      expect(ours.callId).to.equal(theirs.headers['call-id'])
      expect(ours.cseq).to.deep.equal({ number: theirs.headers.cseq.seq, method: theirs.headers.cseq.method })
      for (const [mine, other] of [
        [ours.from, theirs.headers.from],
        [ours.to, theirs.headers.to],
      ] as const) {
        expect([mine.uriText, mine.tag]).to.deep.equal([other.uri, other.params.tag])
      }
      const via = ours.topVia
      const [theirVia] = theirs.headers.via
      expect([via?.protocol, via?.host, via?.port, via?.branch]).to.deep.equal([
        theirVia?.protocol,
        theirVia?.host,
        theirVia?.port,
        theirVia?.params.branch,
      ])
      expect(ours.headers('Via')).to.have.length(theirs.headers.via.length)
    })
  }
})
