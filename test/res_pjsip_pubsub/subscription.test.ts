import { expect } from 'chai'
import { Watched } from '../../core/watch.ts'
import { FakeFlow, type FakeNotify, type FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { type Lamp, maker, TEXT, XML } from '../support/lamps.ts'
import { until } from '../support/tools.ts'

describe('subscription: its life', () => {
  let made: LampOffice
  let tx: FakeTransaction

  beforeEach(async () => {
    made = await lampOffice({ options: { notify_retries: '2', notify_retry_interval: '20' } })
    tx = await made.sip.subscribe('200', { Accept: XML })
    await settled()
  })

  afterEach(() => made.office.close())

  const states = (): string[] => tx.dialog.notifies.map((notify) => notify.state)
  const texts = (): string[] => tx.dialog.notifies.map((notify) => notify.text)
  const xml = (version: number, light: string): string =>
    `<lamp version="${version}" entity="sip:200@pbx.example">${light}</lamp>`
  const active = (): number => made.office.metric('pubsub.subscriptions.active')

  it('tells each change, with a rising version', async () => {
    made.lamps.set('200', 'on')
    await settled()
    made.lamps.set('200', 'off')
    await settled()
    expect(texts()).to.deep.equal([xml(0, 'off'), xml(1, 'on'), xml(2, 'off')])
  })

  it('does not tell what stays the same, and counts it', async () => {
    made.lamps.set('200', 'on')
    made.lamps.set('200', 'off')
    await settled()
    expect(texts()).to.deep.equal([xml(0, 'off')])
    expect(made.office.metric('pubsub.notify.suppressed')).to.equal(1)
    expect(made.office.metric('pubsub.notify.coalesced')).to.equal(1)
  })

  it('has one NOTIFY in flight; what changes meanwhile becomes one, with the newest state', async () => {
    made.sip.autoAnswer = undefined
    made.lamps.set('200', 'on')
    await settled()
    for (const light of ['a', 'b', 'c']) {
      made.lamps.set('200', light)
      await settled()
    }
    expect(tx.dialog.flying).to.have.length(1)
    tx.dialog.last.answer(200)
    await settled()
    expect(texts().slice(1)).to.deep.equal([xml(1, 'on'), xml(2, 'c')])
    expect(made.office.metric('pubsub.notify.coalesced')).to.equal(2)
  })

  it('answers a refresh with 200 and one NOTIFY, changed or not', async () => {
    const refresh = await made.sip.again(tx, { Expires: '300' })
    expect(refresh.status).to.equal(200)
    expect(refresh.header('Expires')).to.equal('300')
    await settled()
    expect(texts()).to.deep.equal([xml(0, 'off'), xml(1, 'off')])
    expect(states().at(-1)).to.equal('active;expires=300')
    expect(made.sip.wire.slice(-2)).to.deep.equal(['200 SUBSCRIBE', 'NOTIFY 2'])
  })

  it('refuses a refresh whose CSeq is not higher', async () => {
    expect((await made.sip.again(tx, {}, 1)).status).to.equal(500)
  })

  it('refuses a refresh for another event, id or endpoint with 481, and lives on', async () => {
    expect((await made.sip.again(tx, { Event: 'lamp;id=1' })).status).to.equal(481)
    expect((await made.sip.again(tx, { Event: 'other' })).status).to.equal(481)
    const { request } = tx
    const stranger = await made.sip.receive('SUBSCRIBE', 'sip:x', {
      'Call-ID': request.callId,
      From: `<sip:101@pbx.example>;tag=${request.from.tag}`,
      To: `<sip:200@pbx.example>;tag=${tx.dialog.localTag}`,
      CSeq: '9 SUBSCRIBE',
    })
    expect(stranger.status).to.equal(481)
    expect(active()).to.equal(1)
  })

  it('checks the time of a refresh, not under compat=asterisk', async () => {
    made.office.file('pubsub.conf', { min_expires: '60' })
    await made.office.loader.reload('res_pjsip_pubsub')
    const brief = await made.sip.again(tx, { Expires: '10' })
    expect([brief.status, brief.header('Min-Expires')]).to.deep.equal([423, '60'])
    expect(active()).to.equal(1)
    made.office.general({ compat: 'asterisk' })
    expect((await made.sip.again(tx, { Expires: '10' })).status).to.equal(200)
  })

  it('ends with Expires 0: 200, and a last NOTIFY with the state', async () => {
    const end = await made.sip.again(tx, { Expires: '0' })
    expect([end.status, end.header('Expires')]).to.deep.equal([200, '0'])
    await settled()
    expect(states()).to.deep.equal(['active;expires=600', 'terminated;reason=timeout'])
    expect(texts().at(-1)).to.equal(xml(1, 'off'))
    expect(tx.dialog.disposed).to.equal(true)
    expect(made.lamps.watchers('200')).to.equal(0)
    expect((await made.sip.again(tx)).status).to.equal(481)
  })

  it('gives no reason under compat=asterisk', async () => {
    made.office.general({ compat: 'asterisk' })
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(states().at(-1)).to.equal('terminated')
    expect(tx.dialog.last.header('SIP-ETag')).to.equal(undefined)
  })

  it('expires', async () => {
    await made.sip.again(tx, { Expires: '1' })
    await until('the end', () => tx.dialog.disposed)
    expect(states().at(-1)).to.equal('terminated;reason=timeout')
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
  })

  it('ends with noresource where what it watches is gone', async () => {
    made.lamps.lamps.get('200')?.end('noresource')
    await settled()
    expect(states().at(-1)).to.equal('terminated;reason=noresource')
  })

  it('ends with rejected when the endpoint may not subscribe any more', async () => {
    const { endpoints } = made.office.core
    const [old] = [...endpoints.files.endpoints.values()]
    if (!old) throw new Error('no endpoint')
    endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, allow_subscribe: false }]]) })
    await settled()
    expect(states().at(-1)).to.equal('terminated;reason=rejected')
  })

  it('stays when the configuration is read again, or its endpoint is gone from it', async () => {
    const { endpoints } = made.office.core
    endpoints.replace({ ...endpoints.files, endpoints: new Map() })
    await settled()
    expect(states()).to.have.length(1)
    expect(active()).to.equal(1)
  })

  it('is looked up again when the endpoint moves to another context', async () => {
    const { endpoints } = made.office.core
    const old = endpoints.files.endpoints.get('100')
    if (!old) throw new Error('no endpoint')
    const asked = made.lamps.asked.length
    endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, hintContext: 'elsewhere' }]]) })
    await until('the question', () => made.lamps.asked.length > asked)
    expect(made.lamps.asked.at(-1)?.endpoint.hintContext).to.equal('elsewhere')
    expect(active()).to.equal(1)
    expect(made.lamps.watchers('200')).to.equal(1)
    expect(texts()).to.have.length(1)
  })

  it('shows nothing of a context that the endpoint has left before it was looked up there', async () => {
    const { endpoints } = made.office.core
    const old = endpoints.files.endpoints.get('100')
    if (!old) throw new Error('no endpoint')
    const moveTo = (hintContext: string): void =>
      endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, hintContext }]]) })
    let found: (() => void) | undefined
    const lamps = { there: new Watched<Lamp>({ light: 'there' }), here: new Watched<Lamp>({ light: 'here' }) }
    made.lamps.find = (_resource, { endpoint: { hintContext } }) =>
      hintContext === 'here' ? lamps.here : new Promise((resolve) => void (found = () => resolve(lamps.there)))
    moveTo('there')
    await until('the question', () => found)
    moveTo('here')
    found?.()
    await until('the state', () => texts().length > 1)
    expect(texts().slice(1)).to.deep.equal([xml(1, 'here')])
  })

  it('shows nothing that was found for another AOR than the endpoint has by then', async () => {
    const { endpoints } = made.office.core
    const old = endpoints.files.endpoints.get('100')
    if (!old) throw new Error('no endpoint')
    const give = (...aors: string[]): void => {
      const now = { ...old, aors, hintContext: 'there' }
      endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', now]]) })
    }
    let found: (() => void) | undefined
    const lamps = { mine: new Watched<Lamp>({ light: 'mine' }), other: new Watched<Lamp>({ light: 'other' }) }
    made.lamps.find = (_resource, { endpoint: { aors } }) =>
      aors.includes('mine') ? lamps.mine : new Promise((resolve) => void (found = () => resolve(lamps.other)))
    give('other')
    await until('the question', () => found)
    give('mine')
    found?.()
    await until('the state', () => texts().length > 1)
    expect(texts().slice(1)).to.deep.equal([xml(1, 'mine')])
  })

  it('tells a refresh nothing of the context that the endpoint has left', async () => {
    const { endpoints } = made.office.core
    const old = endpoints.files.endpoints.get('100')
    if (!old) throw new Error('no endpoint')
    const there = new Watched<Lamp>({ light: 'there' })
    let found: (() => void) | undefined
    made.lamps.find = () => new Promise((resolve) => void (found = () => resolve(there)))
    endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, hintContext: 'there' }]]) })
    await until('the question', () => found)
    expect((await made.sip.again(tx)).status).to.equal(200)
    await until('the NOTIFY of the refresh', () => texts().length > 1)
    found?.()
    await until('the state', () => texts().length > 2)
    expect(texts().slice(1)).to.deep.equal(['', xml(1, 'there')])
  })

  it('leaves nothing behind, however many came and went', async () => {
    for (let n = 0; n < 300; n++) {
      const one = await made.sip.subscribe('201', { Contact: `<sip:100@192.0.2.7:${6000 + n}>` })
      if (n % 3 === 0) await made.sip.again(one, { Expires: '0' })
      else if (n % 3 === 1) await made.sip.again(one, { Expires: '1' })
    }
    for (const subscription of made.pubsub.subscriptions) {
      const isLong = subscription.expires > Date.now() + 2000
      if (subscription.resource === '201' && isLong) subscription.terminate('giveup')
    }
    await until('the end of all', () => made.sip.dialogs.size === 1)
    expect(made.lamps.watchers('201')).to.equal(0)
    expect([...made.pubsub.subscriptions]).to.have.length(1)
  })

  it('holds changes back for notify_interval, and tells the last', async () => {
    made.office.file('pubsub.conf', { notify_interval: '200' })
    await made.office.loader.reload('res_pjsip_pubsub')
    const before = Date.now()
    for (const light of ['a', 'b', 'c']) {
      made.lamps.set('200', light)
      await settled()
    }
    await until('the change', () => texts().length > 1)
    expect(Date.now() - before).to.be.at.least(100)
    expect(texts().slice(1)).to.deep.equal([xml(1, 'c')])
  })

  it('carries the id of Event', async () => {
    const other = await made.sip.subscribe('200', { Event: 'lamp;id=7' })
    await settled()
    expect(other.dialog.last.header('Event')).to.equal('lamp;id=7')
    expect((await made.sip.again(other, { Event: 'lamp' })).status).to.equal(481)
    expect((await made.sip.again(other, { Event: 'lamp;id=7' })).status).to.equal(200)
  })

  it('keeps a final NOTIFY for the time after the one in flight', async () => {
    made.sip.autoAnswer = undefined
    made.lamps.set('200', 'on')
    await settled()
    await made.sip.again(tx, { Expires: '0' })
    await settled()
    expect(states()).to.have.length(2)
    tx.dialog.last.answer(200)
    await settled()
    expect(states().at(-1)).to.equal('terminated;reason=timeout')
    expect(texts().at(-1)).to.equal(xml(2, 'on'))
    tx.dialog.last.timeout()
    expect(tx.dialog.disposed).to.equal(true)
  })

  describe('a connection that is lost', () => {
    it('is waited for until the subscription expires', async () => {
      tx.dialog.loseFlow()
      made.lamps.set('200', 'on')
      await settled()
      expect(texts()).to.have.length(1)
      expect(active()).to.equal(1)
      await made.sip.again(tx)
      await settled()
      expect(texts()).to.deep.equal([xml(0, 'off'), xml(1, 'on')])
    })

    it('takes nothing along when it expires meanwhile', async () => {
      await made.sip.again(tx, { Expires: '1' })
      await settled()
      tx.dialog.loseFlow()
      await until('the end', () => tx.dialog.disposed)
      expect(states()).to.deep.equal(['active;expires=600', 'active;expires=1'])
    })

    it('ends it at once under compat=asterisk', () => {
      made.office.general({ compat: 'asterisk' })
      tx.dialog.loseFlow()
      expect(active()).to.equal(0)
      expect(tx.dialog.disposed).to.equal(true)
    })
  })

  describe('a phone that subscribes anew', () => {
    const asked = async (): Promise<FakeTransaction> => {
      made.sip.autoAnswer = undefined
      const again = await made.sip.subscribe('200')
      await settled()
      expect(active()).to.equal(2)
      expect(states()).to.deep.equal(['active;expires=600', 'active;expires=600'])
      expect(again.dialog.notifies).to.have.length(1)
      return again
    }

    for (const [what, answer] of [
      ['does not know it', (notify: FakeNotify) => notify.answer(481)],
      ['does not answer', (notify: FakeNotify) => notify.timeout()],
      ['refuses it', (notify: FakeNotify) => notify.answer(500)],
      ['cannot be reached there', (notify: FakeNotify) => notify.unreachable()],
    ] as const) {
      it(`is asked by its old subscription, which is over where the phone ${what}`, async () => {
        const again = await asked()
        answer(tx.dialog.last)
        expect(tx.dialog.disposed).to.equal(true)
        expect(again.dialog.disposed).to.equal(false)
        expect(active()).to.equal(1)
      })
    }

    it('keeps both where it knows both: it has two keys for one extension', async () => {
      const again = await asked()
      tx.dialog.last.answer(200)
      again.dialog.last.answer(200)
      made.lamps.set('200', 'on')
      await settled()
      expect([tx.dialog.last.text, again.dialog.last.text]).to.deep.equal([xml(2, 'on'), 'on'])
      tx.dialog.last.answer(500)
      expect(active(), 'a good answer is the end of the question').to.equal(2)
      const third = await made.sip.subscribe('200')
      expect(third.status).to.equal(200)
      expect(active()).to.equal(3)
    })

    it('is believed where the Call-ID says that it began its dialog anew', async () => {
      await made.sip.subscribe('200', { 'Call-ID': tx.request.callId })
      expect(tx.dialog.disposed).to.equal(true)
      expect(active()).to.equal(1)
    })

    it('takes the place of its oldest where there is room for no more', async () => {
      const { endpoints } = made.office.core
      const old = endpoints.files.endpoints.get('100')
      if (!old) throw new Error('no endpoint')
      endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, subscription_limit: 1 }]]) })
      const again = await made.sip.subscribe('200')
      expect(again.status).to.equal(200)
      expect(tx.dialog.disposed).to.equal(true)
      expect((await made.sip.subscribe('201')).status).to.equal(403)
    })

    it('leaves its place to it where it asks for another part of the state', async () => {
      Object.assign(made.lamps, { narrows: (params: ReadonlyMap<string, string>) => params.get('bulb') ?? '' })
      const { endpoints } = made.office.core
      const old = endpoints.files.endpoints.get('100')
      if (!old) throw new Error('no endpoint')
      endpoints.replace({ ...endpoints.files, endpoints: new Map([['100', { ...old, subscription_limit: 1 }]]) })
      expect((await made.sip.subscribe('200', { Event: 'lamp;bulb=2' })).status).to.equal(403)
      expect(tx.dialog.disposed).to.equal(false)
      expect((await made.sip.subscribe('200')).status).to.equal(200)
      expect(tx.dialog.disposed).to.equal(true)
    })

    it('is known by its +sip.instance, wherever it is', async () => {
      const contact = (port: number): string => `<sip:100@192.0.2.7:${port}>;+sip.instance="<urn:uuid:1>"`
      const first = await made.sip.subscribe('201', { Contact: contact(5080) })
      await settled()
      made.sip.autoAnswer = 481
      await made.sip.subscribe('201', { Contact: contact(5090) })
      await settled()
      expect(first.dialog.disposed).to.equal(true)
    })

    for (const [what, headers] of [
      ['another resource', undefined],
      ['another port', { Contact: '<sip:100@192.0.2.7:5999>' }],
      ['another id', { Event: 'lamp;id=2' }],
      ['another endpoint', { From: '<sip:101@pbx.example>;tag=x' }],
    ] as const) {
      it(`replaces nothing with ${what}`, async () => {
        await made.sip.subscribe(headers ? '200' : '201', headers)
        expect(active()).to.equal(2)
      })
    }

    it('replaces nothing behind another NAT', async () => {
      const nat = await lampOffice({ endpoints: { 100: { rewrite_contact: true } } })
      await nat.sip.subscribe('200')
      await nat.sip.subscribe('200', {}, new FakeFlow('UDP', { address: '198.51.100.1', port: 5062 }))
      expect(nat.office.metric('pubsub.subscriptions.active')).to.equal(2)
      await nat.office.close()
    })

    it('replaces nothing where the option says so', async () => {
      made.office.file('pubsub.conf', { replace_same_contact: 'no' })
      await made.office.loader.reload('res_pjsip_pubsub')
      await made.sip.subscribe('200')
      expect(active()).to.equal(2)
    })
  })

  describe('modules that come and go', () => {
    it('waits for its package, and hears only what changed meanwhile', async () => {
      await made.office.loader.restart('res_test_lamp')
      await until('the package', () => active() === 1)
      expect(texts()).to.have.length(1)
      made.lamps.set('200', 'on')
      await settled()
      expect(texts()).to.deep.equal([xml(0, 'off'), xml(1, 'on')])
    })

    it('ends as deactivated when the package stays away', async () => {
      made.office.file('pubsub.conf', { unload_grace: '1' })
      await made.office.loader.reload('res_pjsip_pubsub')
      await made.office.loader.unload('res_test_lamp')
      expect((await made.sip.subscribe('200')).status).to.equal(489)
      await until('the end', () => tx.dialog.disposed)
      expect(states().at(-1)).to.equal('terminated;reason=deactivated')
      expect(texts().at(-1)).to.equal('')
    })

    it('refreshes a subscription that waits, with a NOTIFY that has no body', async () => {
      await made.office.loader.unload('res_test_lamp')
      expect((await made.sip.again(tx, { Expires: '500' })).status).to.equal(200)
      await settled()
      expect(states().at(-1)).to.equal('active;expires=500')
      expect(tx.dialog.last.body).to.equal(undefined)
    })

    it('ends as deactivated when its generator stays away', async () => {
      made.office.file('pubsub.conf', { unload_grace: '1' })
      await made.office.loader.reload('res_pjsip_pubsub')
      await made.office.loader.unload('res_test_lamp_body')
      await until('the end', () => tx.dialog.disposed)
      expect(states().at(-1)).to.equal('terminated;reason=deactivated')
    })

    it('sends a body again when a supplement changes it', async () => {
      const other = await made.sip.subscribe('201')
      await settled()
      const undo = made.pubsub.bodySupplement(maker)
      await settled()
      expect(other.dialog.last.text).to.equal('off by Edison')
      await undo()
      await settled()
      expect(other.dialog.last.text).to.equal('off')
      expect(other.dialog.last.body?.contentType).to.equal(TEXT)
      expect(texts()).to.have.length(1)
    })
  })
})
