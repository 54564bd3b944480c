/** NOTIFYs of providers that nobody asked for (`incoming_mwi_mailbox`). */
import { expect } from 'chai'
import { pjsipConfig, type TestCoreSettings } from '../support/core.ts'
import { settled } from '../support/lamp-office.ts'
import type { WireMessage } from '../support/phone.ts'
import { SubscriberOffice } from '../support/subscriber.ts'
import { until } from '../support/tools.ts'

const SUMMARY = 'Messages-Waiting: yes\r\nMessage-Account: sip:100@provider\r\nVoice-Message: 4/2 (0/0)\r\n'

describe('unsolicited NOTIFYs of a provider', () => {
  let there: SubscriberOffice

  const SETTINGS: TestCoreSettings = {
    endpoints: { provider: { incoming_mwi_mailbox: '100@there' }, other: {} },
    identifies: { provider: { endpoint: 'provider', match: ['127.0.0.1'] } },
  }

  beforeEach(async () => {
    there = await SubscriberOffice.open(SETTINGS)
  })

  afterEach(() => there.close())

  function notify(
    body: string,
    {
      event = 'message-summary',
      type = 'application/simple-message-summary',
      state = '',
      from = 'provider',
      coding = '',
    } = {},
  ): Promise<WireMessage> {
    return there.notifier.request('NOTIFY', {
      from: `<sip:${from}@127.0.0.1>`,
      body,
      headers: [
        ...(event === '' ? [] : [['Event', event] as const]),
        ...(state === '' ? [] : [['Subscription-State', state] as const]),
        ...(body === '' ? [] : [['Content-Type', type] as const]),
        ...(coding === '' ? [] : [['Content-Encoding', coding] as const]),
      ],
    })
  }

  it('count for the mailbox of the endpoint', async () => {
    expect((await notify(SUMMARY)).status).to.equal(200)
    expect(there.mailbox()).to.equal('4/2')
    expect(there.office.core.mailboxes.reports('100@there').map(({ origin }) => origin)).to.deep.equal([
      'endpoint/provider',
    ])
    expect((await notify('Messages-Waiting: no\r\n', { state: 'active', event: '' })).status).to.equal(200)
    expect(there.mailbox()).to.equal('0/0')
  })

  it('are refused where they cannot be used', async () => {
    const strange = await notify(SUMMARY, { event: 'check-sync' })
    expect([strange.status, strange.header('allow-events')]).to.deep.equal([489, 'message-summary'])
    expect((await notify(SUMMARY, { type: 'text/plain' })).status).to.equal(415)
    expect((await notify('')).status).to.equal(415)
    const packed = await notify(SUMMARY, { coding: 'gzip' })
    expect([packed.status, packed.header('accept-encoding')]).to.deep.equal([415, 'identity'])
    const broken = await notify('Voice-Message: x/y')
    expect([broken.status, broken.reason]).to.deep.equal([400, 'Malformed Message Counts'])
    expect(there.mailbox()).to.equal('0/0')
  })

  it('are 404 to an Asterisk wherever they cannot be used', async () => {
    there.office.general({ compat: 'asterisk' })
    for (const answer of [await notify(SUMMARY, { event: 'check-sync' }), await notify('Voice-Message: x/y')])
      expect(answer.status).to.equal(404)
  })

  it('are of nobody where the endpoint has no such mailbox', async () => {
    const { identifies: _, ...others } = SETTINGS
    there.office.core.endpoints.replace(pjsipConfig({ ...others }))
    expect((await notify(SUMMARY, { from: 'other' })).status).to.equal(481)
    expect((await notify(SUMMARY, { from: 'stranger' })).status).to.equal(401)
    expect((await notify(SUMMARY)).status).to.equal(200)
  })

  it('need the credentials that the endpoint has to have', async () => {
    const auths = { provider: { username: 'provider', password: 'secret' } }
    const endpoints = { provider: { incoming_mwi_mailbox: '100@there', auth: ['provider'] } }
    there.office.core.endpoints.replace(pjsipConfig({ ...SETTINGS, endpoints, auths }))
    expect((await notify(SUMMARY)).status).to.equal(401)
    expect(there.mailbox()).to.equal('0/0')
  })

  it('are forgotten when the mailbox is another one', async () => {
    await notify(SUMMARY)
    const endpoints = { provider: { incoming_mwi_mailbox: '200@there' } }
    there.office.core.endpoints.replace(pjsipConfig({ ...SETTINGS, endpoints }))
    expect(there.mailbox()).to.equal('0/0')
    await notify(SUMMARY)
    expect([there.mailbox(), there.mailbox('200@there')]).to.deep.equal(['0/0', '4/2'])
  })

  it('are forgotten when nobody knows the endpoint any more, and not while that cannot be said', async () => {
    const { endpoints } = there.office.core
    await notify(SUMMARY)
    let isAway = true
    endpoints.addSource({
      name: 'pbx1',
      endpoint: async () => undefined,
      aor: async () => undefined,
      auth: async () => undefined,
      couldNotAsk: () => isAway,
    })
    endpoints.replace(pjsipConfig({ endpoints: { other: {} } }))
    await settled()
    expect(there.mailbox()).to.equal('4/2')
    isAway = false
    endpoints.changed()
    await until('it is forgotten', () => there.mailbox() === '0/0')
  })
})
