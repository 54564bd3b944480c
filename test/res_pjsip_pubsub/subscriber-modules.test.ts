/** The subscriber's role for modules: an event that only they know, over real sockets. */
import { expect } from 'chai'
import type { Undo } from '../../core/scope.ts'
import type { ResponseData } from '../../res_pjsip_pubsub/contract.ts'
import type {
  OutboundDialog,
  OutboundSubscribing,
  SubscriberHandler,
  SubscribeTo,
} from '../../res_pjsip_pubsub/subscriber/contract.ts'
import type { WireMessage } from '../support/phone.ts'
import { SubscriberOffice } from '../support/subscriber.ts'
import { until } from '../support/tools.ts'

const KEYS = 'application/kpml-response+xml'

describe('a subscription of a module', () => {
  let there: SubscriberOffice
  let told: string[]
  let last: OutboundDialog | undefined
  let answer: (text: string) => ResponseData | undefined
  let wanted: boolean

  const handler: SubscriberHandler = {
    event: 'kpml',
    accept: [KEYS],
    notifyRequest(subscription, request) {
      last = subscription
      told.push(`${subscription.id} ${request.header('Subscription-State')} ${request.bodyText}`)
      return answer(request.bodyText)
    },
    refreshSubscription({ id }) {
      told.push(`${id} refresh`)
      return wanted
    },
    subscriptionShutdown: ({ id }) => void told.push(`${id} shutdown`),
  }

  beforeEach(async () => {
    there = await SubscriberOffice.open()
    told = []
    last = undefined
    wanted = true
    answer = () => undefined
  })

  afterEach(() => there.close())

  const api = (): OutboundSubscribing => there.office.loader.api('res_pjsip_outbound_subscribe') as OutboundSubscribing

  async function subscribe(more: Partial<SubscribeTo> = {}): Promise<[WireMessage, Undo]> {
    const to = { id: 'keys', server_uri: there.notifier.uri('100'), max_retry_interval: 1, ...more }
    const undo = api().subscribe(to, handler)
    return [await there.notifier.subscribe(), undo]
  }

  it('asks for its event, and hands it each NOTIFY, whose answer it may choose', async () => {
    const { notifier } = there
    const [asked] = await subscribe({ expiration: 300, from_uri: 'sip:us@here' })
    expect(['event', 'accept', 'expires'].map((name) => asked.header(name))).to.deep.equal(['kpml', KEYS, '300'])
    expect(asked.header('from')).to.include('sip:us@here')
    expect((await notifier.notify(asked)).status).to.equal(200)
    answer = (text) => (text === '#' ? { status: 202, reason: 'Noted', headers: [['X-Mood', 'good']] } : undefined)
    const noted = await notifier.notify(asked, { body: '#' })
    expect([noted.status, noted.reason, noted.header('x-mood')]).to.deep.equal([202, 'Noted', 'good'])
    answer = () => ({ status: 400, reason: 'No Such Key' })
    expect((await notifier.notify(asked, { body: '?' })).status).to.equal(400)
    expect((await notifier.notify(asked, { body: 'x', type: 'text/plain' })).status).to.equal(415)
    const active = 'keys active;expires=600'
    expect(told).to.deep.equal([`${active} `, `${active} #`, `${active} ?`])
    expect(await there.office.run('pjsip show subscription outbound keys')).to.match(/Event +: kpml\n/)
  })

  it('stands, with what the module keeps, where the module fails at a NOTIFY', async () => {
    const [asked] = await subscribe()
    await there.notifier.notify(asked)
    last?.datastores.add('digits', '12')
    answer = () => {
      throw new Error('broken')
    }
    expect((await there.notifier.notify(asked, { body: '3' })).status).to.equal(500)
    expect(there.logged("the module of event kpml (subscription 'keys') failed at notifyRequest: broken")).to.equal(
      true,
    )
    expect(last?.datastores.get('digits')).to.equal('12')
    expect(told).to.not.include('keys shutdown')
  })

  it('ends when the notifier ends it, where the module answers that with nonsense', async () => {
    const [asked] = await subscribe()
    await there.notifier.notify(asked)
    answer = () => ({ status: 42 })
    expect((await there.notifier.notify(asked, { state: 'terminated;reason=noresource' })).status).to.equal(500)
    expect(there.logged("(subscription 'keys') failed at notifyRequest: 42 is no status")).to.equal(true)
    expect(told.at(-1)).to.equal('keys shutdown')
  })

  it('is refreshed in time, when the module is asked, and when it asks', async () => {
    const [asked] = await subscribe()
    await there.notifier.notify(asked, { state: 'active;expires=2' })
    const refresh = await there.notifier.subscribe()
    expect(refresh.header('call-id')).to.equal(asked.header('call-id'))
    expect(told.at(-1)).to.equal('keys refresh')
    await there.notifier.notify(asked)
    last?.refresh()
    expect((await there.notifier.subscribe()).cseq).to.equal(refresh.cseq + 1)
    expect(told.filter((one) => one === 'keys refresh')).to.have.length(1)
  })

  it('runs out where the module wants no refresh', async () => {
    wanted = false
    const [asked] = await subscribe()
    await there.notifier.notify(asked, { state: 'active;expires=1' })
    await until('the end', () => told.at(-1) === 'keys shutdown')
    expect(await there.office.run('pjsip show subscription outbound keys')).to.match(/State +: over\n/)
    expect(there.notifier.subscribes).to.have.length(1)
  })

  it('is begun anew where the notifier ends it, and ended there when the module goes', async () => {
    const [asked, undo] = await subscribe()
    await there.notifier.notify(asked, { state: 'terminated;reason=deactivated' })
    expect(told).to.deep.equal(['keys terminated;reason=deactivated ', 'keys shutdown'])
    const again = await there.notifier.subscribe()
    expect(again.header('call-id')).to.not.equal(asked.header('call-id'))
    await there.notifier.notify(again)
    const left = undo()
    const bye = await there.notifier.subscribe()
    expect([bye.header('call-id'), bye.header('expires')]).to.deep.equal([again.header('call-id'), '0'])
    await there.notifier.notify(again, { state: 'terminated;reason=timeout' })
    await left
    expect(told.slice(-2)).to.deep.equal(['keys terminated;reason=timeout ', 'keys shutdown'])
    expect(await there.office.run('pjsip list subscriptions outbound')).to.match(/\n0 active subscriptions$/)
  })

  it('is not begun where it accepts nothing, and leaves its name to the next one', async () => {
    const nothing = { ...handler, accept: undefined as unknown as SubscriberHandler['accept'] }
    expect(() => api().subscribe({ id: 'keys', server_uri: there.notifier.uri('100') }, nothing)).to.throw(
      'to kpml accepts no body type',
    )
    await subscribe()
  })

  it('has a name of its own, and outlives a reload', async () => {
    await subscribe()
    expect(() => api().subscribe({ id: 'keys', server_uri: 'sip:x@y' }, handler)).to.throw("a subscription 'keys'")
    there.configure({ there: { event: 'dialog', device: 'Remote:100' } })
    await there.notifier.subscribe()
    const listed = await there.office.run('pjsip list subscriptions outbound')
    expect(listed).to.include('there/').and.include('keys/').and.include('/kpml')
    expect(() => api().subscribe({ id: 'there', server_uri: 'sip:x@y' }, handler)).to.throw("a subscription 'there'")
  })
})
