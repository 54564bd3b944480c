/** Lamplighter as a subscriber, over real sockets: RFC 6665 4.1 from the first SUBSCRIBE to the last NOTIFY. */
import { expect } from 'chai'
import { array, assert, asyncProperty, constantFrom } from 'fast-check'
import type { WireMessage } from '../support/phone.ts'
import { dialogInfo, SubscriberOffice } from '../support/subscriber.ts'
import { until } from '../support/tools.ts'

describe('a subscription of ours', () => {
  let there: SubscriberOffice

  beforeEach(async () => {
    there = await SubscriberOffice.open({ auths: { there: { username: 'lamp', password: 'secret' } } })
  })

  afterEach(() => there.close())

  const shows = (state: string): Promise<unknown> => until(`device in ${state}`, () => there.device === state)

  it('says what it wants, takes what comes, and shows it as a device', async () => {
    const subscribe = await there.subscribe({ from_uri: 'sip:lamp@here', to_uri: 'sip:100@there', expiration: 300 })
    expect(subscribe.uri).to.equal(there.notifier.uri('100'))
    expect(subscribe.header('from')).to.match(/^<sip:lamp@here>;tag=/)
    expect(subscribe.header('to')).to.equal('<sip:100@there>')
    expect(subscribe.header('event')).to.equal('dialog')
    expect(subscribe.header('accept')).to.equal('application/dialog-info+xml')
    expect(subscribe.header('expires')).to.equal('300')
    expect(subscribe.header('contact')).to.include(`127.0.0.1:${there.office.port}`)
    const answer = await there.notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    expect(answer.status).to.equal(200)
    await shows('INUSE')
    await there.phase('established')
    await there.notifier.notify(subscribe, { body: dialogInfo({}, { version: 1 }) })
    await shows('NOT_INUSE')
    expect(there.office.core.devices.reports('Remote:100').map(({ origin }) => origin)).to.deep.equal([
      'subscription/there',
    ])
  })

  it('takes a NOTIFY before the 200', async () => {
    const { notifier } = there
    notifier.answer = () => undefined
    const subscribe = await there.subscribe()
    const answer = await notifier.notify(subscribe, { body: dialogInfo({ a: 'early' }) })
    expect(answer.status).to.equal(200)
    await shows('RINGING')
    notifier.respond(subscribe, 200, ['Expires', '600'])
    await there.phase('established')
    expect(notifier.subscribes.map((each) => each.header('call-id'))).to.deep.equal([subscribe.header('call-id')])
  })

  it('answers a challenge, in and out of the dialog', async () => {
    const { notifier } = there
    const challenge = ['WWW-Authenticate', 'Digest realm="there", nonce="n1", algorithm=MD5, qop="auth"'] as const
    notifier.answer = (request) =>
      request.header('authorization') === '' ? [401, challenge] : [200, ['Expires', request.header('expires')]]
    await there.subscribe({ outbound_auth: ['there'] })
    const again = await notifier.subscribe()
    expect(again.cseq).to.equal(2)
    expect(again.header('authorization')).to.include('username="lamp"')
    await notifier.notify(again, { body: dialogInfo({}) })
    await there.office.run('pjsip send subscribe there')
    const refresh = await notifier.subscribe()
    expect(refresh.cseq).to.equal(4)
    expect(refresh.param('to', 'tag')).to.equal('notifier')
    const authorized = await notifier.subscribe()
    expect([authorized.cseq, authorized.header('authorization') === '']).to.deep.equal([5, false])
  })

  it('goes where a redirection sends it, the best address first, and none twice', async () => {
    const { notifier } = there
    const contacts = ['<sip:low@T>;q=0.1', '<sip:100@T>', '<sip:deaf@T;method=SUBSCRIBE?Subject=x>;q=0.9', '<tel:100>']
    const next = (...of: string[]): [string, string] => [
      'Contact',
      of.join().replaceAll('@T', `@127.0.0.1:${notifier.port}`),
    ]
    notifier.answer = ({ uri }) => {
      if (uri.includes('100@')) return [302, next(...contacts)]
      if (uri.includes('deaf@')) return [480]
      if (uri.includes('low@')) return [300, next('<sip:deaf@T>', '<sip:last@T>')]
      return [200, ['Expires', '600']]
    }
    const first = await there.subscribe()
    const last = await until('the last SUBSCRIBE', () => notifier.subscribes[3])
    expect(notifier.subscribes.map(({ uri }) => uri)).to.deep.equal(
      ['100', 'deaf', 'low', 'last'].map((user) => notifier.uri(user)),
    )
    expect(notifier.subscribes.map(({ cseq }) => cseq)).to.deep.equal([1, 4, 7, 10])
    for (const name of ['call-id', 'from', 'to'] as const) expect(last.header(name)).to.equal(first.header(name))
    expect((await notifier.notify(last, { body: dialogInfo({ a: 'confirmed' }) })).status).to.equal(200)
    await shows('INUSE')
    await there.office.run('pjsip send subscribe there')
    const refresh = await until('a refresh', () => notifier.subscribes[4])
    expect(refresh.cseq).to.be.above(last.cseq)
  })

  it('a redirection that leads nowhere is a failure as any other', async () => {
    const { notifier } = there
    notifier.answer = (request) => [302, ['Contact', `<${request.uri}>;q=1`]]
    await there.subscribe()
    await there.phase('waiting')
    expect(there.logged('failed: 302')).to.equal(true)
  })

  it('is refreshed before it expires, in the dialog', async () => {
    const subscribe = await there.subscribe()
    await there.notifier.notify(subscribe, { state: 'active;expires=2', body: dialogInfo({}) })
    const refresh = await there.notifier.subscribe()
    expect(refresh.header('call-id')).to.equal(subscribe.header('call-id'))
    expect(refresh.param('to', 'tag')).to.equal('notifier')
    expect(refresh.param('from', 'tag')).to.equal(subscribe.param('from', 'tag'))
    expect(refresh.cseq).to.be.above(subscribe.cseq)
    await there.notifier.notify(refresh, { body: dialogInfo({ a: 'confirmed' }, { version: 5 }) })
    await shows('INUSE')
  })

  it('asks for more where 423 says so, at first and later', async () => {
    const { notifier } = there
    let least = 120
    notifier.answer = (request) =>
      Number(request.header('expires')) < least
        ? [423, ['Min-Expires', String(least)]]
        : [200, ['Expires', request.header('expires')]]
    await there.subscribe({ expiration: 60 })
    const second = await notifier.subscribe()
    expect(second.header('expires')).to.equal('120')
    await notifier.notify(second, { body: dialogInfo({}) })
    await there.phase('established')
    least = 240
    await there.office.run('pjsip send subscribe there')
    const expiries = [await notifier.subscribe(), await notifier.subscribe()].map((each) => each.header('expires'))
    expect(expiries).to.deep.equal(['120', '240'])
  })

  it('is begun anew where a refresh is answered 481', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    notifier.answer = (request) => (request.param('to', 'tag') === undefined ? [200, ['Expires', '600']] : [481])
    await there.office.run('pjsip send subscribe there')
    await notifier.subscribe()
    const anew = await notifier.subscribe()
    expect(anew.header('call-id')).not.to.equal(subscribe.header('call-id'))
    expect(anew.param('to', 'tag')).to.equal(undefined)
    expect(there.device).to.equal('INUSE')
    const late = await notifier.notify(subscribe, { body: dialogInfo({}, { version: 1 }) })
    expect(late.status).to.equal(481)
  })

  it('stands until it expires where a refresh fails otherwise', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { state: 'active;expires=600', body: dialogInfo({ a: 'confirmed' }) })
    notifier.answer = () => [500]
    await there.office.run('pjsip send subscribe there')
    await notifier.subscribe()
    // It is tried again, in the same dialog.
    const again = await notifier.subscribe()
    expect(again.header('call-id')).to.equal(subscribe.header('call-id'))
    await there.phase('established')
    expect((await notifier.notify(subscribe, { body: dialogInfo({}, { version: 1 }) })).status).to.equal(200)
  })

  it('waits as long as Retry-After says', async () => {
    const { notifier } = there
    notifier.answer = () => [503, ['Retry-After', '2 (soon);duration=60']]
    await there.subscribe()
    await there.phase('waiting')
    const began = Date.now()
    await notifier.subscribe()
    expect(Date.now() - began).to.be.at.least(1900)
  })

  it('comes back after refusals, with pauses, and says so once', async () => {
    const { notifier } = there
    notifier.answer = () => [500]
    await there.subscribe()
    await notifier.subscribe()
    await notifier.subscribe()
    const said = there.office.logged.filter((line) => line.includes("subscription 'there' to"))
    expect(said.filter((line) => line.startsWith('WARNING'))).to.have.length(1)
    notifier.answer = () => [200, ['Expires', '600']]
    const good = await notifier.subscribe()
    await notifier.notify(good, { body: dialogInfo({}) })
    await there.phase('established')
  })

  it('is made by the next server of a name where the first one is silent', async () => {
    await there.close()
    let port = 0
    there = await SubscriberOffice.open({
      names: {
        naptr: () => Promise.reject(new Error('none')),
        srv: async () => [1, 2].map((priority) => ({ priority, weight: 0, port, name: `server${priority}.example` })),
        addresses: async (name) => [{ address: name === 'server1.example' ? '127.0.0.7' : '127.0.0.1', ttl: 60 }],
      },
    })
    port = there.notifier.port
    const subscribe = await there.subscribe({ server_uri: 'sip:100@there.example' })
    const answer = await there.notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    expect(answer.status).to.equal(200)
    await shows('INUSE')
    await there.phase('established')
    expect(there.notifier.subscribes).to.have.length(1)
  })

  it('counts as failed where no NOTIFY comes within Timer N, at first and after a refresh', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    const second = await notifier.subscribe()
    expect(second.header('call-id')).not.to.equal(subscribe.header('call-id'))
    expect(there.logged('no NOTIFY came within Timer N')).to.equal(true)
    await notifier.notify(second, { body: dialogInfo({}) })
    await there.phase('established')
    await there.office.run('pjsip send subscribe there')
    const refresh = await notifier.subscribe()
    expect(refresh.header('call-id')).to.equal(second.header('call-id'))
    const third = await notifier.subscribe()
    expect(third.header('call-id')).not.to.equal(second.header('call-id'))
  })

  const ENDINGS: readonly [state: string, phases: string, keeps: string][] = [
    ['terminated;reason=deactivated', 'subscribing', 'INUSE'],
    ['terminated;reason=timeout', 'subscribing', 'INUSE'],
    ['terminated;reason=probation;retry-after=60', 'waiting', 'INUSE'],
    ['terminated;reason=giveup;retry-after=60', 'waiting', 'INUSE'],
    ['terminated;reason=martian;retry-after=60', 'waiting', 'INUSE'],
    ['terminated', '(waiting|subscribing)', 'INUSE'],
    ['terminated;reason=rejected', 'over', 'INVALID'],
    ['terminated;reason=noresource;retry-after=1', 'over', 'INVALID'],
    ['terminated;reason=invariant;retry-after=1', 'over', 'INUSE'],
  ]
  for (const [state, phase, device] of ENDINGS) {
    it(`${state}: is ${phase} then, and shows ${device}`, async () => {
      const subscribe = await there.subscribe()
      await there.notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
      await shows('INUSE')
      expect((await there.notifier.notify(subscribe, { state })).status).to.equal(200)
      await there.phase(phase)
      expect(there.device).to.equal(device)
      expect((await there.notifier.notify(subscribe)).status).to.equal(481)
    })
  }

  it('is no loop with a notifier that ends each subscription at once', async () => {
    const { notifier } = there
    await there.subscribe({ max_retry_interval: 600 })
    for (let round = 0; round < 3; round++) {
      const subscribe = notifier.subscribes.at(-1)
      if (!subscribe) throw new Error('there was no SUBSCRIBE')
      await notifier.notify(subscribe, { state: 'terminated;reason=deactivated' })
      await until('another SUBSCRIBE', () => notifier.subscribes.length > round + 1)
    }
    expect(there.logged('the notifier ended it')).to.equal(false)
    // At once, then after half a second at least, then after a second.
    const [, , third, fourth] = notifier.subscribes
    expect([third, fourth].every((each) => each !== undefined)).to.equal(true)
    await there.phase('subscribing')
  })

  it('merges the notifiers of a forked SUBSCRIBE', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { tag: 'desk', body: dialogInfo({ a: 'early' }) })
    await shows('RINGING')
    await notifier.notify(subscribe, { tag: 'mobile', body: dialogInfo({ a: 'confirmed' }) })
    await shows('RINGINUSE')
    await notifier.notify(subscribe, { tag: 'desk', body: dialogInfo({}, { version: 1 }) })
    await shows('INUSE')
    const shown = await there.office.run('pjsip show subscriptions outbound')
    expect(shown.match(/State: active/g)).to.have.length(2)
    await notifier.notify(subscribe, { tag: 'mobile', state: 'terminated;reason=noresource' })
    await shows('NOT_INUSE')
    await there.phase('established')
  })

  it('subscribes anew for one of several that was lost, and keeps the others', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    for (const tag of ['desk', 'mobile'])
      await notifier.notify(subscribe, { tag, body: dialogInfo({ [tag]: 'confirmed' }) })
    await notifier.notify(subscribe, { tag: 'mobile', state: 'terminated;reason=deactivated' })
    const anew = await notifier.subscribe()
    expect(anew.header('call-id')).not.to.equal(subscribe.header('call-id'))
    expect(there.device).to.equal('INUSE')
    await notifier.notify(anew, { tag: 'desk2', body: dialogInfo({ d: 'early' }) })
    // Its Contact is that of the old one, which is left.
    await shows('RINGING')
    const left = await notifier.subscribe()
    expect([left.header('call-id'), left.header('expires')]).to.deep.equal([subscribe.header('call-id'), '0'])
  })

  it('takes but one notifier for presence (RFC 3856 6.9)', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe({ event: 'presence' })
    const body =
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:100@there"><tuple id="t"><status><basic>open</basic></status></tuple></presence>'
    expect((await notifier.notify(subscribe, { tag: 'one', body })).status).to.equal(200)
    await shows('NOT_INUSE')
    expect((await notifier.notify(subscribe, { tag: 'two', body })).status).to.equal(481)
  })

  it('refuses what is not right, and lives on', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    const body = dialogInfo({ a: 'confirmed' })
    expect((await notifier.notify(subscribe, { body, contact: false })).status).to.equal(400)
    expect((await notifier.notify(subscribe, { body, event: 'presence' })).status).to.equal(481)
    expect((await notifier.notify(subscribe, { body, event: 'dialog;id=7' })).status).to.equal(481)
    expect((await notifier.notify(subscribe, { body, state: '' })).status).to.equal(400)
    expect((await notifier.notify(subscribe, { body })).status).to.equal(200)
    await shows('INUSE')
    expect((await notifier.notify(subscribe, { body, event: 'presence' })).status).to.equal(481)
    const other = await notifier.notify(subscribe, { body, type: 'application/pidf+xml' })
    expect([other.status, other.header('accept')]).to.deep.equal([415, 'application/dialog-info+xml'])
    const packed = await notifier.notify(subscribe, { body, headers: [['Content-Encoding', 'gzip']] })
    expect([packed.status, packed.header('accept-encoding')]).to.deep.equal([415, 'identity'])
    const broken = await notifier.notify(subscribe, { body: '<dialog-info' })
    expect([broken.status, broken.reason]).to.deep.equal([400, 'Dialog Information Is Not XML'])
    expect((await notifier.notify(subscribe, { body: dialogInfo({}, { version: 9 }) })).status).to.equal(200)
    await shows('NOT_INUSE')
  })

  it('reads a document by its own encoding', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    const wide = dialogInfo({ a: 'confirmed' }).replace(/[^]/g, '\0$&')
    expect((await notifier.notify(subscribe, { body: wide })).status).to.equal(200)
    await shows('INUSE')
    const type = 'application/dialog-info+xml;charset=EBCDIC-DE'
    const unknown = await notifier.notify(subscribe, { body: dialogInfo({}, { version: 1 }), type })
    expect([unknown.status, unknown.header('accept')]).to.deep.equal([415, 'application/dialog-info+xml'])
  })

  it('answers a NOTIFY of nobody 481', async () => {
    const { notifier } = there
    const answer = await notifier.request('NOTIFY', {
      to: '<sip:lamp@here>;tag=nobody',
      headers: [
        ['Event', 'dialog'],
        ['Subscription-State', 'active'],
      ],
    })
    expect(answer.status).to.equal(481)
  })

  it('asks for the whole where a partial document was missed', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'terminated' }, { version: 1, state: 'partial' }) })
    await shows('NOT_INUSE')
    await notifier.notify(subscribe, { body: dialogInfo({ b: 'early' }, { version: 3, state: 'partial' }) })
    const refresh = await notifier.subscribe()
    expect(refresh.param('to', 'tag')).to.equal('notifier')
    await notifier.notify(refresh, { body: dialogInfo({ b: 'early' }, { version: 4 }) })
    await shows('RINGING')
  })

  it('does not ask without a pause where the whole is never told', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { body: dialogInfo({}) })
    for (let version = 2; version < 100; version += 2) {
      const last = notifier.subscribes.at(-1) ?? subscribe
      await notifier.notify(last, { body: dialogInfo({ a: 'early' }, { version, state: 'partial' }) })
    }
    expect(notifier.subscribes.length).to.be.within(2, 10)
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'early' }, { version: 100 }) })
    await shows('RINGING')
  })

  it('shows nothing of what a pending subscription is given', async () => {
    const subscribe = await there.subscribe()
    await there.notifier.notify(subscribe, { state: 'pending;expires=600', body: dialogInfo({ a: 'confirmed' }) })
    expect(await there.office.run('pjsip show subscriptions outbound')).to.include('State: pending')
    expect(there.device).to.equal('INVALID')
    await there.notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    await shows('INUSE')
  })

  it('shows a device unavailable when nobody has told of it for stale_after', async () => {
    const subscribe = await there.subscribe({ stale_after: 1, max_retry_interval: 60 })
    await there.notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    there.notifier.answer = () => [403]
    await there.notifier.notify(subscribe, { state: 'terminated;reason=deactivated' })
    expect(there.device).to.equal('INUSE')
    await shows('UNAVAILABLE')
  })

  it('becomes the counts of a mailbox, those of several notifiers added', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe({ event: 'message-summary', mailbox: '100@there', device: '' })
    expect(subscribe.header('accept')).to.equal('application/simple-message-summary')
    const summary = (counts: string): string => `Messages-Waiting: yes\r\nVoice-Message: ${counts}\r\n`
    await notifier.notify(subscribe, { tag: 'one', body: summary('2/8 (0/2)') })
    await until('counts', () => there.mailbox() === '2/8')
    await notifier.notify(subscribe, { tag: 'two', body: summary('1/0') })
    await until('counts of both', () => there.mailbox() === '3/8')
    await notifier.notify(subscribe, { tag: 'one', body: 'Messages-Waiting: no\r\n' })
    await until('counts of the other', () => there.mailbox() === '1/0')
  })

  it('is left when its section goes, and what it said is taken back', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    await shows('INUSE')
    there.configure({})
    const left = await notifier.subscribe()
    expect([left.header('expires'), left.param('to', 'tag')]).to.deep.equal(['0', 'notifier'])
    expect(there.device).to.equal('INVALID')
    const last = await notifier.notify(left, { state: 'terminated;reason=timeout' })
    expect(last.status).to.equal(200)
    expect((await notifier.notify(left, { state: 'terminated;reason=timeout' })).status).to.equal(481)
  })

  it('is left when the server stops, which keeps what was said for the next start', async () => {
    const { notifier } = there
    const subscribe = await there.subscribe()
    await notifier.notify(subscribe, { body: dialogInfo({ a: 'confirmed' }) })
    await shows('INUSE')
    const closing = there.office.close()
    const left = await notifier.subscribe()
    expect(left.header('expires')).to.equal('0')
    expect((await notifier.notify(left, { state: 'terminated;reason=timeout' })).status).to.equal(200)
    await closing
    expect(there.device).to.equal('INUSE')
  })

  it('forgets what a section said before its device became another, when nobody could see', async () => {
    const { devices, mailboxes } = there.office.core
    devices.set('subscription/there', 'Remote:old', 'INUSE')
    devices.set('subscription/there', 'Remote:100', 'RINGING')
    mailboxes.set('subscription/there', '1@old', { newMessages: 1, oldMessages: 0 })
    await there.subscribe()
    expect([devices.get('Remote:old'), there.device, there.mailbox('1@old')]).to.deep.equal([
      'INVALID',
      'RINGING',
      '0/0',
    ])
  })

  it('is tried at once when the configuration changes, another section or not', async () => {
    const { notifier } = there
    notifier.answer = () => [403]
    await there.subscribe({ max_retry_interval: 600 })
    await there.phase('waiting')
    there.configure({ there: { event: 'dialog', device: 'Remote:100', max_retry_interval: 600 } })
    await notifier.subscribe()
    await there.phase('waiting')
    there.configure({ there: { event: 'dialog', device: 'Remote:100', max_retry_interval: 600, expiration: 60 } })
    expect((await notifier.subscribe()).header('expires')).to.equal('60')
  })

  it('gets there in the end, whatever its notifier did before', async () => {
    const { notifier } = there
    let run = 0
    const latest = (): WireMessage | undefined => notifier.subscribes.findLast(({ uri }) => uri.includes('100@'))
    const STEPS: Readonly<Record<string, () => unknown>> = {
      refuse: () => (notifier.answer = () => [500]),
      forbid: () => (notifier.answer = () => [403]),
      forget: () => (notifier.answer = () => [481]),
      silence: () => (notifier.answer = () => undefined),
      demand: () => (notifier.answer = () => [423, ['Min-Expires', '7200']]),
      accept: () => (notifier.answer = (request) => [200, ['Expires', request.header('expires')]]),
      tell: () => told({ body: dialogInfo({ a: 'confirmed' }) }),
      fork: () => told({ tag: 'fork', body: dialogInfo({ a: 'early' }) }),
      part: () => told({ body: dialogInfo({ b: 'early' }, { version: 9, state: 'partial' }) }),
      rubbish: () => told({ body: '<<<' }),
      pend: () => told({ state: 'pending;expires=1' }),
      reject: () => told({ state: 'terminated;reason=rejected' }),
      deactivate: () => told({ state: 'terminated;reason=deactivated' }),
      probe: () => told({ state: 'terminated;reason=probation;retry-after=60' }),
      press: () => there.office.run('pjsip send subscribe there'),
    }
    const told = (what: Parameters<typeof notifier.notify>[1]): Promise<unknown> | undefined => {
      const subscribe = latest()
      return subscribe && notifier.notify(subscribe, what)
    }
    await assert(
      asyncProperty(array(constantFrom(...Object.keys(STEPS)), { maxLength: 8 }), async (steps) => {
        await there.subscribe()
        for (const step of steps) await STEPS[step]?.()
        notifier.answer = (request) => [200, ['Expires', request.header('expires')]]
        const user = `again${++run}`
        there.configure({ again: { event: 'dialog', device: 'Remote:100', server_uri: notifier.uri(user) } })
        const begun = await until('a SUBSCRIBE', () => notifier.subscribes.find((each) => each.uri.includes(user)))
        await notifier.notify(begun, { body: dialogInfo({ z: 'confirmed' }, { version: 99 }) })
        await shows('INUSE')
        there.configure({})
        expect(there.device).to.equal('INVALID')
      }),
      { numRuns: 15 },
    )
  })

  it('is not counted as active at the console while it is refused', async () => {
    there.notifier.answer = () => [404]
    await there.subscribe()
    await there.phase('waiting')
    for (const verb of ['show', 'list'])
      expect(await there.office.run(`pjsip ${verb} subscriptions outbound`)).to.match(
        /\n0 active subscriptions, 1 not active$/,
      )
  })

  it('is shown at the console', async () => {
    const subscribe = await there.subscribe({ to_uri: 'sip:100@there' })
    await there.notifier.notify(subscribe, { body: dialogInfo({}) })
    await there.phase('established')
    const show = await there.office.run('pjsip show subscriptions outbound')
    expect(show).to.include('Endpoint: there/device Remote:100\nResource: sip:100@there/dialog\n')
    expect(show).to.match(new RegExp(` {2}Expiry: +(600|599) {2}${subscribe.header('call-id')}\n`))
    expect(show).to.include('1 active subscriptions')
    expect(await there.office.run('pjsip show subscriptions outbound like nobody')).to.include('0 active')
    expect(await there.office.run('pjsip list subscriptions outbound like THERE')).to.include('1 active')
    expect(await there.office.run(`pjsip show subscription outbound ${subscribe.header('call-id')}`)).to.include(
      'ShownAs        : device Remote:100',
    )
  })
})
