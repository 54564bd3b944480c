import { expect } from 'chai'
import { Unwatched } from '../../core/unwatched.ts'
import { until } from '../support/tools.ts'

describe('what is found and watched by nobody', () => {
  it('is let go of once, not before its time, and so is what is found later', async () => {
    const gone: string[] = []
    const unwatched = new Unwatched<string>((name) => gone.push(name), 30)
    const began = performance.now()
    unwatched.add('100')
    unwatched.add('100')
    await until('the first', () => gone.length > 0)
    expect(performance.now() - began).to.be.least(29)
    unwatched.add('101')
    await until('the second', () => gone.length > 1)
    expect(gone).to.deep.equal(['100', '101'])
  })

  it('is let go of sooner where there is much of it, the oldest first', () => {
    const gone: number[] = []
    const unwatched = new Unwatched<number>((number) => gone.push(number))
    for (let number = 0; number < 10_000; number++) unwatched.add(number)
    expect(gone.length).to.be.within(1, 9000)
    expect(gone).to.deep.equal(gone.map((_, index) => index))
  })

  it('is kept where it was found again meanwhile', () => {
    const gone: number[] = []
    const unwatched = new Unwatched<number>((number) => gone.push(number))
    for (let number = 1; number < 10_000; number++) {
      unwatched.add(number)
      if (number % 1000 === 0) unwatched.add(0)
    }
    expect(gone).to.include(1).and.not.to.include(0)
  })
})
