import { expect } from 'chai'
import { NotifyQueue } from '../../res_pjsip_pubsub/notify-queue.ts'
import { until } from '../support/tools.ts'

describe('notify queue: turns', () => {
  it('gives each its turn, in order', async () => {
    const queue = new NotifyQueue()
    const order: number[] = []
    for (let n = 0; n < 5000; n++) queue.push({ turn: () => void order.push(n) })
    expect(order).to.deep.equal([])
    expect(queue.length).to.equal(5000)
    await until('all turns', () => queue.length === 0)
    expect(order).to.deep.equal(Array.from({ length: 5000 }, (_, n) => n))
  })

  it('lets others run between its slices', async () => {
    const queue = new NotifyQueue()
    let done = 0
    const busy = (): void => {
      const end = performance.now() + 0.05
      while (performance.now() < end);
      done++
    }
    for (let n = 0; n < 1000; n++) queue.push({ turn: busy })
    const seen: number[] = []
    while (queue.length > 0) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      seen.push(done)
    }
    // 50 ms of work in slices of a few: somebody else had a look many times.
    expect(new Set(seen).size).to.be.above(4)
    expect(done).to.equal(1000)
  })

  it('lets one that comes back at once wait for the next slice', async () => {
    const queue = new NotifyQueue()
    let turns = 0
    const again = { turn: (): void => void (++turns < 10 && queue.push(again)) }
    queue.push(again)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    expect(turns).to.equal(1)
    await until('ten turns', () => turns === 10)
  })

  it('stops, also in the middle of a slice', async () => {
    const queue = new NotifyQueue()
    const turns: string[] = []
    queue.push({
      turn: () => {
        turns.push('first')
        queue.stop()
      },
    })
    queue.push({ turn: () => void turns.push('second') })
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
    expect(turns).to.deep.equal(['first'])
    expect(queue.length).to.equal(0)
    queue.push({ turn: () => void turns.push('later') })
    await until('a turn after the stop', () => turns.includes('later'))
  })
})
