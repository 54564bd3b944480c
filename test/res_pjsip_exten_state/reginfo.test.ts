import { expect } from 'chai'
import { parseXml, type XmlNode } from '../../core/xml.ts'
import reginfo from '../../res_pjsip_exten_state/res_pjsip_reginfo.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore } from '../support/core.ts'
import { FakeSip, type FakeTransaction } from '../support/fake-sip.ts'
import { FakeContacts } from '../support/mwi-office.ts'
import { type PhoneDialog, TestPhone, type WireMessage } from '../support/phone.ts'
import { until } from '../support/tools.ts'

interface Seen {
  readonly version: number
  readonly state: string
  readonly registration: string
  /** `uri state event`, by id. */
  readonly contacts: ReadonlyMap<string, string>
}

describe('the package reg (RFC 3680)', () => {
  let office: TestCore
  const phones: TestPhone[] = []

  beforeEach(async () => {
    office = await TestCore.start({
      endpoints: { 100: { aors: ['100'] }, 101: { aors: ['101'] }, boss: {} },
      aors: { 100: { max_contacts: 3 }, 101: { max_contacts: 1, contact: ['sip:gate@192.0.2.7'] } },
      contacts: 'registrar',
      files: { 'pubsub.conf': { unload_grace: '1' } },
    })
    await office.load(pubsub, reginfo)
  })
  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await office.close()
  })

  async function open(user: string): Promise<TestPhone> {
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port }, user })
    phones.push(phone)
    return phone
  }

  const register = (phone: TestPhone, dialog: PhoneDialog, expires = 600): Promise<WireMessage> =>
    phone.request('REGISTER', { dialog, headers: [['Expires', String(expires)]] })

  const watch = (phone: TestPhone, resource: string, dialog = phone.dialog(`sip:${resource}@127.0.0.1`)) =>
    phone.request('SUBSCRIBE', { dialog, headers: [['Event', 'reg'], ['Expires', '600']] }) // biome-ignore format: one

  it('tells the whole registration first, then what is new, with a version that rises', async () => {
    const phone = await open('100')
    const watcher = await open('100')
    const registration = phone.dialog('sip:100@127.0.0.1')
    const subscription = watcher.dialog('sip:100@127.0.0.1')
    expect((await watch(watcher, '100', subscription)).status).to.equal(200)
    const empty = await next(watcher)
    expect([empty.state, empty.registration, empty.contacts.size]).to.deep.equal(['full', 'init', 0])

    await register(phone, registration)
    const uri = `sip:100@127.0.0.1:${phone.local.port}`
    const one = await next(watcher)
    expect([one.state, one.registration]).to.deep.equal(['partial', 'active'])
    expect([...one.contacts.values()]).to.deep.equal([`${uri} active registered`])

    const second = await open('100')
    await register(second, second.dialog('sip:100@127.0.0.1'))
    const two = await next(watcher)
    expect([...two.contacts.values()]).to.deep.equal([`sip:100@127.0.0.1:${second.local.port} active registered`])

    await register(phone, registration, 0)
    const gone = await next(watcher)
    expect([gone.state, gone.registration]).to.deep.equal(['partial', 'active'])
    expect([...gone.contacts]).to.deep.equal([[[...one.contacts.keys()][0], `${uri} terminated unregistered`]])

    expect((await watch(watcher, '100', subscription)).status).to.equal(200)
    const whole = await next(watcher)
    expect([whole.state, ...whole.contacts.keys()]).to.deep.equal(['full', ...two.contacts.keys()])
    const versions = [empty, one, two, gone, whole].map(({ version }) => version)
    expect(versions).to.deep.equal([...new Set(versions)].toSorted((a, b) => a - b))
  })

  it('is silent about a REGISTER that only says that the phone is still there', async () => {
    const phone = await open('100')
    const watcher = await open('100')
    const registration = phone.dialog('sip:100@127.0.0.1')
    await register(phone, registration)
    await watch(watcher, '100')
    await next(watcher)
    await register(phone, registration)
    await register(phone, registration, 0)
    expect([...(await next(watcher)).contacts.values()].join()).to.match(/terminated unregistered$/)
  })

  it('tells two bindings apart that one phone has for a while, or that two phones name alike', async () => {
    const watcher = await open('100')
    await watch(watcher, '100')
    await next(watcher)
    // Without reg-id an instance makes no binding (RFC 5626 6): a new port is another one, and the old one runs out.
    const at = (port: number): string => `<sip:100@192.0.2.7:${port}>;+sip.instance="<urn:uuid:1>"`
    const phone = await open('100')
    const bind = async (port: number, expires: number): Promise<Seen> => {
      const headers = [['Contact', `${at(port)};expires=${expires}`]] as const
      expect((await phone.request('REGISTER', { uri: 'sip:100@127.0.0.1', contact: false, headers })).status).to.equal(
        200,
      )
      return next(watcher)
    }
    const before = await bind(5060, 600)
    const after = await bind(5070, 600)
    expect([...after.contacts.keys()]).to.not.deep.equal([...before.contacts.keys()])
    const gone = await bind(5060, 0)
    expect(gone.registration).to.equal('active')
    expect([...gone.contacts]).to.deep.equal([
      [[...before.contacts.keys()][0], 'sip:100@192.0.2.7:5060 terminated unregistered'],
    ])
  })

  it('shows permanent contacts as created', async () => {
    const watcher = await open('101')
    await watch(watcher, '101')
    const seen = await next(watcher)
    expect([seen.registration, ...seen.contacts.values()]).to.deep.equal([
      'active',
      'sip:gate@192.0.2.7 active created',
    ])
  })

  it('tells of permanent contacts that come and go with the files', async () => {
    const watcher = await open('101')
    await watch(watcher, '101')
    const before = await next(watcher)
    const { files } = office.core.endpoints
    const old = files.aors.get('101')
    if (!old) throw new Error('no AOR')
    office.core.endpoints.replace({
      ...files,
      aors: new Map([...files.aors, ['101', { ...old, contact: ['sip:door@192.0.2.8'] }]]),
    })
    const news = new Map<string, string>()
    while (news.size < 2) for (const [id, contact] of (await next(watcher)).contacts) news.set(id, contact)
    expect(news.get([...before.contacts.keys()].join())).to.equal('sip:gate@192.0.2.7 terminated rejected')
    expect([...news.values()]).to.include('sip:door@192.0.2.8 active created')
  })

  it('is for the owner, and for those the administrator names', async () => {
    const boss = await open('boss')
    expect((await watch(boss, '100')).status).to.equal(403)
    office.file('pubsub.conf [reginfo]', { admins: 'boss' })
    await office.loader.reload('res_pjsip_reginfo')
    expect((await watch(boss, '100')).status).to.equal(200)
    expect((await watch(boss, 'nobody')).status).to.equal(404)
    expect((await watch(await open('100'), '101')).status).to.equal(403)
  })

  it('is told no more to an endpoint of a server from the refresh on at which it has the AOR no more', async () => {
    const [values] = office.core.endpoints.files.endpoints.values()
    if (!values) throw new Error('no endpoint')
    let aors = ['101']
    office.core.endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => (id === '300' ? { ...values, id, aors } : undefined),
      aor: async () => undefined,
      auth: async () => undefined,
    })
    const phone = await open('300')
    const dialog = phone.dialog('sip:101@127.0.0.1')
    expect((await watch(phone, '101', dialog)).status).to.equal(200)
    await phone.next('NOTIFY')
    aors = []
    expect((await watch(phone, '101', dialog)).status).to.equal(200)
    await phone.next('NOTIFY')
    expect((await phone.next('NOTIFY')).header('subscription-state')).to.equal('terminated;reason=rejected')
  })

  describe('after a reload', () => {
    const ending = async (phone: TestPhone): Promise<string | undefined> =>
      (await phone.next('NOTIFY')).header('subscription-state')

    it('is told no more to whom the administrator does not name any more', async () => {
      office.file('pubsub.conf [reginfo]', { admins: 'boss' })
      await office.loader.reload('res_pjsip_reginfo')
      const boss = await open('boss')
      const owner = await open('100')
      for (const phone of [boss, owner]) {
        await watch(phone, '100')
        await phone.next('NOTIFY')
      }
      office.file('pubsub.conf [reginfo]', { admins: '' })
      await office.loader.reload('res_pjsip_reginfo')
      expect(await ending(boss)).to.equal('terminated;reason=rejected')
      await register(owner, owner.dialog('sip:100@127.0.0.1'))
      expect(await ending(owner)).to.match(/^active/)
    })

    it('is told no more to whom the AOR does not belong any more', async () => {
      const phone = await open('100')
      await watch(phone, '100')
      await phone.next('NOTIFY')
      const { files } = office.core.endpoints
      const old = files.endpoints.get('100')
      if (!old) throw new Error('no endpoint')
      const give = (...aors: string[]): void =>
        office.core.endpoints.replace({ ...files, endpoints: new Map([...files.endpoints, ['100', { ...old, aors }]]) })
      give('101')
      // Its name stands for the first of its AORs.
      expect((await phone.next('NOTIFY')).body).to.include('sip:gate@192.0.2.7')
      give()
      expect(await ending(phone)).to.equal('terminated;reason=rejected')
    })

    it('is over where the AOR is gone, with all who were registered there', async () => {
      const phone = await open('100')
      await register(phone, phone.dialog('sip:100@127.0.0.1'))
      await watch(phone, '100')
      expect((await next(phone)).contacts.size).to.equal(1)
      const { files } = office.core.endpoints
      office.core.endpoints.replace({ ...files, aors: new Map([...files.aors].filter(([id]) => id !== '100')) })
      const last = await phone.next('NOTIFY')
      expect(last.header('subscription-state')).to.equal('terminated;reason=noresource')
      expect(last.body).to.include('state="terminated"').and.not.include('state="active"')
    })
  })

  describe('for who watches it a moment after it was found', () => {
    let sip: FakeSip
    let contacts: FakeContacts
    let other: TestCore
    let core: Pubsub

    const register = (): void =>
      contacts.register('100', 'sip:100@192.0.2.7', { id: '1', expires: Date.now() + 60_000 })
    const seen = ({ dialog }: FakeTransaction): Promise<unknown> =>
      until('the contact', () => dialog.notifies.at(-1)?.text.includes('sip:100@192.0.2.7</uri>') === true)

    beforeEach(async () => {
      sip = new FakeSip()
      contacts = new FakeContacts()
      other = await TestCore.start({ sip, contacts, endpoints: { 100: { aors: ['100'] } }, aors: { 100: {} } })
      core = await other.load<Pubsub>(pubsub)
      await other.load(reginfo)
    })
    afterEach(() => other.close())

    it('has what has changed meanwhile', async () => {
      core.onSubscription((what) => what === 'status' && register())
      await seen(await sip.subscribe('100', { Event: 'reg' }))
    })

    it('is one for all who asked in the same moment', async () => {
      const subscribe = (tag: string): Promise<FakeTransaction> =>
        sip.subscribe('100', { Event: 'reg', From: `<sip:100@pbx.example>;tag=${tag}` })
      const watching = await Promise.all([subscribe('1'), subscribe('2')])
      for (const { dialog } of watching) await until('the first NOTIFY', () => dialog.notifies.length === 1)
      register()
      for (const tx of watching) await seen(tx)
    })
  })

  async function next(phone: TestPhone): Promise<Seen> {
    const notify = await phone.next('NOTIFY')
    expect(notify.header('content-type')).to.equal('application/reginfo+xml')
    const root = parseXml(notify.body)
    expect(root.ns).to.equal('urn:ietf:params:xml:ns:reginfo')
    const registration = root.children[0]
    expect(registration?.attributes.get('aor')).to.equal(`sip:${phone.user}@127.0.0.1`)
    return {
      version: Number(root.attributes.get('version')),
      state: root.attributes.get('state') ?? '',
      registration: registration?.attributes.get('state') ?? '',
      contacts: new Map(registration?.children.map((contact) => [contact.attributes.get('id') ?? '', said(contact)])),
    }
  }

  const said = (contact: XmlNode): string =>
    [contact.children[0]?.text, contact.attributes.get('state'), contact.attributes.get('event')].join(' ')
})
