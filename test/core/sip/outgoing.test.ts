/** Requests that find their own way: addresses in turn (RFC 3263 4.3), connections of our making, what they carry. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { expect } from 'chai'
import type { TransportConfig } from '../../../core/endpoints.ts'
import { Log } from '../../../core/log.ts'
import { defaultsOf } from '../../../core/options.ts'
import { systemOptions } from '../../../core/pjsip-options.ts'
import type { Flow, Outcome, OutOfDialogRequest } from '../../../core/sip/contract.ts'
import type { HostAddress, NameServer } from '../../../core/sip/resolve.ts'
import type { Stack, StackSettings } from '../../../core/sip/stack.ts'
import { Certificates } from '../../support/certificates.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'

describe('requests of ours', () => {
  let stack: Stack
  const phones: TestPhone[] = []
  const servers: Server[] = []
  const certificates = new Certificates()

  const open = async (settings: Partial<StackSettings> = {}): Promise<void> => {
    stack = await testStack(settings)
  }

  const phoneOf = async (localAddress = '127.0.0.1'): Promise<TestPhone> => {
    const server = stack.listening.find(({ protocol }) => protocol === 'UDP')
    if (!server) throw new Error('no UDP')
    const phone = await TestPhone.open({ server, localAddress })
    phones.push(phone)
    return phone
  }

  const send = (request: Partial<OutOfDialogRequest>): Promise<Outcome> =>
    new Promise((resolve) => {
      stack.request({ method: 'NOTIFY', requestUri: 'sip:h', from: '<sip:us@h>', to: '<sip:p@h>', ...request }, resolve)
    })

  const statusOf = (outcome: Outcome): number | string =>
    outcome.kind === 'response' ? outcome.response.status : outcome.kind

  /** A peer on a stream that answers everything 200. */
  const listen = async (server: Server): Promise<number> => {
    servers.push(server)
    server.on('secureConnection', answerAll)
    if (!('setSecureContext' in server)) server.on('connection', answerAll)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const at = server.address()
    if (at === null || typeof at === 'string') throw new Error('no port')
    return at.port
  }

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await stack.close()
    for (const server of servers.splice(0)) server.close()
  })

  after(() => certificates.remove())

  it('go to the next address where one does not answer, refuses with 503 or cannot be reached', async () => {
    await open({ names: namesOf('127.0.0.3', '127.0.0.4', '127.0.0.5'), timers: { t1: 10, t2: 20, f: 80 } })
    const last = await phoneOf('127.0.0.5')
    const { port } = last.local
    last.onRequest = () => 202
    expect(statusOf(await send({ requestUri: `sip:p@phones.example:${port}` }))).to.equal(202)
    const got = last.received.filter(({ method }) => method === 'NOTIFY')
    expect(got).to.have.length(1)
  })

  it('go first to an address that answers, once another has failed', async () => {
    await open({ names: namesOf('127.0.0.3', '127.0.0.4'), timers: { t1: 10, t2: 20, f: 300 } })
    const second = await phoneOf('127.0.0.4')
    const { port } = second.local
    const first = createSocket('udp4').bind(port, '127.0.0.3')
    const came = new Set<string>()
    first.on('message', (request) => came.add(/branch=[^;\r]*/.exec(String(request))?.[0] ?? ''))
    await once(first, 'listening')
    for (let round = 0; round < 3; round++)
      expect(statusOf(await send({ requestUri: `sip:p@phones.example:${port}` }))).to.equal(200)
    first.close()
    expect(came).to.have.property('size', 1)
  })

  it('go on to the address that answers, also where one was given up on its way to the other', async () => {
    await open({ names: namesOf('127.0.0.3', '127.0.0.4'), timers: { t1: 10, t2: 20, f: 300 } })
    const second = await phoneOf('127.0.0.4')
    const { port } = second.local
    const requestUri = `sip:p@phones.example:${port}`
    const first = createSocket('udp4').bind(port, '127.0.0.3')
    const came = new Set<string>()
    const sender = {}
    first.on('message', (request) => {
      came.add(/branch=[^;\r]*/.exec(String(request))?.[0] ?? '')
      stack.giveUp(sender)
    })
    await once(first, 'listening')
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    second.onRequest = () => 503
    expect(await send({ requestUri, sender })).to.include({ kind: 'unreachable', moved: true })
    second.onRequest = () => 200
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    first.close()
    expect(came).to.have.property('size', 2)
  })

  it('carry what they were given, and what every request must', async () => {
    await open()
    const phone = await phoneOf()
    const requestUri = `sip:p@127.0.0.1:${phone.local.port}`
    await send({
      requestUri,
      from: 'sip:us@h;x=1',
      headers: [
        ['Event', 'message-summary'],
        ['X-Split', 'a\r\nEvil: yes'],
      ],
      body: { contentType: 'application/simple-message-summary', content: 'Messages-Waiting: yes\r\n' },
    })
    const got = await phone.next('NOTIFY')
    expect(got.uri).to.equal(requestUri)
    expect(got.header('from')).to.match(/^<sip:us@h;x=1>;tag=[0-9a-f]{32}$/)
    expect(got.header('contact')).to.equal(`<sip:127.0.0.1:${stack.listening[0]?.port}>`)
    expect(got.header('max-forwards')).to.equal('70')
    expect(got.header('event')).to.equal('message-summary')
    expect(got.headers('evil')).to.deep.equal([])
    expect(got.body).to.equal('Messages-Waiting: yes\r\n')
  })

  it('leave out the headers of a registered Contact (RFC 3261 19.1.5)', async () => {
    await open()
    const phone = await phoneOf()
    const contact = `sip:p@127.0.0.1:${phone.local.port};line=1`
    const route = `<sip:127.0.0.1:${phone.local.port};lr>`
    for (const routes of [[], [route]]) {
      expect(statusOf(await send({ requestUri: `${contact}?Subject=lamps&X=1`, routes }))).to.equal(200)
      expect((await phone.next('NOTIFY')).uri).to.equal(contact)
    }
  })

  it('go by their routes first', async () => {
    await open()
    const proxy = await phoneOf()
    const route = `<sip:127.0.0.1:${proxy.local.port};lr>`
    expect(statusOf(await send({ requestUri: 'sip:p@192.0.2.1', routes: [route] }))).to.equal(200)
    const got = await proxy.next('NOTIFY')
    expect(got.uri).to.equal('sip:p@192.0.2.1')
    expect(got.header('route')).to.equal(route)
  })

  it('say so where an address is none', async () => {
    await open()
    expect(statusOf(await send({ requestUri: 'tel:123' }))).to.equal('unreachable')
    expect(statusOf(await send({ requestUri: 'sip:p@192.0.2.1;transport=tcp' }))).to.equal('unreachable')
    expect(statusOf(await send({ requestUri: 'sip:p@[2001:db8::1]' }))).to.equal('unreachable')
    expect(statusOf(await send({ requestUri: 'sip:p@127.0.0.1', routes: ['nonsense'] }))).to.equal('unreachable')
  })

  it('make one TCP connection to a peer and use it again', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const listener = createServer()
    let connections = 0
    listener.on('connection', () => connections++)
    const port = await listen(listener)
    const requestUri = `sip:p@127.0.0.1:${port};transport=tcp`
    const outcomes = await Promise.all([send({ requestUri }), send({ requestUri })])
    expect(outcomes.map(statusOf)).to.deep.equal([200, 200])
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    expect(connections).to.equal(1)
  })

  it('go by a new connection after one that they were not answered on', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })], timers: { f: 300 } })
    const listener = createServer()
    const connections: Socket[] = []
    listener.on('connection', (socket) => connections.push(socket))
    const requestUri = `sip:p@127.0.0.1:${await listen(listener)};transport=tcp`
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    // A firewall forgets it: what is sent there comes to nobody, and no end of it is seen.
    connections[0]?.removeAllListeners('data').resume()
    expect(statusOf(await send({ requestUri }))).to.equal('timeout')
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    expect(connections).to.have.length(2)
    // Who passes over one request alone is there.
    const passedOver = send({ requestUri, method: 'PUBLISH' })
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    expect(statusOf(await passedOver)).to.equal('timeout')
    expect(statusOf(await send({ requestUri }))).to.equal(200)
    expect(connections).to.have.length(2)
  })

  it('are unreachable where nobody takes the connection, or there are too many', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp', max_connections: 1 })] })
    const listener = createServer()
    const port = await listen(listener)
    const free = createServer()
    const freePort = await listen(free)
    free.close()
    await once(free, 'close')
    expect(statusOf(await send({ requestUri: `sip:p@127.0.0.1:${freePort};transport=tcp` }))).to.equal('unreachable')
    expect(statusOf(await send({ requestUri: `sip:p@127.0.0.1:${port};transport=tcp` }))).to.equal(200)
    const second = await send({ requestUri: `sip:p@127.0.0.1:${freePort};transport=tcp` })
    expect(second.kind === 'unreachable' && second.reason).to.contain('max_connections')
  })

  it('check the certificate of a TLS peer where verify_server says so', async () => {
    const own = certificates.make('own')
    const peer = certificates.make('peer')
    const listener = createTlsServer({ cert: readFileSync(peer.cert_file), key: readFileSync(peer.priv_key_file) })
    const port = await listen(listener)
    const requestUri = `sips:p@127.0.0.1:${port}`
    const warned: string[] = []
    const log = new Log('warning')
    log.addSink(({ message }) => warned.push(message))
    const verdict = async (options: Partial<TransportConfig>): Promise<number | string> => {
      const tls = transportConfig({ id: 'tls', protocol: 'tls', ...own, ...options })
      await open({ transports: [tls], log: log.logger('sip') })
      const outcome = await send({ requestUri })
      return outcome.kind === 'unreachable' ? outcome.reason : statusOf(outcome)
    }
    expect(await verdict({})).to.equal(200)
    await stack.close()
    expect(await verdict({ verify_server: true })).to.match(/^the connection was lost: .*certificate/)
    await stack.close()
    expect(await verdict({ verify_server: true, ca_list_file: peer.cert_file })).to.equal(200)
    expect(warned).to.deep.equal([
      '[tls] TLS with 127.0.0.1 failed: its certificate is not accepted (self-signed certificate)',
    ])
  })

  it('go by no connection whose certificate was not looked at for that name, where verify_server says so', async () => {
    const own = certificates.make('own')
    const peer = certificates.make('peer')
    const listener = createTlsServer({ cert: readFileSync(peer.cert_file), key: readFileSync(peer.priv_key_file) })
    const port = await listen(listener)
    const verdict = async (verify_server: boolean): Promise<(number | string)[]> => {
      const free = createServer()
      const strangersPort = await listen(free)
      free.close()
      const checks = { verify_server, ca_list_file: peer.cert_file }
      const transports = [transportConfig({ id: 'tls', protocol: 'tls', ...own, ...checks })]
      await open({ transports, names: namesOf('127.0.0.1') })
      const server = stack.listening[0]
      const socket = connect({ host: server?.address, port: server?.port ?? 0, localPort: strangersPort })
      const stranger = connectTls({ socket, rejectUnauthorized: false })
      answerAll(stranger)
      stranger.write('\r\n\r\n')
      await once(stranger, 'data')
      const found: (number | string)[] = []
      for (const requestUri of [
        `sips:p@127.0.0.1:${strangersPort}`,
        `sips:p@127.0.0.1:${port}`,
        `sips:p@other.example:${port}`,
      ])
        found.push(statusOf(await send({ requestUri })))
      stranger.destroy()
      return found
    }
    expect(await verdict(false)).to.deep.equal([200, 200, 200])
    await stack.close()
    expect(await verdict(true)).to.deep.equal(['unreachable', 200, 'unreachable'])
  })

  describe('to a TLS server of a name that has to be in its certificate (RFC 5922 7)', () => {
    let tls: TransportConfig
    const serve = async (alternatives: string, options: Partial<TransportConfig> = {}): Promise<number> => {
      const peer = certificates.make('named', 'named', alternatives)
      const cert = readFileSync(peer.cert_file)
      const port = await listen(createTlsServer({ cert, key: readFileSync(peer.priv_key_file) }))
      const checked = { verify_server: true, ...peer, ca_list_file: peer.cert_file }
      tls = transportConfig({ id: 'tls', protocol: 'tls', ...checked, ...options })
      await open({ transports: [tls], names: namesOf('127.0.0.1') })
      return port
    }
    const ask = async (port: number, host: string): Promise<number | string> =>
      statusOf(await send({ requestUri: `sips:p@${host}:${port}` }))

    it('take it from a sip URI there, and from no URI of a user or of another scheme', async () => {
      const port = await serve(
        'URI:sip:Pbx.Example,URI:sip:user@other.example,URI:https://web.example,DNS:host.example',
      )
      expect(await ask(port, 'pbx.example')).to.equal(200)
      expect(await ask(port, 'host.example')).to.equal(200)
      for (const host of ['other.example', 'web.example', 'named'])
        expect(await ask(port, host)).to.equal('unreachable')
    })

    it('take a wildcard where allow_wildcard_certs says so', async () => {
      const refused = await serve('DNS:*.lamps.example')
      expect(await ask(refused, 'pbx.lamps.example')).to.equal('unreachable')
      await stack.close()
      const taken = await serve('DNS:*.lamps.example', { allow_wildcard_certs: true })
      expect(await ask(taken, 'pbx.lamps.example')).to.equal(200)
      expect(await ask(taken, 'a.pbx.lamps.example')).to.equal('unreachable')
    })

    it('go by the connection that is there where its certificate has their name, too, and by no other', async () => {
      const port = await serve('DNS:one.example,URI:sip:two.example')
      let made = 0
      servers.at(-1)?.on('secureConnection', () => made++)
      for (const host of ['one.example', 'two.example']) expect(await ask(port, host)).to.equal(200)
      expect(made).to.equal(1)
      expect(await ask(port, 'three.example')).to.equal('unreachable')
      expect(await ask(port, 'one.example')).to.equal(200)
    })

    it('go by no connection of before where verify_server is set by a reload', async () => {
      const port = await serve('DNS:one.example', { verify_server: false })
      expect(await ask(port, 'two.example')).to.equal(200)
      await stack.reload([{ ...tls, verify_server: true }], defaultsOf(systemOptions))
      expect(await ask(port, 'two.example')).to.equal('unreachable')
      expect(await ask(port, 'one.example')).to.equal(200)
    })
  })

  it('go by one connection for each name that one peer is asked by, where verify_server says so', async () => {
    const own = certificates.make('own')
    const peer = certificates.make('peer')
    const listener = createTlsServer({ cert: readFileSync(peer.cert_file), key: readFileSync(peer.priv_key_file) })
    const port = await listen(listener)
    const asked = new Set<Socket>()
    listener.on('secureConnection', (socket) => socket.once('data', () => asked.add(socket)))
    const checks = { verify_server: true, ca_list_file: peer.cert_file }
    const transports = [transportConfig({ id: 'tls', protocol: 'tls', ...own, ...checks })]
    await open({ transports, names: namesOf('127.0.0.1') })
    const found: (number | string)[] = []
    for (const host of ['127.0.0.1', 'other.example', '127.0.0.1', 'other.example', '127.0.0.1'])
      found.push(statusOf(await send({ requestUri: `sips:p@${host}:${port}` })))
    expect(found).to.deep.equal([200, 'unreachable', 200, 'unreachable', 200])
    expect(asked.size).to.equal(1)
  })

  it('say in Contact that they are answered by sips where that is how they ask (RFC 3261 8.1.1.8)', async () => {
    const peer = certificates.make('answered')
    const listener = createTlsServer({ cert: readFileSync(peer.cert_file), key: readFileSync(peer.priv_key_file) })
    const port = await listen(listener)
    await open({ transports: [transportConfig({ id: 'tls', protocol: 'tls', ...peer })] })
    const seen: string[] = []
    stack.trace((text) => seen.push(...text.split(/\r?\n/).filter((line) => line.includes('Contact:'))))
    const sips = `sips:p@127.0.0.1:${port}`
    expect(statusOf(await send({ requestUri: sips }))).to.equal(200)
    expect(statusOf(await send({ requestUri: 'sip:p@h', routes: [`<${sips};lr>`] }))).to.equal(200)
    expect(statusOf(await send({ requestUri: `sip:p@127.0.0.1:${port};transport=tls` }))).to.equal(200)
    const own = `127.0.0.1:${stack.listening[0]?.port}`
    expect(seen.map((line) => /<.*>/.exec(line)?.[0])).to.deep.equal([
      `<sips:${own}>`,
      `<sips:${own}>`,
      `<sip:${own};transport=tls>`,
    ])
  })

  it('go on by UDP after a reload has moved the transport', async () => {
    const before = transportConfig({ allow_reload: true })
    await open({ transports: [before] })
    stack.handle('SUBSCRIBE', (tx) => {
      const dialog = stack.createDialog(tx, { followFlow: true })
      tx.answer({ status: 200, dialog })
      notify = () => new Promise((resolve) => dialog.request('NOTIFY', { headers: [] }, resolve))
    })
    let notify: (() => Promise<Outcome>) | undefined
    const phone = await phoneOf()
    await phone.request('SUBSCRIBE', { uri: 'sip:101@h' })
    const port = stack.listening[0]?.port
    await stack.reload([{ ...before, bind: '0.0.0.0:0' }], defaultsOf(systemOptions))
    expect(stack.listening[0]?.port).to.not.equal(port)
    const outcome = await notify?.()
    expect(outcome && statusOf(outcome)).to.equal(200)
    expect((await phone.next('NOTIFY')).header('via')).to.contain(`127.0.0.1:${stack.listening[0]?.port};`)
  })

  it('go to a name by the transports that a reload has left, or brought', async () => {
    const ports: Record<string, number> = {}
    const pointer = { flags: 's', regexp: '', preference: 1 }
    const names: NameServer = {
      naptr: async () => [
        { ...pointer, order: 1, service: 'SIP+D2T', replacement: 'tcp.example' },
        { ...pointer, order: 2, service: 'SIP+D2U', replacement: 'udp.example' },
      ],
      srv: async (name) => [{ priority: 1, weight: 1, port: ports[name] ?? 0, name }],
      addresses: async () => addresses('127.0.0.1'),
    }
    const udp = transportConfig()
    const tcp = transportConfig({ protocol: 'tcp', allow_reload: true })
    await open({ names, transports: [udp] })
    ports['tcp.example'] = await listen(createServer())
    const phone = await phoneOf()
    ports['udp.example'] = phone.local.port
    phone.onRequest = () => 202
    expect(statusOf(await send({ requestUri: 'sip:p@peer.example' }))).to.equal(202)
    await stack.reload([udp, tcp], defaultsOf(systemOptions))
    expect(statusOf(await send({ requestUri: 'sip:p@peer.example' }))).to.equal(200)
    await stack.reload([udp], defaultsOf(systemOptions))
    expect(statusOf(await send({ requestUri: 'sip:p@peer.example' }))).to.equal(202)
  })

  it('go to a name by the transports that a reload has left where no name server answers any more, too', async () => {
    const ports = { tcp: 0, udp: 0 }
    const pointer = { flags: 's', regexp: '', preference: 1 }
    let isDead = false
    const answer = <T>(records: readonly T[]): Promise<readonly T[]> =>
      isDead ? Promise.reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })) : Promise.resolve(records)
    const names: NameServer = {
      naptr: () =>
        answer([
          { ...pointer, order: 1, service: 'SIP+D2T', replacement: 'tcp' },
          { ...pointer, order: 2, service: 'SIP+D2U', replacement: 'udp' },
        ]),
      srv: (name) => answer([{ priority: 1, weight: 1, port: name === 'tcp' ? ports.tcp : ports.udp, name }]),
      addresses: () => answer(addresses('127.0.0.1')),
    }
    const udp = transportConfig()
    const tcp = transportConfig({ protocol: 'tcp', allow_reload: true })
    await open({ names, transports: [udp, tcp] })
    ports.tcp = await listen(createServer())
    const phone = await phoneOf()
    ports.udp = phone.local.port
    phone.onRequest = () => 202
    expect(statusOf(await send({ requestUri: 'sip:p@peer.example' }))).to.equal(200)
    isDead = true
    await stack.reload([udp], defaultsOf(systemOptions))
    expect(statusOf(await send({ requestUri: 'sip:p@peer.example' }))).to.equal(202)
  })

  it('by a UDP flow whose transport a reload has closed go where their URI leads', async () => {
    const before = transportConfig({ allow_reload: true })
    await open({ transports: [before] })
    let flow: Flow | undefined
    stack.handle('REGISTER', (tx) => {
      ;({ flow } = tx)
      tx.answer({ status: 200 })
    })
    const phone = await phoneOf()
    await phone.request('REGISTER', { uri: 'sip:h' })
    expect(flow?.open).to.equal(true)
    await stack.reload([{ ...before, bind: '0.0.0.0:0' }], defaultsOf(systemOptions))
    expect(flow?.open).to.equal(false)
    expect(statusOf(await send({ requestUri: `sip:p@127.0.0.1:${phone.local.port}`, flow }))).to.equal(200)
  })

  describe('with a transport section named', () => {
    const contact = (port: number, more = ''): string => `sip:p@127.0.0.1:${port}${more}`

    it('start from it, where several could go there', async () => {
      await open({ transports: [transportConfig({ id: 'first' }), transportConfig({ id: 'second' })] })
      const phone = await phoneOf()
      const [first, second] = stack.listening
      for (const [transport, from] of [
        ['second', second],
        ['first', first],
        ['none', first],
      ] as const) {
        expect(statusOf(await send({ requestUri: contact(phone.local.port), transport }))).to.equal(200)
        expect((await phone.next('NOTIFY')).from.port, transport).to.equal(from?.port)
      }
    })

    it('or none start from the first of the file, whatever a reload has moved or added', async () => {
      const moving = transportConfig({ id: 'first', allow_reload: true })
      const staying = transportConfig({ id: 'second' })
      await open({ transports: [moving, staying] })
      const phone = await phoneOf()
      for (const transports of [
        [{ ...moving, bind: '127.0.0.1:00' }, staying],
        [transportConfig({ id: 'new' }), moving, staying],
        [staying],
      ]) {
        await stack.reload(transports, defaultsOf(systemOptions))
        expect(statusOf(await send({ requestUri: contact(phone.local.port) }))).to.equal(200)
        const first = stack.listening.find(({ transport }) => transport === transports[0]?.id)
        expect((await phone.next('NOTIFY')).from.port).to.equal(first?.port)
      }
    })

    for (const protocol of ['tcp', 'tls'] as const) {
      it(`come from its address over ${protocol} as well, which is the one that their Via names`, async () => {
        const files = certificates.make('several')
        const section = (id: string, bind: string): TransportConfig =>
          transportConfig({ id, bind, protocol, ...(protocol === 'tls' ? files : {}) })
        await open({
          transports: [section('any', '0.0.0.0:0'), section('one', '127.0.0.8:0'), section('two', '127.0.0.9:0')],
        })
        const peer = { cert: readFileSync(files.cert_file), key: readFileSync(files.priv_key_file) }
        const server = protocol === 'tls' ? createTlsServer(peer) : createServer()
        const callers: string[] = []
        server.on('connection', ({ remoteAddress = '' }: Socket) => callers.push(remoteAddress))
        const port = await listen(server)
        for (const transport of ['two', 'one', 'any'])
          expect(statusOf(await send({ requestUri: contact(port, `;transport=${protocol}`), transport }))).to.equal(200)
        expect(callers).to.deep.equal(['127.0.0.9', '127.0.0.8', '127.0.0.1'])
      })
    }

    it('take its protocol where the URI states none, and go where the URI leads where it states one', async () => {
      await open({
        transports: [
          transportConfig(),
          transportConfig({ protocol: 'tcp' }),
          transportConfig({ id: 'six', bind: '[::1]:0', protocol: 'tcp' }),
        ],
      })
      const port = await listen(createServer())
      const phone = await phoneOf()
      expect(statusOf(await send({ requestUri: contact(port), transport: 'transport-tcp' }))).to.equal(200)
      const stated = contact(phone.local.port, ';transport=udp')
      expect(statusOf(await send({ requestUri: stated, transport: 'transport-tcp' }))).to.equal(200)
      expect(statusOf(await send({ requestUri: contact(phone.local.port), transport: 'transport-udp' }))).to.equal(200)
    })
  })
})

function answerAll(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    for (const request of chunk.toString().split('\r\n\r\n').slice(0, -1)) {
      if (request.startsWith('PUBLISH')) continue
      const copied = request.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/.test(line))
      socket.write(['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n'))
    }
  })
}

function addresses(...all: readonly string[]): HostAddress[] {
  return all.map((address) => ({ address, ttl: 60 }))
}

/** A name of several addresses, which are all ours; the port is the phones' alone. */
function namesOf(...all: readonly string[]): NameServer {
  const none = (): Promise<never> => Promise.reject(new Error('none'))
  return { naptr: none, srv: none, addresses: async () => addresses(...all) }
}
