/** The names of Asterisk's design page, row by row of the table in the README. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import type { Subscription } from '../../res_pjsip_pubsub/contract.ts'
import type { OutboundSubscribing, SubscriberHandler } from '../../res_pjsip_pubsub/subscriber/contract.ts'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps, TEXT } from '../support/lamps.ts'
import type { WireMessage } from '../support/phone.ts'
import { testReadmeNames } from '../support/readme-names.ts'
import { dialogInfo, SubscriberOffice } from '../support/subscriber.ts'
import { until } from '../support/tools.ts'

const FOLDER = new URL('../../res_pjsip_pubsub/', import.meta.url)

/** With a subscription of a module's, its SUBSCRIBE, and the bodies that it was told. */
async function watchingForModule(
  more: Partial<SubscriberHandler>,
  look: (there: SubscriberOffice, subscribe: WireMessage, told: readonly string[]) => Promise<void>,
): Promise<void> {
  const there = await SubscriberOffice.open()
  const told: string[] = []
  try {
    const api = there.office.loader.api('res_pjsip_outbound_subscribe') as OutboundSubscribing
    api.subscribe(
      { id: 'keys', server_uri: there.notifier.uri('100') },
      {
        event: 'kpml',
        accept: ['application/kpml-response+xml'],
        notifyRequest(_subscription, { bodyText }) {
          told.push(bodyText)
          return bodyText === '?' ? { status: 400, reason: 'No Such Key' } : undefined
        },
        ...more,
      },
    )
    await look(there, await there.notifier.subscribe(), told)
  } finally {
    await there.close()
  }
}

/** With a subscription of ours, and its SUBSCRIBE. */
async function watchingElsewhere(
  look: (there: SubscriberOffice, subscribe: WireMessage) => Promise<void>,
): Promise<void> {
  const there = await SubscriberOffice.open()
  try {
    await look(there, await there.subscribe())
  } finally {
    await there.close()
  }
}

