import { expect } from 'chai'
import { inSlices } from '../../core/in-slices.ts'

function busy(milliseconds: number): void {
  const until = performance.now() + milliseconds
  while (performance.now() < until);
}

describe('work in slices', () => {
  it('is done in its order, and lets others in between', async () => {
    const done: number[] = []
    let turns = 0
    let ended = false
    const others = (): void => {
      turns++
      if (!ended) setImmediate(others)
    }
    setImmediate(others)
    const all = Array.from({ length: 64 }, (_, index) => index)
    await inSlices(all, (one) => {
      busy(1)
      done.push(one)
    })
    ended = true
    expect(done).to.deep.equal(all)
    expect(turns).to.be.within(4, 20)
  })

  it('takes no turn where there is little to do', async () => {
    let turned = false
    setImmediate(() => {
      turned = true
    })
    await inSlices([1, 2, 3], () => undefined)
    expect(turned).to.equal(false)
  })

  it('waits for what takes time, and ends with what fails', async () => {
    const done: number[] = []
    const failing = inSlices([1, 2, 3], async (one) => {
      await Promise.resolve()
      if (one === 2) throw new Error('no')
      done.push(one)
    })
    expect(await failing.catch((error: unknown) => String(error))).to.equal('Error: no')
    expect(done).to.deep.equal([1])
  })
})
