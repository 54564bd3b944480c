/** What is counted when somebody asks. */
import { expect } from 'chai'
import { Metrics } from '../../core/metrics.ts'
import { eventGauge, phaseGauges } from '../../res_pjsip_pubsub/metrics.ts'
import type { NotifierSubscription } from '../../res_pjsip_pubsub/subscription.ts'
import { Subscriptions } from '../../res_pjsip_pubsub/subscriptions.ts'

class Watched extends Subscriptions {
  looks = 0

  override *[Symbol.iterator](): IterableIterator<NotifierSubscription> {
    this.looks++
    yield* super[Symbol.iterator]()
  }
}

describe('metrics of subscriptions', () => {
  it('take one look at all of them each time, however many there are', async () => {
    const metrics = new Metrics()
    const subscriptions = new Watched(() => undefined)
    phaseGauges(metrics, subscriptions)
    for (const event of ['dialog', 'presence', 'message-summary']) eventGauge(metrics, event, subscriptions)
    expect(metrics.read().map(([, value]) => value)).to.deep.equal([0, 0, 0, 0, 0, 0])
    expect(subscriptions.looks).to.equal(1)
    await Promise.resolve()
    metrics.read()
    expect(subscriptions.looks).to.equal(2)
  })
})
