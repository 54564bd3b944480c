/** What a request is answered before anybody handles it, and which way the answer goes. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect } from 'chai'
import { Metrics } from '../../../core/metrics.ts'
import type { Outcome, Refusal } from '../../../core/sip/contract.ts'
import type { Stack, StackSettings } from '../../../core/sip/stack.ts'
import { type PhoneRequest, TestPhone, type WireMessage } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { until } from '../../support/tools.ts'

describe('requests', () => {
  let stack: Stack
  let phone: TestPhone

  const open = async (settings: Partial<StackSettings> = {}): Promise<void> => {
    stack = await testStack(settings)
    phone = await phoneOf()
  }

  const phoneOf = async (): Promise<TestPhone> => {
    const [server] = stack.listening
    if (!server) throw new Error('nothing listens')
    return TestPhone.open({ server })
  }

  /** Sends a request whose text was changed, and gives what it was answered. */
  const ask = (
    method: string,
    request: PhoneRequest,
    change: (text: string) => string = (t) => t,
  ): Promise<WireMessage> => {
    const dialog = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
    phone.send(change(phone.write(method, request, dialog)))
    return phone.take(({ status }) => status > 0, `an answer to ${method}`)
  }

  afterEach(async () => {
    await phone.close()
    await stack.close()
  })

  it('are answered 405 with Allow, 501, or 481 within a dialog that is none', async () => {
    await open()
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200 }))
    const refused = await ask('INVITE', {})
    expect(refused.startLine).to.equal('SIP/2.0 405 Method Not Allowed')
    expect(refused.header('allow')).to.equal('OPTIONS, SUBSCRIBE')
    expect((await ask('MESSAGE', {})).status).to.equal(405)
    expect((await ask('NEWMETHOD', {})).status).to.equal(501)
    const inDialog = { to: '<sip:101@127.0.0.1>;tag=unknown' }
    expect((await ask('BYE', inDialog)).status).to.equal(481)
    expect((await ask('INFO', inDialog)).status).to.equal(481)
    expect((await ask('SUBSCRIBE', inDialog)).status).to.equal(200)
  })

  it('of a dialog of ours are answered 405 where nobody handles their method', async () => {
    await open()
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200, dialog: stack.createDialog(tx, { followFlow: false }) }))
    const dialog = phone.dialog('sip:101@127.0.0.1')
    await phone.request('SUBSCRIBE', { dialog })
    expect((await phone.request('BYE', { dialog })).status).to.equal(405)
  })

  it('have an INVITE refused the same way each time, and swallow its ACK', async () => {
    await open()
    const text = phone.write('INVITE', {}, { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 })
    phone.send(text)
    phone.send(text)
    await until('two answers', () => phone.received.length === 2)
    expect(phone.received[0]?.raw.equals(phone.received[1]?.raw ?? Buffer.alloc(0))).to.equal(true)
    phone.send(text.replace(/^INVITE/, 'ACK').replace('1 INVITE', '1 ACK'))
    expect((await phone.request('OPTIONS')).status).to.equal(200)
    expect(phone.received.map(({ status }) => status)).to.deep.equal([405, 405, 200])
  })

  it('wait while they are held, in their order; answers and NOTIFYs do not', async () => {
    await open()
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200 }))
    const undo = stack.handle('NOTIFY', (tx) => tx.answer({ status: 200 }))
    const goOn = [stack.hold(), stack.hold()]
    const held = ['one', 'two'].map((user) => phone.request('SUBSCRIBE', { uri: `sip:${user}@127.0.0.1` }))
    expect((await phone.request('NOTIFY')).status).to.equal(200)
    const outcome = new Promise<Outcome>((resolve) => {
      const ask = { method: 'MESSAGE', requestUri: phone.contact.slice(1, -1), from: '<sip:a@b>', to: '<sip:c@d>' }
      stack.request(ask, resolve)
    })
    expect((await outcome).kind).to.equal('response')
    void undo()
    const late = phone.request('NOTIFY')
    await goOn[0]?.()
    expect(phone.received.filter(({ status }) => status > 0)).to.have.lengthOf(1)
    await goOn[1]?.()
    expect((await Promise.all(held)).map(({ status }) => status)).to.deep.equal([200, 200])
    expect((await late).status, 'nobody is there for it').to.equal(405)
    const answers = phone.received.filter(({ status }) => status > 0).map((answer) => answer.header('cseq'))
    expect(answers).to.deep.equal(['1 NOTIFY', '1 SUBSCRIBE', '1 SUBSCRIBE', '1 NOTIFY'])
    expect((await phone.request('OPTIONS')).status).to.equal(200)
  })

  it('that a proxy forked are answered 482 but for the first (RFC 3261 8.2.2.2)', async () => {
    await open()
    let handled = 0
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: ++handled === 1 ? 401 : 200 }))
    const dialog = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 7 }
    const statusOf = async (branch: string): Promise<number> => {
      phone.send(phone.write('SUBSCRIBE', { branch }, dialog))
      return (await phone.take((message) => message.param('via', 'branch') === branch, branch)).status
    }
    expect(await statusOf('z9hG4bKrefused')).to.equal(401)
    expect(await statusOf('z9hG4bKone'), 'what was refused may come again').to.equal(200)
    expect(await statusOf('z9hG4bKtwo')).to.equal(482)
    expect(handled).to.equal(2)
    dialog.cseq++
    expect(await statusOf('z9hG4bKthree')).to.equal(200)
    dialog.remoteTag = 'ours'
    expect(await statusOf('z9hG4bKfour')).to.equal(200)
    expect(await statusOf('z9hG4bKfive')).to.equal(200)
  })

  it('that a proxy forked over connections are answered 482 but for the first, and what comes straight is not', async () => {
    await open({ transports: [transportConfig({ protocol: 'tcp' })] })
    let handled = 0
    stack.handle('SUBSCRIBE', (tx) => {
      handled++
      tx.answer({ status: 200 })
    })
    const [server] = stack.listening
    if (!server) throw new Error('nothing listens')
    const proxy = await TestPhone.open({ server, protocol: 'tcp' })
    const other = await TestPhone.open({ server, protocol: 'tcp' })
    try {
      const dialog = { ...proxy.dialog('sip:101@127.0.0.1'), cseq: 7 }
      const statusOf = async (by: TestPhone, branch: string, headers: [string, string][]): Promise<number> => {
        by.send(by.write('SUBSCRIBE', { branch, headers }, dialog))
        return (await by.take((message) => message.param('via', 'branch') === branch, branch)).status
      }
      const phones: [string, string][] = [['Via', 'SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKphone']]
      expect(await statusOf(proxy, 'z9hG4bKone', phones)).to.equal(200)
      expect(await statusOf(other, 'z9hG4bKtwo', phones)).to.equal(482)
      expect(handled).to.equal(1)
      expect(await statusOf(proxy, 'z9hG4bKone', phones), 'a stateless proxy repeats what it gets').to.equal(200)
      const anew: [string, string][] = [['Via', 'SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKanew']]
      expect(await statusOf(other, 'z9hG4bKsix', anew), 'its first proxy may be gone, with the answer').to.equal(200)
      dialog.cseq++
      expect(await statusOf(proxy, 'z9hG4bKthree', []), 'its connection may be lost with the answer').to.equal(200)
      expect(await statusOf(other, 'z9hG4bKfour', [])).to.equal(200)
    } finally {
      await Promise.all([proxy.close(), other.close()])
    }
  })

  it('are not harmed by CANCEL: 200 where it means something, 481 where it does not, which alone is refused', async () => {
    const metrics = new Metrics()
    const refused = metrics.counter('sip.requests.refused')
    await open({ metrics })
    let answer: (() => void) | undefined
    stack.handle('SUBSCRIBE', (tx) => {
      answer = () => tx.answer({ status: 202 })
    })
    const via = `127.0.0.1:${phone.local.port};branch=z9hG4bKcancelled;rport`
    const dialog = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
    phone.send(phone.write('SUBSCRIBE', { via }, dialog))
    await until('it to be handled', () => answer)
    phone.send(phone.write('CANCEL', { via }, dialog))
    const cancelled = await phone.take(({ status }) => status > 0, 'an answer to CANCEL')
    expect(cancelled.status).to.equal(200)
    expect(cancelled.header('cseq')).to.equal('1 CANCEL')
    answer?.()
    expect((await phone.take(({ status }) => status > 0, 'an answer')).status).to.equal(202)
    expect(refused.value).to.equal(0)
    expect((await ask('CANCEL', {})).status).to.equal(481)
    expect(refused.value).to.equal(1)
  })

  it('are refused where they are malformed, with what is wrong in the reason', async () => {
    await open()
    stack.handle('SUBSCRIBE', () => expect.fail('it was handed up'))
    const bad = async (change: (text: string) => string): Promise<string> =>
      (await ask('SUBSCRIBE', {}, change)).startLine.replace('SIP/2.0 ', '')
    expect(await bad((text) => text.replace(/Call-ID: .*\r\n/, ''))).to.match(/^400 .*Call-ID/)
    expect(await bad((text) => text.replace(/CSeq: .*\r\n/, 'CSeq: x SUBSCRIBE\r\n'))).to.match(/^400 .*CSeq/)
    expect(await bad((text) => text.replace('SUBSCRIBE sip:', 'SUBSCRIBE tel:'))).to.match(/^416/)
    expect(await bad((text) => text.replace('SIP/2.0\r\n', 'SIP/7.0\r\n'))).to.match(/^505/)
    expect(await bad((text) => text.replace('Contact:', 'Record-Route: <tel:1>\r\nContact:'))).to.match(
      /^400 .*Record-Route/,
    )
    expect(await bad((text) => text.replace('Contact:', 'Record-Route: garbage\r\nContact:'))).to.match(
      /^400 .*Record-Route/,
    )
    expect(await bad((text) => text.replace('Contact:', 'Require: outbound\r\nContact:'))).to.match(/^420/)
  })

  it('may require what is advertised as supported', async () => {
    await open()
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200 }))
    const undo = stack.advertise(() => [['Supported', 'eventlist, gruu']])
    const require = { headers: [['Require', 'eventlist'] as const] }
    expect((await ask('SUBSCRIBE', require)).status).to.equal(200)
    void undo()
    const refused = await ask('SUBSCRIBE', require)
    expect(refused.status).to.equal(420)
    expect(refused.header('unsupported')).to.equal('eventlist')
  })

  it('are asked for by beforeRequest, copies as well, which drops or refuses', async () => {
    const asked: string[] = []
    let verdict: 'accept' | 'drop' | Refusal = 'accept'
    await open({
      beforeRequest: (request, source, flow) => {
        asked.push(`${request.method} ${source.address} ${flow.protocol}`)
        return verdict
      },
    })
    stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200 }))
    const text = phone.write('SUBSCRIBE', { branch: 'z9hG4bKtwice' }, { ...phone.dialog('sip:1@h'), cseq: 1 })
    phone.send(text)
    phone.send(text)
    await until('two answers', () => phone.received.length === 2)
    expect(asked.splice(0)).to.deep.equal(Array(2).fill('SUBSCRIBE 127.0.0.1 UDP'))
    verdict = { status: 503, headers: [['Retry-After', '5']] }
    expect((await phone.request('OPTIONS')).header('retry-after')).to.equal('5')
    verdict = 'drop'
    // Each time the same datagram: its answer is known, and is not sent again.
    phone.send(text)
    phone.send(phone.write('OPTIONS', { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq: 1 }))
    await until('both to be asked for', () => asked.length === 3)
    verdict = 'accept'
    expect((await phone.request('OPTIONS')).status).to.equal(200)
    expect(phone.received).to.have.length(4)
  })

  it('are asked for there, too, where they are malformed, cannot be read, or are a CANCEL', async () => {
    const asked: string[] = []
    let verdict: 'accept' | 'drop' | Refusal = 'drop'
    await open({
      beforeRequest: ({ method }) => {
        asked.push(method)
        return verdict
      },
    })
    const good = (method: string): string =>
      phone.write(method, { uri: 'sip:h' }, { ...phone.dialog('sip:h'), cseq: 1 })
    const bad = [
      good('OPTIONS').replace(/CSeq: 1/, 'CSeq: x'),
      good('OPTIONS').replace('Max-Forwards: 70', 'Max-Forwards: 700'),
      good('CANCEL'),
    ]
    for (const text of bad) phone.send(text)
    await until('all to be asked for', () => asked.length === bad.length)
    expect(phone.received).to.have.length(0)
    verdict = { status: 403 }
    for (const text of bad) phone.send(text)
    await until('the answers', () => phone.received.length === bad.length)
    expect(phone.received.map(({ status }) => status)).to.deep.equal([403, 403, 403])
  })

  it('are asked for there, too, where they are copies of another, which cost anybody nothing to make', async () => {
    let asked = 0
    let verdict: 'accept' | 'drop' | Refusal = 'accept'
    await open({
      beforeRequest: () => {
        asked++
        return verdict
      },
    })
    const dialog = { ...phone.dialog('sip:h'), cseq: 1 }
    const copy = (branch: string): void => phone.send(phone.write('OPTIONS', { branch: `z9hG4bK${branch}` }, dialog))
    copy('one')
    await until('its answer', () => phone.received.length === 1)
    verdict = { status: 403 }
    copy('two')
    await until('its answer', () => phone.received.length === 2)
    expect(phone.received.map(({ status }) => status)).to.deep.equal([200, 403])
    expect(asked).to.equal(2)
  })

  describe('answers', () => {
    it('go to source address and port with rport (RFC 3581)', async () => {
      await open()
      const answer = await ask('OPTIONS', { via: '192.0.2.55:5999;branch=z9hG4bKr;rport' })
      expect(answer.header('via')).to.equal(
        `SIP/2.0/UDP 192.0.2.55:5999;branch=z9hG4bKr;received=127.0.0.1;rport=${phone.local.port}`,
      )
    })

    it('go to the port of the sent-by without rport, with received where the address differs (RFC 3261 18.2.2)', async () => {
      await open()
      const other = await phoneOf()
      const via = `192.0.2.55:${other.local.port};branch=z9hG4bKs`
      phone.send(phone.write('OPTIONS', { via }, { ...phone.dialog('sip:h'), cseq: 1 }))
      const answer = await other.take(({ status }) => status > 0, 'the answer')
      expect(answer.header('via')).to.equal(`SIP/2.0/UDP ${via};received=127.0.0.1`)
      expect(phone.received).to.have.length(0)
      await other.close()
    })

    it('go to the source port all the same where that is forced', async () => {
      await open({ forceRport: (request) => request.from.uri?.user === 'natted' })
      const request = { via: '192.0.2.55:9;branch=z9hG4bKf', from: '<sip:natted@h>' }
      const answer = await ask('OPTIONS', request)
      expect(answer.header('via')).to.contain(`;received=127.0.0.1;rport=${phone.local.port}`)
    })

    it('go there too where the request could not be read', async () => {
      await open({ forceRport: () => true })
      const answer = await ask('OPTIONS', { via: '192.0.2.55:9;branch=z9hG4bKu' }, (text) =>
        text.replace(/Content-Length: \d+/, 'Content-Length: many'),
      )
      expect(answer.status).to.equal(400)
      expect(answer.header('via')).to.contain(`;rport=${phone.local.port}`)
    })

    it('leave all other Vias, and From, To, Call-ID and CSeq as they came', async () => {
      await open()
      const answer = await ask('OPTIONS', {}, (text) =>
        text.replace('Max-Forwards', 'v: SIP/2.0/TCP a.example;branch=z9hG4bK2, SIP/2.0/UDP b\r\nMax-Forwards'),
      )
      expect(answer.headers('via').slice(1).join(', ')).to.equal('SIP/2.0/TCP a.example;branch=z9hG4bK2, SIP/2.0/UDP b')
      expect(answer.header('from')).to.match(/^<sip:phone@127.0.0.1>;tag=[0-9a-f]{16}$/)
      expect(answer.header('cseq')).to.equal('1 OPTIONS')
      expect(answer.header('server')).to.equal('Lamplighter')
    })

    it('go by a new connection to the sent-by where the old one is closed', async () => {
      await open({ transports: [transportConfig({ protocol: 'tcp' })] })
      await phone.close()
      const [server] = stack.listening
      if (!server) throw new Error('nothing listens')
      const listener = createServer()
      listener.listen(0, '127.0.0.1')
      await once(listener, 'listening')
      const at = listener.address()
      if (at === null || typeof at === 'string') throw new Error('no port')
      let answer: (() => void) | undefined
      let closed = false
      stack.handle('SUBSCRIBE', (tx) => {
        answer = () => tx.answer({ status: 200 })
        tx.flow.onClose(() => {
          closed = true
        })
      })
      phone = await TestPhone.open({ server, protocol: 'tcp' })
      const via = `127.0.0.1:${at.port};branch=z9hG4bKlost`
      phone.send(phone.write('SUBSCRIBE', { via }, { ...phone.dialog('sip:1@h'), cseq: 1 }))
      await until('it to be handled', () => answer)
      await phone.close()
      await until('the end of the connection', () => closed)
      const connected = once(listener, 'connection')
      answer?.()
      const [socket] = await connected
      const [bytes] = await once(socket, 'data')
      expect(String(bytes)).to.match(/^SIP\/2.0 200 OK\r\nVia: SIP\/2.0\/TCP 127/)
      socket.destroy()
      listener.close()
    })
  })

  it('that are no SIP at all are passed over', async () => {
    await open()
    const socket = createSocket('udp4')
    const [server] = stack.listening
    for (const junk of [
      '',
      '\r\n\r\n',
      '\0',
      'x'.repeat(3000),
      'OPTIONS sip:h SIP/2.0\r\n\r\n',
      'SIP/2.0 200 OK\r\n\r\n',
    ]) {
      socket.send(junk, server?.port ?? 0, '127.0.0.1')
    }
    expect((await phone.request('OPTIONS')).status).to.equal(200)
    socket.close()
  })

  it('are traced, for one host or all, without anything a terminal would obey', async () => {
    await open()
    const traced: string[] = []
    stack.trace((text) => traced.push(text))
    await phone.request('OPTIONS', { headers: [['X-Evil', '\x1b[2Jgone']] })
    expect(traced).to.have.length(2)
    expect(traced[0]).to.match(/^<--- Received SIP request \(\d+ bytes\) from UDP:127.0.0.1:\d+ <---\nOPTIONS sip:/)
    expect(traced[0]).to.contain('X-Evil: \\x1b[2Jgone')
    expect(traced[1]).to.match(
      /^---> Transmitting SIP response \(\d+ bytes\) to UDP:127.0.0.1:\d+ --->\nSIP\/2.0 200 OK/,
    )
    stack.trace((text) => traced.push(text), '192.0.2.1')
    await phone.request('OPTIONS')
    stack.trace(undefined)
    await phone.request('OPTIONS')
    expect(traced).to.have.length(2)
  })
})
