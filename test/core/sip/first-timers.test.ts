import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { FirstTimers } from '../../../core/sip/first-timers.ts'
import { TimerWheel } from '../../../core/sip/timer-wheel.ts'
import { until } from '../../support/tools.ts'

describe('first timers', () => {
  let wheel: TimerWheel
  let fired: number[]

  beforeEach(() => {
    wheel = new TimerWheel()
    fired = []
  })

  afterEach(() => wheel.stop())

  const timers = (wait: number, due: (place: number, sentAt: number) => boolean = () => true): FirstTimers =>
    new FirstTimers(
      wheel,
      () => wait,
      (place, sentAt) => {
        fired.push(place)
        expect(performance.now()).to.be.at.least(sentAt + wait)
        return due(place, sentAt)
      },
    )

  it('fire in the order of sending, never early, with one timer for all', async () => {
    const first = timers(30)
    for (let place = 0; place < 10; place++) first.add(place, performance.now())
    expect(wheel.size).to.equal(1)
    await pause(15)
    for (let place = 10; place < 20; place++) first.add(place, performance.now())
    expect(fired).to.deep.equal([])
    await until('all', () => fired.length === 20)
    expect(fired).to.deep.equal(Array.from({ length: 20 }, (_, at) => at))
    expect(wheel.size).to.equal(0)
  })

  it('keep their order where there are more than there was room for, and some have fired already', async () => {
    const first = timers(30, () => false)
    let place = 0
    for (const many of [700, 900, 3000]) {
      for (let n = 0; n < many; n++) first.add(place++, performance.now())
      await pause(20)
    }
    await until('all', () => fired.length === place)
    expect(fired).to.deep.equal(Array.from({ length: place }, (_, at) => at))
  })

  it('let others run between those that have something to do', async () => {
    const busy = (): boolean => {
      const end = performance.now() + 0.2
      while (performance.now() < end);
      return true
    }
    const first = timers(10, busy)
    for (let place = 0; place < 200; place++) first.add(place, performance.now())
    const seen = new Set<number>()
    while (fired.length < 200) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      seen.add(fired.length)
    }
    // 40 ms of work.
    expect(seen.size).to.be.above(4)
  })
})
