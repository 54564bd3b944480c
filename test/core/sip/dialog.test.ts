/** Dialogs: numbers, routes, targets, flows that come and go, and records that outlive a restart (RFC 3261 12). */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect } from 'chai'
import { defaultsOf } from '../../../core/options.ts'
import { systemOptions } from '../../../core/pjsip-options.ts'
import { nativePart } from '../../../core/sip/addon.ts'
import type { Dialog, HeaderLine, Outcome } from '../../../core/sip/contract.ts'
import type { HostAddress } from '../../../core/sip/resolve.ts'
import type { Stack, StackSettings } from '../../../core/sip/stack.ts'
import { type UdpFlow, UdpTransport } from '../../../core/sip/udp.ts'
import { Certificates } from '../../support/certificates.ts'
import { type PhoneDialog, type PhoneSettings, TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { until } from '../../support/tools.ts'

const BOTH = [transportConfig({ id: 'udp' }), transportConfig({ id: 'tcp', protocol: 'tcp' })]

describe('dialogs', () => {
  let stack: Stack
  let dialogs: Dialog[]
  let followFlow: boolean
  const phones: TestPhone[] = []
  const stacks: Stack[] = []
  const certificates = new Certificates()

  /** A stack that makes a dialog of each first SUBSCRIBE, as a notifier does. */
  const open = async (settings: Partial<StackSettings> = {}): Promise<void> => {
    dialogs = []
    followFlow = false
    stack = await testStack({ transports: BOTH, ...settings })
    stacks.push(stack)
    stack.handle('SUBSCRIBE', (tx) => {
      const known = stack.findDialog(tx.request)
      if (!known && tx.request.to.tag !== undefined) return tx.answer({ status: 481 })
      const refusal = known?.accept(tx)
      if (refusal) return tx.answer(refusal)
      const dialog = known ?? stack.createDialog(tx, { followFlow })
      if (!known) dialogs.push(dialog)
      tx.answer({ status: 200, dialog })
    })
  }

  const serverOf = (protocol: string): { address: string; port: number } => {
    const found = stack.listening.find((one) => one.protocol === protocol)
    if (!found) throw new Error(`no ${protocol}`)
    return found
  }

  const phoneOf = async (settings: Partial<PhoneSettings> = {}): Promise<TestPhone> => {
    const protocol = settings.protocol ?? 'udp'
    const phone = await TestPhone.open({ server: serverOf(protocol.toUpperCase()), ...settings })
    phones.push(phone)
    return phone
  }

  const subscribe = async (phone: TestPhone, headers: [string, string][] = []): Promise<[PhoneDialog, Dialog]> => {
    const theirs = phone.dialog('sip:101@127.0.0.1')
    expect((await phone.request('SUBSCRIBE', { dialog: theirs, headers })).status).to.equal(200)
    const ours = dialogs.at(-1)
    if (!ours) throw new Error('no dialog was made')
    return [theirs, ours]
  }

  const notify = (dialog: Dialog, content = 'state'): Promise<Outcome> =>
    new Promise((resolve) => {
      const body = { contentType: 'text/plain', content }
      dialog.request('NOTIFY', { headers: [['Event', 'presence']], body }, resolve)
    })
  /** What comes to who listens and does not answer. */
  const notifiedAt = async (listener: Server, dialog: Dialog): Promise<string> => {
    const connected = once(listener, 'connection')
    const outcome = notify(dialog)
    const [socket] = await connected
    const [bytes] = await once(socket, 'data')
    socket.destroy()
    listener.close()
    expect(statusOf(await outcome)).to.equal('unreachable')
    return String(bytes)
  }

  const statusOf = (outcome: Outcome): number | string =>
    outcome.kind === 'response' ? outcome.response.status : outcome.kind

  after(() => certificates.remove())

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    for (const one of stacks.splice(0)) await one.close()
  })

  it('number their requests one by one, and never lower', async () => {
    await open()
    const phone = await phoneOf()
    const [, dialog] = await subscribe(phone)
    await notify(dialog)
    await notify(dialog)
    dialog.skipCseqTo(100)
    await notify(dialog)
    dialog.skipCseqTo(50)
    await notify(dialog)
    const numbers = phone.received.filter(({ method }) => method === 'NOTIFY').map(({ cseq }) => cseq)
    expect(numbers).to.deep.equal([1, 2, 100, 101])
    expect(dialog.localCseq).to.equal(101)
  })

  it('refuse a CSeq that is not higher with 500 (RFC 3261 12.2.2)', async () => {
    await open()
    const phone = await phoneOf()
    const [theirs] = await subscribe(phone)
    theirs.cseq = 10
    expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
    theirs.cseq = 9
    expect((await phone.request('SUBSCRIBE', { dialog: theirs, branch: 'z9hG4bKlow' })).status).to.equal(500)
    theirs.cseq = 11
    expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
  })

  it('share the UDP flow of their phone, over refreshes too, and have another one with another phone', async () => {
    await open()
    const [phone, other] = [await phoneOf(), await phoneOf()]
    const [theirs, ours] = await subscribe(phone)
    const { flow } = ours
    expect(flow?.remote.port).to.be.greaterThan(0)
    const [, second] = await subscribe(phone)
    expect(second).not.to.equal(ours)
    expect(second.flow).to.equal(flow)
    expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
    expect(ours.flow).to.equal(flow)
    const [, elsewhere] = await subscribe(other)
    expect(elsewhere.flow?.id).not.to.equal(flow?.id)
  })

  it('are found by Call-ID and both tags, until they are disposed of', async () => {
    await open()
    const phone = await phoneOf()
    const [theirs, ours] = await subscribe(phone)
    expect(ours.id).to.equal(`${theirs.callId};${theirs.remoteTag};${theirs.localTag}`)
    expect((await phone.request('SUBSCRIBE', { dialog: { ...theirs, localTag: 'x' } })).status).to.equal(481)
    expect((await phone.request('SUBSCRIBE', { dialog: { ...theirs, remoteTag: 'x' } })).status).to.equal(481)
    expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
    ours.dispose()
    expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(481)
    // The last NOTIFY of a subscription may still be on its way.
    expect(statusOf(await notify(ours))).to.equal(200)
  })

  it('send to the new target after a refresh', async () => {
    await open()
    const before = await phoneOf()
    const after = await phoneOf()
    const [theirs, ours] = await subscribe(before)
    const moved = `<sip:phone@127.0.0.1:${after.local.port};ob>`
    await before.request('SUBSCRIBE', { dialog: theirs, contact: false, headers: [['Contact', moved]] })
    expect(statusOf(await notify(ours))).to.equal(200)
    const got = await after.next('NOTIFY')
    expect(got.uri).to.equal(`sip:phone@127.0.0.1:${after.local.port};ob`)
    expect(ours.remoteTarget).to.equal(`sip:phone@127.0.0.1:${after.local.port};ob`)
  })

  it('repeat a request as it was, also where a refresh named a new target meanwhile (RFC 3261 17.1.2.2)', async () => {
    await open()
    const phone = await phoneOf()
    const [theirs, ours] = await subscribe(phone)
    let first = true
    phone.onRequest = () => (first ? void (first = false) : 200)
    const notified = notify(ours)
    await phone.next('NOTIFY')
    const moved = `<sip:moved@127.0.0.1:${phone.local.port}>`
    await phone.request('SUBSCRIBE', { dialog: theirs, contact: false, headers: [['Contact', moved]] })
    expect(statusOf(await notified)).to.equal(200)
    const [one, two] = phone.received.filter(({ method }) => method === 'NOTIFY')
    expect(two?.raw.toString('latin1')).to.equal(one?.raw.toString('latin1'))
    expect(two?.raw.toString('latin1')).to.not.equal(undefined)
  })

  it('give up what waits for a name server or for credentials, too, and send nothing of it later', async () => {
    const found: ((targets: readonly HostAddress[]) => void)[] = []
    const none = (): Promise<never> => Promise.reject(new Error('none'))
    const addresses = (): Promise<readonly HostAddress[]> => new Promise((resolve) => found.push(resolve))
    await open({ names: { naptr: none, srv: none, addresses } })
    const phone = await phoneOf({ contact: '<sip:phone@phones.example>', autoAnswer: false })
    const [theirs, ours] = await subscribe(phone)
    const named = notify(ours)
    await until('the name is asked for', () => found.length > 0)
    const target = `<sip:phone@127.0.0.1:${phone.local.port}>`
    await phone.request('SUBSCRIBE', { dialog: theirs, contact: false, headers: [['Contact', target]] })
    ours.giveUp()
    expect(await named).to.include({ kind: 'unreachable', moved: true })
    for (const one of found) one([{ address: '127.0.0.1', ttl: 60 }])
    let known: ((lines: readonly HeaderLine[]) => void) | undefined
    const credentials = (): Promise<readonly HeaderLine[]> => new Promise((resolve) => void (known = resolve))
    const challenged = new Promise<Outcome>((resolve) => ours.request('NOTIFY', { headers: [] }, resolve, credentials))
    phone.respond(await phone.next('NOTIFY'), 401, [['WWW-Authenticate', 'Digest realm="r", nonce="n"']])
    await until('the credentials are asked for', () => known !== undefined)
    ours.giveUp()
    expect(await challenged).to.include({ kind: 'unreachable', moved: true })
    known?.([['Authorization', 'Digest']])
    phone.onRequest = () => 200
    expect(statusOf(await notify(ours))).to.equal(200)
    const bodies = phone.received.filter(({ method }) => method === 'NOTIFY').map(({ body }) => body)
    expect(bodies).to.deep.equal(['', 'state'])
  })

  it('send to where the SUBSCRIBE came from, where the flow is followed', async () => {
    await open()
    followFlow = true
    const phone = await phoneOf({ contact: '<sip:phone@192.0.2.77:5060>' })
    const [, ours] = await subscribe(phone)
    expect(statusOf(await notify(ours))).to.equal(200)
    expect((await phone.next('NOTIFY')).uri).to.equal('sip:phone@192.0.2.77:5060')
  })

  it('send through loose routers: target in the Request-URI, routes as Route', async () => {
    await open()
    const proxy = await phoneOf()
    const near = `<sip:127.0.0.1:${proxy.local.port};lr;x=1>`
    const far = '"Far, and away" <sip:192.0.2.9;lr>'
    const phone = await phoneOf()
    const theirs = phone.dialog('sip:101@127.0.0.1')
    const answer = await phone.request('SUBSCRIBE', { dialog: theirs, headers: [['Record-Route', `${near}, ${far}`]] })
    expect(answer.headers('record-route').join(', ')).to.equal(`${near}, ${far}`)
    expect(statusOf(await notify(dialogs[0] as Dialog))).to.equal(200)
    const got = await proxy.next('NOTIFY')
    expect(got.headers('route').join(', ')).to.equal(`${near}, ${far}`)
    expect(got.uri).to.equal(`sip:phone@127.0.0.1:${phone.local.port}`)
    expect(phone.received.every(({ method }) => method !== 'NOTIFY')).to.equal(true)
  })

  it('send through a strict router: itself in the Request-URI, the target last (RFC 3261 12.2.1.1)', async () => {
    await open()
    const proxy = await phoneOf()
    const phone = await phoneOf()
    const near = `<sip:proxy@127.0.0.1:${proxy.local.port}>`
    const [, ours] = await subscribe(phone, [
      ['Record-Route', near],
      ['Record-Route', '<sip:192.0.2.9;lr>'],
    ])
    expect(statusOf(await notify(ours))).to.equal(200)
    const got = await proxy.next('NOTIFY')
    expect(got.uri).to.equal(`sip:proxy@127.0.0.1:${proxy.local.port}`)
    expect(got.headers('route')).to.deep.equal(['<sip:192.0.2.9;lr>', `<sip:phone@127.0.0.1:${phone.local.port}>`])
  })

  it('send to a target without the headers of its URI, which no Request-URI has (RFC 3261 19.1.1)', async () => {
    await open()
    const phone = await phoneOf()
    const target = `sip:phone@127.0.0.1:${phone.local.port};line=1`
    const withHeaders = await phoneOf({ contact: `<${target}?Subject=lamps>` })
    const [theirs, ours] = await subscribe(withHeaders)
    for (let again = 0; again < 2; again++) {
      expect(statusOf(await notify(ours))).to.equal(200)
      expect((await phone.next('NOTIFY')).uri).to.equal(target)
      expect((await withHeaders.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
    }
    const proxy = `<sip:127.0.0.1:${phone.local.port};lr>`
    const [, routed] = await subscribe(withHeaders, [['Record-Route', proxy]])
    expect(statusOf(await notify(routed))).to.equal(200)
    expect((await phone.next('NOTIFY')).uri).to.equal(target)
  })

  it('send to a target without its method, which no Request-URI has either (RFC 3261 19.1.1)', async () => {
    await open()
    const phone = await phoneOf()
    const host = `127.0.0.1:${phone.local.port}`
    for (const [contact, target] of [
      [`sip:a@${host};method=INVITE;line=1`, `sip:a@${host};line=1`],
      [`sip:a@${host};line=1;Method=INVITE?Subject=lamps`, `sip:a@${host};line=1`],
      [`sip:${host};method`, `sip:${host}`],
      [`sip:a?b@${host};line=1?Subject=lamps`, `sip:a?b@${host};line=1`],
      [`sip:a;method=b@${host};methods=1;method=INVITE`, `sip:a;method=b@${host};methods=1`],
    ]) {
      const [, ours] = await subscribe(await phoneOf({ contact: `<${contact}>` }))
      expect(statusOf(await notify(ours))).to.equal(200)
      expect((await phone.next('NOTIFY')).uri).to.equal(target)
    }
    const strict = `<sip:${host};method=INVITE>`
    const [, routed] = await subscribe(phone, [['Record-Route', strict]])
    expect(statusOf(await notify(routed))).to.equal(200)
    expect((await phone.next('NOTIFY')).uri).to.equal(`sip:${host}`)
  })

  it('have a sips Contact of ours where the way back to the phone is by sips (RFC 3261 12.1.1)', async () => {
    await open({ transports: [transportConfig({ id: 'tls', protocol: 'tls', ...certificates.make('secret') })] })
    const contactsFor = async (contact: string, headers: [string, string][] = []): Promise<(string | undefined)[]> => {
      const phone = await phoneOf({ protocol: 'tls', contact })
      const theirs = phone.dialog('sip:101@127.0.0.1')
      const answer = await phone.request('SUBSCRIBE', { dialog: theirs, headers })
      const dialog = dialogs.at(-1)
      if (!dialog) throw new Error('no dialog was made')
      void notify(dialog)
      const request = await phone.next('NOTIFY')
      return [answer, request].map((message) => /<(sips?):/.exec(message.header('Contact'))?.[1])
    }
    const open5061 = '<sip:100@127.0.0.1:5061;transport=tls>'
    expect(await contactsFor('<sips:100@127.0.0.1:5061>')).to.deep.equal(['sips', 'sips'])
    const route = (uri: string): [string, string][] => [['Record-Route', `<${uri};lr>`]]
    expect(await contactsFor(open5061, route('sips:127.0.0.1:5061'))).to.deep.equal(['sips', 'sips'])
    expect(await contactsFor(open5061)).to.deep.equal(['sip', 'sip'])
  })

  it('keep names and parameters of From and To', async () => {
    await open()
    const phone = await phoneOf()
    const theirs = phone.dialog('sip:101@127.0.0.1')
    const from = '"Grüße, \\"Ö\\"" <sip:100@127.0.0.1;x=1>'
    await phone.request('SUBSCRIBE', { dialog: theirs, from, to: 'Lobby <sip:101@127.0.0.1>;y=2' })
    await notify(dialogs[0] as Dialog)
    const got = await phone.next('NOTIFY')
    expect(got.header('to')).to.equal(`${from};tag=${theirs.localTag}`)
    expect(got.header('from')).to.equal(`"Lobby" <sip:101@127.0.0.1>;y=2;tag=${theirs.remoteTag}`)
  })

  it('pass on errors and time-outs', async () => {
    await open({ timers: { t1: 20, t2: 40, f: 150 } })
    const phone = await phoneOf()
    const [, ours] = await subscribe(phone)
    phone.onRequest = () => 481
    expect(statusOf(await notify(ours))).to.equal(481)
    phone.onRequest = () => undefined
    expect(statusOf(await notify(ours))).to.equal('timeout')
  })

  it('go first to that proxy of a name that brought the last request, and to the others where it is gone', async () => {
    const none = (): Promise<never> => Promise.reject(new Error('none'))
    const addresses = async (_name: string, family: 4 | 6): Promise<{ address: string; ttl: number }[]> =>
      family === 4 ? ['127.0.0.3', '127.0.0.4'].map((address) => ({ address, ttl: 60 })) : []
    await open({ names: { naptr: none, srv: none, addresses }, timers: { t1: 10, t2: 20, f: 200 } })
    const second = await phoneOf({ localAddress: '127.0.0.4' })
    const { port } = second.local
    const first = createSocket('udp4').bind(port, '127.0.0.3')
    let came = 0
    first.on('message', (request, { port: from, address }) => {
      came++
      const head = String(request).split('\r\n')
      const copied = head.filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
      first.send(['SIP/2.0 202 Accepted', ...copied, 'Content-Length: 0', '', ''].join('\r\n'), from, address)
    })
    await once(first, 'listening')
    try {
      const [, ours] = await subscribe(second, [['Record-Route', `<sip:proxies.example:${port};lr>`]])
      expect(statusOf(await notify(ours))).to.equal(200)
      expect(came).to.equal(0)
      second.onRequest = () => undefined
      expect(statusOf(await notify(ours))).to.equal(202)
      expect(came).to.equal(1)
    } finally {
      first.close()
    }
  })

  it('are unreachable where the target has no address', async () => {
    const names = {
      naptr: () => Promise.reject(new Error('none')),
      srv: () => Promise.reject(new Error('none')),
      addresses: () => Promise.reject(new Error('none')),
    }
    await open({ names })
    const phone = await phoneOf({ contact: '<sip:phone@nowhere.example>' })
    const [, ours] = await subscribe(phone)
    expect(await notify(ours)).to.deep.equal({
      kind: 'unreachable',
      reason: 'there is no address to send to for sip:phone@nowhere.example',
    })
  })

  describe('on connections', () => {
    it('go back on the connection whatever the Contact says, and end with it', async () => {
      await open()
      const phone = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@192.168.1.9:5062;transport=tcp>' })
      const [, ours] = await subscribe(phone)
      expect(statusOf(await notify(ours))).to.equal(200)
      expect(ours.reachable).to.equal(true)
      let lost = 0
      ours.usage = { flowLost: () => lost++ }
      await phone.close()
      await until('the loss', () => lost > 0)
      expect(lost).to.equal(1)
      expect(ours.flow).to.equal(undefined)
      expect(ours.reachable).to.equal(false)
      expect(statusOf(await notify(ours))).to.equal('unreachable')
    })

    it('are told at once of a connection lost while a request waits', async () => {
      await open()
      const phone = await phoneOf({ protocol: 'tcp', autoAnswer: false })
      const [, ours] = await subscribe(phone)
      const outcome = notify(ours)
      await phone.next('NOTIFY')
      await phone.close()
      expect(await outcome).to.deep.equal({
        kind: 'unreachable',
        reason: 'the connection was lost: the peer closed it',
      })
    })

    it('move to the connection that a refresh comes by', async () => {
      await open()
      const first = await phoneOf({ protocol: 'tcp' })
      const [theirs, ours] = await subscribe(first)
      let lost = 0
      ours.usage = { flowLost: () => lost++ }
      const second = await phoneOf({ protocol: 'tcp' })
      expect((await second.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
      await first.close()
      expect(statusOf(await notify(ours))).to.equal(200)
      await second.next('NOTIFY')
      expect(lost).to.equal(0)
      await second.close()
      await until('the loss', () => lost === 1)
    })

    it('open a new one to a Contact that is not behind NAT', async () => {
      await open()
      const [listener, port] = await listening()
      const phone = await phoneOf({ protocol: 'tcp', contact: `<sip:phone@127.0.0.1:${port};transport=tcp>` })
      const [, ours] = await subscribe(phone)
      await phone.close()
      await until('the loss', () => ours.flow === undefined)
      expect(ours.reachable).to.equal(true)
      expect(await notifiedAt(listener, ours)).to.match(/^NOTIFY sip:phone@127/)
      expect(statusOf(await notify(ours))).to.equal('unreachable')
    })

    it('open a new one to the proxy before a phone, also where the flow is followed', async () => {
      await open()
      followFlow = true
      const [listener, port] = await listening()
      const proxy = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@192.0.2.8>' })
      const [, ours] = await subscribe(proxy, [['Record-Route', `<sip:127.0.0.1:${port};transport=tcp;lr>`]])
      await proxy.close()
      await until('the loss', () => ours.flow === undefined)
      expect(ours.reachable).to.equal(true)
      expect(await notifiedAt(listener, ours)).to.match(/^NOTIFY sip:phone@192\.0\.2\.8 /)
    })
  })

  it('ends what is in flight when it is disposed of and given up', async () => {
    await open()
    const phone = await phoneOf({ autoAnswer: false })
    const [, ours] = await subscribe(phone)
    const flying = notify(ours)
    await phone.next('NOTIFY')
    ours.dispose()
    ours.giveUp()
    expect(statusOf(await flying)).to.equal('unreachable')
  })

  describe('on a connection that was made to us and has fallen silent', () => {
    const behindProxy = async (): Promise<[TestPhone, PhoneDialog, Dialog, Server]> => {
      await open({ timers: { f: 80 } })
      const [listener, port] = await listening()
      const proxy = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@192.0.2.8>' })
      const route = `<sip:127.0.0.1:${port};transport=tcp;lr>`
      const [theirs, ours] = await subscribe(proxy, [['Record-Route', route]])
      // A firewall forgets it: what is sent there comes to nobody, and no end of it is seen.
      proxy.onRequest = () => undefined
      expect(statusOf(await notify(ours))).to.equal('timeout')
      return [proxy, theirs, ours, listener]
    }

    const cseqs = (phone: TestPhone): number[] =>
      phone.received.filter(({ method }) => method === 'NOTIFY').map(({ cseq }) => cseq)

    it('go by a new one to the proxy, until something comes by the old one', async () => {
      const [proxy, theirs, ours, listener] = await behindProxy()
      const connected = once(listener, 'connection')
      const outcome = notify(ours)
      const [socket] = await connected
      const [bytes] = await once(socket, 'data')
      expect(String(bytes)).to.match(/^NOTIFY sip:phone@192\.0\.2\.8 /)
      const copied = String(bytes).match(/^(?:Via|From|To|Call-ID|CSeq):.*\r\n/gm) ?? []
      socket.write(`SIP/2.0 200 OK\r\n${copied.join('')}Content-Length: 0\r\n\r\n`)
      expect(statusOf(await outcome)).to.equal(200)
      expect(cseqs(proxy)).to.deep.equal([1])
      expect((await proxy.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
      proxy.onRequest = () => 200
      expect(statusOf(await notify(ours))).to.equal(200)
      expect(cseqs(proxy)).to.deep.equal([1, 3])
      socket.destroy()
      listener.close()
    })

    it('go by that where no new one can be made', async () => {
      const [proxy, , ours, listener] = await behindProxy()
      listener.close()
      await once(listener, 'close')
      proxy.onRequest = () => 200
      expect(statusOf(await notify(ours))).to.equal(200)
      expect(cseqs(proxy)).to.deep.equal([1, 2])
    })

    it('go to another proxy of the name first: the one of that connection may be gone', async () => {
      const none = (): Promise<never> => Promise.reject(new Error('none'))
      const addresses = async (_name: string, family: 4 | 6): Promise<{ address: string; ttl: number }[]> =>
        family === 4 ? ['127.0.0.3', '127.0.0.4'].map((address) => ({ address, ttl: 60 })) : []
      await open({ names: { naptr: none, srv: none, addresses }, timers: { f: 80 } })
      const [other, port] = await listening('127.0.0.3')
      const [gone] = await listening('127.0.0.4', port)
      const asked: string[] = []
      for (const [name, listener] of Object.entries({ other, gone })) {
        listener.on('connection', (socket) => {
          asked.push(name)
          socket.on('error', () => undefined).resume()
        })
      }
      const proxy = await phoneOf({ protocol: 'tcp', localAddress: '127.0.0.4', contact: '<sip:phone@192.0.2.8>' })
      const [, ours] = await subscribe(proxy, [['Record-Route', `<sip:proxies.example:${port};transport=tcp;lr>`]])
      proxy.onRequest = () => undefined
      expect(statusOf(await notify(ours))).to.equal('timeout')
      void notify(ours)
      await until('a proxy is asked', () => asked.length > 0)
      expect(asked).to.deep.equal(['other'])
      other.close()
      gone.close()
    })
  })

  describe('over 1300 bytes', () => {
    const big = 'x'.repeat(1500)

    it('move from UDP to an open connection of the same phone', async () => {
      await open()
      const udp = await phoneOf()
      const [, ours] = await subscribe(udp)
      const other = await phoneOf({ protocol: 'tcp', contact: '<sip:other@127.0.0.1>' })
      await subscribe(other)
      const tcp = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@127.0.0.1;transport=tcp>' })
      await subscribe(tcp)
      expect(statusOf(await notify(ours, big))).to.equal(200)
      const got = await tcp.next('NOTIFY')
      expect(got.body).to.equal(big)
      expect(got.header('via')).to.match(/^SIP\/2.0\/TCP /)
      expect(statusOf(await notify(ours, 'small'))).to.equal(200)
      expect((await udp.next('NOTIFY')).body).to.equal('small')
      expect(other.received.every(({ method }) => method !== 'NOTIFY')).to.equal(true)
    })

    for (const [what, status] of [
      ['does not answer', undefined],
      ['is lost meanwhile (RFC 3261 18.1.1)', 'close'],
      ['is of another phone, that knows no lists and says so before it looks for the dialog', 420],
    ] as const) {
      it(`go on over UDP where the connection ${what}`, async () => {
        await open({ timers: { f: 400 } })
        const udp = await phoneOf()
        const [, ours] = await subscribe(udp)
        const tcp = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@127.0.0.1;transport=tcp>' })
        await subscribe(tcp)
        tcp.onRequest = () => {
          if (status === 'close') void tcp.close()
          return status === 'close' ? undefined : status
        }
        expect(statusOf(await notify(ours, big))).to.equal(200)
        expect((await udp.next('NOTIFY')).body).to.equal(big)
        expect(statusOf(await notify(ours, big))).to.equal(200)
        expect(tcp.received.filter(({ method }) => method === 'NOTIFY')).to.have.length(1)
      })
    }

    it('stay on UDP where the phone has no connection', async () => {
      await open()
      const udp = await phoneOf()
      const [, ours] = await subscribe(udp)
      const other = await phoneOf({ protocol: 'tcp', contact: '<sip:other@127.0.0.1>' })
      await subscribe(other)
      expect(statusOf(await notify(ours, big))).to.equal(200)
      expect((await udp.next('NOTIFY')).body).to.equal(big)
    })

    it('stay on UDP where a stranger at the same address has merely said to be the phone', async () => {
      await open()
      const contact = '<sip:phone@192.0.2.1>'
      const udp = await phoneOf({ contact })
      followFlow = true
      const [, ours] = await subscribe(udp)
      const stranger = await phoneOf({ protocol: 'tcp', contact })
      expect((await stranger.request('OPTIONS')).status).to.equal(200)
      expect(statusOf(await notify(ours, big))).to.equal(200)
      expect((await udp.next('NOTIFY')).body).to.equal(big)
      expect(stranger.received.every(({ method }) => method !== 'NOTIFY')).to.equal(true)
    })

    it('stay on UDP where the only connection to the address is one we opened, to somebody else', async () => {
      await open()
      const udp = await phoneOf()
      const [, ours] = await subscribe(udp)
      const [neighbour, port] = await listening()
      const connected = once(neighbour, 'connection')
      const requestUri = `sip:neighbour@127.0.0.1:${port};transport=tcp`
      stack.request({ method: 'NOTIFY', requestUri, from: '<sip:us@h>', to: '<sip:p@h>' }, () => undefined)
      const [socket] = await connected
      expect(statusOf(await notify(ours, big))).to.equal(200)
      expect((await udp.next('NOTIFY')).body).to.equal(big)
      socket.destroy()
      neighbour.close()
    })

    it('stay on UDP with disable_tcp_switch', async () => {
      await open({ system: { ...defaultsOf(systemOptions), disable_tcp_switch: true } })
      const udp = await phoneOf()
      const [, ours] = await subscribe(udp)
      const tcp = await phoneOf({ protocol: 'tcp' })
      await subscribe(tcp)
      expect(statusOf(await notify(ours, big))).to.equal(200)
      expect((await udp.next('NOTIFY')).body).to.equal(big)
    })
  })

  describe('from a record', () => {
    /** The server ends and another begins, on the same ports. */
    const restart = async (): Promise<void> => {
      const transports = stack.listening.map(({ transport, protocol, port }) =>
        transportConfig({
          id: transport,
          protocol: protocol === 'UDP' ? 'udp' : 'tcp',
          bind: `127.0.0.1:${port}`,
        }),
      )
      await stack.close()
      await open({ transports })
    }

    it('go on over UDP, with numbers that follow', async () => {
      await open()
      followFlow = true
      const phone = await phoneOf({ contact: '<sip:phone@192.0.2.8>' })
      const [theirs, ours] = await subscribe(phone)
      await notify(ours)
      const record = JSON.parse(JSON.stringify(ours.record()))
      await restart()
      const again = stack.restoreDialog(record)
      expect(again.record()).to.deep.equal(record)
      again.skipCseqTo(500)
      expect(again.reachable).to.equal(true)
      expect(statusOf(await notify(again))).to.equal(200)
      const [, second] = phone.received.filter(({ method }) => method === 'NOTIFY')
      expect(second?.cseq).to.equal(500)
      expect(second?.param('to', 'tag')).to.equal(theirs.localTag)
      expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
      theirs.cseq = 1
      expect((await phone.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(500)
    })

    /** A phone that sends to another address of ours than the system would choose. */
    const subscribedElsewhere = async () => {
      await open({ transports: [transportConfig({ bind: '0.0.0.0:0' })] })
      const { port } = serverOf('UDP')
      const phone = await phoneOf({ server: { address: '127.0.0.8', port } })
      const [, ours] = await subscribe(phone)
      return { port, phone, ours, record: ours.record() }
    }

    it('come from the address of ours that their phone sends to, where this machine has it', async function () {
      if (nativePart().kind !== 'loaded') this.skip()
      const { port, phone, ours, record } = await subscribedElsewhere()
      expect(record.own).to.equal('127.0.0.8')
      await stack.close()
      expect(ours.record(), 'the socket is closed').to.deep.equal(record)
      await open({ transports: [transportConfig({ bind: `0.0.0.0:${port}` })] })
      const again = stack.restoreDialog(record)
      expect(again.record()).to.deep.equal(record)
      expect(statusOf(await notify(again))).to.equal(200)
      const state = await phone.next('NOTIFY')
      expect(state.from).to.deep.equal({ address: '127.0.0.8', port })
      expect(state.header('contact')).to.equal(`<sip:101@127.0.0.8:${port}>`)
      // Of another server, which this one stands in for.
      const elsewhere = stack.restoreDialog({ ...record, own: '192.0.2.1' })
      expect(statusOf(await notify(elsewhere))).to.equal(200)
      expect((await phone.next('NOTIFY')).header('contact')).to.equal(`<sip:101@127.0.0.1:${port}>`)
    })

    it('come from there also where this machine gets that address later', async function () {
      if (nativePart().kind !== 'loaded') this.skip()
      const { port, phone, record } = await subscribedElsewhere()
      await stack.close()
      await open({ transports: [transportConfig({ bind: `0.0.0.0:${port}` })] })
      const { wireTo } = Object.getOwnPropertyDescriptors(UdpTransport.prototype)
      const set = (value: typeof wireTo): unknown => Object.defineProperty(UdpTransport.prototype, 'wireTo', value)
      try {
        set({
          ...wireTo,
          value(this: UdpTransport, remote) {
            return wireTo.value?.call(this, remote) as UdpFlow
          },
        })
        const again = stack.restoreDialog(record)
        expect(statusOf(await notify(again))).to.equal(200)
        expect((await phone.next('NOTIFY')).from.address).to.equal('127.0.0.1')
        expect(again.record().own).to.equal('127.0.0.8')
        set(wireTo)
        expect(statusOf(await notify(again))).to.equal(200)
        const state = await phone.next('NOTIFY')
        expect(state.from).to.deep.equal({ address: '127.0.0.8', port })
        expect(state.header('contact')).to.equal(`<sip:101@127.0.0.8:${port}>`)
      } finally {
        set(wireTo)
      }
    })

    it('wait for their connection, and take the one a refresh comes by', async () => {
      await open()
      const phone = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@192.0.2.8>' })
      const [theirs, ours] = await subscribe(phone)
      const record = ours.record()
      await phone.close()
      await restart()
      const again = stack.restoreDialog(record)
      expect(again.flow).to.equal(undefined)
      expect(again.reachable).to.equal(false)
      expect(statusOf(await notify(again))).to.equal('unreachable')
      const back = await phoneOf({ protocol: 'tcp' })
      expect((await back.request('SUBSCRIBE', { dialog: theirs })).status).to.equal(200)
      expect(again.reachable).to.equal(true)
      expect(statusOf(await notify(again))).to.equal(200)
    })

    it('take an open connection from the same address and port', async () => {
      await open()
      const phone = await phoneOf({ protocol: 'tcp', contact: '<sip:phone@192.0.2.8>' })
      const [, ours] = await subscribe(phone)
      const record = ours.record()
      ours.dispose()
      const again = stack.restoreDialog(record)
      expect(again.flow?.remote).to.deep.equal(phone.local)
      expect(statusOf(await notify(again))).to.equal(200)
    })
  })

  for (const protocol of ['udp', 'tcp'] as const) {
    it(`keep the zone of a link-local address to themselves, and find their ${protocol} peer on its link (RFC 4007 11.2)`, async function () {
      const [address, zone] = linkLocal() ?? this.skip()
      await open({ transports: [transportConfig({ id: protocol, protocol, bind: '[::]:0' })] })
      const here = `${address}%${zone}`
      const { port } = serverOf(protocol.toUpperCase())
      const phone = await phoneOf({ protocol, server: { address: here, port }, localAddress: here })
      const theirs = phone.dialog('sip:101@127.0.0.1')
      const answer = await phone.request('SUBSCRIBE', { dialog: theirs })
      const contact = `<sip:101@[${address}]:${port}${protocol === 'udp' ? '' : ';transport=tcp'}>`
      expect(answer.header('contact')).to.equal(contact)
      const dialog = dialogs[0] as Dialog
      for (const ours of [dialog, stack.restoreDialog(dialog.record())]) {
        expect(statusOf(await notify(ours))).to.equal(200)
        const request = await phone.next('NOTIFY')
        expect(request.header('via')).to.include(`/${protocol.toUpperCase()} [${address}]:${port};rport;branch=`)
        expect(request.header('contact')).to.equal(contact)
      }
    })
  }

  it('tell each phone the address of ours that it has connected to, where several are listened on', async () => {
    await open({ transports: [transportConfig({ protocol: 'tcp', bind: '0.0.0.0:0' })] })
    const { port } = serverOf('TCP')
    for (const address of ['127.0.0.8', '127.0.0.9', '127.0.0.8']) {
      const phone = await phoneOf({ protocol: 'tcp', server: { address, port } })
      const contact = `<sip:101@${address}:${port};transport=tcp>`
      const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog('sip:101@127.0.0.1') })
      expect(answer.header('contact')).to.equal(contact)
      expect(statusOf(await notify(dialogs.at(-1) as Dialog))).to.equal(200)
      const request = await phone.next('NOTIFY')
      expect(request.header('via')).to.include(`/TCP ${address}:${port};`)
      expect(request.header('contact')).to.equal(contact)
    }
  })

  it('come by UDP from the address of ours that their phone has sent to, as all answers do (RFC 3581 4)', async function () {
    if (nativePart().kind !== 'loaded') this.skip()
    await open({ transports: [transportConfig({ bind: '0.0.0.0:0' })] })
    const { port } = serverOf('UDP')
    const listener = await phoneOf({ server: { address: '127.0.0.1', port } })
    const route = `<sip:127.0.0.1:${listener.local.port};lr>`
    for (const [address, contact, headers] of [
      ['127.0.0.8', undefined, []],
      ['127.0.0.9', listener.contact, []],
      ['127.0.0.8', listener.contact, []],
      ['127.0.0.9', '<sip:phone@192.0.2.8>', [['Record-Route', route]]],
    ] as const) {
      const phone = await phoneOf({ server: { address, port }, ...(contact === undefined ? {} : { contact }) })
      const own = `<sip:101@${address}:${port}>`
      const theirs = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      const request = phone.write('SUBSCRIBE', { headers }, theirs)
      for (let times = 0; times < 2; times++) {
        phone.send(request)
        const answer = await phone.take(({ status }) => status === 200, 'the answer')
        expect(answer.from).to.deep.equal({ address, port })
        expect(answer.header('contact')).to.equal(own)
      }
      expect(statusOf(await notify(dialogs.at(-1) as Dialog))).to.equal(200)
      const state = await (contact === undefined ? phone : listener).next('NOTIFY')
      expect(state.from).to.deep.equal({ address, port })
      expect(state.header('via')).to.include(`/UDP ${address}:${port};`)
      expect(state.header('contact')).to.equal(own)
    }
    const elsewhere = await phoneOf({ server: { address: '127.0.0.1', port }, localAddress: '127.0.0.5' })
    await subscribe(await phoneOf({ server: { address: '127.0.0.9', port }, contact: elsewhere.contact }))
    expect(statusOf(await notify(dialogs.at(-1) as Dialog))).to.equal(200)
    expect((await elsewhere.next('NOTIFY')).from, 'by its own way').to.not.deep.equal({ address: '127.0.0.9', port })
  })

  it('tell external addresses to peers outside of local_net', async () => {
    const external = { external_signaling_address: '198.51.100.7', external_signaling_port: 5099 }
    await open({ transports: [transportConfig({ ...external, local_net: ['10.0.0.0/255.0.0.0'] })] })
    const phone = await phoneOf()
    const theirs = phone.dialog('sip:1 0@127.0.0.1'.replace(' ', '%20'))
    const answer = await phone.request('SUBSCRIBE', { dialog: theirs })
    expect(answer.header('contact')).to.equal('<sip:1%200@198.51.100.7:5099>')
    await notify(dialogs[0] as Dialog)
    expect((await phone.next('NOTIFY')).header('via')).to.match(/^SIP\/2.0\/UDP 198.51.100.7:5099;rport;branch=/)
    await stack.reload([transportConfig({ ...external, local_net: ['127.0.0.0/8'] })], defaultsOf(systemOptions))
    const local = phone.dialog('sip:10@127.0.0.1')
    expect((await phone.request('SUBSCRIBE', { dialog: local })).header('contact')).to.match(/^<sip:10@127.0.0.1:\d+>$/)
  })

  for (const address of ['2001:db8::7', '[2001:DB8::7]']) {
    it(`tell the external address ${address} as a URI has it, and hear what is answered to that`, async () => {
      const external = { external_signaling_address: address, external_signaling_port: 5099 }
      await open({ transports: [transportConfig(external)] })
      const phone = await phoneOf()
      const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog('sip:10@127.0.0.1') })
      expect(answer.header('contact')?.toLowerCase()).to.equal('<sip:10@[2001:db8::7]:5099>')
      expect(statusOf(await notify(dialogs[0] as Dialog))).to.equal(200)
    })
  }
})

/** Somebody who listens for TCP, and his port. */
async function listening(address = '127.0.0.1', wanted = 0): Promise<readonly [listener: Server, port: number]> {
  const listener = createServer().listen(wanted, address)
  await once(listener, 'listening')
  const at = listener.address()
  if (at === null || typeof at === 'string') throw new Error('no port')
  return [listener, at.port]
}

/** An address that this machine has on a link, and the name of that here. */
function linkLocal(): [address: string, zone: string] | undefined {
  for (const [zone, addresses = []] of Object.entries(networkInterfaces())) {
    const found = addresses.find(({ address }) => address.startsWith('fe80:'))
    if (found) return [found.address, zone]
  }
  return undefined
}
