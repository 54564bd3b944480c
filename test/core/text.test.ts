import { expect } from 'chai'
import * as fc from 'fast-check'
import { detached, hashOf, joined, keyOf, SharedTexts } from '../../core/text.ts'
import { heapInUse } from '../support/garbage.ts'

describe('texts that are kept', () => {
  it('property: are what they are copies of, however long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 1, max: 60 }), (text, times) => {
        const long = text.repeat(times)
        expect(detached(long)).to.equal(long)
        expect(new SharedTexts(2).of(long)).to.equal(long)
      }),
    )
  })

  it('do not keep the message they were cut from, one cut or several put together', () => {
    const before = heapInUse()
    const kept: string[] = []
    for (let at = 0; at < 300; at++) {
      const message = Buffer.alloc(20_000, String.fromCharCode(65 + (at % 26))).toString('latin1')
      kept.push(detached(message.slice(100, 113 + (at % 100))))
      kept.push(joined(`${message.slice(1000, 1040)};tag=${message.slice(2000, 2013 + (at % 50))}`))
    }
    expect(heapInUse() - before).to.be.lessThan(1_000_000)
    expect(kept).to.have.length(600)
  })

  it('property: two or three become one that no others become', () => {
    const text = fc.string({ unit: fc.constantFrom('1', '2', ' ', 'a'), maxLength: 4 })
    const texts = fc.tuple(text, text, text)
    fc.assert(
      fc.property(texts, texts, (some, others) => {
        const areSame = (count: number): boolean => some.slice(0, count).every((one, at) => one === others[at])
        expect(keyOf(...some) === keyOf(...others)).to.equal(areSame(3))
        expect(keyOf(some[0], some[1]) === keyOf(others[0], others[1])).to.equal(areSame(2))
      }),
    )
  })

  it('are found again', () => {
    const shared = new SharedTexts(16)
    for (const _ of ['new', 'known', 'known']) {
      for (const text of ['', 'sip:200@pbx.example.com', 'Glühlampe im Flur', '电话'.repeat(20)])
        expect(shared.of(text)).to.equal(text)
    }
  })

  it('are remembered as far as there is room', () => {
    const shared = new SharedTexts(2)
    for (const text of ['one', 'two', 'three', 'one', 'four']) expect(shared.of(text)).to.equal(text)
  })

  it('have hashes that depend on each character, and on a seed', () => {
    const hashes = ['sip:1@a', 'sip:2@a', 'sip:1@b', 'sip:1@a ', ''].map((text) => hashOf(text))
    expect(new Set([...hashes, hashOf('sip:1@a', 7)]).size).to.equal(6)
  })
})
