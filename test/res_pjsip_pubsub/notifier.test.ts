import { expect } from 'chai'
import type { Endpoint } from '../../core/endpoints.ts'
import type { Headers } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { Lamps, TEXT, XML } from '../support/lamps.ts'
import { until } from '../support/tools.ts'

describe('notifier: answers to SUBSCRIBE', () => {
  let made: LampOffice

  beforeEach(async () => {
    made = await lampOffice({
      endpoints: {
        100: {},
        101: {},
        guest: { allow_subscribe: false },
        slow: { sub_min_expiry: 300 },
        small: { subscription_limit: 1 },
      },
    })
  })

  afterEach(() => made.office.close())

  const from = (id: string): Headers => ({ From: `<sip:${id}@pbx.example>;tag=a` })

  it('answers 200 with the granted time, then sends NOTIFY, in this order', async () => {
    const { sip } = made
    const tx = await sip.subscribe('200')
    expect(tx.status).to.equal(200)
    expect(tx.header('Expires')).to.equal('600')
    expect(tx.header('Allow-Events')).to.equal('lamp')
    await settled()
    expect(sip.wire).to.deep.equal(['200 SUBSCRIBE', 'NOTIFY 1'])
    const notify = tx.dialog.last
    expect(notify.header('Event')).to.equal('lamp')
    expect(notify.state).to.equal('active;expires=600')
    expect(notify.header('Allow-Events')).to.equal('lamp')
    expect(notify.header('User-Agent')).to.equal('Lamplighter')
    expect(notify.body).to.deep.equal({ contentType: TEXT, content: 'off' })
  })

  it('keeps so many subscriptions of one phone for one thing, the newest, and asks no more', async () => {
    const { sip, pubsub } = made
    for (let key = 0; key < 110; key++) {
      const before = sip.wire.length
      const { status } = await sip.subscribe('200')
      expect(status).to.equal(200)
      // The answer, its own NOTIFY, and one for each of the others.
      const sent = 2 + Math.min(key, 99)
      await until('all NOTIFYs', () => sip.wire.length >= before + sent)
      await settled()
      expect(sip.wire.length - before).to.equal(sent)
    }
    expect([...pubsub.subscriptions]).to.have.length(100)
    const said = made.office.logged.filter((line) => line.includes('one phone of endpoint 100 has 100 subscriptions'))
    // Once a minute.
    expect(said).to.have.length(1)
    await sip.subscribe('201')
    expect([...pubsub.subscriptions]).to.have.length(101)
    made.office.file('pubsub.conf', { replace_same_contact: 'no' })
    await made.office.loader.reload('res_pjsip_pubsub')
    for (let key = 0; key < 5; key++) await sip.subscribe('200')
    expect([...pubsub.subscriptions]).to.have.length(106)
  })

  interface Refused {
    readonly what: string
    readonly user?: string
    readonly headers?: Headers
    readonly rfc: readonly [status: number, header?: string, value?: string]
    readonly asterisk: readonly [status: number, header?: string, value?: string]
  }
  const refused: readonly Refused[] = [
    {
      what: 'an endpoint that may not subscribe',
      headers: from('guest'),
      rfc: [603],
      asterisk: [603],
    },
    { what: 'no Event', headers: { Event: undefined }, rfc: [489, 'Allow-Events', 'lamp'], asterisk: [489] },
    { what: 'an unknown Event', headers: { Event: 'refer' }, rfc: [489, 'Allow-Events', 'lamp'], asterisk: [489] },
    { what: 'an Event in other case', headers: { Event: 'Lamp' }, rfc: [489, 'Allow-Events', 'lamp'], asterisk: [489] },
    {
      what: 'a body type nobody makes',
      headers: { Accept: 'text/plain' },
      rfc: [406, 'Accept', `${TEXT}, ${XML}`],
      asterisk: [489],
    },
    { what: 'an unknown resource', user: '999', rfc: [404], asterisk: [404] },
    {
      what: 'too short a time',
      headers: { ...from('slow'), Expires: '10' },
      rfc: [423, 'Min-Expires', '300'],
      asterisk: [423],
    },
    {
      what: 'too short a time and a bad Event',
      headers: { ...from('slow'), Expires: '10', Event: 'refer' },
      rfc: [489, 'Allow-Events', 'lamp'],
      asterisk: [423],
    },
    { what: 'a time that is none', headers: { Expires: 'soon' }, rfc: [400], asterisk: [400] },
    { what: 'no Contact', headers: { Contact: undefined }, rfc: [400], asterisk: [400] },
    { what: 'two Contacts', headers: { Contact: '<sip:a@b>, <sip:c@d>' }, rfc: [400], asterisk: [400] },
    { what: 'a Contact that is no SIP URI', headers: { Contact: '<tel:123>' }, rfc: [400], asterisk: [400] },
    { what: 'a dialog nobody knows', headers: { To: '<sip:200@pbx.example>;tag=gone' }, rfc: [481], asterisk: [481] },
  ]
  for (const compat of ['rfc', 'asterisk'] as const) {
    for (const { what, user = '200', headers = {}, ...expected } of refused) {
      const [status, header, value] = expected[compat]
      it(`answers ${status} to ${what} (${compat})`, async () => {
        made.office.general({ compat })
        const tx = await made.sip.subscribe(user, headers)
        expect(tx.status).to.equal(status)
        if (header) expect(tx.header(header)).to.equal(value)
        else for (const name of ['Allow-Events', 'Accept', 'Min-Expires']) expect(tx.header(name)).to.equal(undefined)
        await settled()
        expect(made.sip.wire).to.have.length(1)
        expect(made.office.metric('pubsub.subscriptions.active')).to.equal(0)
      })
    }
  }

  const FILTER = { 'Content-Type': 'application/simple-filter+xml' }
  const bodies: readonly (readonly [what: string, headers: Headers, rfc: number, asterisk: number])[] = [
    ['nobody reads', FILTER, 415, 200],
    ['nobody has to read', { ...FILTER, 'Content-Disposition': 'render; handling=Optional' }, 200, 200],
    ['everybody has to read', { ...FILTER, 'Content-Disposition': 'render;handling=required' }, 415, 200],
    ['has no type', {}, 415, 200],
    ['may be what fills its datagram up', { 'Content-Length': undefined }, 200, 200],
    ['has a type and no length', { ...FILTER, 'Content-Length': undefined }, 415, 200],
  ]
  for (const compat of ['rfc', 'asterisk'] as const)
    for (const [what, headers, ...expected] of bodies) {
      const status = expected[compat === 'rfc' ? 0 : 1]
      it(`answers ${status} to a body that ${what}, at first and in a refresh (${compat})`, async () => {
        made.office.general({ compat })
        const { sip } = made
        const tx = await sip.receive('SUBSCRIBE', 'sip:200@pbx.example', headers, undefined, '<filter-set/>')
        expect(tx.status).to.equal(status)
        if (status === 415) expect(tx.header('Accept')).to.equal('application/resource-lists+xml')
        const first = await sip.subscribe('200')
        expect((await sip.again(first, headers, undefined, '<filter-set/>')).status).to.equal(status)
        // What it had stands.
        expect((await sip.again(first)).status).to.equal(200)
      })
    }

  it('leaves a body to the package that reads it, and refuses one that is compressed', async () => {
    const filtering = Object.assign(new Lamps('filtering'), { subscribeBodies: ['application/simple-filter+xml'] })
    filtering.set('1', 'off')
    made.pubsub.eventPackage(filtering)
    const ask = (headers: Headers) =>
      made.sip.receive('SUBSCRIBE', 'sip:1@pbx.example', { Event: 'filtering', ...headers }, undefined, '<filter-set/>')
    expect((await ask(FILTER)).status).to.equal(200)
    const packed = await ask({ ...FILTER, 'Content-Encoding': 'gzip' })
    expect([packed.status, packed.header('Accept-Encoding')]).to.deep.equal([415, 'identity'])
    const other = await ask({ 'Content-Type': 'text/plain' })
    expect(other.header('Accept')).to.equal('application/resource-lists+xml, application/simple-filter+xml')
  })

  it('answers 416 to a Request-URI that is no SIP URI', async () => {
    const tx = await made.sip.receive('SUBSCRIBE', 'tel:+441234', { To: '<sip:200@pbx.example>' })
    expect(tx.status).to.equal(416)
  })

  it('answers 500 with Retry-After while nobody can say the state', async () => {
    made.lamps.instead = { found: 'unavailable' }
    const tx = await made.sip.subscribe('200')
    expect(tx.status).to.equal(500)
    expect(tx.header('Retry-After')).to.equal('10')
  })

  it('answers what a package refuses with', async () => {
    made.lamps.instead = { found: { status: 403, reason: 'Not You' } }
    expect((await made.sip.subscribe('200')).given).to.deep.equal({ status: 403, reason: 'Not You' })
  })

  it('answers 500 where a package fails, and goes on', async () => {
    made.lamps.find = () => Promise.reject(new Error('broken'))
    const tx = await made.sip.subscribe('200')
    await settled()
    expect(tx.status).to.equal(500)
    expect(made.office.logged.join()).to.include('broken')
  })

  it('answers 489 where the package goes while it looks', async () => {
    made.lamps.slow = true
    const asked = made.sip.subscribe('200')
    await made.office.loader.unload('res_test_lamp')
    const tx = await asked
    await settled()
    expect(tx.status).to.equal(489)
  })

  it('answers 503 where it is unloaded meanwhile', async () => {
    made.lamps.slow = true
    const asked = made.sip.subscribe('200')
    await made.office.loader.unload('res_pjsip_pubsub')
    const tx = await asked
    expect([489, 503]).to.include(tx.status)
    expect(made.sip.dialogs.size).to.equal(0)
  })

  it('goes by the files that were read again while it looks', async () => {
    const { endpoints } = made.office.core
    const change = (changed: Partial<Endpoint>): void => {
      const old = endpoints.files.endpoints.get('100')
      if (!old) throw new Error('no endpoint')
      const now = new Map([...endpoints.files.endpoints, ['100', { ...old, ...changed }]])
      endpoints.replace({ ...endpoints.files, endpoints: now })
    }
    made.lamps.slow = true
    const moved = made.sip.subscribe('200')
    change({ hintContext: 'elsewhere' })
    expect((await moved).status).to.equal(200)
    expect(made.lamps.asked.map(({ endpoint }) => endpoint.hintContext)).to.deep.equal(['default', 'elsewhere'])
    expect([...made.pubsub.subscriptions].map(({ endpoint }) => endpoint.hintContext)).to.deep.equal(['elsewhere'])
    const refused = made.sip.subscribe('200')
    change({ allow_subscribe: false })
    expect((await refused).status).to.equal(603)
  })

  it('takes the time a package gives', async () => {
    const brief = new Lamps('brief', 120)
    brief.set('1', 'off')
    made.pubsub.eventPackage(brief)
    expect((await made.sip.subscribe('1', { Event: 'brief', Expires: undefined })).header('Expires')).to.equal('120')
    expect((await made.sip.subscribe('1', { Event: 'brief', Expires: '600' })).header('Expires')).to.equal('120')
    expect((await made.sip.subscribe('1', { Event: 'brief', Expires: '60' })).header('Expires')).to.equal('60')
  })

  it('cuts long times, and grants an hour where none is asked for', async () => {
    expect((await made.sip.subscribe('200', { Expires: '1000000' })).header('Expires')).to.equal('3600')
    expect((await made.sip.subscribe('200', { Expires: undefined })).header('Expires')).to.equal('3600')
    expect((await made.sip.subscribe('200', { Expires: '99999999999999999999' })).header('Expires')).to.equal('3600')
  })

  it('never calls an hour too brief', async () => {
    const office = await lampOffice({ endpoints: { 100: { sub_min_expiry: 7200 } } })
    const tx = await office.sip.subscribe('200', { Expires: '3600' })
    expect(tx.status).to.equal(200)
    await office.office.close()
  })

  it('counts the subscriptions of an endpoint, and leaves room for the phone that comes back', async () => {
    const contact = (port: number): Headers => ({ ...from('small'), Contact: `<sip:small@192.0.2.9:${port}>` })
    expect((await made.sip.subscribe('200', contact(5060))).status).to.equal(200)
    expect((await made.sip.subscribe('201', contact(5060))).status).to.equal(403)
    expect((await made.sip.subscribe('200', contact(5061))).status).to.equal(403)
    expect((await made.sip.subscribe('200', contact(5060))).status).to.equal(200)
  })

  it('has a limit over all endpoints', async () => {
    made.office.file('pubsub.conf', { max_subscriptions: '1', retry_after: '7' })
    await made.office.loader.reload('res_pjsip_pubsub')
    expect((await made.sip.subscribe('200')).status).to.equal(200)
    const tx = await made.sip.subscribe('201', from('101'))
    expect(tx.status).to.equal(503)
    expect(tx.header('Retry-After')).to.equal('7')
  })

  it('has the same limits for those who ask in one moment, and are looked up together', async () => {
    made.office.file('pubsub.conf', { max_subscriptions: '2', retry_after: '7' })
    await made.office.loader.reload('res_pjsip_pubsub')
    made.lamps.slow = true
    const asked = (['small', 'small', '100', '101'] as const).map((id, n) =>
      made.sip.subscribe('200', { ...from(id), Contact: `<sip:${id}@192.0.2.9:${5060 + n}>` }),
    )
    const answered = await Promise.all(asked)
    await settled(8)
    expect(answered.map(({ status }) => status)).to.deep.equal([200, 403, 200, 503])
    expect([...made.pubsub.subscriptions]).to.have.length(2)
  })

  for (const compat of ['rfc', 'asterisk'] as const) {
    it(`answers 400 to a refresh for a time that is none, which leaves the subscription as it is: ${compat}`, async () => {
      made.office.general({ compat })
      const tx = await made.sip.subscribe('200')
      await settled()
      for (const Expires of ['soon', '-1']) expect((await made.sip.again(tx, { Expires })).status).to.equal(400)
      await settled()
      expect(tx.dialog.notifies).to.have.length(1)
      expect((await made.sip.again(tx)).status).to.equal(200)
    })
  }

  it('cuts the user at a semicolon only with ignore_uri_user_options', async () => {
    expect((await made.sip.subscribe('200;phone=x')).status).to.equal(404)
    const office = await lampOffice({ global: { ignore_uri_user_options: true } })
    expect((await office.sip.subscribe('200;phone=x')).status).to.equal(200)
    await office.office.close()
  })

  it('tells Accept and Allow-Events for the answers to OPTIONS', () => {
    expect(made.sip.advertised).to.deep.equal([
      ['Accept', `${TEXT}, ${XML}`],
      ['Allow-Events', 'lamp'],
      ['Supported', 'eventlist, recipient-list-subscribe'],
    ])
  })

  it('gives the package who asks', async () => {
    await made.sip.subscribe('200', { From: '"A" <sip:100@pbx.example:5070;x=y>;tag=a' })
    const [watcher] = made.lamps.asked
    expect(watcher?.uri).to.equal('sip:100@pbx.example:5070')
    expect(watcher?.userAgent).to.equal('Phone/1.0')
    expect(watcher?.endpoint.id).to.equal('100')
    expect(watcher?.request?.method).to.equal('SUBSCRIBE')
  })

  describe('a fetch (Expires 0)', () => {
    it('gets 200 and one NOTIFY that ends it', async () => {
      const tx = await made.sip.subscribe('200', { Expires: '0' })
      expect(tx.status).to.equal(200)
      expect(tx.header('Expires')).to.equal('0')
      await settled()
      expect(tx.dialog.notifies).to.have.length(1)
      expect(tx.dialog.last.state).to.equal('terminated;reason=timeout')
      expect(tx.dialog.last.text).to.equal('off')
      expect(tx.dialog.disposed).to.equal(true)
      expect(made.lamps.watchers('200')).to.equal(0)
      expect([...made.pubsub.subscriptions]).to.deep.equal([])
    })

    it('is refused with 400 under compat=asterisk', async () => {
      made.office.general({ compat: 'asterisk' })
      expect((await made.sip.subscribe('200', { Expires: '0' })).status).to.equal(400)
    })
  })
})
