import { expect } from 'chai'
import { Branches } from '../../../core/sip/branches.ts'
import { isRfc3261Branch } from '../../../core/sip/id.ts'

const REMEMBER = 5000

describe('branches of ours', () => {
  let branches: Branches

  beforeEach(() => {
    branches = new Branches()
  })

  const taken = (now = 0): { readonly branch: string; readonly place: number } => {
    const branch = branches.next(now, REMEMBER)
    return { branch, place: branches.take() }
  }

  it('are of RFC 3261, all different, and 96 bits of each are random', () => {
    const made = new Set(Array.from({ length: 5000 }, () => taken().branch))
    expect(made.size).to.equal(5000)
    const ones = Array.from({ length: 96 }, () => 0)
    for (const branch of made) {
      expect(branch).to.match(/^z9hG4bK[0-9a-f]{30}$/)
      expect(isRfc3261Branch(branch)).to.equal(true)
      const bits = BigInt(`0x${branch.slice(7, 31)}`)
      for (let bit = 0; bit < 96; bit++) if ((bits >> BigInt(bit)) & 1n) ones[bit] = (ones[bit] ?? 0) + 1
    }
    // Each bit is set in half of them, give or take ten standard deviations.
    for (const count of ones) expect(count).to.be.within(2150, 2850)
  })

  it('lead to their places, as many as there are', () => {
    const all = Array.from({ length: 5000 }, () => taken())
    expect(new Set(all.map(({ place }) => place)).size).to.equal(5000)
    for (const { branch, place } of all) expect(branches.placeOf(branch)).to.equal(place)
  })

  it('are known by every digit, and as they were written', () => {
    const { branch } = taken()
    for (let at = 0; at < branch.length; at++) {
      const other = branch[at] === '0' ? '1' : '0'
      expect(branches.placeOf(branch.slice(0, at) + other + branch.slice(at + 1))).to.equal(-1)
    }
    for (const other of [
      '',
      'z9hG4bK',
      branch.toUpperCase(),
      `${branch}0`,
      branch.slice(0, -1),
      `${branch.slice(0, -1)}é`,
    ])
      expect(branches.placeOf(other)).to.equal(-1)
  })

  it('name no place that was not taken', () => {
    expect(branches.placeOf(branches.next(0, REMEMBER))).to.equal(-1)
    expect(() => {
      branches.take()
      branches.take()
    }).to.throw('no branch')
  })

  it('are remembered after their place was left, until it is taken again', () => {
    const first = taken()
    branches.leave(first.place, 0)
    expect(branches.placeOf(first.branch)).to.equal(first.place)
    expect(branches.leftAt(first.place)).to.equal(0)
    expect(taken(REMEMBER - 1).place).to.not.equal(first.place)
    const again = taken(REMEMBER)
    expect(again.place).to.equal(first.place)
    expect(branches.placeOf(first.branch)).to.equal(-1)
    expect(branches.placeOf(again.branch)).to.equal(again.place)
  })

  it('leave places that are taken again in their order, at once where nothing is to be remembered', () => {
    const places = [taken(), taken(), taken()].map(({ place }) => place)
    for (const place of places.toReversed()) branches.leave(place)
    expect([taken(), taken(), taken(), taken()].map(({ place }) => place)).to.deep.equal([2, 1, 0, 3])
  })

  it('are forgotten before their time where too many are remembered', () => {
    const all = Array.from({ length: 65_537 }, () => taken())
    for (const { place } of all) branches.leave(place, 0)
    expect(taken(1).place).to.equal(0)
    expect(taken(1).place).to.equal(1)
    expect(taken(1).place).to.equal(65_537)
  })
})
