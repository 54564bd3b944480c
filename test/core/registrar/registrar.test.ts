import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { array, assert, asyncProperty, constantFrom } from 'fast-check'
import type { Authenticator } from '../../../core/auth/auth.ts'
import { type Aor, type Endpoint, Endpoints } from '../../../core/endpoints.ts'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import type { Contact } from '../../../core/registrar/registrar.ts'
import { createRegistrar, type Registrar } from '../../../core/registrar/registrations.ts'
import type { Flow } from '../../../core/sip/contract.ts'
import { openStore, type Store } from '../../../core/store.ts'
import { pjsipConfig, type TestCoreSettings } from '../../support/core.ts'
import { FakeFlow, FakeSip, type FakeTransaction, type Headers } from '../../support/fake-sip.ts'
import { computed, until } from '../../support/tools.ts'

const URI = 'sip:pbx.example'
const AT_HOME = '<sip:100@192.0.2.7:5062>'

describe('Registrar', () => {
  let time: number
  let sip: FakeSip
  let store: Store
  let registrar: Registrar
  let endpoints: Endpoints
  let compat: 'rfc' | 'asterisk'
  let changes: string[]
  let directory: string
  const log = new Log('error')

  const settings = (aor: Partial<Aor> = {}, endpoint: Partial<Endpoint> = {}): TestCoreSettings => ({
    endpoints: { 100: { aors: ['100'], ...endpoint }, 101: { aors: ['101'] }, none: {} },
    aors: { 100: { max_contacts: 2, ...aor }, 101: { max_contacts: 1 } },
  })

  /** Everybody is who the From says: proving it is tested elsewhere. */
  const auth: Authenticator = {
    credentialsFor: () => undefined,
    identify: (tx) => {
      const endpoint = endpoints.files.endpoints.get(tx.request.from.uri?.user ?? '')
      if (!endpoint) tx.answer({ status: 401 })
      return endpoint
    },
  }

  async function open(aor: Partial<Aor> = {}, endpoint: Partial<Endpoint> = {}): Promise<void> {
    sip = new FakeSip()
    endpoints = new Endpoints(pjsipConfig(settings(aor, endpoint)))
    const path = join(directory, 'lamplighter.db')
    store = await openStore({ path, synchronous: 'off', log: log.logger('store') })
    const metrics = new Metrics()
    const parts = { sip, endpoints, auth, store, log, metrics }
    registrar = await createRegistrar({ ...parts, compat: () => compat, now: () => time })
    changes = []
    registrar.onChange((name, added) => changes.push(`${name} ${added?.uri ?? '-'}`))
  }

  async function close(): Promise<void> {
    await registrar.close()
    await store.close()
  }

  beforeEach(() => {
    time = 1_700_000_000_000
    compat = 'rfc'
    directory = mkdtempSync(join(tmpdir(), 'registrar-'))
  })

  afterEach(async () => {
    await close()
    rmSync(directory, { recursive: true })
  })

  let cseq = 0
  const register = (headers: Headers = {}, flow?: Flow): Promise<FakeTransaction> =>
    sip.receive(
      'REGISTER',
      URI,
      {
        From: '<sip:100@pbx.example>;tag=1',
        To: '<sip:100@pbx.example>',
        'Call-ID': 'phone-1',
        CSeq: `${++cseq} REGISTER`,
        Contact: AT_HOME,
        Expires: undefined,
        Event: undefined,
        ...headers,
      },
      flow,
    )
  const contactsIn = (tx: FakeTransaction): string[] =>
    (tx.given?.headers ?? []).filter(([name]) => name === 'Contact').map(([, value]) => value)
  const uris = async (aor = '100'): Promise<string[]> => (await registrar.of(aor)).map(({ uri }) => uri)
  const only = async (): Promise<Contact> => {
    const [contact, ...more] = await registrar.of('100')
    if (!contact || more.length > 0) throw new Error(`${more.length + (contact ? 1 : 0)} contacts`)
    return contact
  }

  describe('a binding', () => {
    beforeEach(() => open())

    it('of a new address is answered with its expiry, though the old one goes in the same request', async () => {
      await register({ Expires: '600' })
      const answer = await register({ Contact: `${AT_HOME};expires=0, <sip:100@192.0.2.8>;expires=300` })
      expect(contactsIn(answer)).to.deep.equal(['<sip:100@192.0.2.8>;expires=300'])
      expect(answer.header('Expires')).to.equal('300')
      expect((await register({ Contact: '<sip:100@192.0.2.8>', Expires: '0' })).header('Expires')).to.equal('0')
    })

    it('is made, told of, and answered with its expiry and the date', async () => {
      const answer = await register({ Expires: '600' })
      expect(answer.status).to.equal(200)
      expect(contactsIn(answer)).to.deep.equal([`${AT_HOME};expires=600`])
      expect(answer.header('Expires')).to.equal('600')
      expect(answer.header('Date')).to.equal('Tue, 14 Nov 2023 22:13:20 GMT')
      expect(await only()).to.include({
        aor: '100',
        uri: 'sip:100@192.0.2.7:5062',
        expires: time + 600_000,
        userAgent: 'Phone/1.0',
        instance: '',
      })
      expect(changes).to.deep.equal(['100 sip:100@192.0.2.7:5062'])
    })

    it('is of the AOR without the options of the user with ignore_uri_user_options', async () => {
      const To = '<sip:100;phone-context=pbx.example@pbx.example>'
      expect((await register({ To })).status).to.equal(404)
      endpoints.replace(pjsipConfig({ ...settings(), global: { ignore_uri_user_options: true } }))
      expect((await register({ To })).status).to.equal(200)
      expect((await only()).aor).to.equal('100')
    })

    it('is refreshed without another word', async () => {
      await register({ Expires: '600' })
      time += 500_000
      const answer = await register({ Expires: '300' })
      expect(contactsIn(answer)).to.deep.equal([`${AT_HOME};expires=300`])
      expect(changes).to.have.length(1)
    })

    it('is the same one where the URIs are equivalent, not where they only look alike', async () => {
      await register({ Contact: '<sip:100@Phone.Example:5062;transport=tcp>' })
      await register({ Contact: '<sip:%31%30%30@phone.example:5062;x=y;TRANSPORT=TCP>' })
      expect(await uris()).to.have.length(1)
      await register({ Contact: '<sip:100@phone.example;transport=tcp>' })
      expect(await uris()).to.have.length(2)
    })

    it('is told of again where its connection is another one', async () => {
      await register({}, new FakeFlow('TCP', { address: '192.0.2.7', port: 40001 }))
      await register({}, new FakeFlow('TCP', { address: '192.0.2.7', port: 40002 }))
      expect(changes).to.deep.equal(['100 sip:100@192.0.2.7:5062', '100 sip:100@192.0.2.7:5062'])
    })

    it('is told of again where the phone has restarted, which shows in another Call-ID', async () => {
      await register()
      await register()
      await register({ 'Call-ID': 'restarted' })
      await register({ 'Call-ID': 'restarted' })
      expect(changes).to.deep.equal(['100 sip:100@192.0.2.7:5062', '100 sip:100@192.0.2.7:5062'])
    })

    it('ends with Expires 0, by header or parameter', async () => {
      await register()
      const answer = await register({ Contact: `${AT_HOME};expires=0` })
      expect([answer.status, ...contactsIn(answer)]).to.deep.equal([200])
      await register()
      await register({ Expires: '0' })
      expect(await uris()).to.deep.equal([])
      expect(changes.filter((change) => change === '100 -')).to.have.length(2)
      expect((await register({ Expires: '0' })).status, 'nothing to remove').to.equal(200)
    })

    it('ends when its time is over, before any timer looks', async () => {
      await register({ Expires: '60' })
      time += 60_000
      expect(await uris(), 'before the timer looks').to.deep.equal([])
    })

    it('is shown to a REGISTER without Contact, with the time that is left', async () => {
      await register({ Contact: `${AT_HOME};q=0.5;expires=600` })
      time += 100_000
      const answer = await register({ Contact: undefined })
      expect(contactsIn(answer)).to.deep.equal([`${AT_HOME};expires=500;q=0.5`])
      expect(answer.header('Expires')).to.equal(undefined)
    })

    it('survives a restart without its flow, unless its time is over', async () => {
      await register({ Expires: '600', 'User-Agent': 'Lobby phone' })
      await register({ Contact: '<sip:100@192.0.2.8>;expires=60', 'Call-ID': 'phone-2' })
      expect((await registrar.of('100'))[0]?.flow?.protocol).to.equal('UDP')
      await close()
      time += 120_000
      await open()
      expect(await only()).to.include({
        uri: 'sip:100@192.0.2.7:5062',
        flow: undefined,
        transport: 'fake',
        userAgent: 'Lobby phone',
        expires: time + 480_000,
      })
      expect((await register({ CSeq: '1 REGISTER' })).status, 'its Call-ID and CSeq are known').to.equal(500)
      await register({ Expires: '0' })
      await close()
      await open()
      expect(await uris()).to.deep.equal([])
    })
  })

  describe('the whole request fails', () => {
    beforeEach(() => open())

    it('where the CSeq does not rise within the Call-ID, unless compat says asterisk', async () => {
      await register({ CSeq: '50 REGISTER', Expires: '600' })
      for (const number of [50, 49]) {
        const answer = await register({ CSeq: `${number} REGISTER`, Contact: `${AT_HOME};expires=60` })
        expect(answer.status).to.equal(500)
      }
      expect((await register({ CSeq: '3 REGISTER', Contact: '*', Expires: '0' })).status).to.equal(500)
      expect((await only()).expires).to.equal(time + 600_000)
      expect((await register({ CSeq: '3 REGISTER', 'Call-ID': 'rebooted' })).status).to.equal(200)
      compat = 'asterisk'
      expect((await register({ CSeq: '2 REGISTER', 'Call-ID': 'rebooted' })).status).to.equal(200)
    })

    it('where one of several Contacts cannot be taken', async () => {
      const answer = await register({ Contact: [AT_HOME, '<mailto:alice@pbx.example>'] })
      expect(answer.status).to.equal(400)
      expect(await uris()).to.deep.equal([])
    })

    it('where * comes without Expires 0', async () => {
      await register()
      expect((await register({ Contact: '*' })).status).to.equal(400)
      expect((await register({ Contact: '*', Expires: '60' })).status).to.equal(400)
      expect(await uris()).to.have.length(1)
      const answer = await register({ Contact: '*', Expires: '0' })
      expect([answer.status, ...contactsIn(answer)]).to.deep.equal([200])
      expect(await uris()).to.deep.equal([])
    })

    it('where the endpoint is nobody, has no AOR, or not this one', async () => {
      expect((await register({ From: '<sip:999@pbx.example>;tag=1' })).status).to.equal(401)
      expect((await register({ From: '<sip:none@pbx.example>;tag=1' })).status).to.equal(403)
      expect((await register({ To: '<sip:101@pbx.example>' })).status).to.equal(403)
      expect((await register({ To: '<sip:999@pbx.example>' })).status).to.equal(404)
      expect((await register({ To: '<tel:+100>' })).status).to.equal(404)
      compat = 'asterisk'
      expect((await register({ To: '<sip:101@pbx.example>' })).status).to.equal(404)
    })
  })

  it('answers whatever it is sent, at once', async () => {
    await open({ support_path: true, max_contacts: 3 })
    const piece = constantFrom(
      '<sip:',
      '100@',
      '192.0.2.7',
      ':5062',
      '>',
      ';expires=',
      '0',
      '-1',
      ';q=',
      '"',
      ';reg-id=1',
      '*',
      ',',
      '%00',
      '\\',
      ';+sip.instance="<urn:x>"',
    )
    const text = array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
    const header = constantFrom('Contact', 'Expires', 'Path', 'To', 'Supported', 'Require', 'Via')
    await assert(
      asyncProperty(header, text, async (name, value) => {
        const answer = await register({ [name]: value, 'Call-ID': `fuzz ${cseq}` })
        expect(answer.status).to.be.within(200, 499)
        expect((await registrar.of('100')).length).to.be.at.most(3)
      }),
      { numRuns: 500 },
    )
  })

  it('takes no time over a REGISTER with very many Contacts', async () => {
    await open({ max_contacts: 1000 })
    const many = (count: number, from: number): string[] =>
      Array.from({ length: count }, (_, n) => `<sip:100@198.51.${Math.floor((from + n) / 250)}.${(from + n) % 250}>`)
    for (let n = 0; n < 1000; n += 50) expect((await register({ Contact: many(50, n) })).status).to.equal(200)
    const before = computed()
    expect((await register({ Contact: many(50, 900) })).status).to.equal(200)
    expect((await register({ Contact: many(250, 0).join(', ') })).status).to.equal(403)
    expect(computed() - before).to.be.below(500)
  })

  describe('the expiry', () => {
    beforeEach(() => open({ default_expiration: 1800, minimum_expiration: 60, maximum_expiration: 7200 }))
    const granted = async (headers: Headers): Promise<number> => {
      expect((await register(headers)).status).to.equal(200)
      return ((await only()).expires - time) / 1000
    }

    it('is the parameter, else the header, else the default', async () => {
      expect(await granted({ Contact: `${AT_HOME};expires=300`, Expires: '600' })).to.equal(300)
      expect(await granted({ Expires: '600' })).to.equal(600)
      expect(await granted({})).to.equal(1800)
    })

    it('is an hour where it cannot be read, and cut where it is too long', async () => {
      expect(await granted({ Expires: 'soon' })).to.equal(3600)
      expect(await granted({ Contact: `${AT_HOME};expires=-5` })).to.equal(3600)
      expect(await granted({ Expires: '99999999999999' })).to.equal(7200)
    })

    it('is refused with 423 and Min-Expires where it is too brief; Asterisk makes it longer', async () => {
      const answer = await register({ Expires: '59' })
      expect([answer.status, answer.header('Min-Expires')]).to.deep.equal([423, '60'])
      compat = 'asterisk'
      expect(await granted({ Expires: '59' })).to.equal(60)
    })

    it('may not be refused for being too brief where it is an hour', async () => {
      await close()
      await open({ minimum_expiration: 5000 })
      expect((await register({ Expires: '3599' })).status).to.equal(423)
      expect(await granted({ Expires: '3600' })).to.equal(3600)
    })
  })

  describe('max_contacts', () => {
    const at = (host: number): string => `<sip:100@192.0.2.${host}>`

    it('of 0 forbids registering', async () => {
      await open({ max_contacts: 0 })
      expect((await register()).status).to.equal(403)
    })

    it('refuses one more, and lets those that are there refresh', async () => {
      await open()
      await register({ Contact: [at(1), at(2)] })
      expect((await register({ Contact: at(3) })).status).to.equal(403)
      expect((await register({ Contact: at(2) })).status).to.equal(200)
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.1', 'sip:100@192.0.2.2'])
      expect((await register({ Contact: [`${at(1)};expires=0`, at(3)] })).status).to.equal(200)
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.2', 'sip:100@192.0.2.3'])
    })

    it('lets the one that expires first make room with remove_existing', async () => {
      await open({ remove_existing: true })
      await register({ Contact: `${at(1)};expires=600` })
      await register({ Contact: `${at(2)};expires=300` })
      expect((await register({ Contact: at(3) })).status).to.equal(200)
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.1', 'sip:100@192.0.2.3'])
      expect((await register({ Contact: [at(4), at(5), at(6)] })).status).to.equal(403)
    })

    it('lets one whose connection is gone make room with remove_unavailable', async () => {
      await open({ remove_unavailable: true })
      const lost = new FakeFlow('TCP', { address: '192.0.2.1', port: 40001 })
      await register({ Contact: at(1) }, lost)
      await register({ Contact: at(2) })
      expect((await register({ Contact: at(3) })).status).to.equal(403)
      lost.close()
      expect((await register({ Contact: at(3) })).status).to.equal(200)
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.2', 'sip:100@192.0.2.3'])
    })
  })

  describe('rewrite_contact', () => {
    const behindNat = '<sip:100@10.0.0.5:5060;ob>'

    it('sends to where the request came from, and answers what the phone wrote', async () => {
      await open({}, { rewrite_contact: true })
      const answer = await register({ Contact: behindNat })
      expect(contactsIn(answer)).to.deep.equal([`${behindNat};expires=3600`])
      const contact = await only()
      expect(contact.uri).to.equal('sip:100@192.0.2.7:5062;ob')
      expect(contact.flow).to.not.equal(undefined)
    })

    it('keeps the way to a link-local address, and its zone out of the URI (RFC 4007 11.2)', async () => {
      for (const rewrite_contact of [true, false]) {
        await open({}, { rewrite_contact })
        const flow = new FakeFlow('UDP', { address: 'fe80::7%eth0', port: 5062 })
        await register({ Contact: '<sip:100@[fe80::7]:5062>' }, flow)
        expect(await only()).to.include({ uri: 'sip:100@[fe80::7]:5062', flow })
        await register({ Contact: '*', Expires: '0' })
        if (rewrite_contact) await close()
      }
    })

    it('finds the binding of a phone whose NAT gave it another port', async () => {
      await open({}, { rewrite_contact: true })
      await register({ Contact: behindNat })
      await register({ Contact: behindNat }, new FakeFlow('UDP', { address: '192.0.2.7', port: 6000 }))
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.7:6000;ob'])
      await register(
        { Contact: behindNat, 'Call-ID': 'other phone' },
        new FakeFlow('UDP', { address: '192.0.2.9', port: 7000 }),
      )
      expect(await uris()).to.have.length(2)
    })

    it('is the same binding where a reload turns it on or off', async () => {
      for (const rewrite_contact of [true, false]) {
        await open({ max_contacts: 1 }, { rewrite_contact })
        expect((await register({ Contact: behindNat })).status).to.equal(200)
        const [{ id } = {}] = registrar.list()
        endpoints.replace(pjsipConfig(settings({ max_contacts: 1 }, { rewrite_contact: !rewrite_contact })))
        expect((await register({ Contact: behindNat })).status).to.equal(200)
        expect(await only()).to.include({
          id,
          uri: rewrite_contact ? 'sip:100@10.0.0.5:5060;ob' : 'sip:100@192.0.2.7:5062;ob',
        })
        expect((await register({ Contact: behindNat, Expires: '0' })).status).to.equal(200)
        expect(await uris()).to.deep.equal([])
        if (rewrite_contact) await close()
      }
    })

    it('registers a new Contact though an old one is taken away behind it, in the same request', async () => {
      await open({}, { rewrite_contact: true })
      const oldOne = '<sip:100@10.0.0.4:5060>;expires=0'
      for (const [expires, registered] of [
        ['600', 'nothing'],
        ['900', 'the new one'],
      ] as const) {
        const answer = await register({ Contact: [behindNat, oldOne], Expires: expires })
        expect(contactsIn(answer), `over ${registered}`).to.deep.equal([`${behindNat};expires=${expires}`])
        expect(answer.header('Expires')).to.equal(expires)
      }
      expect((await only()).uri).to.equal('sip:100@192.0.2.7:5062;ob')
      await register({ Contact: [behindNat, `${behindNat};expires=0`] })
      expect(await uris()).to.deep.equal([])
    })

    it('drops what hung on a connection when that closes, and does not restore it', async () => {
      await open({}, { rewrite_contact: true })
      const flow = new FakeFlow('TCP', { address: '192.0.2.7', port: 40001 })
      await register({ Contact: behindNat }, flow)
      expect(await uris()).to.deep.equal(['sip:100@192.0.2.7:40001;ob;transport=tcp'])
      flow.close()
      expect(await uris()).to.deep.equal([])
      expect(changes.at(-1)).to.equal('100 -')
      await register({ Contact: behindNat }, new FakeFlow('TCP', { address: '192.0.2.7', port: 40002 }))
      await close()
      await open({}, { rewrite_contact: true })
      expect(await uris()).to.deep.equal([])
    })

    it('is not there: a Contact elsewhere is reached there, and a closed connection leaves it', async () => {
      await open()
      await register({ Contact: '<sip:100@198.51.100.9>' })
      expect((await only()).flow).to.equal(undefined)
      const flow = new FakeFlow('TCP', { address: '192.0.2.7', port: 40001 })
      await register({ Contact: '<sip:100@198.51.100.9>' }, flow)
      expect((await only()).flow).to.equal(flow)
      flow.close()
      expect((await only()).flow).to.equal(undefined)
    })
  })

  describe('outbound (RFC 5626)', () => {
    const outbound = (port: number, regId = 1): Headers => ({
      Contact: `<sip:100@10.0.0.5:${port};ob>;reg-id=${regId};+sip.instance="<urn:uuid:0c67>"`,
      Supported: 'path, outbound',
    })

    it('goes by instance and reg-id, over the flow, and is required in the answer', async () => {
      await open()
      const answer = await register(outbound(5060))
      expect(answer.header('Require')).to.equal('outbound')
      expect(contactsIn(answer)[0]).to.match(/;\+sip\.instance="<urn:uuid:0c67>";reg-id=1$/)
      const flow = new FakeFlow('TCP', { address: '192.0.2.7', port: 40001 })
      await register({ ...outbound(6060), 'Call-ID': 'rebooted' }, flow)
      const contact = await only()
      expect(contact).to.include({ uri: 'sip:100@10.0.0.5:6060;ob', instance: '<urn:uuid:0c67>', flow })
      await register(outbound(6060, 2))
      expect(await uris()).to.have.length(2)
      flow.close()
      expect(await uris()).to.have.length(1)
    })

    it('is not used where the phone does not say that it supports it', async () => {
      await open()
      const answer = await register({ ...outbound(5060), Supported: undefined })
      expect(answer.header('Require')).to.equal(undefined)
      expect((await only()).flow).to.equal(undefined)
    })

    it('and Path are named without case, as option tags are (RFC 3261 7.3.1)', async () => {
      await open()
      expect((await register({ ...outbound(5060), Supported: 'Path, OUTBOUND' })).header('Require')).to.equal(
        'outbound',
      )
      expect((await register({ Contact: AT_HOME, Require: 'Path' })).status).to.equal(420)
    })

    it('takes a Contact away with the one that comes in its place, as PJSIP does on a new connection', async () => {
      await open()
      await register(outbound(5060))
      const [gone, next] = [5060, 6060].map((port) => String(outbound(port)['Contact']))
      for (const Contact of [
        [`${next}`, `${gone};expires=0`],
        [`${gone};expires=0`, `${next}`],
      ]) {
        expect((await register({ ...outbound(6060), Contact })).status).to.equal(200)
        expect((await only()).uri).to.equal('sip:100@10.0.0.5:6060;ob')
      }
    })

    it('refuses several Contacts at once, and a first hop that lacks it', async () => {
      await open({ support_path: true })
      const two = [outbound(5060)['Contact'], AT_HOME].map(String)
      expect((await register({ ...outbound(5060), Contact: two })).status).to.equal(400)
      const Via = ['SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKp', 'SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKu']
      expect((await register({ ...outbound(5060), Via })).status).to.equal(439)
      expect((await register({ ...outbound(5060), Via, Path: '<sip:edge.example;lr>' })).status).to.equal(439)
      expect((await register({ ...outbound(5060), Via, Path: '<sip:edge.example;lr;ob>' })).status).to.equal(200)
    })
  })

  describe('Path (RFC 3327)', () => {
    const path = { Path: ['<sip:p2.example;lr>', '<sip:p1.example;lr>'] }

    it('is kept, used, and told only to phones that know of it', async () => {
      await open({ support_path: true }, { rewrite_contact: true })
      const answer = await register({ ...path, Supported: 'path' })
      expect((await only()).path).to.deep.equal(path.Path)
      expect((await only()).uri, 'the source is a proxy').to.equal('sip:100@192.0.2.7:5062')
      const told = (tx: FakeTransaction): unknown => tx.given?.headers?.filter(([name]) => name === 'Path')
      expect(told(answer)).to.deep.equal(path.Path.map((hop) => ['Path', hop]))
      expect(told(await register(path))).to.deep.equal([])
    })

    it('from a phone that does not know of it is 420 for Asterisk', async () => {
      compat = 'asterisk'
      await open({ support_path: true })
      const answer = await register(path)
      expect([answer.status, answer.header('Unsupported')]).to.deep.equal([420, 'path'])
    })

    it('is ignored without support_path, unless it is required', async () => {
      await open()
      expect((await register(path)).status).to.equal(200)
      expect((await only()).path).to.deep.equal([])
      const answer = await register({ ...path, Require: 'path' })
      expect([answer.status, answer.header('Unsupported')]).to.deep.equal([420, 'path'])
    })
  })

  describe('permanent contacts', () => {
    it('are reached by the transport that they name, without angle brackets, too', async () => {
      await open({ contact: ['sip:100@198.51.100.1;transport=tls', '"A" <sips:100@198.51.100.2>;q=0.5'] })
      expect(await uris()).to.deep.equal(['sip:100@198.51.100.1;transport=tls', 'sips:100@198.51.100.2'])
    })

    it('come before registered ones, are not in answers, and are told of when they change', async () => {
      await open({ contact: ['sip:100@198.51.100.1', '<sip:100@198.51.100.2:5080;transport=tcp>'] })
      const answer = await register()
      expect(contactsIn(answer)).to.have.length(1)
      expect(await uris()).to.deep.equal([
        'sip:100@198.51.100.1',
        'sip:100@198.51.100.2:5080;transport=tcp',
        'sip:100@192.0.2.7:5062',
      ])
      expect((await registrar.of('100'))[0]?.expires).to.equal(Number.POSITIVE_INFINITY)
      changes = []
      endpoints.replace(pjsipConfig(settings({ contact: ['sip:100@198.51.100.1', 'sip:100@198.51.100.3'] })))
      expect(changes).to.deep.equal(['100 sip:100@198.51.100.3', '100 -'])
    })
  })

  it('drops what expires by itself', async () => {
    await open({ minimum_expiration: 1 })
    time = Date.now()
    await register({ Expires: '1' })
    time += 2000
    await until('the end of the binding', () => changes.at(-1) === '100 -', 4000)
  })
})
