import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { WANT } from '../../res_pjsip_pubsub/delivery.ts'
import { pubsubConfig } from '../../res_pjsip_pubsub/options.ts'
import { Reviver } from '../../res_pjsip_pubsub/reviver.ts'
import type { NotifierSubscription } from '../../res_pjsip_pubsub/subscription.ts'
import { until } from '../support/tools.ts'

describe('subscriptions that wait for their state', () => {
  let asked: number
  let reviver: Reviver

  beforeEach(() => {
    asked = 0
    const services = {
      registry: { package: () => void asked++ },
      settings: () => defaultsOf(pubsubConfig.set),
      now: Date.now,
      log: new Log().logger('test'),
    }
    // It asks nothing else of them while there is no package.
    reviver = new Reviver(services as unknown as ConstructorParameters<typeof Reviver>[0])
    reviver.add({ event: 'lamp', phase: 'waiting' } as NotifierSubscription, 60, WANT.forced)
  })

  afterEach(() => reviver.stop())

  it('are looked up at once when all modules are loaded', async function () {
    // On a machine that is busy.
    this.retries(3)
    const began = performance.now()
    reviver.begin()
    await until('a lookup', () => asked > 0)
    expect(performance.now() - began).to.be.below(90)
  })

  it('are looked up a moment after the last registration otherwise', async () => {
    const began = performance.now()
    reviver.registered()
    await until('a lookup', () => asked > 0)
    expect(performance.now() - began).to.be.above(95)
  })

  it('are not looked up any more when all of it is over', async () => {
    reviver.stop()
    reviver.begin()
    await pause(20)
    expect(asked).to.equal(0)
  })
})
