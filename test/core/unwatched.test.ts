import { expect } from 'chai'
import { Unwatched } from '../../core/unwatched.ts'
import { until } from '../support/tools.ts'

class Found {
  readonly name: string
  isWatched = false

  constructor(name: string | number) {
    this.name = String(name)
  }
}

describe('what is found and watched by nobody', () => {
  let gone: string[]
  const letGo = ({ name }: Found): void => void gone.push(name)

  beforeEach(() => {
    gone = []
  })

  it('is let go of once, not before its time, and so is what is found later', async () => {
    const unwatched = new Unwatched(letGo, 30)
    const began = performance.now()
    const first = new Found(100)
    unwatched.add(first)
    unwatched.add(first)
    await until('the first', () => gone.length > 0)
    expect(performance.now() - began).to.be.least(29)
    unwatched.add(new Found(101))
    await until('the second', () => gone.length > 1)
    expect(gone).to.deep.equal(['100', '101'])
  })

  it('is let go of sooner where there is much of it, the oldest first', () => {
    const unwatched = new Unwatched(letGo)
    for (let number = 0; number < 10_000; number++) unwatched.add(new Found(number))
    expect(gone.length).to.be.within(1, 9000)
    expect(gone).to.deep.equal(gone.map((_, index) => String(index)))
  })

  it('is kept where it was found again meanwhile', () => {
    const unwatched = new Unwatched(letGo)
    const again = new Found(0)
    for (let number = 1; number < 10_000; number++) {
      unwatched.add(new Found(number))
      if (number % 1000 === 0) unwatched.add(again)
    }
    expect(gone).to.include('1').and.not.to.include('0')
  })

  it('is kept where somebody watches it, from before or since', () => {
    const unwatched = new Unwatched(letGo)
    const [before, since] = [new Found('before'), new Found('since')]
    before.isWatched = true
    for (const one of [before, since]) unwatched.add(one)
    since.isWatched = true
    for (let number = 0; number < 10_000; number++) unwatched.add(new Found(number))
    expect(gone).to.include('0').and.not.to.include('before').and.not.to.include('since')
  })
})