describe('names of the design page', () => {
  let made: LampOffice
  let lamps: Lamps
  let called: [string, ...unknown[]][]

  /** A package with every callback there is. */
  class Told extends Lamps {
    newSubscribe(watcher: { uri: string }, resource: string): { status: number; body: string } | undefined {
      called.push(['newSubscribe', watcher.uri, resource])
      return resource === 'never' ? { status: 403, body: 'no' } : undefined
    }
    subscriptionEstablished(subscription: Subscription): void {
      called.push(['established', subscription.id])
    }
    resubscribe(
      subscription: Subscription,
      request: { method: string },
    ): { status: number; reason: string } | undefined {
      called.push(['resubscribe', subscription.id, request.method])
      return this.answer
    }
    subscriptionTimeout(subscription: Subscription): void {
      called.push(['timeout', subscription.id])
    }
    subscriptionTerminated(subscription: Subscription, request: { method: string }): void {
      called.push(['terminated', subscription.id, request.method])
    }
    notifyResponse(subscription: Subscription, outcome: { kind: string }): void {
      called.push(['notifyResponse', subscription.id, outcome.kind])
    }
    subscriptionShutdown(subscription: Subscription): void {
      called.push(['shutdown', subscription.id, subscription.state])
    }
    answer: { status: number; reason: string } | undefined
  }

  beforeEach(async () => {
    called = []
    lamps = new Told()
    made = await lampOffice({ lamps })
  })

  afterEach(() => made.office.close())

  const names = (): string[] => called.map(([name]) => name)

  async function subscribe(): Promise<[FakeTransaction, Subscription]> {
    const tx = await made.sip.subscribe('200')
    await settled()
    const subscription = [...made.pubsub.subscriptions].at(-1)
    if (!subscription) throw new Error('there is no subscription')
    return [tx, subscription]
  }

  it('ast_sip_subscription', async () => {
    const [tx, subscription] = await subscribe()
    expect(subscription).to.include({ event: 'lamp', eventId: '', resource: '200', contentType: TEXT, state: 'active' })
    expect(subscription.watcher).to.equal('sip:100@pbx.example')
    expect(subscription.userAgent).to.equal('Phone/1.0')
    expect(subscription.dialog).to.equal(tx.dialog)
  })

  it('ast_sip_subscription_role', async () => {
    const [tx] = await subscribe()
    expect(made.sip.wire).to.deep.equal(['200 SUBSCRIBE', 'NOTIFY 1'])
    expect(tx.dialog.last.header('Event')).to.equal('lamp')
  })

  it('AST_SIP_NOTIFIER', async () => {
    const [tx, subscription] = await subscribe()
    expect([subscription.event, subscription.dialog]).to.deep.equal([lamps.event, tx.dialog])
  })

  it('AST_SIP_SUBSCRIBER', async () => {
    await watchingElsewhere(async ({ notifier, office }, subscribe) => {
      expect(subscribe.header('event')).to.equal('dialog')
      expect((await notifier.notify(subscribe, { body: dialogInfo({}) })).status).to.equal(200)
      await until('what it was told', () => office.core.devices.get('Remote:100') === 'NOT_INUSE')
    })
  })

  it('ast_sip_create_subscription', async () => {
    expect([...made.pubsub.subscriptions]).to.have.length(0)
    await subscribe()
    expect([...made.pubsub.subscriptions]).to.have.length(1)
  })

  it('ast_sip_subscription_get_endpoint', async () => {
    const [, subscription] = await subscribe()
    expect(subscription.endpoint).to.equal(made.office.core.endpoints.files.endpoints.get('100'))
  })

  it('ast_sip_subscription_get_serializer', async () => {
    made.sip.autoAnswer = undefined
    const [tx] = await subscribe()
    for (const light of ['a', 'b', 'c']) lamps.set('200', light)
    await settled()
    expect(tx.dialog.notifies).to.have.length(1)
    tx.dialog.last.answer(200)
    await settled()
    expect(tx.dialog.notifies.map((notify) => notify.text)).to.deep.equal(['off', 'c'])
  })

  it('ast_sip_subscription_get_evsub', async () => {
    const [tx, subscription] = await subscribe()
    expect(subscription.expires).to.be.closeTo(Date.now() + 600_000, 2000)
    await made.sip.again(tx, { Expires: '0' })
    expect(subscription.state).to.equal('terminated')
  })

  it('ast_sip_subscription_send_request', async () => {
    const [tx, subscription] = await subscribe()
    subscription.notify()
    await settled()
    subscription.terminate('probation', 30)
    await settled()
    expect(tx.dialog.notifies.map((notify) => notify.state)).to.deep.equal([
      'active;expires=600',
      'active;expires=600',
      'terminated;reason=probation;retry-after=30',
    ])
  })

  it('ast_sip_subscription_alloc_datastore', async () => {
    const [, { datastores }] = await subscribe()
    expect(datastores.add('a', 1, 'my-uid')).to.equal('my-uid')
    const [one, two] = [datastores.add('b', 2), datastores.add('c', 3)]
    expect(one).not.to.equal('')
    expect(one).not.to.equal(two)
  })

  it('ast_sip_subscription_add_datastore', async () => {
    const [tx, { datastores }] = await subscribe()
    datastores.add('counter', { n: 1 })
    expect(() => datastores.add('counter', 2)).to.throw('has a datastore counter already')
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(datastores.get('counter')).to.equal(undefined)
  })

  it('ast_sip_subscription_get_datastore', async () => {
    const [, { datastores }] = await subscribe()
    const kept = { n: 1 }
    datastores.add('counter', kept)
    expect(datastores.get('counter')).to.equal(kept)
    expect(datastores.get('other')).to.equal(undefined)
  })

  it('ast_sip_subscription_remove_datastore', async () => {
    const [, { datastores }] = await subscribe()
    datastores.add('counter', 1)
    expect([datastores.remove('counter'), datastores.remove('counter')]).to.deep.equal([true, false])
    datastores.add('counter', 2)
    expect(datastores.get('counter')).to.equal(2)
  })

  it('ast_sip_subscription_response_data', async () => {
    const refused = await made.sip.subscribe('never')
    expect(refused.given).to.deep.equal({ status: 403, body: 'no' })
    const [tx] = await subscribe()
    ;(lamps as Told).answer = { status: 202, reason: 'Noted' }
    const noted = await made.sip.again(tx, { Expires: '60' })
    expect([noted.status, noted.given?.reason, noted.header('Expires')]).to.deep.equal([202, 'Noted', '60'])
    ;(lamps as Told).answer = { status: 403, reason: 'No More' }
    const no = await made.sip.again(tx)
    expect([no.status, no.given?.reason]).to.deep.equal([403, 'No More'])
  })

  it('ast_sip_subscription_handler', async () => {
    const [tx] = await subscribe()
    await made.sip.again(tx)
    await settled()
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(names()).to.deep.equal([
      'newSubscribe',
      'established',
      'notifyResponse',
      'resubscribe',
      'notifyResponse',
      'terminated',
      'notifyResponse',
      'shutdown',
    ])
  })

  it('event_name', async () => {
    expect(made.pubsub.events).to.deep.equal(['lamp'])
    expect((await made.sip.subscribe('200', { Event: 'lamp' })).status).to.equal(200)
    expect((await made.sip.subscribe('200', { Event: 'lamps' })).status).to.equal(489)
  })

  it('accept', async () => {
    const tx = await made.sip.subscribe('200', { Accept: undefined })
    await settled()
    expect(tx.dialog.last.body?.contentType).to.equal(lamps.accept[0])
  })

  it('subscription_shutdown', async () => {
    const [tx, { id }] = await subscribe()
    made.sip.autoAnswer = 481
    lamps.set('200', 'on')
    await settled()
    expect(called.at(-1)).to.deep.equal(['shutdown', id, 'terminated'])
    expect(tx.dialog.disposed).to.equal(true)
    expect(names().filter((name) => name === 'shutdown')).to.have.length(1)
  })

  it('new_subscribe', async () => {
    await subscribe()
    expect(called[0]).to.deep.equal(['newSubscribe', 'sip:100@pbx.example', '200'])
    expect(lamps.asked).to.have.length(1)
    await made.sip.subscribe('never')
    expect(lamps.asked).to.have.length(1)
  })

  it('resubscribe', async () => {
    const [tx, { id }] = await subscribe()
    await made.sip.again(tx)
    expect(called.at(-1)).to.deep.equal(['resubscribe', id, 'SUBSCRIBE'])
  })

  it('subscription_timeout', async () => {
    const [tx, { id }] = await subscribe()
    await made.sip.again(tx, { Expires: '1' })
    await until('the end', () => tx.dialog.disposed)
    expect(called).to.deep.include(['timeout', id])
    expect(names()).not.to.include('terminated')
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
  })

  it('subscription_terminated', async () => {
    const [tx, { id }] = await subscribe()
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(called).to.deep.include(['terminated', id, 'SUBSCRIBE'])
    expect(names()).not.to.include('timeout')
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
  })

  it('subscription_terminated of one who may not renew: nobody is kept from ending it', async () => {
    const [tx] = await subscribe()
    ;(lamps as Told).answer = { status: 403, reason: 'No More' }
    expect((await made.sip.again(tx)).status).to.equal(403)
    expect((await made.sip.again(tx, { Expires: '0' })).status).to.equal(200)
    await settled()
    expect(names().filter((name) => name === 'resubscribe')).to.have.length(1)
    expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
  })

  it('notify_response', async () => {
    made.sip.autoAnswer = undefined
    const [tx, { id }] = await subscribe()
    tx.dialog.last.timeout()
    expect(called.at(-1)).to.deep.equal(['notifyResponse', id, 'timeout'])
  })

  it('notify_request', async () => {
    await watchingForModule({}, async ({ notifier }, subscribe, told) => {
      const answers = [await notifier.notify(subscribe, { body: '1' }), await notifier.notify(subscribe, { body: '?' })]
      expect(answers.map(({ status, reason }) => [status, reason])).to.deep.equal([
        [200, 'OK'],
        [400, 'No Such Key'],
      ])
      expect(told).to.deep.equal(['1', '?'])
    })
  })

  it('refresh_subscription', async () => {
    const asked: string[] = []
    const refreshSubscription = ({ id }: { id: string }): boolean => asked.push(id) > 0
    await watchingForModule({ refreshSubscription }, async ({ notifier }, subscribe) => {
      await notifier.notify(subscribe, { state: 'active;expires=2' })
      const refresh = await notifier.subscribe()
      expect(asked).to.deep.equal(['keys'])
      expect(refresh.header('call-id')).to.equal(subscribe.header('call-id'))
      expect(refresh.cseq).to.be.above(subscribe.cseq)
    })
  })

  it('ast_sip_register_subscription_handler', async () => {
    const other = new Lamps('other')
    other.set('1', 'off')
    expect((await made.sip.subscribe('1', { Event: 'other' })).status).to.equal(489)
    made.pubsub.eventPackage(other)
    expect((await made.sip.subscribe('1', { Event: 'other' })).status).to.equal(200)
    expect(() => made.pubsub.eventPackage(new Lamps('other'))).to.throw('has a package already')
  })

  it('ast_sip_unregister_subscription_handler', async () => {
    const undo = made.pubsub.eventPackage(new Lamps('other'))
    await undo()
    expect(made.pubsub.events).to.deep.equal(['lamp'])
    expect((await made.sip.subscribe('1', { Event: 'other' })).status).to.equal(489)
  })

  testReadmeNames("What Asterisk's design page calls it")

  it('names every file of the folder in the README', () => {
    const text = readFileSync(new URL('README.md', FOLDER), 'utf8')
    const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts'))) expect(text).to.include(`\`${file}\``)
  })
})
