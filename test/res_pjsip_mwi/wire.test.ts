import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import mwi from '../../res_pjsip_mwi/res_pjsip_mwi.ts'
import mwiBody from '../../res_pjsip_mwi/res_pjsip_mwi_body_generator.ts'
import pubsubModule from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { pjsipConfig, TestCore } from '../support/core.ts'
import { TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

describe('message-summary on the wire', () => {
  for (const protocol of ['udp', 'tcp'] as const) {
    it(`reaches a phone that registers, and one that subscribes as well, over ${protocol}`, async () => {
      const office = await TestCore.start({
        contacts: 'registrar',
        transports: { udp: {}, tcp: { protocol: 'tcp' } },
        endpoints: {
          100: { aors: ['100'], mailboxes: ['100'], voicemail_extension: '*97' },
        },
        aors: { 100: { max_contacts: 2, mailboxes: ['100'] } },
      })
      await office.load(pubsubModule, mwiBody, mwi)
      const listening = office.addresses.find((text) => text.startsWith(protocol)) ?? ''
      const port = Number(listening.slice(listening.lastIndexOf(':') + 1))
      const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, protocol, user: '100' })
      try {
        office.core.mailboxes.set('pbx1', '100@default', { newMessages: 2, oldMessages: 1 })
        const registered = await phone.request('REGISTER', {
          uri: `sip:127.0.0.1:${port}`,
          to: `<sip:100@127.0.0.1:${port}>`,
          headers: [['Expires', '600']],
        })
        expect(registered.status).to.equal(200)
        const unasked = await phone.next('NOTIFY')
        expect(unasked.body).to.equal(
          `Messages-Waiting: yes\r\nMessage-Account: sip:*97@127.0.0.1:${port}\r\nVoice-Message: 2/1 (0/0)\r\n`,
        )
        expect(unasked.header('event')).to.equal('message-summary')
        expect(unasked.header('subscription-state')).to.equal('terminated;reason=noresource')
        expect(unasked.header('contact')).to.contain(`<sip:127.0.0.1:${port}`)
        expect(unasked.header('from')).to.match(new RegExp(`^<sip:100@127.0.0.1:${port}>;tag=`))
        expect(unasked.header('to')).to.not.contain('tag')

        const dialog = phone.dialog(`sip:100@127.0.0.1:${port}`)
        const answer = await phone.request('SUBSCRIBE', {
          dialog,
          headers: [
            ['Event', 'message-summary'],
            ['Expires', '600'],
          ],
        })
        expect(answer.status).to.equal(200)
        const asked = await phone.next('NOTIFY')
        expect(asked.header('subscription-state')).to.match(/^active;expires=/)
        expect(asked.body).to.equal('Messages-Waiting: yes\r\nVoice-Message: 2/1 (0/0)\r\n')
      } finally {
        await phone.close()
        await office.close()
      }
    })
  }

  it('is tried again at once with a phone that was away and renews its registration', async () => {
    const office = await TestCore.start({
      contacts: 'registrar',
      endpoints: { 100: { aors: ['100'], mailboxes: ['100'] } },
      aors: { 100: { max_contacts: 1 } },
    })
    await office.load(pubsubModule, mwiBody, mwi)
    const { port } = office
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port }, user: '100' })
    const registration = phone.dialog(`sip:100@127.0.0.1:${port}`)
    const register = () => phone.request('REGISTER', { dialog: registration, headers: [['Expires', '600']] })
    try {
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 0, oldMessages: 0 })
      await register()
      expect((await phone.next('NOTIFY')).body).to.contain('Voice-Message: 0/0')
      phone.onRequest = () => 480
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 0 })
      await phone.next('NOTIFY')
      phone.onRequest = undefined
      expect((await register()).status).to.equal(200)
      expect((await phone.next('NOTIFY')).body).to.contain('Voice-Message: 1/0')
      // What it has taken it is not told again.
      expect((await register()).status).to.equal(200)
      expect(phone.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(3)
    } finally {
      await phone.close()
      await office.close()
    }
  })

  /** A phone that registers by two flows of its own, with one Contact (RFC 5626), and is told by the second now. */
  async function twoFlows(
    protocol: 'udp' | 'tcp',
  ): Promise<{ office: TestCore; flows: readonly [TestPhone, TestPhone] }> {
    const office = await TestCore.start({
      contacts: 'registrar',
      system: { timer_t1: 20, timer_b: 1280 },
      transports: { [protocol]: { protocol } },
      endpoints: { 100: { aors: ['100'], mailboxes: ['100'] } },
      aors: { 100: { max_contacts: 2 } },
    })
    await office.load(pubsubModule, mwiBody, mwi)
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 0 })
    const flow = async (regId: number): Promise<TestPhone> => {
      const contact = `<sip:100@192.0.2.7>;+sip.instance="<urn:uuid:1>";reg-id=${regId}`
      const server = { address: '127.0.0.1', port: Number(office.addresses[0]?.split(':').at(-1)) }
      const phone = await TestPhone.open({ server, protocol, user: '100', contact })
      const registered = await phone.request('REGISTER', {
        to: '<sip:100@127.0.0.1>',
        headers: [
          ['Expires', '600'],
          ['Supported', 'outbound, path'],
        ],
      })
      expect([registered.status, registered.header('require')]).to.deep.equal([200, 'outbound'])
      expect((await phone.next('NOTIFY')).body).to.contain('Voice-Message: 1/0')
      return phone
    }
    return { office, flows: [await flow(1), await flow(2)] }
  }

  /** With T1 as it is, the NOTIFY before may come twice. */
  const told = (phone: TestPhone, counts: string): Promise<WireMessage> =>
    phone.take(({ body }) => body.includes(`Voice-Message: ${counts}`), `a NOTIFY of ${counts}`)

  it('goes by the other flow of a phone where the one is silent (RFC 5626)', async () => {
    const { office, flows } = await twoFlows('udp')
    try {
      flows[1].onRequest = () => undefined
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 2, oldMessages: 0 })
      await told(flows[1], '2/0')
      await told(flows[0], '2/0')
      // That one is known to work now.
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 3, oldMessages: 0 })
      await told(flows[0], '3/0')
    } finally {
      for (const phone of flows) await phone.close()
      await office.close()
    }
  })

  it('goes by the other flow of a phone where a connection is lost, at once', async () => {
    const { office, flows } = await twoFlows('tcp')
    try {
      flows[1].onRequest = () => undefined
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 2, oldMessages: 0 })
      await flows[1].next('NOTIFY')
      await flows[1].close()
      expect((await flows[0].next('NOTIFY')).body).to.contain('Voice-Message: 2/0')
    } finally {
      await flows[0].close()
      await office.close()
    }
  })

  it('goes by another proxy at once, where the phone registers by that while it is on its way by one that is gone', async () => {
    const office = await TestCore.start({
      contacts: 'registrar',
      endpoints: { 100: { aors: ['100'], mailboxes: ['100'] } },
      aors: { 100: { max_contacts: 1, support_path: true } },
    })
    await office.load(pubsubModule, mwiBody, mwi)
    const server = { address: '127.0.0.1', port: office.port }
    const proxies = await Promise.all([TestPhone.open({ server }), TestPhone.open({ server })])
    const register = async (proxy: TestPhone): Promise<void> => {
      const headers: [string, string][] = [
        ['Contact', '<sip:100@10.0.0.1:5060>'],
        ['Path', `<sip:127.0.0.1:${proxy.local.port};lr>`],
        ['Supported', 'path'],
      ]
      const [from, to] = ['<sip:100@127.0.0.1>', '<sip:100@127.0.0.1>']
      const answer = await proxy.request('REGISTER', { uri: 'sip:127.0.0.1', from, to, contact: false, headers })
      expect(answer.status).to.equal(200)
    }
    const inFlight = (): number => office.metric('sip.transactions.client')
    const [gone, other] = proxies
    try {
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 0, oldMessages: 0 })
      await register(gone)
      await gone.next('NOTIFY')
      await until('its answer', () => inFlight() === 0)
      gone.onRequest = () => undefined
      office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 0 })
      await gone.next('NOTIFY')
      await register(other)
      expect((await other.next('NOTIFY')).body).to.contain('Voice-Message: 1/0')
      await until('that nothing is repeated to the one that is gone', () => inFlight() === 0)
    } finally {
      for (const proxy of proxies) await proxy.close()
      await office.close()
    }
  })

  it('is not repeated behind the one that puts the lamp out, where a reload takes the mailboxes away', async () => {
    const settings = { endpoints: { 100: { aors: ['100'], mailboxes: ['100'] } }, aors: { 100: { max_contacts: 1 } } }
    const office = await TestCore.start({ contacts: 'registrar', ...settings })
    await office.load(pubsubModule, mwiBody, mwi)
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 0 })
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port }, user: '100' })
    phone.onRequest = ({ body }) => (body.includes('Messages-Waiting: no') ? 200 : undefined)
    try {
      const answer = await phone.request('REGISTER', { to: '<sip:100@127.0.0.1>', headers: [['Expires', '600']] })
      expect(answer.status).to.equal(200)
      expect((await phone.next('NOTIFY')).body).to.contain('Messages-Waiting: yes')
      office.core.endpoints.replace(pjsipConfig({ ...settings, endpoints: { 100: { aors: ['100'] } } }))
      await phone.take(({ body }) => body.includes('Messages-Waiting: no'), 'the end')
      const inFlight = (): unknown => new Map(office.core.metrics.read()).get('sip.transactions.client')
      await until('that nothing is repeated', () => inFlight() === 0)
    } finally {
      await phone.close()
      await office.close()
    }
  })

  it('goes by the transport that the phone registered by, after a restart too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mwi-'))
    const start = async (): Promise<TestCore> => {
      const office = await TestCore.start({
        contacts: 'registrar',
        storePath: join(directory, 'store.db'),
        transports: { lan: {}, wan: {} },
        endpoints: { 100: { aors: ['100'], mailboxes: ['100'] } },
        aors: { 100: { max_contacts: 1 } },
      })
      await office.load(pubsubModule, mwiBody, mwi)
      return office
    }
    const wanOf = ({ addresses }: TestCore): number => Number(addresses[1]?.split(':').at(-1))
    let office = await start()
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: wanOf(office) }, user: '100' })
    const tell = async (newMessages: number): Promise<number> => {
      office.core.mailboxes.set('pbx1', '100@default', { newMessages, oldMessages: 0 })
      const notify = await phone.next('NOTIFY')
      expect(notify.body).to.contain(`Voice-Message: ${newMessages}/0`)
      return notify.from.port
    }
    try {
      await phone.request('REGISTER', {
        uri: 'sip:127.0.0.1',
        to: '<sip:100@127.0.0.1>',
        headers: [['Expires', '600']],
      })
      expect(await tell(1)).to.equal(wanOf(office))
      await office.close()
      office = await start()
      expect(await tell(2)).to.equal(wanOf(office))
    } finally {
      await phone.close()
      await office.close()
      rmSync(directory, { recursive: true })
    }
  })
})
