import { expect } from 'chai'
import { type Steps, takeSteps, wait } from '../../core/steps.ts'

describe('Steps', () => {
  function* sum(...values: readonly (number | Promise<number>)[]): Steps<number> {
    let total = 0
    for (const value of values) total += yield* wait(value)
    return total
  }

  it('come to a value at once where nothing is waited for', () => {
    expect(takeSteps(sum(1, 2, 3))).to.equal(6)
  })

  it('wait where they have to, and go on', async () => {
    const result = takeSteps(sum(1, Promise.resolve(2), 3, Promise.resolve(4)))
    expect(result).to.be.instanceOf(Promise)
    expect(await result).to.equal(10)
  })

  it('can catch what they waited for in vain', async () => {
    function* careful(): Steps<string> {
      try {
        return yield* wait(Promise.reject(new Error('gone')))
      } catch (error) {
        return `caught: ${String(error)}`
      }
    }
    expect(await takeSteps(careful())).to.equal('caught: Error: gone')
  })

  it('fail as a promise where they fail after a wait, and at once where they do before', async () => {
    function* failing(before: number | Promise<number>): Steps<number> {
      yield* wait(before)
      throw new Error('broken')
    }
    expect(() => takeSteps(failing(1))).to.throw('broken')
    const failure = await Promise.resolve(takeSteps(failing(Promise.resolve(1)))).catch((error: Error) => error.message)
    expect(failure).to.equal('broken')
  })
})
