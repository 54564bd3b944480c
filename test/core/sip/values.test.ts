import { expect } from 'chai'
import {
  parseAccept,
  parseAuthParams,
  parseAuthValue,
  parseDeltaSeconds,
  parseEvent,
  parseMediaType,
  parseOptionTags,
  parseQ,
  parseRetryAfter,
} from '../../../core/sip/values.ts'

describe('Header values', () => {
  it('Accept: types, q and parameters, in order', () => {
    const ranges = parseAccept([
      'application/PIDF+xml;q=0.5',
      'text/* ; level="1" ;q=0',
      'application/x',
      '',
      'broken',
      '*/*;q=9',
    ])
    expect(ranges.map(({ type, q }) => [type, q])).to.deep.equal([
      ['application/pidf+xml', 0.5],
      ['text/*', 0],
      ['application/x', 1],
      ['*/*', 1],
    ])
    expect([...(ranges[1]?.params ?? [])]).to.deep.equal([['level', '1']])
  })

  it('q: from 0 to 1, and 1 for what is none', () => {
    expect(['0', '0.', '0.123', '1', '1.000', undefined].map(parseQ)).to.deep.equal([0, 0, 0.123, 1, 1, 1])
    expect(['', '-1', 'x', '.5', '2', '0.1e3', '1.5'].map(parseQ)).to.deep.equal([1, 1, 1, 1, 1, 1, 1])
  })

  it('Event: with case, with id', () => {
    expect(parseEvent('dialog')).to.include({ event: 'dialog', id: '' })
    const value = parseEvent('Dialog.winfo ; ID=a7 ; call-id="x;y"')
    expect(value).to.include({ event: 'Dialog.winfo', id: 'a7' })
    expect(value?.params.get('call-id')).to.equal('x;y')
    expect(parseEvent('dialog;id="a7"')).to.include({ event: 'dialog', id: 'a7' })
    for (const text of ['', ';id=1', 'dialog presence', 'dialog;id=1;id=2', 'dialog;id="a b"', 'dialog;id="a;b=c"']) {
      expect(parseEvent(text), text).to.equal(undefined)
    }
  })

  it('Content-Type', () => {
    expect(parseMediaType('Application / SDP ; charset=utf-8')?.type).to.equal('application/sdp')
    for (const text of ['', 'text', 'text/', '/x', 'text/x y']) expect(parseMediaType(text), text).to.equal(undefined)
  })

  it('seconds, however many', () => {
    expect(parseDeltaSeconds('0')).to.equal(0)
    expect(parseDeltaSeconds('007200')).to.equal(7200)
    expect(parseDeltaSeconds(`1${'0'.repeat(400)}`)).to.equal(0xffffffff)
    for (const text of [undefined, '', '-1', '1.5', 'x', '60s']) expect(parseDeltaSeconds(text)).to.equal(undefined)
    expect(parseRetryAfter('120 (in a meeting);duration=60')).to.equal(120)
    expect(parseRetryAfter('120;duration=60')).to.equal(120)
    expect(parseRetryAfter(undefined)).to.equal(undefined)
  })

  it('Authorization: scheme and parameters', () => {
    const value = parseAuthValue(
      'DIGEST username="al\\"ice, \\\\", Realm="a=b",uri="sip:h;x=1,2" , nc=00000001,qop=auth, algorithm=SHA-256,, response="ab=="',
    )
    expect(value?.scheme).to.equal('digest')
    expect([...(value?.params ?? [])]).to.deep.equal([
      ['username', 'al"ice, \\'],
      ['realm', 'a=b'],
      ['uri', 'sip:h;x=1,2'],
      ['nc', '00000001'],
      ['qop', 'auth'],
      ['algorithm', 'SHA-256'],
      ['response', 'ab=='],
    ])
    expect(parseAuthValue('NoOneKnowsThisScheme opaque-data=here')?.scheme).to.equal('nooneknowsthisscheme')
  })

  it('Authorization: nothing malformed, nothing twice', () => {
    for (const text of [
      'Digest username="a',
      'Digest username="a" realm="b"',
      'Digest username="a", USERNAME="b"',
      'Digest ="a"',
      'Digest a="b";c',
      '',
      '"Digest"',
    ]) {
      expect(parseAuthValue(text), text).to.equal(undefined)
    }
    expect(parseAuthParams('')?.size).to.equal(0)
  })

  it('option tags', () => {
    expect(parseOptionTags(['Path, outbound', 'x y', '', 'eventlist'])).to.deep.equal(['Path', 'outbound', 'eventlist'])
  })
})
