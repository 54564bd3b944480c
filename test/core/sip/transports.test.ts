/** UDP, TCP and TLS on real sockets: framing, keep-alives, limits, reload, and what goes wrong. */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import { ConfigError, defaultsOf } from '../../../core/options.ts'
import { globalOptions, systemOptions } from '../../../core/pjsip-options.ts'
import type { Outcome, ServerTransaction } from '../../../core/sip/contract.ts'
import type { Stack, StackSettings } from '../../../core/sip/stack.ts'
import { type Certificate, Certificates } from '../../support/certificates.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { busy, until } from '../../support/tools.ts'

describe('transports', () => {
  let stack: Stack
  const metrics = new Metrics()
  const phones: TestPhone[] = []
  const certificates = new Certificates()
  const system = defaultsOf(systemOptions)

  const open = async (settings: Partial<StackSettings>): Promise<void> => {
    stack = await testStack({ metrics, ...settings })
  }

  const at = (transport: string): { address: string; port: number } => {
    const found = stack.listening.find((one) => one.transport === transport)
    if (!found) throw new Error(`nothing listens as ${transport}`)
    return found
  }

  const phoneOn = async (
    transport: string,
    protocol: 'udp' | 'tcp' | 'tls',
    localAddress = '127.0.0.1',
  ): Promise<TestPhone> => {
    const phone = await TestPhone.open({ server: at(transport), protocol, localAddress })
    phones.push(phone)
    return phone
  }

  afterEach(async () => {
    for (const phone of phones.splice(0)) await phone.close()
    await stack.close()
  })

  after(() => certificates.remove())

  for (const protocol of ['udp', 'tcp', 'tls'] as const) {
    for (const bind of ['127.0.0.1:0', '[::1]:0', '0.0.0.0:0']) {
      it(`serves ${protocol} on ${bind}`, async () => {
        const files = protocol === 'tls' ? certificates.make('server') : {}
        await open({ transports: [transportConfig({ id: 'one', protocol, bind, ...files })] })
        const bound = at('one')
        const server = { address: bind.startsWith('[') ? '::1' : '127.0.0.1', port: bound.port }
        const phone = await TestPhone.open({ server, protocol })
        phones.push(phone)
        stack.handle('SUBSCRIBE', (tx) => {
          expect(tx.flow.protocol).to.equal(protocol.toUpperCase())
          expect(tx.flow.transport).to.equal('one')
          expect(tx.source).to.deep.equal(phone.local)
          const dialog = stack.createDialog(tx, { followFlow: false })
          tx.answer({ status: 200, dialog })
          dialog.request('NOTIFY', { headers: [] }, () => undefined)
        })
        const dialog = phone.dialog('sip:101@127.0.0.1')
        const answer = await phone.request('SUBSCRIBE', { dialog })
        const host = bind.startsWith('[') ? '[::1]' : '127.0.0.1'
        const parameter = protocol === 'udp' ? '' : `;transport=${protocol}`
        expect(answer.header('contact')).to.equal(`<sip:101@${host}:${bound.port}${parameter}>`)
        const notify = await phone.next('NOTIFY')
        expect(notify.header('via')).to.match(new RegExp(`^SIP/2.0/${protocol.toUpperCase()} `))
        expect(notify.header('via')).to.contain(` ${host}:${bound.port};`)
      })
    }
  }

  it('reads a TCP stream however it is cut', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const phone = await phoneOn('tcp', 'tcp')
    const write = (cseq: number): Buffer =>
      Buffer.from(
        phone.write(
          'OPTIONS',
          { uri: 'sip:h', body: 'ein Körper', headers: [['Content-Type', 'text/plain']] },
          {
            ...phone.dialog('sip:h'),
            cseq,
          },
        ),
      )
    for (const byte of write(1)) {
      phone.send(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    phone.send(Buffer.concat([write(2), write(3), Buffer.from('\r\n'), write(4)]))
    await until('four answers', () => phone.received.filter(({ status }) => status === 200).length === 4)
    expect(phone.received.map(({ cseq }) => cseq)).to.deep.equal([1, 2, 3, 4])
  })

  it('answers a double CRLF with a CRLF (RFC 5626 4.4.1)', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const phone = await phoneOn('tcp', 'tcp')
    phone.send('\r\n\r\n')
    const pong = await phone.take(() => true, 'a pong')
    expect(pong.raw.toString()).to.equal('\r\n')
    expect((await phone.request('OPTIONS')).status).to.equal(200)
  })

  it('sends keep-alives on connections', async () => {
    const global = { ...defaultsOf(globalOptions), keep_alive_interval: 0.03 }
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })], global: () => global })
    const phone = await phoneOn('tcp', 'tcp')
    await phone.request('OPTIONS')
    expect((await phone.take(({ status }) => status === 0, 'a ping')).raw.toString()).to.match(/^(\r\n\r\n)+$/)
    await phone.take(({ status }) => status === 0, 'another ping')
  })

  it('answers STUN binding requests on the UDP port (RFC 5626 3.5.2)', async () => {
    await open({})
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const transaction = Buffer.from('000102030405060708090a0b', 'hex')
    const answered = once(socket, 'message')
    const server = at('transport-udp')
    socket.send(Buffer.concat([Buffer.from('000100002112a442', 'hex'), transaction]), server.port, server.address)
    const [answer] = (await answered) as [Buffer]
    expect(answer.subarray(0, 2).toString('hex')).to.equal('0101')
    expect(answer.subarray(8, 20)).to.deep.equal(transaction)
    expect(answer.subarray(20, 26).toString('hex')).to.equal('002000080001')
    expect(answer.readUInt16BE(26) ^ 0x2112).to.equal(socket.address().port)
    expect((answer.readUInt32BE(28) ^ 0x2112a442) >>> 0).to.equal(0x7f000001)
    socket.close()
  })

  it('answers what breaks a stream, warns of it once a minute, and closes it', async () => {
    const warned: string[] = []
    const log = new Log('warning')
    log.addSink(({ message }) => warned.push(message))
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })], log: log.logger('sip') })
    const phone = await phoneOn('tcp', 'tcp')
    const text = phone.write('OPTIONS', { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq: 1 })
    phone.send(text.replace('Content-Length: 0', 'Content-Length: abc'))
    await phone.closed
    expect(phone.received.map(({ startLine }) => startLine)).to.deep.equal(['SIP/2.0 400 Malformed Content-Length'])
    for (const address of ['127.0.0.1', '127.0.0.2']) {
      const another = await phoneOn('tcp', 'tcp', address)
      another.send('\x16\x03\x01 this is no SIP')
      await another.closed
    }
    expect(warned).to.deep.equal([
      '[tcp] what 127.0.0.1 sent cannot be read, its connection is closed: Malformed Content-Length',
      '[tcp] what 127.0.0.2 sent cannot be read, its connection is closed: TLS and no SIP',
    ])
  })

  it('closes connections that say nothing, or only half of it', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })], timers: { silence: 400 } })
    const silent = await phoneOn('tcp', 'tcp')
    const half = await phoneOn('tcp', 'tcp')
    half.send('OPTIONS sip:h SIP/2.0\r\nVia: ')
    await Promise.all([silent.closed, half.closed])
    const idle = await phoneOn('tcp', 'tcp')
    expect((await idle.request('OPTIONS')).status).to.equal(200)
    // Half a message after a whole one.
    const stuck = await phoneOn('tcp', 'tcp')
    await stuck.request('OPTIONS')
    stuck.send('OPTIONS sip:h SIP/2.0\r\nVia: ')
    await stuck.closed
    expect((await idle.request('OPTIONS')).status).to.equal(200)
  })

  it('closes TLS connections whose handshake does not come to its end', async () => {
    const tls = { id: 'tls', protocol: 'tls', max_connections: 2, ...certificates.make('patient') } as const
    await open({ transports: [transportConfig(tls)], timers: { silence: 500 } })
    const { address, port } = at('tls')
    const closed = ['', '\x16\x03\x01\x02\x00\x01'].map(async (beginning) => {
      const socket = connectTcp(port, address)
      socket.write(beginning, 'latin1')
      await once(socket.resume(), 'close')
    })
    await Promise.all(closed)
    const phone = await phoneOn('tls', 'tls')
    expect((await phone.request('OPTIONS')).status).to.equal(200)
  })

  it('does not wait for handshakes where a reload takes a TLS transport away', async () => {
    const tls = transportConfig({ id: 'tls', protocol: 'tls', allow_reload: true, ...certificates.make('going') })
    await open({ transports: [tls] })
    const socket = connectTcp(at('tls').port, '127.0.0.1')
    socket.on('error', () => undefined)
    const closed = once(socket.resume(), 'close')
    await once(socket, 'connect')
    // Whoever is answered came after it.
    expect((await (await phoneOn('tls', 'tls')).request('OPTIONS')).status).to.equal(200)
    await stack.reload([], system)
    expect(stack.listening).to.deep.equal([])
    await closed
  })

  it('turns away what is over max_connections', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp', max_connections: 2 })] })
    const first = await phoneOn('tcp', 'tcp')
    const second = await phoneOn('tcp', 'tcp')
    expect((await second.request('OPTIONS')).status).to.equal(200)
    const third = await phoneOn('tcp', 'tcp')
    await third.closed
    await first.close()
    await until('room', () => metrics.read().some(([name, value]) => name === 'sip.connections.tcp' && value === 1))
    const fourth = await phoneOn('tcp', 'tcp')
    expect((await fourth.request('OPTIONS')).status).to.equal(200)
    expect(metrics.counter('sip.tcp.turned_away').value).to.be.at.least(1)
  })

  it('takes the place of whoever has proved nothing for a while where there is no other, and of nobody else', async () => {
    await open({
      transports: [transportConfig({ id: 'tcp', protocol: 'tcp', max_connections: 2 })],
      timers: { silence: 200 },
    })
    stack.handle('PUBLISH', (tx) => tx.answer({ status: 200 }))
    const phone = await phoneOn('tcp', 'tcp')
    expect((await phone.request('PUBLISH')).status).to.equal(200)
    const stranger = await phoneOn('tcp', 'tcp')
    expect((await stranger.request('OPTIONS')).status).to.equal(200)
    let other = await phoneOn('tcp', 'tcp')
    const answered = async (): Promise<boolean> => {
      const isThere = await Promise.race([other.request('PUBLISH').then(() => true), other.closed.then(() => false)])
      if (!isThere) other = await phoneOn('tcp', 'tcp')
      return isThere
    }
    while (!(await answered())) await pause(50)
    await stranger.closed
    expect((await phone.request('PUBLISH')).status).to.equal(200)
  })

  it('turns away what would take the files that Asterisk, the store and the console need, and says so', async () => {
    const lines: string[] = []
    const log = new Log('warning')
    void log.addSink(({ message }) => lines.push(message))
    const tls = transportConfig({ id: 'tls', protocol: 'tls', ...certificates.make('files') })
    await open({
      transports: [transportConfig({ id: 'tcp', protocol: 'tcp' }), tls],
      log: log.logger('sip'),
      openFiles: 5,
    })
    const first = await phoneOn('tcp', 'tcp')
    expect((await first.request('OPTIONS')).status).to.equal(200)
    const second = await phoneOn('tls', 'tls')
    expect((await second.request('OPTIONS')).status).to.equal(200)
    const third = await phoneOn('tcp', 'tcp')
    await third.closed
    expect(lines).to.deep.equal([
      '[tcp] has no room for a connection more, for the process may open only 5 files (LimitNOFILE, ulimit -n); 127.0.0.1 was turned away',
    ])
    const requestUri = `sip:p@127.0.0.1:${at('tcp').port};transport=tcp`
    const outgoing = await new Promise<Outcome>((resolve) => {
      stack.request({ method: 'OPTIONS', requestUri, from: '<sip:us@h>', to: '<sip:p@h>' }, resolve)
    })
    expect(outgoing).to.deep.include({ kind: 'unreachable' })
    expect(outgoing.kind === 'unreachable' && outgoing.reason).to.contain('ulimit -n')
    await second.close()
    await until('room', () => metrics.read().some(([name, value]) => name === 'sip.connections.tls' && value === 0))
    const fourth = await phoneOn('tcp', 'tcp')
    expect((await fourth.request('OPTIONS')).status).to.equal(200)
  })

  for (const protocol of ['tcp', 'tls'] as const)
    it(`leaves room for others where one host has all it may have (${protocol})`, async () => {
      const own = protocol === 'tls' ? certificates.make('shared') : {}
      const turnedAway = metrics.counter(`sip.${protocol}.turned_away`)
      const before = turnedAway.value
      await open({ transports: [transportConfig({ id: 't', protocol, max_connections_per_host: 2, ...own })] })
      const first = await phoneOn('t', protocol)
      expect((await first.request('OPTIONS')).status).to.equal(200)
      const second = await phoneOn('t', protocol)
      expect((await second.request('OPTIONS')).status).to.equal(200)
      const third = connectTcp(at('t').port, '127.0.0.1')
      third.on('error', () => undefined)
      await once(third.resume(), 'close')
      const other = await phoneOn('t', protocol, '127.0.0.2')
      expect((await other.request('OPTIONS')).status).to.equal(200)
      expect(turnedAway.value).to.equal(before + 1)
      await first.close()
      await until('its end', () => metrics.read().some(([name, value]) => name === 'sip.connections.t' && value === 2))
      const again = await until('room', () => phoneOn('t', protocol).catch(() => undefined))
      expect((await again.request('OPTIONS')).status).to.equal(200)
    })

  /** Sends 60 kB so many times to whoever publishes over TCP, in one go; what comes of the first request that ends. */
  const sendMuch = (times = 300, first?: (tx: ServerTransaction) => void): { readonly outcome: string | undefined } => {
    const seen: { outcome: string | undefined } = { outcome: undefined }
    stack.handle('PUBLISH', (tx) => {
      first?.(tx)
      const body = { contentType: 'text/plain', content: 'x'.repeat(60_000) }
      for (let i = 0; i < times; i++) {
        stack.request(
          { method: 'NOTIFY', requestUri: 'sip:h', from: '<sip:us@h>', to: '<sip:p@h>', flow: tx.flow, body },
          (ended) => {
            seen.outcome ??= ended.kind
          },
        )
      }
    })
    return seen
  }

  /** A connection that has published, and reads nothing by itself. */
  const publisher = async (): Promise<Socket> => {
    const { address, port } = at('tcp')
    const socket = connectTcp(port, address)
    await once(socket, 'connect')
    socket.on('error', () => undefined)
    const phone = await phoneOn('tcp', 'tcp')
    const text = phone.write('PUBLISH', { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq: 1 })
    socket.pause()
    socket.write(text)
    return socket
  }

  it('drops a peer that does not read what it is sent', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })], timers: { silence: 200 } })
    const seen = sendMuch()
    const socket = await publisher()
    await until('the end of it', () => seen.outcome)
    expect(seen.outcome).to.equal('unreachable')
    const phone = await phoneOn('tcp', 'tcp')
    expect((await phone.request('OPTIONS')).status).to.equal(200)
    socket.destroy()
  })

  it('keeps a peer that reads, be it slower than it is sent', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const seen = sendMuch()
    const socket = await publisher()
    let received = 0
    const reading = setInterval(() => (received += (socket.read() as Buffer | null)?.length ?? 0), 2)
    await until('all of it', () => received > 300 * 60_000 || seen.outcome)
    clearInterval(reading)
    expect(seen.outcome).to.equal(undefined)
    socket.destroy()
  })

  it('listens to a peer that it has asked much, as that may read no more before it has answered', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const seen = sendMuch()
    const socket = await publisher()
    const phone = await phoneOn('tcp', 'tcp')
    const asked: number[] = []
    stack.handle('REGISTER', (tx) => {
      asked.push(tx.request.cseq.number)
      tx.answer({ status: 200 })
    })
    for (const cseq of [2, 3, 4]) {
      socket.write(phone.write('REGISTER', { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq }))
      await until('it is heard', () => asked.includes(cseq))
    }
    expect(seen.outcome).to.equal(undefined)
    socket.destroy()
  })

  it('listens to a peer that reads its answers, however much it is asked behind them', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const heard: number[] = []
    const seen = sendMuch(200, (tx) => {
      heard.push(tx.request.cseq.number)
      tx.answer({ status: 200, contentType: 'text/plain', body: `${'x'.repeat(12_000)}end of ${heard.length}.` })
    })
    const { address, port } = at('tcp')
    const socket = connectTcp(port, address)
    await once(socket, 'connect')
    const phone = await phoneOn('tcp', 'tcp')
    const dialog = phone.dialog('sip:h')
    let text = ''
    socket.on('data', (chunk) => {
      text = text.slice(-100) + chunk.toString('latin1')
      if (text.includes(`end of ${heard.length}.`)) socket.pause()
    })
    socket.pause()
    for (let cseq = 1; cseq <= 8; cseq++) {
      socket.write(phone.write('PUBLISH', { uri: 'sip:h' }, { ...dialog, cseq }))
      await until('it is heard', () => heard.includes(cseq))
      socket.resume()
      await until('its answer is read', () => socket.isPaused())
    }
    expect(seen.outcome).to.equal(undefined)
    socket.destroy()
  })

  /** Asks a thousand times in one go, and for 60 MB of answers, and reads nothing by itself. */
  const asker = async (): Promise<Socket> => {
    const { address, port } = at('tcp')
    const socket = connectTcp(port, address)
    await once(socket, 'connect')
    socket.on('error', () => undefined)
    socket.pause()
    const phone = await phoneOn('tcp', 'tcp')
    const ask = (): string => phone.write('PUBLISH', { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq: 1 })
    socket.write(Array.from({ length: 1000 }, ask).join(''))
    return socket
  }

  /** How many were answered, with 60 kB each. */
  const answerMuch = (): { count: number } => {
    const answered = { count: 0 }
    stack.handle('PUBLISH', (tx) => {
      answered.count++
      tx.answer({ status: 200, contentType: 'text/plain', body: 'x'.repeat(60_000) })
    })
    return answered
  }

  it('answers no faster than the peer reads', async () => {
    await open({ transports: [transportConfig({ id: 'tcp', protocol: 'tcp' })] })
    const answered = answerMuch()
    const socket = await asker()
    await until('the first answers', () => answered.count > 100)
    const other = await phoneOn('tcp', 'tcp')
    for (let n = 0; n < 20; n++) expect((await other.request('OPTIONS')).status).to.equal(200)
    expect(answered.count).to.be.below(1000)
    let received = 0
    socket.on('data', (chunk) => (received += chunk.length)).resume()
    await until('all of them', () => received > 1000 * 60_000)
    expect(answered.count).to.equal(1000)
    socket.destroy()
  })

  it('waits for few of those who do not read their answers', async () => {
    const config = transportConfig({ id: 'tcp', protocol: 'tcp', max_connections: 40 })
    await open({ transports: [config] })
    const answered = answerMuch()
    const first = await asker()
    await until('its answers', () => answered.count > 100)
    const before = answered.count
    const second = await asker()
    await until('those of the second', () => answered.count > before + 100)
    first.resume()
    await until('its end', () => first.closed)
    let received = 0
    second.on('data', (chunk) => (received += chunk.length)).resume()
    await until('all of them', () => received > 1000 * 60_000)
    second.destroy()
  })

  it('says whose port is taken, with file and line', async () => {
    await open({})
    const { port } = at('transport-udp')
    const error = await failure({ transports: [transportConfig({ id: 'mine', bind: `127.0.0.1:${port}`, line: 7 })] })
    expect(error.message).to.match(
      new RegExp(`^pjsip.conf:7: \\[mine\\] cannot listen on UDP 127.0.0.1:${port}, another`),
    )
    const busy = createServer()
    busy.listen(0, '127.0.0.1')
    await once(busy, 'listening')
    const taken = busy.address()
    if (taken === null || typeof taken === 'string') throw new Error('no port')
    const config = transportConfig({ id: 'tcp', protocol: 'tcp', bind: `127.0.0.1:${taken.port}`, line: 9 })
    expect((await failure({ transports: [config] })).message).to.match(/^pjsip.conf:9: \[tcp\] cannot listen on TCP/)
    busy.close()
    const foreign = transportConfig({ id: 'far', bind: '203.0.113.9:5060' })
    expect((await failure({ transports: [foreign] })).message).to.contain('does not have that address')
  })

  it('closes what it opened where a later transport cannot be', async () => {
    await open({})
    const { port } = at('transport-udp')
    const free = createSocket('udp4').bind(0, '127.0.0.1')
    await once(free, 'listening')
    const bind = `127.0.0.1:${free.address().port}`
    free.close()
    await once(free, 'close')
    await failure({
      transports: [transportConfig({ id: 'a', bind }), transportConfig({ id: 'b', bind: `127.0.0.1:${port}` })],
    })
    const again = await testStack({ transports: [transportConfig({ id: 'a', bind })] })
    await again.close()
  })

  it('refuses TLS without a usable certificate, and networks that are none', async () => {
    await open({})
    const tls = transportConfig({ id: 'tls', protocol: 'tls', line: 3 })
    expect((await failure({ transports: [tls] })).message).to.equal(
      'pjsip.conf:3: [tls] has protocol=tls and needs cert_file (and priv_key_file)',
    )
    const missing = { ...tls, cert_file: '/nowhere/a.pem' }
    expect((await failure({ transports: [missing] })).message).to.match(
      /^pjsip.conf:3: cert_file of \[tls\] cannot be read/,
    )
    const wrong = { ...tls, ...certificates.make('one'), priv_key_file: certificates.make('two').priv_key_file }
    expect((await failure({ transports: [wrong] })).message).to.match(
      /certificate or key of \[tls\] cannot be used: .*, expected the key of that certificate$/,
    )
    const another = { ...wrong, priv_key_file: certificates.makeRsaKey('three') }
    expect((await failure({ transports: [another] })).message).to.match(
      /of \[tls\] cannot be used: key type mismatch, expected the key of that certificate$/,
    )
    const keyless = { ...tls, cert_file: wrong.cert_file }
    expect((await failure({ transports: [keyless] })).message).to.match(/, expected a PEM key in priv_key_file$/)
    const swapped = { ...tls, cert_file: wrong.priv_key_file }
    expect((await failure({ transports: [swapped] })).message).to.match(/, expected a PEM certificate in cert_file$/)
    const network = transportConfig({ local_net: ['10.0.0.0/99'], line: 5 })
    expect((await failure({ transports: [network] })).message).to.match(/^pjsip.conf:5: local_net = '10.0.0.0\/99'/)
    const bind = transportConfig({ bind: 'everywhere', line: 6 })
    expect((await failure({ transports: [bind] })).message).to.match(/^pjsip.conf:6: bind = 'everywhere'/)
  })

  it('speaks the ciphers that its section names', async () => {
    const tls = transportConfig({ id: 'tls', protocol: 'tls', ...certificates.make('choosy') })
    await open({ transports: [tls] })
    const spoken = async (): Promise<string> => {
      const way = { host: '127.0.0.1', port: at('tls').port, maxVersion: 'TLSv1.2' } as const
      const socket = connectTls({ ...way, rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { name } = socket.getCipher()
      socket.destroy()
      return name
    }
    expect(await spoken()).to.match(/GCM/)
    const cipher = 'ECDHE-ECDSA-AES128-SHA256, ECDHE-ECDSA-AES128-SHA'
    await stack.reload([{ ...tls, cipher }], system)
    expect(await spoken()).to.equal('ECDHE-ECDSA-AES128-SHA256')
  })

  it('shows a renewed certificate after a reload, and connections stay', async () => {
    const tls = transportConfig({ id: 'tls', protocol: 'tls', ...certificates.make('before', 'renewed') })
    await open({ transports: [tls] })
    const subject = async (): Promise<string> => {
      const { address, port } = at('tls')
      const socket = connectTls({ host: address, port, rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      return String(CN)
    }
    const phone = await phoneOn('tls', 'tls')
    expect(await subject()).to.equal('before')
    certificates.make('after', 'renewed')
    await stack.reload([tls], system)
    expect(await subject()).to.equal('after')
    expect((await phone.request('OPTIONS')).status).to.equal(200)
  })

  it('asks for certificates from a reload on where verify_client is set then, or says that it waits', async () => {
    const tls = transportConfig({
      id: 'tls',
      protocol: 'tls',
      allow_reload: true,
      ...certificates.make('asking', 'own'),
    })
    const known = certificates.make('known')
    const verify = { verify_client: true, ca_list_file: known.cert_file }
    const said: string[] = []
    const log = new Log()
    log.addSink(({ message }) => said.push(message))
    /** Of a phone that has this certificate: how it is answered, and whom it found there. */
    const call = async (certificate?: { cert: Buffer; key: Buffer }): Promise<string> => {
      const { address, port } = at('tls')
      const socket = connectTls({ host: address, port, rejectUnauthorized: false, ...certificate })
      socket.on('error', () => undefined)
      socket.write(
        'OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\nFrom: <sip:p@h>;tag=1\r\nTo: <sip:h>\r\n' +
          'Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n',
      )
      const answer = await new Promise<string>((resolve) => {
        socket.once('data', (chunk) => resolve(String(chunk).slice(8, 11)))
        socket.once('close', () => resolve('closed'))
      })
      const subject = answer === 'closed' ? '' : String(socket.getPeerCertificate().subject.CN)
      socket.destroy()
      return `${answer} ${subject}`
    }
    await open({ transports: [tls], log: log.logger('sip') })
    expect(await call()).to.equal('200 asking')
    await stack.reload([{ ...tls, ...verify }], system)
    expect(await call()).to.equal('closed ')
    const certificate = { cert: readFileSync(known.cert_file), key: readFileSync(known.priv_key_file) }
    expect(await call(certificate)).to.equal('200 asking')
    await stack.close()
    const fixed = { ...tls, allow_reload: false }
    await open({ transports: [fixed], log: log.logger('sip') })
    certificates.make('renewed', 'own')
    await stack.reload([{ ...fixed, ...verify, bind: '[::1]:0' }], system)
    expect(said.at(-1)).to.match(/verify_client of \[tls\] changed; without allow_reload that waits for a restart$/)
    // What does not have to wait does not.
    expect(await call()).to.equal('200 renewed')
  })

  it('warns of a TLS handshake that fails, with whom and why, and once a minute of each peer', async () => {
    const tls = { id: 'tls', protocol: 'tls', verify_client: true, ...certificates.make('own') } as const
    const known = certificates.make('known')
    const warned: string[] = []
    let failed = 0
    const log = new Log('debug')
    log.addSink(({ level, message }) => {
      if (level === 'warning') warned.push(message)
      if (message.includes('failed: ')) failed++
    })
    await open({ transports: [transportConfig({ ...tls, ca_list_file: known.cert_file })], log: log.logger('sip') })
    /** `shown`: it begins a handshake. */
    const fail = async (localAddress: string, shown?: ConnectionOptions): Promise<void> => {
      const before = failed
      const way = { host: '127.0.0.1', port: at('tls').port, localAddress }
      const socket = shown ? connectTls({ ...way, rejectUnauthorized: false, ...shown }) : connectTcp(way)
      socket.on('error', () => undefined).resume()
      if (!shown) socket.once('connect', () => socket.destroy())
      await until('a handshake has failed', () => failed > before)
      socket.destroy()
    }
    const keyOf = ({ cert_file, priv_key_file }: Certificate): { cert: Buffer; key: Buffer } => ({
      cert: readFileSync(cert_file),
      key: readFileSync(priv_key_file),
    })
    await fail('127.0.0.2', {})
    await fail('127.0.0.3', keyOf(certificates.make('strange')))
    await fail('127.0.0.4', { rejectUnauthorized: true })
    await fail('127.0.0.2', { rejectUnauthorized: true })
    const plain = await TestPhone.open({ server: at('tls'), protocol: 'tcp', localAddress: '127.0.0.6' })
    phones.push(plain)
    plain.send('REGISTER sip:h SIP/2.0\r\n')
    await until('a handshake has failed', () => failed === 5)
    // Somebody who looks whether the port is open.
    await fail('127.0.0.5')
    expect(warned).to.deep.equal([
      '[tls] TLS with 127.0.0.2 failed: peer did not return a certificate',
      '[tls] TLS with 127.0.0.3 failed: its certificate is not accepted (DEPTH_ZERO_SELF_SIGNED_CERT)',
      '[tls] TLS with 127.0.0.4 failed: it closed the connection (socket hang up), as some do that do not accept our certificate',
      '[tls] TLS with 127.0.0.6 failed: what it sent is no TLS (wrong version number)',
    ])
    for (let last = 10; last < 40; last++) await fail(`127.0.0.${last}`, {})
    expect(warned).to.have.length(16)
  })

  it('says that a peer does not accept our certificate', async () => {
    const warned: string[] = []
    const log = new Log('warning')
    log.addSink(({ message }) => warned.push(message))
    await open({
      transports: [transportConfig({ id: 'tls', protocol: 'tls', ...certificates.make('own') })],
      log: log.logger('sip'),
    })
    const { address, port } = at('tls')
    // Node as a client closes the connection; OpenSSL's own says why.
    const client = spawn('openssl', ['s_client', '-connect', `${address}:${port}`, '-verify_return_error'], {
      stdio: 'ignore',
    })
    await once(client, 'close')
    await until('a warning', () => warned.length > 0)
    expect(warned).to.have.length(1)
    expect(warned[0]).to.match(
      /^\[tls\] TLS with 127.0.0.1 failed: it does not accept our certificate \(.* alert .*\)$/,
    )
  })

  it('opens, moves and closes transports on reload as allow_reload says', async () => {
    const fixed = transportConfig({ id: 'fixed' })
    const loose = transportConfig({ id: 'loose', allow_reload: true })
    await open({ transports: [fixed, loose] })
    const before = at('fixed').port
    await stack.reload(
      [{ ...fixed, bind: '[::1]:0' }, { ...loose, bind: '[::1]:0' }, transportConfig({ id: 'new', protocol: 'tcp' })],
      system,
    )
    expect(at('fixed')).to.include({ address: '127.0.0.1', port: before })
    expect(at('loose')).to.include({ address: '::1' })
    const phone = await phoneOn('new', 'tcp')
    expect((await phone.request('OPTIONS')).status).to.equal(200)
    await stack.reload([], system)
    expect(stack.listening.map(({ transport }) => transport)).to.deep.equal(['fixed', 'new'])
    let refused: unknown
    await stack.reload([transportConfig({ id: 'fixed', bind: 'x' })], system).catch((error: unknown) => {
      refused = error
    })
    expect(refused).to.be.instanceOf(ConfigError)
    expect(at('fixed').port).to.equal(before)
  })

  it('lets transports take the places of others that move at the same reload', async () => {
    const one = transportConfig({ id: 'one', allow_reload: true })
    const two = transportConfig({ id: 'two', allow_reload: true })
    await open({ transports: [one, two] })
    const [first, second] = [at('one').port, at('two').port]
    const [bindFirst, bindSecond] = [`127.0.0.1:${first}`, `127.0.0.1:${second}`]
    await stack.reload(
      [
        { ...one, bind: bindSecond },
        { ...two, bind: bindFirst },
      ],
      system,
    )
    expect([at('one').port, at('two').port]).to.deep.equal([second, first])
    const added = transportConfig({ id: 'added', bind: bindSecond })
    await stack.reload([added, one, { ...two, bind: bindFirst }], system)
    expect([at('added').port, at('two').port]).to.deep.equal([second, first])
    expect(stack.listening).to.have.length(3)
  })

  it('says which of ours has a port already, and whether it is gone from the configuration', async () => {
    const said: string[] = []
    const log = new Log()
    log.addSink(({ message }) => said.push(message))
    await open({ transports: [transportConfig({ id: 'old' })], log: log.logger('sip') })
    const bind = `127.0.0.1:${at('old').port}`
    const [old, other] = [transportConfig({ id: 'old' }), transportConfig({ id: 'new', bind })]
    await stack.reload([old, other], system)
    expect(said.at(-1)).to.contain(`[new] cannot listen on UDP ${bind}, [old] listens on ${bind}; change bind of one`)
    await stack.reload([{ ...other, bind: `0.0.0.0:${at('old').port}` }], system)
    expect(said.at(-1)).to.match(
      /\[new\] cannot listen on UDP 0\.0\.0\.0:\d+, \[old\], which is gone .*, listens there until a restart$/,
    )
    expect(stack.listening.map(({ transport }) => transport)).to.deep.equal(['old'])
  })

  it('holds back what comes before it is started', async () => {
    await open({ paused: true })
    const phone = await phoneOn('transport-udp', 'udp')
    const answer = phone.request('OPTIONS')
    await phone
      .take(() => true, 'nothing yet', 50)
      .then(
        () => expect.fail('it answered'),
        () => undefined,
      )
    stack.start()
    expect((await answer).status).to.equal(200)
  })

  it('takes the answers to its own requests before it is started', async () => {
    await open({ paused: true, timers: { f: 1000 } })
    const phone = await phoneOn('transport-udp', 'udp')
    const requestUri = `sip:p@127.0.0.1:${phone.local.port}`
    const outcome = await new Promise<Outcome>((resolve) => {
      stack.request({ method: 'NOTIFY', requestUri, from: '<sip:us@h>', to: '<sip:p@h>' }, resolve)
    })
    expect(outcome.kind).to.equal('response')
  })

  it('handles what it held back a few milliseconds at a time, and before what comes later', async () => {
    await open({ paused: true })
    const phone = await phoneOn('transport-udp', 'udp')
    const handled: string[] = []
    stack.handle('MESSAGE', (tx) => {
      busy(2)
      handled.push(tx.request.header('Subject') ?? '')
      tx.answer({ status: 200 })
    })
    const send = (subject: string) => phone.request('MESSAGE', { headers: [['Subject', subject]] })
    const held = Array.from({ length: 20 }, (_, index) => `held ${index}`)
    const answers = held.map(send)
    await pause(100)
    const turns: number[] = []
    const count = (): void => {
      turns.push(handled.length)
      if (handled.length < held.length) setImmediate(count)
    }
    stack.start()
    count()
    expect(turns[0]).to.be.within(1, 4)
    answers.push(send('later'))
    await Promise.all(answers)
    expect(handled).to.deep.equal([...held, 'later'])
    expect(turns.length).to.be.above(4)
  })

  async function failure(settings: Partial<StackSettings>): Promise<ConfigError> {
    try {
      await (await testStack(settings)).close()
    } catch (error) {
      if (error instanceof ConfigError) return error
      throw error
    }
    throw new Error('it opened')
  }
})
