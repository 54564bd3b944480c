import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { NotifyQueue, paceOf } from '../../res_pjsip_pubsub/notify-queue.ts'
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

  it('reads as many answers as it sends NOTIFYs', async () => {
    const queue = new NotifyQueue()
    let turns = 0
    for (let n = 0; n < 1000; n++) queue.push({ turn: () => void turns++ })
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    // Node reads 32 datagrams of a socket before it looks at anything else.
    expect(turns).to.be.within(1, 32)
    await until('all turns', () => turns === 1000)
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

  it('spreads what came together evenly over the time there is, and keeps the order', async () => {
    const queue = new NotifyQueue(() => ({ interval: 20, within: 200, parts: 2 }))
    const order: number[] = []
    const atPolls: number[] = []
    for (let n = 0; n < 100; n++) queue.push({ turn: () => void order.push(n) })
    await until('all turns', () => {
      if (atPolls.at(-1) !== order.length) atPolls.push(order.length)
      return queue.length === 0
    })
    expect(order).to.deep.equal(Array.from({ length: 100 }, (_, n) => n))
    // Not at once, and not one by one: a busy machine makes it fewer steps, never a hundred.
    expect(atPolls.length).to.be.within(4, 14)
  })

  it('goes on at once when nothing is to be spread any more', async () => {
    let spread = true
    const queue = new NotifyQueue(() => (spread ? { interval: 1, within: 3_600_000, parts: 1 } : undefined))
    let turns = 0
    for (let n = 0; n < 1000; n++) queue.push({ turn: () => void turns++ })
    await until('a first poll', () => turns > 0)
    expect(turns).to.be.below(1000)
    spread = false
    await until('all turns', () => turns === 1000)
  })

  it('spreads what comes from now on, behind what came when nothing was spread', async () => {
    let spread = false
    const queue = new NotifyQueue(() => (spread ? { interval: 1, within: 3_600_000, parts: 1 } : undefined))
    const order: number[] = []
    for (let n = 0; n < 100; n++) queue.push({ turn: () => void order.push(n) })
    spread = true
    for (let n = 100; n < 1000; n++) queue.push({ turn: () => void order.push(n) })
    await until('the first hundred and a poll', () => order.length > 100)
    // Their hour begins when they came, not before there was one.
    expect(order.length).to.be.below(1000)
    expect(order).to.deep.equal(order.map((_, n) => n))
    queue.stop()
  })

  it('stops while turns are spread', async () => {
    const queue = new NotifyQueue(() => ({ interval: 1, within: 1, parts: 1 }))
    let turns = 0
    queue.push({ turn: () => void turns++ })
    queue.stop()
    expect(queue.length).to.equal(0)
    queue.push({ turn: () => void turns++ })
    await until('a turn after the stop', () => queue.length === 0)
    expect(turns).to.equal(1)
  })

  it('gives the others their turns where one throws', async () => {
    const usual = process.listeners('uncaughtException')
    const faults: string[] = []
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => faults.push(error.message))
    try {
      const queue = new NotifyQueue()
      const turns: number[] = []
      for (let n = 0; n < 100; n++)
        queue.push({
          turn: () => {
            if (n % 50 === 0) throw new Error(`broken ${n}`)
            turns.push(n)
          },
        })
      await until('all turns', () => turns.length === 98)
      expect(faults).to.deep.equal(['broken 0', 'broken 50'])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const each of usual) process.on('uncaughtException', each)
    }
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
    await pause(20)
    expect(turns).to.deep.equal(['first'])
    expect(queue.length).to.equal(0)
    queue.push({ turn: () => void turns.push('later') })
    await until('a turn after the stop', () => turns.includes('later'))
  })
})

describe('notify queue: the pace', () => {
  const settings = { waitn_time: 5, notifier_poll_rate: 10, notifier_processes: 2 }

  it('is that of waitn_time, notifier_poll_rate and notifier_processes, in database mode', () => {
    expect(paceOf(settings, 3)).to.deep.equal({ interval: 100, within: 5000, parts: 2 })
  })

  it('is at once in the other modes, and without processes', () => {
    for (const mode of [0, 1, 2]) expect(paceOf(settings, mode)).to.equal(undefined)
    expect(paceOf({ ...settings, notifier_processes: 0 }, 3)).to.equal(undefined)
    expect(paceOf({ ...settings, notifier_processes: -1 }, 3)).to.equal(undefined)
  })
})
