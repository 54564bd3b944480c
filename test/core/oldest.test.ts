import { expect } from 'chai'
import { dropOldest } from '../../core/oldest.ts'

/** Counts how often somebody looks for the oldest, which walks over all that went before. */
class Watched extends Set<number> {
  looks = 0

  override keys(): ReturnType<Set<number>['keys']> {
    this.looks++
    return super.keys()
  }
}

describe('The oldest', () => {
  it('goes where there are too many', () => {
    const kept = new Set(['a', 'b', 'c'])
    expect(dropOldest(kept, 3)).to.deep.equal([])
    expect(dropOldest(kept, 2)).to.deep.equal(['a'])
    expect([...kept]).to.deep.equal(['b', 'c'])
  })

  it('goes with others where there are many, and is not looked for with each that comes', () => {
    const kept = new Watched()
    const dropped: number[] = []
    for (let one = 0; one < 30_000; one++) {
      kept.add(one)
      dropped.push(...dropOldest(kept, 20_000))
      expect(kept.size).to.be.at.most(20_000)
    }
    expect(kept.size).to.be.above(19_000)
    expect(dropped).to.deep.equal(Array.from({ length: 30_000 - kept.size }, (_, one) => one))
    expect(kept.looks).to.be.below(100)
  })
})
