import { expect } from 'chai'
import { pjsipConfig, type TestCoreSettings } from '../support/core.ts'
import { FakeFlow } from '../support/fake-sip.ts'
import { MwiOffice, type MwiSip } from '../support/mwi-office.ts'
import { until } from '../support/tools.ts'

const ALICE = 'sip:100@192.0.2.7:5062'
const DESK = 'sip:desk@192.0.2.8:5060'

const SETTINGS: TestCoreSettings = {
  endpoints: { 100: { aors: ['100', 'desk'], mailboxes: ['100', '500@sales'] }, 101: { aors: ['101'] } },
  aors: { 100: { mailboxes: ['100'] }, desk: {}, 101: {} },
}

const endpoint = (changed: object): TestCoreSettings => ({
  ...SETTINGS,
  endpoints: { 100: { aors: ['100', 'desk'], mailboxes: ['100', '500@sales'], ...changed } },
})

/** Counts are known, and both contacts are there. */
function usual(office: MwiOffice): void {
  office.count('100@default', 1, 2)
  office.count('500@sales', 10, 20)
  office.contacts.has('100', ALICE)
  office.contacts.has('desk', DESK)
}

describe('message-summary that nobody asked for', () => {
  let office: MwiOffice

  afterEach(() => office.test.close())

  it('goes to every contact of every AOR of the endpoint at the start, and on each change', async () => {
    office = await MwiOffice.open(SETTINGS, usual)
    expect(await office.told(2)).to.deep.equal([`${ALICE} 11/22`, `${DESK} 11/22`])
    office.count('500@Sales', 11, 20)
    expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 12/22`, `${DESK} 12/22`])
    office.count('600@sales', 5)
    expect((await office.settled()).length).to.equal(4)
  })

  it('says nothing at the start where that is disabled, but tells changes and who registers', async () => {
    office = await MwiOffice.open({ ...SETTINGS, global: { mwi_disable_initial_unsolicited: true } }, usual)
    expect(await office.settled()).to.deep.equal([])
    office.contacts.register('100', ALICE)
    expect(await office.told(1)).to.deep.equal([`${ALICE} 11/22`])
    office.count('100@default', 3, 0)
    expect((await office.told(3)).slice(1)).to.deep.equal([`${ALICE} 13/20`, `${DESK} 13/20`])
  })

  it('takes first counts for no change where the start is disabled', async () => {
    office = await MwiOffice.open({ ...SETTINGS, global: { mwi_disable_initial_unsolicited: true } }, (it) =>
      it.contacts.has('100', ALICE),
    )
    await office.settled()
    office.count('100@default', 1)
    office.count('500@sales', 1)
    expect(await office.settled()).to.deep.equal([])
    office.count('500@sales', 0)
    expect(await office.told(1)).to.deep.equal([`${ALICE} 1/0`])
  })

  it('waits for the counts rather than put a lamp out', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => it.contacts.has('100', ALICE))
    office.count('100@default', 0)
    expect(await office.settled()).to.deep.equal([])
    office.count('500@sales', 2)
    expect(await office.told(1)).to.deep.equal([`${ALICE} 2/0`])
  })

  it('does not wait for ever', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => it.contacts.has('100', ALICE))
    expect(await office.told(1)).to.deep.equal([`${ALICE} 0/0`])
  })

  it('has the mailboxes read only while there is a contact', async () => {
    office = await MwiOffice.open(SETTINGS)
    const { mailboxes } = office.test.core
    expect(mailboxes.needed()).to.deep.equal([])
    office.contacts.register('100', ALICE)
    await until('need', () => mailboxes.needed().length === 2)
    office.contacts.lose('100', ALICE)
    await until('end of the need', () => mailboxes.needed().length === 0)
  })

  it('has the counts read again for a contact that comes when there was none, before it is told', async () => {
    let counted = 3
    let asked: () => void = () => undefined
    const read = (): Promise<void> =>
      new Promise((resolve) => {
        asked = () => {
          office.count('100@default', counted)
          office.count('500@sales', 0)
          resolve()
        }
      })
    office = await MwiOffice.open(SETTINGS, ({ test }) =>
      test.core.mailboxes.addReader({ origin: 'pbx1', asksAgain: true, read }),
    )
    office.contacts.register('100', ALICE)
    await until('need', () => office.test.core.mailboxes.needed().length === 2)
    asked()
    expect(await office.told(1)).to.deep.equal([`${ALICE} 3/0`])
    office.contacts.lose('100', ALICE)
    await until('end of the need', () => office.test.core.mailboxes.needed().length === 0)
    counted = 0
    office.contacts.register('100', ALICE)
    await until('need', () => office.test.core.mailboxes.needed().length === 2)
    expect(await office.settled()).to.have.length(1)
    asked()
    expect((await office.told(2)).slice(1)).to.deep.equal([`${ALICE} 0/0`])
  })

  it('waits for all that read them again, though another says something of one meanwhile', async () => {
    let asked: (() => void) | undefined
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.test.core.mailboxes.addReader({
        origin: 'pbx1',
        asksAgain: true,
        read: () => new Promise((resolve) => (asked = resolve)),
      })
    })
    await until('that they are asked', () => asked)
    office.test.core.mailboxes.set('pbx2', '500@sales', { newMessages: 0, oldMessages: 0 })
    expect(await office.settled()).to.deep.equal([])
  })

  it('tells a contact that registers anew everything again, and the others nothing', async () => {
    office = await MwiOffice.open(SETTINGS, usual)
    await office.told(2)
    office.contacts.register('desk', DESK)
    expect((await office.told(3)).slice(2)).to.deep.equal([`${DESK} 11/22`])
    office.contacts.register('desk', 'sip:other@192.0.2.9')
    expect((await office.told(4)).slice(3)).to.deep.equal(['sip:other@192.0.2.9 11/22'])
    office.contacts.lose('desk', DESK)
    office.contacts.lose('desk', 'sip:other@192.0.2.9')
    await office.settled()
    office.count('100@default', 0, 0)
    expect((await office.told(5)).slice(4)).to.deep.equal([`${ALICE} 10/20`])
  })

  it('tells two phones behind different NATs that write the same Contact', async () => {
    const flows = ['203.0.113.1', '203.0.113.2'].map((address) => new FakeFlow('UDP', { address, port: 5060 }))
    const register = (nth: number): void =>
      office.contacts.register('100', ALICE, { instance: `"<urn:uuid:${nth}>"`, flow: flows[nth] })
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.contacts.lose('100', ALICE)
      it.contacts.lose('desk', DESK)
    })
    register(0)
    register(1)
    await office.told(2)
    office.count('100@default', 3, 2)
    await office.told(4)
    register(1)
    await office.told(5)
    expect(office.sip.unsolicited.map(({ flow }) => flow && flows.indexOf(flow as FakeFlow))).to.deep.equal([
      0, 1, 0, 1, 1,
    ])
  })

  it('has one NOTIFY in flight for a contact, and sends the newest counts after it', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.contacts.lose('desk', DESK)
      it.sip.autoAnswerUnsolicited = undefined
    })
    await office.told(1)
    for (const n of [2, 3, 4]) office.count('100@default', n, 2)
    expect(await office.settled()).to.deep.equal([`${ALICE} 11/22`])
    office.sip.unsolicited[0]?.notify.answer(200)
    expect((await office.told(2)).slice(1)).to.deep.equal([`${ALICE} 14/22`])
    office.count('100@default', 5, 2)
    office.count('100@default', 4, 2)
    office.sip.unsolicited[1]?.notify.answer(202)
    expect((await office.settled()).length).to.equal(2)
  })

  for (const status of [400, 405, 481, 489, 501, 603]) {
    it(`is not sent again to a contact that answers ${status}, until it registers again`, async () => {
      office = await MwiOffice.open(SETTINGS, (it) => {
        usual(it)
        it.contacts.lose('desk', DESK)
        it.sip.autoAnswerUnsolicited = status
      })
      await office.told(1)
      office.count('100@default', 9)
      expect((await office.settled()).length).to.equal(1)
      expect(await office.test.run('mwi show unsolicited 100')).to.contain(`${ALICE}  refusing  last: ${status}`)
      expect(office.test.metric('mwi.unsolicited.refused')).to.equal(1)
      office.sip.autoAnswerUnsolicited = 200
      office.contacts.register('100', ALICE)
      expect((await office.told(2)).slice(1)).to.deep.equal([`${ALICE} 19/20`])
    })
  }

  it('goes by the other flow of a phone where the one by that proxy fails, and by the one it renews (RFC 5626)', async () => {
    const [one, other] = ['<sip:one.example;lr;ob>', '<sip:other.example;lr;ob>'] as const
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.contacts.lose('desk', DESK)
      it.contacts.lose('100', ALICE)
      for (const proxy of [one, other]) it.contacts.has('100', ALICE, { path: [proxy] })
      it.sip.autoAnswerUnsolicited = undefined
    })
    const nth = async (n: number): Promise<MwiSip['unsolicited'][number] | undefined> => {
      await office.told(n)
      return office.sip.unsolicited[n - 1]
    }
    ;(await nth(1))?.notify.timeout()
    ;(await nth(2))?.notify.answer(200)
    office.count('100@default', 9)
    ;(await nth(3))?.notify.answer(200)
    const [first] = await office.contacts.of('100')
    if (first) office.contacts.refresh(first)
    office.count('100@default', 8)
    // It renews the other flow while this NOTIFY goes to where nobody is.
    const last = await nth(4)
    const [, second] = await office.contacts.of('100')
    if (second) office.contacts.refresh(second)
    last?.notify.timeout()
    ;(await nth(5))?.notify.answer(200)
    expect(office.sip.unsolicited.map(({ routes }) => routes)).to.deep.equal([[one], [other], [other], [one], [other]])
  })

  it('is tried again later where there was no answer or a passing one', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.sip.autoAnswerUnsolicited = undefined
    })
    await office.told(2)
    office.sip.unsolicited[0]?.notify.timeout()
    office.sip.unsolicited[1]?.notify.answer(503)
    expect(await office.test.run('mwi show unsolicited')).to.equal(
      `Endpoint: 100  Mailboxes: 100@default,500@sales\n  ${ALICE}  pausing  last: no answer\n` +
        `  ${DESK}  pausing  last: 503 Whatever\n2 contacts`,
    )
    office.sip.autoAnswerUnsolicited = 200
    office.contacts.register('100', ALICE)
    expect((await office.told(3)).slice(2)).to.deep.equal([`${ALICE} 11/22`])
  })

  it('does not take the answer of a phone before its reboot for one after it', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.contacts.lose('desk', DESK)
      it.sip.autoAnswerUnsolicited = undefined
    })
    await office.told(1)
    office.contacts.register('100', ALICE)
    await office.settled()
    office.sip.unsolicited[0]?.notify.answer(489)
    expect((await office.told(2)).slice(1)).to.deep.equal([`${ALICE} 11/22`])
  })

  it('is one NOTIFY a mailbox where they are not aggregated', async () => {
    office = await MwiOffice.open(endpoint({ aggregate_mwi: false }), (it) => {
      usual(it)
      it.contacts.lose('desk', DESK)
    })
    expect(await office.told(2)).to.have.members([`${ALICE} 1/2`, `${ALICE} 10/20`])
    office.count('500@sales', 3)
    expect((await office.told(3)).slice(2)).to.deep.equal([`${ALICE} 3/0`])
  })

  it('looks as Asterisk makes it, under asterisk', async () => {
    office = await MwiOffice.open(
      { ...endpoint({ voicemail_extension: '*97', from_domain: 'pbx.example' }), general: { compat: 'asterisk' } },
      usual,
    )
    await office.told(2)
    const [sent] = office.sip.unsolicited
    expect(sent).to.deep.include({
      method: 'NOTIFY',
      requestUri: ALICE,
      from: '<sip:100@pbx.example>',
      to: `<${ALICE}>`,
      routes: [],
      flow: undefined,
      body: {
        contentType: 'application/simple-message-summary',
        content: 'Messages-Waiting: yes\r\nMessage-Account: sip:*97@pbx.example\r\nVoice-Message: 11/22 (0/0)\r\n',
      },
    })
    expect(sent?.headers?.slice(0, 3)).to.deep.equal([
      ['Event', 'message-summary'],
      ['Subscription-State', 'terminated'],
      ['Allow-Events', 'message-summary'],
    ])
  })

  it('is from and to the address of record, and says why it is terminated, by the RFCs', async () => {
    const flow = new FakeFlow('TCP')
    office = await MwiOffice.open(endpoint({}), (it) => {
      usual(it)
      it.contacts.has('100', ALICE, { flow, path: ['<sip:edge.example;lr>'] })
    })
    await office.told(2)
    const sent = office.sip.unsolicited.find(({ requestUri }) => requestUri === ALICE)
    expect(sent).to.deep.include({
      from: '<sip:100@192.0.2.1:5060>',
      to: '<sip:100@192.0.2.1:5060>',
      routes: ['<sip:edge.example;lr>'],
    })
    expect(sent?.flow).to.equal(flow)
    expect(sent?.notify.state).to.equal('terminated;reason=noresource')
    expect(sent?.notify.text).to.not.contain('Message-Account')
  })

  for (const from_domain of ['2001:db8::9', '[2001:db8::9]'])
    it(`is from a URI with brackets where from_domain is ${from_domain}`, async () => {
      office = await MwiOffice.open(endpoint({ from_domain }), usual)
      await office.told(2)
      expect(office.sip.unsolicited[0]).to.deep.include({
        from: '<sip:100@[2001:db8::9]>',
        to: '<sip:100@[2001:db8::9]>',
      })
    })

  it('is from mwi_from_user, and goes by the outbound proxy', async () => {
    const changed = { mwi_from_user: 'voicemail', from_user: 'x', from_domain: 'h', outbound_proxy: 'sip:proxy;lr' }
    office = await MwiOffice.open({ ...endpoint(changed), global: { default_voicemail_extension: '8500' } }, usual)
    await office.told(2)
    expect(office.sip.unsolicited[0]).to.deep.include({ from: '<sip:voicemail@h>', routes: ['<sip:proxy;lr>'] })
    expect(office.sip.unsolicited[0]?.notify.text).to.contain('Message-Account: sip:8500@h\r\n')
  })

  describe('beside a subscription', () => {
    it('goes on, by the RFCs', async () => {
      office = await MwiOffice.open(SETTINGS, usual)
      await office.told(2)
      const { dialog } = await office.subscribe('100')
      office.count('100@default', 2, 2)
      await until('NOTIFY in the dialog', () => dialog.last.text.includes('2/2'))
      expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 12/22`, `${DESK} 12/22`])
    })

    it('leaves out what is watched where that replaces it, and comes back with the end of it', async () => {
      office = await MwiOffice.open(endpoint({ mwi_subscribe_replaces_unsolicited: true }), usual)
      await office.told(2)
      const tx = await office.subscribe('100')
      expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 10/20`, `${DESK} 10/20`])
      office.count('100@default', 7)
      await until('NOTIFY in the dialog', () => tx.dialog.last.text.includes('7/0'))
      expect((await office.settled()).length).to.equal(4)
      await office.unsubscribe(tx)
      expect((await office.told(6)).slice(4)).to.deep.equal([`${ALICE} 17/20`, `${DESK} 17/20`])
    })

    it('leaves out what is watched from the reload on that says so', async () => {
      office = await MwiOffice.open(endpoint({}), usual)
      await office.told(2)
      const tx = await office.subscribe('100')
      expect((await office.settled()).length).to.equal(2)
      const replacing = pjsipConfig(endpoint({ mwi_subscribe_replaces_unsolicited: true }))
      office.test.core.endpoints.replace(replacing)
      expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 10/20`, `${DESK} 10/20`])
      await office.unsubscribe(tx)
      expect((await office.told(6)).slice(4)).to.deep.equal([`${ALICE} 11/22`, `${DESK} 11/22`])
    })

    it('does not change for a subscription to something else', async () => {
      office = await MwiOffice.open(
        { ...endpoint({ mwi_subscribe_replaces_unsolicited: true }), aors: { 100: { mailboxes: ['900'] } } },
        usual,
      )
      await office.told(2)
      await office.unsubscribe(await office.subscribe('100'))
      expect((await office.settled()).length).to.equal(2)
    })

    it('is told again after a subscription, though the counts are the same', async () => {
      const only = { mailboxes: ['100'], mwi_subscribe_replaces_unsolicited: true }
      office = await MwiOffice.open(endpoint(only), usual)
      await office.told(2)
      const tx = await office.subscribe('100')
      await office.settled()
      await office.unsubscribe(tx)
      expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 1/2`, `${DESK} 1/2`])
    })

    it('is silent where all of it is watched', async () => {
      const only = { mailboxes: ['100'], mwi_subscribe_replaces_unsolicited: true }
      office = await MwiOffice.open(endpoint(only), usual)
      await office.told(2)
      const tx = await office.subscribe('100')
      const again = await office.subscribe('100', { Contact: '<sip:second@192.0.2.7>' })
      office.count('100@default', 7)
      await until('NOTIFY in the dialog', () => tx.dialog.last.text.includes('7/0'))
      await office.unsubscribe(tx)
      expect((await office.settled()).length).to.equal(2)
      await office.unsubscribe(again)
      expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 7/0`, `${DESK} 7/0`])
    })

    it('follows the mailboxes of what is watched through a reload', async () => {
      const settings = (watched: string): TestCoreSettings => ({
        endpoints: {
          100: {
            aors: ['100'],
            mailboxes: ['100', '500@sales'],
            aggregate_mwi: false,
            mwi_subscribe_replaces_unsolicited: true,
          },
        },
        aors: { 100: { mailboxes: [watched] } },
      })
      office = await MwiOffice.open(settings('100'), usual)
      await office.told(2)
      const { dialog } = await office.subscribe('100')
      office.test.core.endpoints.replace(pjsipConfig(settings('500@sales')))
      await until('NOTIFY in the dialog', () => dialog.last.text.includes('10/20'))
      const before = (await office.settled()).length
      office.count('100@default', 5)
      office.count('500@sales', 6)
      await until('NOTIFY in the dialog', () => dialog.last.text.includes('6/0'))
      expect((await office.settled()).slice(before)).to.deep.equal([`${ALICE} 5/0`])
    })

    it('knows the subscriptions that were there before it', async () => {
      office = await MwiOffice.open(endpoint({ mwi_subscribe_replaces_unsolicited: true }), usual)
      await office.told(2)
      await office.subscribe('100')
      await office.told(4)
      await office.test.loader.restart('res_pjsip_mwi')
      const told = await office.told(6)
      expect(told.at(-2)).to.equal(`${ALICE} 10/20`)
    })
  })

  it('follows the endpoints through a reload', async () => {
    office = await MwiOffice.open(SETTINGS, usual)
    await office.told(2)
    const { endpoints } = office.test.core
    endpoints.replace(pjsipConfig(SETTINGS))
    expect((await office.settled()).length).to.equal(2)
    endpoints.replace(pjsipConfig(endpoint({ mailboxes: ['500@sales'] })))
    expect((await office.told(4)).slice(2)).to.deep.equal([`${ALICE} 10/20`, `${DESK} 10/20`])
    endpoints.replace(pjsipConfig(endpoint({ mailboxes: [] })))
    // What is lit nobody else would put out.
    expect((await office.told(6)).slice(4)).to.deep.equal([`${ALICE} 0/0`, `${DESK} 0/0`])
    office.count('500@sales', 9)
    expect((await office.settled()).length).to.equal(6)
    expect(await office.test.run('mwi show unsolicited')).to.equal('0 contacts')
  })

  it('says nothing more where mailboxes go whose lamp is not lit', async () => {
    office = await MwiOffice.open(SETTINGS, (it) => {
      usual(it)
      it.count('100@default', 0, 2)
      it.count('500@sales', 0, 20)
    })
    await office.told(2)
    office.test.core.endpoints.replace(pjsipConfig(endpoint({ mailboxes: [] })))
    expect((await office.settled()).length).to.equal(2)
  })

  it('follows global options and what replaces it through a reload', async () => {
    const replacing = endpoint({ mwi_subscribe_replaces_unsolicited: true })
    office = await MwiOffice.open(replacing, usual)
    await office.told(2)
    const { endpoints } = office.test.core
    endpoints.replace(pjsipConfig({ ...replacing, global: { default_voicemail_extension: '*97' } }))
    await office.told(4)
    expect(office.sip.unsolicited.at(-1)?.notify.text).to.match(/Message-Account: sip:\*97@/)
    await office.subscribe('100')
    expect((await office.told(6)).slice(4)).to.deep.equal([`${ALICE} 10/20`, `${DESK} 10/20`])
    endpoints.replace(pjsipConfig(SETTINGS))
    expect((await office.told(8)).slice(6)).to.deep.equal([`${ALICE} 11/22`, `${DESK} 11/22`])
  })

  it('is told to endpoints that only a server knows, once they register', async () => {
    office = await MwiOffice.open(SETTINGS)
    office.count('900@default', 9)
    const remote = pjsipConfig({ endpoints: { 900: { aors: ['900'], mailboxes: ['900'] } } }).endpoints.get('900')
    let known = true
    office.test.core.endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => (known && id === '900' ? remote : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    office.contacts.register('900', 'sip:900@192.0.2.9')
    office.contacts.register('901', 'sip:901@192.0.2.9')
    expect(await office.told(1)).to.deep.equal(['sip:900@192.0.2.9 9/0'])
    office.test.core.endpoints.changed()
    await office.settled()
    office.count('900@default', 8)
    expect((await office.told(2)).slice(1)).to.deep.equal(['sip:900@192.0.2.9 8/0'])
    known = false
    office.test.core.endpoints.changed()
    await office.settled()
    office.count('900@default', 7)
    expect((await office.settled()).length).to.equal(2)
  })

  it('follows what only a server knows of an endpoint when its phone renews its registration', async () => {
    const uri = 'sip:900@192.0.2.9'
    office = await MwiOffice.open(SETTINGS)
    office.count('900@default', 9)
    office.count('901@default', 1)
    let mailboxes: string[] = []
    office.test.core.endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => pjsipConfig({ endpoints: { 900: { aors: ['900'], mailboxes } } }).endpoints.get(id),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    office.contacts.register('900', uri, { endpoint: '900' })
    const [phone] = await office.contacts.of('900')
    expect(await office.settled()).to.deep.equal([])
    for (const [number, now, text] of [
      [1, ['900'], '9/0'],
      [2, ['900', '901'], '10/0'],
    ] as const) {
      mailboxes = [...now]
      if (phone) office.contacts.refresh(phone)
      expect((await office.told(number)).at(-1)).to.equal(`${uri} ${text}`)
      if (phone) office.contacts.refresh(phone)
      expect(await office.settled()).to.have.length(number)
    }
    mailboxes = []
    office.contacts.register('900', uri, { endpoint: '900' })
    await until('that nothing is read for it', () => office.test.core.mailboxes.needed().length === 0)
  })

  describe('to phones that were registered before the start, of endpoints that only a server knows', () => {
    const remote = pjsipConfig({ endpoints: { 900: { aors: ['900'], mailboxes: ['900'] } } }).endpoints.get('900')
    const source = (knows: () => boolean) => {
      const listeners = new Set<() => void>()
      const tell = (): void => {
        for (const listener of listeners) listener()
      }
      return {
        tell,
        name: 'pbx1',
        endpoint: async (id: string) => (knows() && id === '900' ? remote : undefined),
        aor: async () => undefined,
        auth: async () => undefined,
        onChange: (listener: () => void) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
      }
    }
    const begin = async (global: TestCoreSettings['global'], before: (it: MwiOffice) => void): Promise<void> => {
      office = await MwiOffice.open({ ...SETTINGS, ...(global && { global }) }, (it) => {
        it.count('900@default', 9)
        it.contacts.has('900', 'sip:900@192.0.2.9')
        before(it)
      })
    }

    it('is told at the start', async () => {
      await begin(undefined, (it) => void it.test.core.endpoints.addSource(source(() => true)))
      expect(await office.told(1)).to.deep.equal(['sip:900@192.0.2.9 9/0'])
    })

    it('is told when that server can be asked, once', async () => {
      let isThere = false
      const pbx = source(() => isThere)
      await begin(undefined, (it) => void it.test.core.endpoints.addSource(pbx))
      expect(await office.settled()).to.deep.equal([])
      isThere = true
      pbx.tell()
      expect(await office.told(1)).to.deep.equal(['sip:900@192.0.2.9 9/0'])
      pbx.tell()
      office.count('900@default', 8)
      expect((await office.told(2)).slice(1)).to.deep.equal(['sip:900@192.0.2.9 8/0'])
    })

    it('is told of changes alone with mwi_disable_initial_unsolicited', async () => {
      await begin({ mwi_disable_initial_unsolicited: true }, () => undefined)
      office.test.core.endpoints.addSource(source(() => true))
      expect(await office.settled()).to.deep.equal([])
      office.count('900@default', 8)
      expect(await office.told(1)).to.deep.equal(['sip:900@192.0.2.9 8/0'])
    })
  })

  it('is sent in turns to many, with a word where the queue is long', async () => {
    const many = Array.from({ length: 200 }, (_, n) => `sip:${n}@192.0.2.7`)
    office = await MwiOffice.open(
      { ...endpoint({ mailboxes: ['100'] }), global: { mwi_tps_queue_high: 100, mwi_tps_queue_low: 20 } },
      (it) => {
        it.count('100@default', 1)
        for (const uri of many) it.contacts.has('100', uri)
      },
    )
    const told = await office.told(200)
    expect(told).to.deep.equal(many.map((uri) => `${uri} 1/0`))
    const lines = office.test.logged.filter((line) => line.includes('unsolicited'))
    expect(lines).to.have.length(2)
    expect(lines[0]).to.match(/^WARNING 101 unsolicited NOTIFYs wait/)
    expect(lines[1]).to.match(/^NOTICE the queue of unsolicited NOTIFYs is down to \d+$/)
  })
})
