import { expect } from 'chai'
import * as fc from 'fast-check'
import { HashIndex } from '../../../core/sip/hash-index.ts'

/** All positions with a hash, in their order. */
function all(index: HashIndex, hash: number): number[] {
  const found: number[] = []
  for (let position = index.find(hash, 0); position >= 0; position = index.find(hash, found.length))
    found.push(position)
  return found.sort((a, b) => a - b)
}

describe('Hash index', () => {
  it('finds what a list would find, also where hashes are alike', () => {
    const hash = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(1020, 1023, -1, 2 ** 31 - 1, -(2 ** 31)))
    fc.assert(
      fc.property(fc.array(fc.record({ hash, remove: fc.boolean() }), { maxLength: 200 }), (steps) => {
        const index = new HashIndex()
        const list: { hash: number; position: number }[] = []
        steps.forEach(({ hash, remove }, position) => {
          const gone = remove ? list.splice(position % Math.max(1, list.length), 1)[0] : undefined
          if (gone) index.remove(gone.hash, gone.position)
          else {
            index.add(hash, position)
            list.push({ hash, position })
          }
          expect(index.size).to.equal(list.length)
        })
        for (const hash of [-3, -2, -1, 0, 1, 2, 3, 1020, 1023, 2 ** 31 - 1, -(2 ** 31)])
          expect(all(index, hash)).to.deep.equal(list.filter((one) => one.hash === hash).map((one) => one.position))
      }),
      { numRuns: 300 },
    )
  })

  it('finds everything while it grows and shrinks', () => {
    const index = new HashIndex()
    const hashOf = (position: number): number => Math.imul(position, 0x9e3779b1)
    // Large enough that it grows, and shrinks, several times.
    const size = 20_000
    let oldest = 0
    for (let newest = 0; newest < size; newest++) {
      index.add(hashOf(newest), newest)
      for (const asked of [newest, newest >> 1, 0]) expect(index.find(hashOf(asked), 0)).to.equal(asked)
    }
    expect(index.find(hashOf(size), 0)).to.equal(-1)
    for (; oldest < size; oldest++) {
      index.remove(hashOf(oldest), oldest)
      expect(index.find(hashOf(oldest), 0)).to.equal(-1)
      if (oldest + 1 < size)
        for (const asked of [oldest + 1, (oldest + size) >> 1]) expect(index.find(hashOf(asked), 0)).to.equal(asked)
    }
    expect(index.size).to.equal(0)
  })
})
