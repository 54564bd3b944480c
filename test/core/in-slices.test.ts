import { expect } from 'chai'
import { inSlices, Share } from '../../core/in-slices.ts'

/** Time goes by with work only, so that a slice is as much on any machine. */
function timeOfWork(): (milliseconds: number) => void {
  let now = 0
  before(() => {
    performance.now = () => now
  })
  after(() => {
    Reflect.deleteProperty(performance, 'now')
  })
  return (milliseconds) => {
    now += milliseconds
  }
}

describe('work in slices', () => {
  const busy = timeOfWork()

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

describe('a share of each turn', () => {
  const busy = timeOfWork()
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve)
    })

  it('does at once what fits into it, and the rest later, in its order', async () => {
    const share = new Share()
    const done: number[] = []
    const late: number[] = []
    const inTurns: number[] = []
    const all = Array.from({ length: 40 }, async (_, index) =>
      share.take((isLate) => {
        busy(1)
        done.push(index)
        if (isLate) late.push(index)
        return index
      }),
    )
    expect(done).to.have.length.within(1, 4)
    expect(late).to.deep.equal([])
    const atOnce = done.length
    while (done.length < all.length) {
      const before = done.length
      await turn()
      inTurns.push(done.length - before)
    }
    expect(await Promise.all(all)).to.deep.equal(done)
    expect(late).to.deep.equal(done.slice(atOnce))
    expect(Math.max(...inTurns)).to.be.within(1, 8)
    await turn()
    await turn()
    expect(share.take((isLate) => isLate)).to.equal(false)
  })

  it('gives what fails to whoever asked for it, and goes on', async () => {
    const share = new Share()
    const failing = (): never => {
      throw new Error('it fails')
    }
    void share.take(() => busy(5))
    const refused = Promise.resolve(share.take(failing)).catch((error: unknown) => String(error))
    const rejected = Promise.resolve(share.take(() => Promise.reject(new Error('later')))).catch(String)
    const fine = share.take(() => 'fine')
    expect([await refused, await rejected, await fine]).to.deep.equal(['Error: it fails', 'Error: later', 'fine'])
    await turn()
    await turn()
    expect(() => share.take(failing)).to.throw('it fails')
  })
})
