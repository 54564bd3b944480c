import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createAuthenticator } from '../../../core/auth/authenticator.ts'
import { createLimits } from '../../../core/auth/limits.ts'
import { Console } from '../../../core/console/console.ts'
import { registerPjsipCommands } from '../../../core/console/pjsip-commands.ts'
import { Endpoints } from '../../../core/endpoints.ts'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import { createRegistrar, type Registrar } from '../../../core/registrar/registrations.ts'
import { Scope } from '../../../core/scope.ts'
import { nativePart } from '../../../core/sip/addon.ts'
import type { Stack } from '../../../core/sip/stack.ts'
import { openStore } from '../../../core/store.ts'
import { pjsipConfig, type TestCoreSettings } from '../../support/core.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { until } from '../../support/tools.ts'

const OFFICE: TestCoreSettings = {
  endpoints: {
    100: { auth: ['100'], aors: ['100'] },
    nat: { auth: ['nat'], aors: ['nat'], rewrite_contact: true },
    device: { auth: ['device'], aors: ['device'], identify_by: ['auth_username'] },
  },
  auths: {
    100: { password: 'lamp-secret' },
    nat: { password: 'lamp-secret', supported_algorithms_uas: ['SHA-256'] },
    device: { password: 'lamp-secret' },
  },
  aors: {
    100: { max_contacts: 2, mailboxes: ['100@default'], support_path: true },
    nat: { max_contacts: 1, remove_existing: true },
    device: { max_contacts: 1 },
  },
  identifies: { lobby: { endpoint: '100', match: ['198.51.100.0/24'], match_header: 'X-Phone: lobby' } },
}

