import { expect } from 'chai'
import { Timed, TimerWheel } from '../../../core/sip/timer-wheel.ts'
import { until } from '../../support/tools.ts'

class Probe extends Timed {
  readonly times: number[] = []
  readonly #then: (probe: Probe) => void

  constructor(then: (probe: Probe) => void = () => undefined) {
    super()
    this.#then = then
  }

  fire(): void {
    this.times.push(performance.now())
    this.#then(this)
  }
}

describe('timer wheel', () => {
  let wheel: TimerWheel

  beforeEach(() => {
    wheel = new TimerWheel()
  })

  afterEach(() => wheel.stop())

  it('takes any time, also more than Node takes at once', async () => {
    const warned: string[] = []
    const hear = ({ name }: Error): void => void warned.push(name)
    process.on('warning', hear)
    const probe = new Probe()
    wheel.arm(probe, 2 ** 40)
    // Warnings are told in the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', hear)
    expect([warned, probe.times, wheel.size]).to.deep.equal([[], [], 1])
  })

  it('fires each timer once, never early, in the order of their times', async () => {
    const order: number[] = []
    const started = performance.now()
    const delays = [70, 10, 40, 0, 20, 40]
    const probes = delays.map((delay) => new Probe(() => order.push(delay)))
    probes.forEach((probe, at) => wheel.arm(probe, delays[at] ?? 0))
    await until('fired timers', () => order.length === delays.length)
    expect(order).to.deep.equal([0, 10, 20, 40, 40, 70])
    for (const [at, probe] of probes.entries()) expect((probe.times[0] ?? 0) - started).to.be.at.least(delays[at] ?? 0)
    expect(wheel.size).to.equal(0)
  })

  it('forgets what is cancelled, and moves what is armed again', async () => {
    const cancelled = new Probe()
    const moved = new Probe()
    const last = new Probe()
    wheel.arm(cancelled, 20)
    wheel.arm(moved, 20)
    wheel.arm(moved, 60)
    wheel.arm(last, 90)
    wheel.cancel(cancelled)
    wheel.cancel(cancelled)
    expect(wheel.size).to.equal(2)
    await until('fired timers', () => last.times.length === 1)
    expect(cancelled.times).to.have.length(0)
    expect(moved.times).to.have.length(1)
  })

  it('lets a timer arm itself and cancel its neighbours while it fires', async () => {
    const neighbours: Probe[] = []
    const killer = new Probe(() => neighbours.forEach((neighbour) => wheel.cancel(neighbour)))
    const again = new Probe((probe) => probe.times.length < 3 && wheel.arm(probe, 0))
    for (let i = 0; i < 50; i++) neighbours.push(new Probe())
    // Of one slot the last that was armed fires first.
    for (const neighbour of neighbours) wheel.arm(neighbour, 30)
    wheel.arm(killer, 20)
    wheel.arm(again, 30)
    await until('fired timers', () => again.times.length === 3)
    expect(neighbours.every((neighbour) => neighbour.times.length === 0)).to.equal(true)
  })

  it('keeps timers that are due more than a turn from now, also when the clock jumps', async () => {
    let jumped = 0
    const jumping = new TimerWheel(() => performance.now() + jumped)
    const probe = new Probe()
    jumping.arm(probe, 60_000)
    for (const jump of [41_000, 18_500]) {
      jumped += jump
      const now = new Probe()
      jumping.arm(now, 10)
      await until('the short timer', () => now.times.length === 1)
      expect(probe.times).to.have.length(0)
    }
    jumped += 300_000
    jumping.arm(new Probe(), 10)
    await until('the long timer', () => probe.times.length === 1)
    jumping.stop()
  })

  it('shares the event loop while ten thousand timers are due together', async () => {
    let fired = 0
    let turns = 0
    const work = (): void => {
      const until = performance.now() + 0.01
      while (performance.now() < until);
      fired++
    }
    for (let i = 0; i < 10_000; i++) wheel.arm(new Probe(work), 10)
    const count = (): void => {
      turns++
      if (fired < 10_000) setImmediate(count)
    }
    setImmediate(count)
    await until('fired timers', () => fired === 10_000)
    expect(turns).to.be.above(10)
  })

  it('goes on with the others where one throws', async () => {
    const thrown: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => thrown.push(error))
    try {
      const others = [new Probe(), new Probe()]
      wheel.arm(others[0] ?? new Probe(), 20)
      wheel.arm(
        new Probe(() => {
          throw new Error('a bug')
        }),
        20,
      )
      wheel.arm(others[1] ?? new Probe(), 40)
      await until('fired timers', () => others.every((other) => other.times.length === 1))
      expect(thrown).to.have.length(1)
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })
})
