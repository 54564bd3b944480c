/** Phones that come back, over real sockets: on another connection, after a reboot, or with a second key. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { TransportConfig } from '../../core/endpoints.ts'
import { defaultsOf } from '../../core/options.ts'
import { systemOptions } from '../../core/pjsip-options.ts'
import type { Stack } from '../../core/sip/stack.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { NotifierSubscription } from '../../res_pjsip_pubsub/subscription.ts'
import { pjsipConfig, TestCore, type TestCoreSettings } from '../support/core.ts'
import { Lamps, lampModules } from '../support/lamps.ts'
import { type PhoneDialog, TestPhone, type WireMessage } from '../support/phone.ts'
import { endLeases } from '../support/sqlite.ts'
import { transportConfig } from '../support/stack.ts'
import { until } from '../support/tools.ts'

const INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'

describe('phones that come back', () => {
  let office: TestCore
  let lamps: Lamps
  let directory: string
  const phones: TestPhone[] = []

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-phones-'))
    lamps = new Lamps()
    for (const name of ['200', '201']) lamps.set(name, 'off')
    await begin()
  })

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  /** `silence`: milliseconds without an answer after which a request has failed. */
  async function begin(
    options: Readonly<Record<string, string>> = {},
    silence = 300,
    endpoints: TestCoreSettings['endpoints'] = {},
  ): Promise<void> {
    office = await TestCore.start({
      endpoints: {
        100: { aors: ['100'] },
        101: { aors: ['101'] },
        nat: { aors: ['nat'], rewrite_contact: true },
        ...endpoints,
      },
      aors: { 100: { max_contacts: 5 }, 101: { max_contacts: 5 }, nat: { max_contacts: 5 } },
      transports: { udp: {}, tcp: { protocol: 'tcp' } },
      system: { timer_t1: 50, timer_b: silence },
      contacts: 'registrar',
      files: { 'pubsub.conf': { notify_retry_interval: '600000', ...options } },
      storePath: join(directory, 'lamps.db'),
    })
    const { packageModule, bodyModule } = lampModules(lamps)
    await office.load(res_pjsip_pubsub, packageModule, bodyModule)
  }

  async function phone(
    protocol: 'udp' | 'tcp',
    contact?: string,
    user = '100',
    localAddress?: string,
  ): Promise<TestPhone> {
    const found = office.addresses.find((text) => text.startsWith(`${protocol}:`)) ?? ''
    const server = { address: '127.0.0.1', port: Number(found.slice(found.lastIndexOf(':') + 1)) }
    const opened = await TestPhone.open({ server, protocol, user, contact, localAddress })
    phones.push(opened)
    return opened
  }

  const watch = (who: TestPhone, dialog = who.dialog('sip:200@127.0.0.1')): Promise<WireMessage> =>
    who.request('SUBSCRIBE', { dialog, headers: [['Event', 'lamp']] })
  const register = (who: TestPhone): Promise<WireMessage> =>
    who.request('REGISTER', { uri: 'sip:127.0.0.1', to: `<sip:${who.user}@127.0.0.1>` })
  const subscriptions = () => [...(office.loader.api('res_pjsip_pubsub') as Pubsub).subscriptions]
  const gone = (): Promise<unknown> =>
    until('the loss', () => subscriptions().some(({ dialog }) => dialog.flow === undefined))

  /** Subscribes over one connection, and registers over the next; `change` is a change meanwhile. */
  async function reconnect(contacts: readonly (string | undefined)[], user = '100'): Promise<TestPhone> {
    const before = await phone('tcp', contacts[0], user)
    expect((await watch(before)).status).to.equal(200)
    await before.next('NOTIFY')
    await before.close()
    await gone()
    lamps.set('200', 'on')
    const after = await phone('tcp', contacts[1], user)
    expect((await register(after)).status).to.equal(200)
    return after
  }

  for (const [what, contacts, user] of [
    ['+sip.instance', [`<sip:100@10.0.0.1:1>${INSTANCE}`, `<sip:100@10.0.0.2:2>${INSTANCE}`], '100'],
    ['Contact', ['<sip:100@127.0.0.1:1;transport=tcp>', '<sip:100@127.0.0.1:1;transport=tcp>'], '100'],
    ['Contact behind a NAT', ['<sip:nat@10.0.0.1:5060>', '<sip:nat@10.0.0.1:5060>'], 'nat'],
    ['address, where its port was that of the connection', [undefined, undefined], '100'],
  ] as const) {
    it(`hear over the connection that they REGISTER by what changed meanwhile: the same ${what}`, async () => {
      const after = await reconnect(contacts, user)
      expect((await after.next('NOTIFY')).body).to.equal('on')
      lamps.set('200', 'off')
      expect((await after.next('NOTIFY')).body).to.equal('off')
      expect(office.metric('pubsub.subscriptions.active')).to.equal(1)
    })
  }

  for (const how of ['close', 'kill'] as const) {
    it(`hear over the connection that they REGISTER by after a restart of ours (${how})`, async () => {
      const before = await phone('tcp')
      const dialog = before.dialog('sip:200@127.0.0.1')
      await watch(before, dialog)
      const first = await before.next('NOTIFY')
      await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
      await office.store.flush()
      await office[how]()
      lamps.set('200', 'on')
      await begin()
      const after = await phone('tcp')
      expect((await register(after)).status).to.equal(200)
      const second = await after.next('NOTIFY')
      expect(second.header('call-id')).to.equal(dialog.callId)
      expect(second.cseq).to.be.above(first.cseq)
      expect(second.body).to.equal('on')
    })
  }

  it('hear over the connection that they have registered by before another server took them over', async () => {
    const shared = { subs_db_mode: '3', notifier_processes: '0' }
    await office.close()
    await begin(shared)
    const before = await phone('tcp')
    await watch(before)
    await before.next('NOTIFY')
    await office.kill()
    lamps.set('200', 'on')
    await begin(shared)
    const after = await phone('tcp')
    expect((await register(after)).status).to.equal(200)
    expect(subscriptions()).to.have.length(0)
    await endLeases(join(directory, 'lamps.db'))
    await until('that it is taken over', () => subscriptions().length === 1)
    expect((await after.next('NOTIFY')).body).to.equal('on')
  }).timeout(60_000)

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`are told at their new Contact behind a proxy what it has on the way to the old one, over ${protocol}`, async () => {
      await office.close()
      await begin({}, 60_000)
      const proxy = await phone(protocol)
      const dialog = proxy.dialog('sip:200@127.0.0.1')
      const watchFrom = (contact: string): Promise<WireMessage> =>
        proxy.request('SUBSCRIBE', {
          dialog,
          contact: false,
          headers: [
            ['Event', 'lamp'],
            ['Contact', `<${contact}>`],
            ['Record-Route', `<sip:127.0.0.1:${proxy.local.port};transport=${protocol};lr>`],
          ],
        })
      await watchFrom('sip:100@10.0.0.1:5060')
      await proxy.next('NOTIFY')
      proxy.onRequest = ({ uri }) => (uri.includes('10.0.0.1') ? undefined : 200)
      lamps.set('200', 'on')
      const { cseq } = await proxy.take(({ body }) => body === 'on', 'what changed')
      expect((await watchFrom('sip:100@10.0.0.2:5060')).status).to.equal(200)
      const again = await proxy.take(({ uri }) => uri.includes('10.0.0.2'), 'the same there')
      expect([again.body, again.cseq]).to.deep.equal(['on', cseq + 1])
    })
  }

  it('are told at the new port of their NAT, also after a restart of ours', async () => {
    const contact = '<sip:nat@10.0.0.1:5060>'
    const before = await phone('udp', contact, 'nat')
    await watch(before)
    await before.next('NOTIFY')
    const after = await phone('udp', contact, 'nat')
    expect((await register(after)).status).to.equal(200)
    lamps.set('200', 'on')
    expect((await after.next('NOTIFY')).body).to.equal('on')
    await office.store.flush()
    await office.kill()
    lamps.set('200', 'off')
    await begin()
    expect((await after.next('NOTIFY')).body).to.equal('off')
    expect(before.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(1)
  })

  for (const [what, user, contacts] of [
    ['Contact', '100', [undefined, undefined]],
    ['port of their NAT', 'nat', ['<sip:nat@10.0.0.1:5060>', '<sip:nat@10.0.0.1:5060>']],
  ] as const)
    it(`are told at the ${what} from where they refreshed last, also after a kill of ours`, async () => {
      const before = await phone('udp', contacts[0], user)
      const dialog = before.dialog('sip:200@127.0.0.1')
      expect((await watch(before, dialog)).status).to.equal(200)
      await before.next('NOTIFY')
      await office.store.flush()
      const after = await phone('udp', contacts[1], user)
      expect((await watch(after, dialog)).status).to.equal(200)
      expect((await after.next('NOTIFY')).body).to.equal('off')
      await office.store.flush()
      await office.kill()
      lamps.set('200', 'on')
      await begin()
      expect((await after.next('NOTIFY')).body).to.equal('on')
    })

  it('are told after a reload what changed while it had no transport to them, also those known to a server alone', async () => {
    const { sip, endpoints } = office.core
    const [one] = pjsipConfig({ endpoints: { far: {} } }).endpoints.values()
    const none = async (): Promise<undefined> => undefined
    endpoints.addSource({
      name: 'pbx1',
      endpoint: async (id) => (id === 'far' ? one : undefined),
      auth: none,
      aor: none,
    })
    const far = await phone('udp', undefined, 'far')
    expect((await watch(far)).status).to.equal(200)
    await far.next('NOTIFY')
    await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
    const transport = transportConfig({ id: 'udp', allow_reload: true })
    const reload = (transports: readonly TransportConfig[]): Promise<void> =>
      (sip as Stack).reload(transports, defaultsOf(systemOptions))
    await reload([{ ...transport, bind: '127.0.0.1:00' }])
    await reload([])
    lamps.set('200', 'on')
    await until('that nothing leads there', () =>
      subscriptions().every((each) => each instanceof NotifierSubscription && each.deliveryState === 'stalled'),
    )
    await reload([transport])
    endpoints.replace(endpoints.files)
    expect((await far.next('NOTIFY')).body).to.equal('on')
  })

  describe('behind a NAT that nobody has told us of', () => {
    const settings = (rewrite_contact: boolean): TestCoreSettings => ({ endpoints: { 100: { rewrite_contact } } })
    const reload = (rewrite_contact: boolean): void =>
      office.core.endpoints.replace(pjsipConfig(settings(rewrite_contact)))
    let inside: TestPhone
    let outside: TestPhone

    /** Its Contact leads to a port where nobody answers. */
    beforeEach(async () => {
      await office.close()
      await begin({}, 60_000)
      inside = await phone('udp')
      inside.onRequest = () => undefined
      outside = await phone('udp', inside.contact)
      expect((await watch(outside)).status).to.equal(200)
      await inside.next('NOTIFY')
    })

    it('are told as soon as a reload turns rewrite_contact on, and where they say once it is off again', async () => {
      reload(true)
      expect((await outside.next('NOTIFY')).body).to.equal('off')
      await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
      reload(false)
      lamps.set('200', 'on')
      expect((await inside.next('NOTIFY')).body).to.equal('on')
    })

    it('are told after a restart with rewrite_contact', async () => {
      await office.store.flush()
      await office.kill()
      await begin({}, 300, { 100: { rewrite_contact: true } })
      expect((await outside.next('NOTIFY')).body).to.equal('off')
    })
  })

  describe('while a NOTIFY is on its way to where they were', () => {
    const NAT = '<sip:nat@10.0.0.1:5060>'
    const BIG = 'on'.repeat(1000)

    beforeEach(() => restart())

    async function restart(options: Readonly<Record<string, string>> = {}): Promise<void> {
      await office.close()
      await begin(options, 60_000)
    }

    /** A phone that has its first NOTIFY, and answers none from then on. */
    async function falling(
      protocol: 'udp' | 'tcp',
      contact?: string,
      user?: string,
    ): Promise<[TestPhone, PhoneDialog]> {
      const before = await phone(protocol, contact, user)
      const dialog = before.dialog('sip:200@127.0.0.1')
      await watch(before, dialog)
      await before.next('NOTIFY')
      await until('its answer', () => office.metric('pubsub.notify.answered') === 1)
      before.onRequest = () => undefined
      return [before, dialog]
    }

    /** Its REGISTER or refresh, and that it gets what was lost, by the next number. */
    async function hears(after: TestPhone, how: 'REGISTER' | 'refresh', dialog: PhoneDialog, lost: WireMessage) {
      if (how === 'REGISTER') await register(after)
      else expect((await watch(after, dialog)).status).to.equal(200)
      const { body, cseq } = await after.next('NOTIFY')
      expect([body, cseq]).to.deep.equal(['on', lost.cseq + 1])
      await until('that nothing goes to the old place any more', () => office.metric('sip.transactions.client') === 0)
    }

    for (const how of ['REGISTER', 'refresh'] as const) {
      it(`get it at the new port of their NAT, from where they ${how}`, async () => {
        const [before, dialog] = await falling('udp', NAT, 'nat')
        lamps.set('200', 'on')
        const lost = await before.next('NOTIFY')
        const after = await phone('udp', NAT, 'nat')
        await hears(after, how, dialog, lost)
        lamps.set('200', 'off')
        expect((await after.next('NOTIFY')).body).to.equal('off')
      })

      it(`get it over the connection by which they ${how}, though the old one seems to live`, async () => {
        const contact = `<sip:100@10.0.0.1:1>${INSTANCE}`
        const [before, dialog] = await falling('tcp', contact)
        lamps.set('200', 'on')
        const lost = await before.next('NOTIFY')
        await hears(await phone('tcp', contact), how, dialog, lost)
      })
    }

    it('get it at their new Contact, from where they refresh', async () => {
      const [before, dialog] = await falling('udp')
      lamps.set('200', 'on')
      const lost = await before.next('NOTIFY')
      await hears(await phone('udp'), 'refresh', dialog, lost)
    })

    it('get it by UDP where they refresh by that, though the connection they had seems to live', async () => {
      const [before, dialog] = await falling('tcp')
      lamps.set('200', 'on')
      const lost = await before.next('NOTIFY')
      await hears(await phone('udp'), 'refresh', dialog, lost)
    })

    it('get it where it is the last one, too', async () => {
      const [before] = await falling('udp', NAT, 'nat')
      subscriptions()[0]?.terminate('noresource')
      await before.next('NOTIFY')
      const after = await phone('udp', NAT, 'nat')
      await register(after)
      expect((await after.next('NOTIFY')).header('subscription-state')).to.equal('terminated;reason=noresource')
      await until('the end', () => subscriptions().length === 0)
    })

    it('get it where the new port is known from a refresh that is refused', async () => {
      await restart({ min_expires: '60' })
      const [before, dialog] = await falling('udp', NAT, 'nat')
      lamps.set('200', 'on')
      await before.next('NOTIFY')
      const after = await phone('udp', NAT, 'nat')
      const headers = [
        ['Event', 'lamp'],
        ['Expires', '1'],
      ] as const
      expect((await after.request('SUBSCRIBE', { dialog, headers })).status).to.equal(423)
      expect((await after.next('NOTIFY')).body).to.equal('on')
    })

    /** A connection beside, that takes what is too big for UDP and answers nothing. */
    async function bigBeside(): Promise<TestPhone> {
      const beside = await phone('tcp', NAT, 'nat')
      await register(beside)
      beside.onRequest = () => undefined
      lamps.set('200', BIG)
      expect((await beside.next('NOTIFY')).body).to.equal(BIG)
      return beside
    }

    it('get it at their new port where it was too big for UDP, and its connection is lost', async () => {
      await falling('udp', NAT, 'nat')
      const beside = await bigBeside()
      const after = await phone('udp', NAT, 'nat')
      await register(after)
      await beside.close()
      expect((await after.next('NOTIFY')).body).to.equal(BIG)
    })

    it('get it at their new address where it was too big for UDP, though its connection seems to live', async () => {
      const [, dialog] = await falling('udp', NAT, 'nat')
      await bigBeside()
      const after = await phone('udp', NAT, 'nat', '127.0.0.2')
      expect((await watch(after, dialog)).status).to.equal(200)
      expect((await after.next('NOTIFY')).body).to.equal(BIG)
    })
  })

  it('move although the old connection seems to live', async () => {
    const contact = `<sip:100@10.0.0.1:1>${INSTANCE}`
    const before = await phone('tcp', contact)
    await watch(before)
    await before.next('NOTIFY')
    const after = await phone('tcp', contact)
    await register(after)
    lamps.set('200', 'on')
    expect((await after.next('NOTIFY')).body).to.equal('on')
    expect(before.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(1)
  })

  for (const [what, contacts, user] of [
    ['instance', [`<sip:100@10.0.0.1:1>${INSTANCE}`, '<sip:100@10.0.0.1:1>;+sip.instance="<urn:uuid:2>"'], '100'],
    ['endpoint', ['<sip:x@10.0.0.1:1>', '<sip:x@10.0.0.1:1>'], '101'],
    ['port to listen on', ['<sip:100@10.0.0.1:5060>', '<sip:100@10.0.0.1:5062>'], '100'],
  ] as const) {
    it(`leave alone what belongs to another ${what}`, async () => {
      const before = await phone('tcp', contacts[0])
      await watch(before)
      await before.next('NOTIFY')
      const other = await phone('tcp', contacts[1], user)
      await register(other)
      lamps.set('200', 'on')
      expect((await before.next('NOTIFY')).body).to.equal('on')
      expect(other.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(0)
    })
  }

  it('bring with the first refresh over a new connection what they have beside it', async () => {
    const contact = '<sip:100@127.0.0.1:1;transport=tcp>'
    const before = await phone('tcp', contact)
    const dialogs: PhoneDialog[] = ['200', '201'].map((name) => before.dialog(`sip:${name}@127.0.0.1`))
    for (const dialog of dialogs) {
      await watch(before, dialog)
      await before.next('NOTIFY')
    }
    await before.close()
    await until('the loss', () => subscriptions().every(({ dialog }) => dialog.flow === undefined))
    lamps.set('201', 'on')
    const after = await phone('tcp', contact)
    expect((await watch(after, dialogs[0])).status).to.equal(200)
    const bodies = [(await after.next('NOTIFY')).body, (await after.next('NOTIFY')).body]
    expect(bodies.sort()).to.deep.equal(['off', 'on'])
  })

  it('bring with it what they have beside it where the old connection seems to live, and nothing of another phone', async () => {
    const contact = '<sip:100@10.0.0.1:5060;transport=tcp>'
    const before = await phone('tcp', contact)
    const dialogs: PhoneDialog[] = ['200', '201'].map((name) => before.dialog(`sip:${name}@127.0.0.1`))
    for (const dialog of dialogs) {
      await watch(before, dialog)
      await before.next('NOTIFY')
    }
    lamps.set('202', 'off')
    const neighbour = await phone('tcp', contact)
    await watch(neighbour, neighbour.dialog('sip:202@127.0.0.1'))
    await neighbour.next('NOTIFY')
    before.onRequest = () => undefined
    lamps.set('201', 'on')
    // It is on its way to where nobody hears it.
    await before.next('NOTIFY')
    const after = await phone('tcp', contact)
    expect((await watch(after, dialogs[0])).status).to.equal(200)
    const bodies = [(await after.next('NOTIFY')).body, (await after.next('NOTIFY')).body]
    expect(bodies.sort()).to.deep.equal(['off', 'on'])
    lamps.set('202', 'on')
    expect((await neighbour.next('NOTIFY')).body).to.equal('on')
  })

  it('stay on a connection that lives where another phone behind the same border controller comes by another one', async () => {
    const contact = '<sip:100@10.0.0.1:5060;transport=tcp>'
    const border = await phone('tcp', contact)
    const [one, other] = [border.dialog('sip:200@127.0.0.1'), border.dialog('sip:201@127.0.0.1')]
    await watch(border, one)
    await border.next('NOTIFY')
    await border.request('SUBSCRIBE', {
      dialog: other,
      from: '<sip:100@branch.example>',
      headers: [['Event', 'lamp']],
    })
    await border.next('NOTIFY')
    const beside = await phone('tcp', contact)
    expect((await watch(beside, one)).status).to.equal(200)
    await beside.next('NOTIFY')
    lamps.set('201', 'on')
    expect((await border.next('NOTIFY')).body).to.equal('on')
  })

  it('bring with the first refresh from another port of their NAT what they have beside it, also after a kill of ours', async () => {
    const contact = '<sip:nat@10.0.0.1:5060>'
    const before = await phone('udp', contact, 'nat')
    const neighbour = await phone('udp', contact, 'nat')
    const dialogs: PhoneDialog[] = ['200', '201'].map((name) => before.dialog(`sip:${name}@127.0.0.1`))
    for (const dialog of dialogs) {
      await watch(before, dialog)
      await before.next('NOTIFY')
    }
    lamps.set('202', 'off')
    await watch(neighbour, neighbour.dialog('sip:202@127.0.0.1'))
    await neighbour.next('NOTIFY')
    await until('their answers', () => office.metric('pubsub.notify.answered') === 3)
    before.onRequest = () => undefined
    lamps.set('201', 'on')
    const after = await phone('udp', contact, 'nat')
    expect((await watch(after, dialogs[0])).status).to.equal(200)
    const bodies = [(await after.next('NOTIFY')).body, (await after.next('NOTIFY')).body]
    expect(bodies.sort()).to.deep.equal(['off', 'on'])
    await office.store.flush()
    await office.kill()
    for (const [name, state] of [
      ['201', 'off'],
      ['202', 'on'],
    ] as const)
      lamps.set(name, state)
    await begin()
    const isOfSecond = (message: WireMessage): boolean => message.header('call-id') === dialogs[1]?.callId
    expect((await after.take(isOfSecond, 'what changed')).body).to.equal('off')
    expect((await neighbour.next('NOTIFY')).body).to.equal('on')
  })

  it('are not looked for one after the other where one of many behind a proxy is back', async () => {
    const proxies = await Promise.all(Array.from({ length: 8 }, (_, at) => phone('tcp', `<sip:100@10.0.0.${at}>`)))
    const dialogs = proxies.map((one) => one.dialog('sip:200@127.0.0.1'))
    for (const [at, one] of proxies.entries()) {
      await watch(one, dialogs[at])
      await one.next('NOTIFY')
    }
    for (const one of proxies) await one.close()
    await until('the loss', () => subscriptions().every(({ dialog }) => dialog.flow === undefined))
    // Rows that wait to be written are asked where their phones are, too.
    await office.store.flush()
    const after = await phone('tcp', '<sip:100@10.0.0.0>')
    let looks = 0
    const look = (): undefined => void looks++
    for (const { dialog } of subscriptions())
      if (dialog.callId !== dialogs[0]?.callId) Object.defineProperty(dialog, 'flow', { get: look })
    expect((await watch(after, dialogs[0])).status).to.equal(200)
    await after.next('NOTIFY')
    expect(looks).to.equal(0)
  })

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`have one subscription after a reboot, and two for two keys (${protocol})`, async () => {
      const contact = protocol === 'udp' ? undefined : `<sip:100@10.0.0.1:5060;transport=tcp>`
      const first = await phone(protocol, contact)
      const [one, two] = [first.dialog('sip:200@127.0.0.1'), first.dialog('sip:200@127.0.0.1')]
      for (const dialog of [one, two]) expect((await watch(first, dialog)).status).to.equal(200)
      await until('three NOTIFYs', () => office.metric('pubsub.notify.answered') === 3)
      expect(office.metric('pubsub.subscriptions.active')).to.equal(2)

      // It forgets its dialogs and begins anew, with one key now.
      const again = protocol === 'udp' ? first : await phone(protocol, contact)
      if (again !== first) {
        await first.close()
        await until('the loss', () => subscriptions().every(({ dialog }) => dialog.flow === undefined))
      }
      const anew = again.dialog('sip:200@127.0.0.1')
      again.onRequest = (request) => (request.header('call-id') === anew.callId ? 200 : 481)
      expect((await watch(again, anew)).status).to.equal(200)
      await until('the end of the old ones', () => office.metric('pubsub.subscriptions.active') === 1)
      lamps.set('200', 'on')
      const told = await again.take(({ method, body }) => method === 'NOTIFY' && body === 'on', 'the change')
      expect(told.header('call-id')).to.equal(anew.callId)
    })
  }

  it('are not asked for one another behind one address, where each says who it is', async () => {
    const gateway = await phone('udp', undefined)
    const [one, two] = [gateway.dialog('sip:200@127.0.0.1'), gateway.dialog('sip:200@127.0.0.1')]
    for (const [at, dialog] of [one, two].entries()) {
      const from = `<sip:100@branch${at}.example>`
      const answer = await gateway.request('SUBSCRIBE', { dialog, from, headers: [['Event', 'lamp']] })
      expect(answer.status).to.equal(200)
      await until('its NOTIFY', () => office.metric('pubsub.notify.answered') === at + 1)
    }
    lamps.set('200', 'on')
    const shown = ({ callId }: PhoneDialog): string[] =>
      gateway.received.flatMap((one) => (one.method === 'NOTIFY' && one.header('call-id') === callId ? [one.body] : []))
    await until('the change', () => [one, two].every((dialog) => shown(dialog).includes('on')))
    for (const dialog of [one, two]) expect(shown(dialog)).to.deep.equal(['off', 'on'])
  })
})
