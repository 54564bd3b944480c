import { expect } from 'chai'
import { pacer } from '../../bench/loads.ts'

describe('whose turn it is in a load', () => {
  const all = ['a', 'b', 'c', 'd', 'e']

  it('is the next one’s, as often as the rate says, and those who are not ready are passed over', () => {
    const done: [string, number][] = []
    const step = pacer(
      100,
      all,
      (one) => one !== 'b',
      (one, due) => done.push([one, due]),
    )
    for (const elapsed of [0, 10, 20, 50]) step(elapsed)
    expect(done).to.deep.equal([
      ['a', 0],
      ['c', 10],
      ['d', 20],
      ['e', 30],
      ['a', 40],
    ])
  })

  it('goes on where the load before left off, so that nobody is left out for good', () => {
    const done: string[] = []
    const turn = { next: 0 }
    for (let load = 0; load < 3; load++)
      pacer(
        100,
        all,
        () => true,
        (one) => done.push(one),
        turn,
      )(20)
    expect(done).to.deep.equal(['a', 'b', 'c', 'd', 'e', 'a'])
  })
})