describe('Registrar on the wire', () => {
  let directory: string
  let scope: Scope
  let stack: Stack
  let registrar: Registrar
  let lines: string[]
  const commands = { current: new Console() }

  async function start(global: TestCoreSettings['global'] = {}, all = '0.0.0.0:0'): Promise<void> {
    scope = new Scope()
    lines = []
    const log = new Log('debug')
    log.addSink(({ message }) => lines.push(message))
    const metrics = new Metrics()
    const path = join(directory, 'lamplighter.db')
    const store = await openStore({ path, synchronous: 'off', log: log.logger('store') })
    scope.own(() => store.close())
    const endpoints = new Endpoints(pjsipConfig({ ...OFFICE, global }))
    const limits = createLimits({ endpoints, log, metrics })
    stack = await testStack({
      transports: [
        transportConfig(),
        transportConfig({ protocol: 'tcp' }),
        transportConfig({ id: 'six', bind: '[::1]:0' }),
        transportConfig({ id: 'all', bind: all }),
      ],
      beforeRequest: limits.beforeRequest,
      metrics,
    })
    scope.own(() => stack.close())
    const auth = createAuthenticator({ endpoints, log, metrics, limits })
    scope.own(() => auth.close())
    registrar = await createRegistrar({ sip: stack, endpoints, auth, store, log, metrics })
    scope.own(() => registrar.close())
    commands.current = new Console()
    registerPjsipCommands({ console: commands.current, endpoints, registrar })
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'registrar-'))
    await start()
  })
  afterEach(async () => {
    await scope.close()
    rmSync(directory, { recursive: true })
  })

  async function phone(
    protocol: 'udp' | 'tcp',
    user: string,
    password = 'lamp-secret',
    patience = 3000,
  ): Promise<TestPhone> {
    const server = stack.listening.find((one) => one.protocol.toLowerCase() === protocol)
    if (!server) throw new Error(`nobody listens on ${protocol}`)
    const opened = await TestPhone.open({ server, protocol, user, password, patience })
    scope.own(() => opened.close())
    return opened
  }

  const register = (
    from: TestPhone,
    headers: [string, string][] = [['Expires', '600']],
  ): ReturnType<TestPhone['request']> =>
    from.request('REGISTER', { uri: 'sip:127.0.0.1', to: `<sip:${from.user}@127.0.0.1>`, headers })

  async function run(line: string): Promise<string> {
    const out: string[] = []
    await commands.current.run(line, { print: (text) => out.push(text) })
    return out.join('\n')
  }

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`registers a phone over ${protocol}, whose challenge it answers, and unregisters it`, async () => {
      const one = await phone(protocol, '100')
      const answer = await register(one)
      expect(answer.status).to.equal(200)
      expect(answer.header('contact')).to.equal(`${one.contact};expires=600`)
      expect(answer.header('date')).to.match(/ GMT$/)
      const [contact] = await registrar.of('100')
      expect(contact?.flow?.remote.port).to.equal(one.local.port)
      expect((await register(one, [['Expires', '0']])).header('contact')).to.equal('')
      expect(await registrar.of('100')).to.deep.equal([])
    })
  }

  it('shows where an IPv6 phone is with brackets, so that its port is none of its address', async () => {
    const server = stack.listening.find(({ transport }) => transport === 'six')
    if (!server) throw new Error('nobody listens')
    const one = await TestPhone.open({ server, user: '100', password: 'lamp-secret' })
    scope.own(() => one.close())
    expect((await register(one)).status).to.equal(200)
    expect(await run('pjsip show contacts')).to.contain(`UDP [::1]:${one.local.port}`)
    expect((await one.request('REGISTER', { uri: 'sip:127.0.0.1', to: '<sip:nat@127.0.0.1>' })).status).to.equal(403)
    expect(lines.join()).to.contain(`'100' ([::1]:${one.local.port}) may not register`)
  })

  it('knows the AOR of a phone by its credentials, where that is how the phone is known', async () => {
    const [device, other] = [await phone('udp', 'device'), await phone('udp', '100')]
    const headers: [string, string][] = [['Expires', '600']]
    const to = (user: string): object => ({ uri: 'sip:127.0.0.1', to: `<sip:${user}127.0.0.1>`, headers })
    for (const user of ['100@', 'extension@', '']) {
      expect((await device.request('REGISTER', to(user))).status).to.equal(200)
      expect((await registrar.of('device')).map(({ uri }) => uri)).to.deep.equal([device.contact.replace(/[<>]/g, '')])
    }
    expect(await registrar.of('100')).to.deep.equal([])
    expect((await other.request('REGISTER', to('device@'))).status).to.equal(403)
  })

  it('refuses a wrong password and a stranger alike', async () => {
    const wrong = await register(await phone('udp', '100', 'guess'))
    const stranger = await register(await phone('udp', '999'))
    expect([wrong.status, stranger.status]).to.deep.equal([401, 401])
    expect(wrong.startLine).to.equal(stranger.startLine)
  })

  it('reaches a phone behind a NAT through its connection, by SHA-256', async () => {
    const one = await phone('tcp', 'nat')
    expect((await register(one)).status).to.equal(200)
    const [contact] = await registrar.of('nat')
    if (!contact) throw new Error('it is not registered')
    expect(contact.uri).to.equal(`sip:nat@127.0.0.1:${one.local.port};transport=tcp`)
    const outcome = new Promise((resolve) => {
      const address = `<${contact.uri}>`
      stack.request(
        { method: 'OPTIONS', requestUri: contact.uri, from: '<sip:pbx@127.0.0.1>', to: address, flow: contact.flow },
        resolve,
      )
    })
    expect((await one.next('OPTIONS')).startLine).to.match(/^OPTIONS sip:nat@127\.0\.0\.1/)
    expect(await outcome).to.have.property('kind', 'response')
    await one.close()
    await until('the end of the binding', () => registrar.list().length === 0)
  })

  it('still knows a phone after a restart', async () => {
    const one = await phone('tcp', '100')
    await register(one)
    await scope.close()
    await start()
    const [contact] = await registrar.of('100')
    expect(contact?.uri).to.match(new RegExp(`^sip:100@127.0.0.1:${one.local.port}\\b`))
    expect(contact?.flow).to.equal(undefined)
  })

  it('still knows the UDP flow of a phone after a restart, and which address of ours that sends to', async function () {
    if (nativePart().kind !== 'loaded') this.skip()
    const port = (): number => stack.listening.find(({ transport }) => transport === 'all')?.port ?? 0
    const server = { address: '127.0.0.9', port: port() }
    // Its Contact leads nowhere: it is reached by its flow alone (RFC 5626).
    const contact = '<sip:100@192.0.2.7>;reg-id=1;+sip.instance="<urn:uuid:1>"'
    const one = await TestPhone.open({ server, user: '100', password: 'lamp-secret', contact })
    const answer = await register(one, [
      ['Expires', '600'],
      ['Supported', 'outbound, path'],
    ])
    expect(answer.header('Require')).to.equal('outbound')
    const before = (await registrar.of('100'))[0]?.flow
    await scope.close()
    await start({}, `0.0.0.0:${server.port}`)
    const flow = (await registrar.of('100'))[0]?.flow
    expect(flow).to.include({ id: before?.id, open: true })
    const outcome = new Promise((resolve) => {
      stack.request({ method: 'OPTIONS', requestUri: 'sip:100@192.0.2.7', from: 'sip:h', to: 'sip:h', flow }, resolve)
    })
    const asked = await one.next('OPTIONS')
    expect(asked.from).to.deep.equal(server)
    expect(asked.header('contact')).to.equal(`<sip:127.0.0.9:${server.port}>`)
    expect(await outcome).to.have.property('kind', 'response')
    await one.close()
  })

  for (const way of ['a Path', 'another port'])
    it(`knows which address of ours a phone sends to that is reached by ${way}, after a restart too`, async function () {
      if (nativePart().kind !== 'loaded') this.skip()
      const all = stack.listening.find(({ transport }) => transport === 'all')
      const server = { address: '127.0.0.9', port: all?.port ?? 0 }
      const listener = await TestPhone.open({ server })
      const at = `127.0.0.1:${listener.local.port}`
      const path = way === 'a Path' ? [`<sip:${at};lr>`] : []
      const contact = way === 'a Path' ? '<sip:100@192.0.2.7>' : `<sip:100@${at}>`
      const one = await TestPhone.open({ server, user: '100', password: 'lamp-secret', contact })
      await register(one, [['Supported', 'path'], ...path.map((hop): [string, string] => ['Path', hop])])
      await one.close()
      for (let times = 0; times < 2; times++) {
        const [known] = await registrar.of('100')
        expect(known).to.include({ flow: undefined })
        const request = { method: 'OPTIONS', requestUri: known?.uri ?? '', from: 'sip:h', to: 'sip:h', routes: path }
        stack.request({ ...request, beside: known?.beside, transport: known?.transport ?? '' }, () => undefined)
        const asked = await listener.next('OPTIONS')
        expect(asked.from).to.deep.equal(server)
        if (times > 0) break
        await scope.close()
        await start({}, `0.0.0.0:${server.port}`)
      }
      await listener.close()
    })

  it('drops what one source sends too much, and answers afterwards', async () => {
    await scope.close()
    await start({ request_limit: 20 })
    const one = await phone('udp', '100', 'lamp-secret', 200)
    const dialog = one.dialog('sip:127.0.0.1')
    for (let n = 0; n < 60; n++) {
      dialog.cseq++
      one.send(one.write('REGISTER', { to: '<sip:100@127.0.0.1>' }, dialog))
    }
    await until('the flood in the log', () => lines.some((line) => line.includes('dropped without an answer')))
    const answers = (): number => one.received.filter(({ status }) => status === 401).length
    await until('the answers to what is allowed', () => answers() >= 20)
    expect(answers()).to.be.below(40)
    await until('an answer after the flood', async () => (await register(one).catch(() => undefined))?.status === 200)
    expect(lines.filter((line) => line.includes('dropped without an answer'))).to.have.length(1)
  })

  it('never shows a secret at the console or in the log', async () => {
    await register(await phone('udp', '100'))
    await register(await phone('udp', '100', 'not-the-secret'))
    const shown = await Promise.all(
      [
        'pjsip show endpoints',
        'pjsip show endpoint 100',
        'pjsip show aors',
        'pjsip show aor 100',
        'pjsip show auths',
        'pjsip show auth 100',
        'pjsip show identifies',
        'pjsip show acls',
        'pjsip show contacts',
      ].map(run),
    )
    const all = [...shown, ...lines].join('\n')
    expect(all).to.not.match(/lamp-secret|not-the-secret/)
    expect(shown[0]).to.match(/^100 +default +100 +100 +username,ip +yes$/m)
    expect(shown[3]).to.match(/max_contacts +: 2/)
    expect(shown[5]).to.match(/password +: \(set\)/)
    expect(shown[6]).to.match(/lobby +100 +198\.51\.100\.0\/24 +X-Phone: lobby/)
    expect(shown[8]).to.match(/100 +sip:100@127\.0\.0\.1:\d+ +(600|599) s +UDP 127\.0\.0\.1:\d+/)
    expect(await run('pjsip show contacts like ^nobody')).to.match(/^0 contacts$/m)
  })

  it('says what the operator asked for wrongly', async () => {
    for (const [line, wrong] of [
      ['pjsip show endpoint 999', "there is no endpoint '999'"],
      ['pjsip show auth', 'expected the name of an auth'],
      ['pjsip show contacts like (', 'is not a regular expression'],
    ] as const) {
      const said = await run(line).catch((error: unknown) => String(error))
      expect(said).to.include(wrong)
    }
  })
})
