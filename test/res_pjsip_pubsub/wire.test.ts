/** Over real sockets: the order on the wire, what a NOTIFY carries, and what becomes of it on connections. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { TransportConfig } from '../../core/endpoints.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { type Certificate, Certificates } from '../support/certificates.ts'
import { TestCore, type TestCoreSettings } from '../support/core.ts'
import { settled } from '../support/lamp-office.ts'
import { Lamps, lampModules, XML } from '../support/lamps.ts'
import { type PhoneDialog, TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

type Protocol = 'udp' | 'tcp' | 'tls'

/** A transport for each protocol and family. */
function everywhere(certificate: Certificate): Record<string, Partial<TransportConfig>> {
  const entries = (['udp', 'tcp', 'tls'] as const).flatMap((protocol) =>
    ['127.0.0.1:0', '[::1]:0'].map(
      (bind) => [`${protocol}-${bind}`, { protocol, bind, ...(protocol === 'tls' ? certificate : {}) }] as const,
    ),
  )
  return Object.fromEntries(entries)
}

describe('pubsub on the wire', () => {
  const certificates = new Certificates()
  let lamps: Lamps
  let office: TestCore
  let directory: string
  const phones: TestPhone[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-wire-'))
    lamps = new Lamps()
    lamps.set('200', 'off')
  })

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  after(() => certificates.remove())

  async function begin(settings: TestCoreSettings = {}): Promise<void> {
    office = await TestCore.start({
      endpoints: { 100: { auth: ['100'] } },
      auths: { 100: { username: '100', password: 'secret' } },
      transports: { udp: {}, tcp: { protocol: 'tcp' } },
      system: { timer_t1: 50, timer_b: 300 },
      storePath: join(directory, 'lamps.db'),
      ...settings,
    })
    const { packageModule, bodyModule } = lampModules(lamps)
    await office.load<Pubsub>(res_pjsip_pubsub)
    await office.load(packageModule, bodyModule)
  }

  function portOf(protocol: Protocol, address = '127.0.0.1'): number {
    const found = office.addresses.find((text) => text.startsWith(`${protocol}:${address}:`))
    return Number(/:(\d+)$/.exec(found ?? '')?.[1])
  }

  async function phone(protocol: Protocol = 'udp', autoAnswer = true, address = '127.0.0.1'): Promise<TestPhone> {
    const server = { address, port: portOf(protocol, address) }
    const opened = await TestPhone.open({ server, protocol, user: '100', password: 'secret', autoAnswer })
    phones.push(opened)
    return opened
  }

  const subscribe = (
    who: TestPhone,
    dialog: PhoneDialog,
    expires = 600,
    more: readonly (readonly [string, string])[] = [],
  ): Promise<WireMessage> =>
    who.request('SUBSCRIBE', {
      dialog,
      headers: [['Event', 'lamp'], ['Accept', XML], ['Expires', String(expires)], ...more],
    })

  for (const [protocol, address] of [
    ['udp', '127.0.0.1'],
    ['tcp', '127.0.0.1'],
    ['tls', '127.0.0.1'],
    ['udp', '::1'],
    ['tcp', '::1'],
    ['tls', '::1'],
  ] as const) {
    it(`a whole life over ${protocol} at ${address}, with digest`, async () => {
      await begin({ transports: everywhere(certificates.make('pbx.example')) })
      const lamp = await phone(protocol, true, address)
      const dialog = lamp.dialog('sip:200@127.0.0.1')
      const ok = await subscribe(lamp, dialog)
      expect(ok.status).to.equal(200)
      expect(ok.header('expires')).to.equal('600')
      expect(ok.header('contact')).to.match(/^<sip:/)
      const first = await lamp.next('NOTIFY')
      const [answer, notify] = lamp.received.slice(-2)
      expect([answer?.status, notify]).to.deep.equal([200, first])
      expect(first.header('subscription-state')).to.match(/^active;expires=(600|599)$/)
      expect(first.header('event')).to.equal('lamp')
      expect(first.header('allow-events')).to.equal('lamp')
      expect(first.header('user-agent')).to.equal('Lamplighter')
      expect(first.header('contact')).to.match(/^<sip:/)
      expect(first.header('max-forwards')).to.equal('70')
      expect(first.header('content-type')).to.equal(XML)
      expect(first.header('sip-etag')).to.match(/^[0-9a-f]{20}$/)
      expect(first.body).to.equal('<lamp version="0" entity="sip:200@127.0.0.1">off</lamp>')
      lamps.set('200', 'on')
      const second = await lamp.next('NOTIFY')
      expect(second.cseq).to.be.above(first.cseq)
      expect(second.body).to.include('version="1"').and.include('>on<')
      expect((await subscribe(lamp, dialog, 300)).header('expires')).to.equal('300')
      expect((await lamp.next('NOTIFY')).header('subscription-state')).to.match(/^active;expires=(300|299)$/)
      expect((await subscribe(lamp, dialog, 0)).header('expires')).to.equal('0')
      const last = await lamp.next('NOTIFY')
      expect(last.header('subscription-state')).to.equal('terminated;reason=timeout')
      await until('the end', () => office.metric('pubsub.subscriptions.ending') === 0)
      expect((await subscribe(lamp, dialog)).status).to.equal(481)
    })
  }

  it('lives through a NOTIFY that nobody answers, and sends the newest state then', async () => {
    await begin({ files: { 'pubsub.conf': { notify_retry_interval: '50' } } })
    const lamp = await phone('udp', false)
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    const first = await lamp.next('NOTIFY')
    lamps.set('200', 'on')
    await until('the failure', () => office.metric('pubsub.notify.failed') === 1)
    const again = await until('a new NOTIFY', () =>
      lamp.received.find(({ method, cseq }) => method === 'NOTIFY' && cseq > first.cseq),
    )
    expect(again.body).to.include('>on<')
    lamp.respond(again, 200)
    await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
    expect(office.metric('pubsub.subscriptions.active')).to.equal(1)
  })

  it('ends with 481 from the phone', async () => {
    await begin()
    const lamp = await phone('udp', false)
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    lamp.respond(await lamp.next('NOTIFY'), 481)
    await until('the end', () => office.metric('pubsub.subscriptions.active') === 0)
  })

  it('keeps a subscription whose connection closed, until it expires', async () => {
    await begin()
    const lamp = await phone('tcp')
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    await lamp.next('NOTIFY')
    await lamp.close()
    await until('the loss', () => !reachable())
    lamps.set('200', 'on')
    await settled()
    expect(office.metric('pubsub.subscriptions.active')).to.equal(1)
    expect(office.metric('pubsub.notify.sent')).to.equal(1)
  })

  it('drops it at once under compat=asterisk', async () => {
    await begin({ general: { compat: 'asterisk' } })
    const lamp = await phone('tcp')
    await subscribe(lamp, lamp.dialog('sip:200@127.0.0.1'))
    await lamp.next('NOTIFY')
    await lamp.close()
    await until('the end', () => office.metric('pubsub.subscriptions.active') === 0)
  })

  for (const how of ['close', 'kill'] as const) {
    it(`goes on in the old dialog over a restart (${how})`, async () => {
      await begin({ transports: { udp: {} } })
      const port = portOf('udp')
      const lamp = await phone()
      const dialog = lamp.dialog('sip:200@127.0.0.1')
      await subscribe(lamp, dialog)
      const first = await lamp.next('NOTIFY')
      await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
      await office.store.flush()
      await office[how]()
      lamps.set('200', 'on')
      await begin({ transports: { udp: { bind: `127.0.0.1:${port}` } } })
      const second = await lamp.next('NOTIFY')
      expect(second.cseq).to.be.above(first.cseq)
      expect(second.header('call-id')).to.equal(first.header('call-id'))
      expect([second.param('from', 'tag'), second.param('to', 'tag')]).to.deep.equal([
        first.param('from', 'tag'),
        first.param('to', 'tag'),
      ])
      expect(second.body).to.include('>on<')
      expect((await subscribe(lamp, dialog)).status).to.equal(200)
      await lamp.next('NOTIFY')
    })
  }

  it('tells a change to three hundred watchers', async () => {
    await begin({
      endpoints: { 100: {} },
      system: {},
      files: { 'pubsub.conf': { replace_same_contact: 'no' } },
    })
    const lamp = await phone()
    // A few at a time: what the phone sends again while it waits for a busy machine makes that busier.
    for (let n = 0; n < 300; n += 10) {
      await Promise.all(
        Array.from({ length: 10 }, () =>
          lamp.request('SUBSCRIBE', { uri: 'sip:200@127.0.0.1', headers: [['Event', 'lamp']] }),
        ),
      )
    }
    await until('all answers', () => office.metric('pubsub.notify.answered') === 300)
    lamps.set('200', 'on')
    await until('all NOTIFYs', () => office.metric('pubsub.notify.answered') === 600)
    expect(office.metric('pubsub.notify.failed')).to.equal(0)
  })

  function reachable(): boolean {
    const pubsub = office.loader.api('res_pjsip_pubsub') as Pubsub
    return [...pubsub.subscriptions].some(({ dialog }) => dialog.reachable)
  }
})
