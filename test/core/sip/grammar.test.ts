import { expect } from 'chai'
import * as fc from 'fast-check'
import {
  fromWire,
  isToken,
  parseDigits,
  parseParams,
  quote,
  scannedParam,
  scanParams,
  splitList,
  toWire,
  trimSpace,
  unescape,
  unquote,
} from '../../../core/sip/grammar.ts'

describe('SIP grammar', () => {
  it('knows tokens', () => {
    expect(isToken("a-.!%*_+`'~9Z")).to.equal(true)
    for (const text of ['', 'a b', 'a/b', 'a@b', 'ä', 'a\0']) expect(isToken(text), text).to.equal(false)
  })

  it('reads digits with zeros before, and none that are too many', () => {
    expect(parseDigits('0068', 255)).to.equal(68)
    expect(parseDigits(`${'0'.repeat(1000)}7`, 7)).to.equal(7)
    for (const text of ['', '-1', '+1', '1e2', '256', ' 1', '1'.repeat(400)]) {
      expect(parseDigits(text, 255), text).to.equal(undefined)
    }
  })

  it('unquotes what quote wrote', () => {
    expect(unquote('"a \\"b\\" \\\\"')).to.equal('a "b" \\')
    fc.assert(fc.property(fc.string(), (text) => unquote(quote(text)) === text))
  })

  it('splits lists at commas outside quotes and angle brackets', () => {
    expect(splitList('a, b ,c')).to.deep.equal(['a', 'b', 'c'])
    expect(splitList('"a, \\", b" <sip:x,y@h>, <sip:z@h;q=",">')).to.deep.equal([
      '"a, \\", b" <sip:x,y@h>',
      '<sip:z@h;q=",">',
    ])
    expect(splitList('a, "open, b')).to.deep.equal(['a', '"open, b'])
    expect(splitList('a,,b,')).to.deep.equal(['a', '', 'b', ''])
  })

  it('scans the same parameters as it reads', () => {
    const piece = fc.constantFrom(';', '=', '"', ' ', '\\', ';tag=', 'a', 'A', ';a', 'rport', ';b="x;y"', '\xff', '@')
    const params = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc
        .array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 })
        .map((names) => names.map((n) => `;n${n}=${n}`).join('')),
    )
    fc.assert(
      fc.property(params, (text) => {
        const read = parseParams(`host${text}`, 4)
        expect(scanParams(`host${text}`, 4)).to.equal(read !== undefined)
        for (const [name, value] of read ?? []) expect(scannedParam(name), name).to.equal(value)
        if (read)
          for (const name of ['a', 'tag', 'rport', 'n1', 'n50']) expect(scannedParam(name)).to.equal(read.get(name))
      }),
      { numRuns: 2000 },
    )
  })

  it('reads parameters with white space, quotes and no value', () => {
    const params = parseParams(' ; Tag = abc;lr ;q=0.3; +sip.instance="<urn:uuid:1;2>" ; host=[2001:db8::1]')
    expect([...(params ?? [])]).to.deep.equal([
      ['tag', 'abc'],
      ['lr', ''],
      ['q', '0.3'],
      ['+sip.instance', '<urn:uuid:1;2>'],
      ['host', '[2001:db8::1]'],
    ])
    expect(parseParams('  ')?.size).to.equal(0)
  })

  it('refuses parameters that are empty, twice there, unbalanced or followed by something', () => {
    for (const text of [';', ';;', ';a;', ';a=1;A=2', ';a="b', ';a=b c', ';a=b,', 'a=b', ';=b', ';a="b"c']) {
      expect(parseParams(text), text).to.equal(undefined)
    }
  })

  it('trims no byte of a UTF-8 letter', () => {
    // à is C3 A0, and A0 is a space to String.trim
    expect(trimSpace(` \t${toWire('à')}\r\n`)).to.equal('\u00c3\u00a0')
  })

  it('goes to bytes and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fromWire(toWire(text))).to.equal(text)
        expect(Buffer.from(toWire(text), 'latin1').equals(Buffer.from(text))).to.equal(true)
      }),
    )
    expect(fromWire('a\u00ff')).to.equal('a\ufffd')
  })

  it('resolves escapes as UTF-8', () => {
    expect(unescape('%C3%a0%41+%00')).to.equal('àA+\0')
    expect(unescape('ж%20ж')).to.equal('ж ж')
  })
})
