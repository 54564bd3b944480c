import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { TestCore } from '../support/core.ts'
import { FakeSip, type FakeTransaction } from '../support/fake-sip.ts'
import { settled } from '../support/lamp-office.ts'
import { configure, EID, publishing, startServer, TAKES_ALL } from '../support/publishing.ts'
import { until } from '../support/tools.ts'

const DEVICES = 'asterisk-devicestate'

/** What an Asterisk sends, and what it is answered. */
describe('PUBLISH of an Asterisk', () => {
  let sip: FakeSip
  let office: TestCore

  beforeEach(async () => {
    sip = new FakeSip()
    office = await startServer(EID.a, { sip, endpoints: { lamps: {}, other: {}, silent: { allow_publish: 'no' } } })
    configure(office, {
      ...TAKES_ALL,
      inbound: {
        ...TAKES_ALL.inbound,
        anybody: { 'event_asterisk-devicestate': 'all' },
        empty: { endpoint: 'lamps' },
        ignored: { 'event_asterisk-devicestate': 'nothing' },
      },
      asterisk: { ...TAKES_ALL.asterisk, nothing: {} },
    })
    await publishing(office)
  })
  afterEach(() => office.close())

  const body = (device: string, state = 'INUSE', eid = EID.b): string =>
    JSON.stringify({ type: 'devicestate', device, state, cachable: 1, eid })

  interface Sent {
    readonly event?: string
    readonly from?: string
    readonly tag?: string
    readonly expires?: string
    readonly type?: string
  }
  function publish(user: string, content: string, sent: Sent = {}): Promise<FakeTransaction> {
    return sip.publish(user, content, {
      Event: sent.event ?? DEVICES,
      From: `<sip:${sent.from ?? 'lamps'}@192.0.2.7>;tag=1`,
      Contact: undefined,
      'SIP-If-Match': sent.tag,
      Expires: sent.expires,
      'Content-Type': content === '' ? undefined : (sent.type ?? 'application/json'),
    })
  }
  const names = (): string[] => office.core.devices.namesOf(EID.b)

  it('is chained by entity-tags: each says something else, and all of it holds', async () => {
    const first = await publish('lamps', body('PJSIP/100'))
    expect([first.status, first.header('Expires')]).to.deep.equal([200, '3600'])
    const second = await publish('lamps', body('PJSIP/101', 'RINGING'), { tag: first.header('SIP-ETag') ?? '' })
    expect(second.status).to.equal(200)
    expect(second.header('SIP-ETag')).to.not.equal(first.header('SIP-ETag'))
    expect(names()).to.deep.equal(['PJSIP/100', 'PJSIP/101'])
    const refresh = await publish('lamps', '', { tag: second.header('SIP-ETag') ?? '' })
    expect(refresh.status).to.equal(200)
    expect(office.core.devices.get('PJSIP/101')).to.equal('RINGING')
    const gone = await publish('lamps', '', { tag: refresh.header('SIP-ETag') ?? '', expires: '0' })
    expect(gone.status).to.equal(200)
    expect(names()).to.deep.equal([])
  })

  it('may be refreshed when it is over, as Asterisk does', async () => {
    const first = await publish('lamps', body('PJSIP/100'), { expires: '1' })
    expect(first.header('Expires')).to.equal('1')
    await pause(1100)
    const refresh = await publish('lamps', '', { tag: first.header('SIP-ETag') ?? '', expires: '1' })
    expect([refresh.status, refresh.header('Expires')]).to.deep.equal([200, '1'])
    expect(names()).to.deep.equal(['PJSIP/100'])
    await until('the end of it', () => names().length === 0)
  })

  it('is refused as Asterisk refuses it', async () => {
    const answers: [string, Sent, number][] = [
      ['nobody', {}, 404],
      ['lamps', { from: 'other' }, 403],
      ['anybody', { from: 'other' }, 200],
      ['anybody', { from: 'silent' }, 403],
      ['empty', {}, 404],
      ['lamps', { event: 'asterisk-weather' }, 489],
      ['lamps', { tag: 'unknown' }, 412],
      ['lamps', { type: 'text/plain' }, 415],
    ]
    for (const [user, sent, status] of answers)
      expect((await publish(user, body('PJSIP/1'), sent)).status, `${user} ${JSON.stringify(sent)}`).to.equal(status)
    expect((await publish('lamps', '{"type":"devicestate"}')).status).to.equal(400)
    expect((await publish('lamps', '')).status).to.equal(400)
  })

  it('is passed over in silence where nothing is taken', async () => {
    expect((await publish('ignored', body('PJSIP/100'))).status).to.equal(200)
    expect(names()).to.deep.equal([])
  })

  it('of an origin that began anew counts, and what only the old one said lasts as long as that', async () => {
    const old = await publish('lamps', body('PJSIP/100', 'INUSE'))
    await publish('lamps', body('PJSIP/101', 'BUSY'), { tag: old.header('SIP-ETag') ?? '' })
    const anew = await publish('lamps', body('PJSIP/100', 'NOT_INUSE'))
    expect(office.core.devices.get('PJSIP/100')).to.equal('NOT_INUSE')
    expect(office.core.devices.get('PJSIP/101')).to.equal('BUSY')
    await publish('lamps', '', { tag: anew.header('SIP-ETag') ?? '', expires: '0' })
    expect(office.core.devices.get('PJSIP/100')).to.equal('INUSE')
  })

  it('of an origin that began anew counts also when all of them are heard again, after a restart of ours', async () => {
    const counts = (fresh: number): string =>
      JSON.stringify({ type: 'mailboxstate', uniqueid: '100@default', old: 0, new: fresh, eid: EID.b })
    await publish('lamps', body('PJSIP/100', 'INUSE'))
    await publish('lamps', counts(3), { event: 'asterisk-mwi' })
    const anew = await publish('lamps', body('PJSIP/100', 'NOT_INUSE'))
    const mail = await publish('lamps', counts(0), { event: 'asterisk-mwi' })
    await publish('lamps', body('PJSIP/101', 'BUSY'), { tag: anew.header('SIP-ETag') ?? '' })
    const another = counts(1).replace('100@', '101@')
    await publish('lamps', another, { event: 'asterisk-mwi', tag: mail.header('SIP-ETag') ?? '' })
    const { devices, mailboxes } = office.core
    for (const name of ['res_pjsip_publish_asterisk', 'res_pjsip_pubsub']) {
      await office.loader.restart(name)
      await until('what was said last', () => devices.get('PJSIP/101') === 'BUSY')
      await settled()
      expect(devices.get('PJSIP/100')).to.equal('NOT_INUSE')
      expect(mailboxes.get('100@default').newMessages).to.equal(0)
    }
  })

  it('brings the counts of mailboxes', async () => {
    const counts = JSON.stringify({ type: 'mailboxstate', uniqueid: '100@default', old: 4, new: 2, eid: EID.b })
    expect((await publish('lamps', counts, { event: 'asterisk-mwi' })).status).to.equal(200)
    expect(office.core.mailboxes.get('100@default')).to.deep.equal({ newMessages: 2, oldMessages: 4 })
    expect(office.core.mailboxes.reports('100@default').map(({ origin }) => origin)).to.deep.equal([EID.b])
  })

  it('of a server that is asked over ARI counts for what ARI does not tell', async () => {
    const server = { name: 'pbx1', url: 'http://192.0.2.1:8088', entityId: EID.b, connected: true }
    Object.assign(office.core, { servers: () => [server] })
    const { devices } = office.core
    const shown: string[] = []
    devices.onChange((name, state) => shown.push(`${name} ${state}`))
    const first = await publish('lamps', body('PJSIP/100', 'RINGING'))
    expect(names()).to.deep.equal(['PJSIP/100'])
    // Answered: ARI is the quicker one, and nothing rings and is in use at once.
    devices.set('pbx1', 'PJSIP/100', 'INUSE')
    expect(names()).to.deep.equal([])
    const tag = first.header('SIP-ETag') ?? ''
    expect((await publish('lamps', body('PJSIP/100', 'INUSE'), { tag })).status).to.equal(200)
    expect(names()).to.deep.equal([])
    expect(shown).to.deep.equal(['PJSIP/100 RINGING', 'PJSIP/100 INUSE'])
    const counts = JSON.stringify({ type: 'mailboxstate', uniqueid: '100@default', old: 4, new: 2, eid: EID.b })
    office.core.mailboxes.set('pbx1', '100@default', { newMessages: 1, oldMessages: 4 })
    await publish('lamps', counts, { event: 'asterisk-mwi' })
    expect(office.core.mailboxes.get('100@default').newMessages).to.equal(2)
  })

  it('is dropped when its section is gone, and when the module is unloaded, until it is back', async () => {
    await publish('lamps', body('PJSIP/100'))
    await publish('anybody', body('PJSIP/101'))
    configure(office, { ...TAKES_ALL })
    expect(names()).to.deep.equal(['PJSIP/100'])
    await office.loader.unload('res_pjsip_publish_asterisk')
    expect(names()).to.deep.equal([])
    await office.loader.load('res_pjsip_publish_asterisk')
    expect(names()).to.deep.equal(['PJSIP/100'])
  })
})
