/** Timers E, F, K and J, retransmissions and matching (RFC 3261 17.1.2, 17.2.2, 17.1.3, 17.2.3), with short times. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Metrics } from '../../../core/metrics.ts'
import { defaultsOf } from '../../../core/options.ts'
import { systemOptions } from '../../../core/pjsip-options.ts'
import type { Outcome, ServerTransaction } from '../../../core/sip/contract.ts'
import type { Stack, StackSettings } from '../../../core/sip/stack.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { until } from '../../support/tools.ts'

const TIMERS = { t1: 40, t2: 100, t4: 100, f: 600, j: 300 }

describe('transactions', () => {
  let stack: Stack
  let phone: TestPhone
  let metrics: Metrics

  const open = async (settings: Partial<StackSettings> = {}, autoAnswer = true): Promise<void> => {
    metrics = new Metrics()
    stack = await testStack({ timers: TIMERS, metrics, ...settings })
    const [server] = stack.listening
    if (!server) throw new Error('nothing listens')
    phone = await TestPhone.open({ server, autoAnswer })
  }

  const send = (): Promise<Outcome> =>
    new Promise((resolve) => {
      stack.request(
        { method: 'NOTIFY', requestUri: `sip:p@127.0.0.1:${phone.local.port}`, from: '<sip:us@h>', to: '<sip:p@h>' },
        resolve,
      )
    })

  afterEach(async () => {
    await phone.close()
    await stack.close()
  })

  describe('of ours', () => {
    it('retransmits by timer E up to T2 and gives up by timer F', async () => {
      await open({ timers: { ...TIMERS, t1: 20, t2: 40 } }, false)
      expect(await send()).to.deep.equal({ kind: 'timeout' })
      // 0, 20, 60, 100, … 580: 16 in all. Doubling for ever would make 5, not doubling 30.
      expect(phone.received.length).to.be.within(8, 16)
      const [first, ...others] = phone.received
      for (const other of others) expect(other.raw.equals(first?.raw ?? Buffer.alloc(0))).to.equal(true)
      expect(metrics.counter('sip.requests.retransmitted').value).to.equal(phone.received.length - 1)
      expect(metrics.counter('sip.requests.timeout').value).to.equal(1)
      expect(gauge('sip.transactions.client')).to.equal(0)
      if (first) phone.respond(first, 200)
      await until('a stray', () => metrics.counter('sip.responses.stray').value === 1)
    })

    it('gets its answer to a retransmission where the first is lost', async () => {
      await open({}, false)
      let came = 0
      phone.onRequest = () => (++came < 3 ? undefined : 202)
      const outcome = await send()
      expect(outcome.kind === 'response' && outcome.response.status).to.equal(202)
      expect(came).to.equal(3)
    })

    it('goes on with T2 after a 100, and gives up all the same', async () => {
      await open({ timers: { ...TIMERS, t1: 20, t2: 200 } }, false)
      phone.onRequest = () => 100
      expect(await send()).to.deep.equal({ kind: 'timeout' })
      // 0, 20, 220, 420; without the 100 there would be 0, 20, 60, 140, 300, 500.
      expect(phone.received.length).to.be.within(2, 4)
    })

    it('takes one final answer; more of them are absorbed by timer K and then strays', async () => {
      await open({}, false)
      const outcomes: Outcome[] = []
      stack.request(
        { method: 'NOTIFY', requestUri: `sip:p@127.0.0.1:${phone.local.port}`, from: '<sip:us@h>', to: '<sip:p@h>' },
        (outcome) => outcomes.push(outcome),
      )
      const request = await phone.next('NOTIFY')
      for (let i = 0; i < 3; i++) phone.respond(request, 200)
      await until('all answers', () => metrics.counter('sip.responses.received').value === 3)
      expect(outcomes).to.have.length(1)
      expect(metrics.counter('sip.responses.stray').value).to.equal(0)
      expect(gauge('sip.transactions.client')).to.equal(0)
      await pause(TIMERS.t4)
      phone.respond(request, 200)
      await until('a stray', () => metrics.counter('sip.responses.stray').value === 1)
      expect(outcomes).to.have.length(1)
    })

    it('takes no answer with another branch, method or sent-by', async () => {
      await open({}, false)
      const outcome = send()
      const request = await phone.next('NOTIFY')
      const answer = (change: (line: string) => string): void => {
        const lines = ['via', 'from', 'to', 'call-id', 'cseq'].map((name) => `${name}: ${request.header(name)}`)
        phone.send(['SIP/2.0 200 OK', ...lines.map(change), 'Content-Length: 0', '', ''].join('\r\n'))
      }
      answer((line) => line.replace('branch=z9hG4bK', 'branch=z9hG4bKx'))
      answer((line) => line.replace('1 NOTIFY', '1 SUBSCRIBE'))
      answer((line) => line.replace(/^via: SIP\/2.0\/UDP [^;]*/, 'via: SIP/2.0/UDP 192.0.2.99:5060'))
      await until('strays', () => metrics.counter('sip.responses.stray').value === 3)
      phone.respond(request, 486)
      const got = await outcome
      expect(got.kind === 'response' && got.response.status).to.equal(486)
    })

    it('gives each request a branch and a Call-ID of its own', async () => {
      await open()
      await Promise.all([send(), send(), send()])
      const branches = new Set(phone.received.map((request) => request.param('via', 'branch')))
      expect(branches.size).to.equal(3)
      for (const branch of branches) expect(branch).to.match(/^z9hG4bK[0-9a-f]{30}$/)
      expect(new Set(phone.received.map((request) => request.header('call-id'))).size).to.equal(3)
    })

    it('tells that an address cannot be sent to, without waiting', async () => {
      await open()
      const outcome = await new Promise<Outcome>((resolve) => {
        stack.request(
          // A datagram of more than 64 kB cannot be.
          {
            method: 'NOTIFY',
            requestUri: `sip:p@127.0.0.1:${phone.local.port}`,
            from: '<sip:us@h>',
            to: '<sip:p@h>',
            body: { contentType: 'text/plain', content: 'x'.repeat(70_000) },
          },
          resolve,
        )
      })
      expect(outcome.kind).to.equal('unreachable')
    })

    it('survives a handler of outcomes that throws', async () => {
      await open()
      let called = false
      stack.request(
        { method: 'NOTIFY', requestUri: `sip:p@127.0.0.1:${phone.local.port}`, from: '<sip:us@h>', to: '<sip:p@h>' },
        () => {
          called = true
          throw new Error('a bug of whoever asked')
        },
      )
      await until('the outcome', () => called)
      expect((await phone.request('OPTIONS')).status).to.equal(200)
    })
  })

  describe('of a phone', () => {
    it('are answered again with the same bytes, and handled once, until timer J', async () => {
      await open()
      let handled = 0
      stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200, headers: [['X-Number', String(++handled)]] }))
      const dialog = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      const text = phone.write('SUBSCRIBE', { branch: 'z9hG4bKsame' }, dialog)
      for (let i = 0; i < 3; i++) phone.send(text)
      await until('three answers', () => phone.received.length === 3)
      expect(handled).to.equal(1)
      const [first, ...others] = phone.received
      for (const other of others) expect(other.raw.equals(first?.raw ?? Buffer.alloc(0))).to.equal(true)
      await until('the end of timer J', () => gauge('sip.transactions.server') === 0)
      phone.send(text)
      await until('a new one', () => handled === 2)
    })

    it('go by the timers of a reload from then on', async () => {
      const system = { ...defaultsOf(systemOptions), timer_t1: 500 }
      await open({ timers: {}, system })
      let handled = 0
      stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: 200, headers: [['X-Number', String(++handled)]] }))
      const text = phone.write('SUBSCRIBE', {}, { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 })
      phone.send(text)
      await until('an answer', () => phone.received.length === 1)
      // J is 32 s, and then 640 ms.
      await stack.reload([transportConfig({ bind: `127.0.0.1:${stack.listening[0]?.port ?? 0}` })], {
        ...system,
        timer_t1: 10,
      })
      await until('the end of timer J', () => gauge('sip.transactions.server') === 0)
      phone.send(text)
      await until('a new one', () => handled === 2)
    })

    it('are not kept once they are answered over TCP: timer J is zero there', async () => {
      metrics = new Metrics()
      stack = await testStack({ timers: TIMERS, metrics, transports: [transportConfig({ protocol: 'tcp' })] })
      const waiting: ServerTransaction[] = []
      stack.handle('SUBSCRIBE', (tx) => void waiting.push(tx))
      const [server] = stack.listening
      if (!server) throw new Error('nothing listens')
      phone = await TestPhone.open({ server, protocol: 'tcp' })
      phone.send(phone.write('SUBSCRIBE', {}, { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }))
      await until('it to come', () => waiting.length === 1)
      expect(gauge('sip.transactions.server')).to.equal(1)
      waiting[0]?.answer({ status: 200 })
      expect(gauge('sip.transactions.server')).to.equal(0)
    })

    it('wait for their answer quietly', async () => {
      await open()
      const waiting: ServerTransaction[] = []
      stack.handle('SUBSCRIBE', (tx) => void waiting.push(tx))
      const text = phone.write(
        'SUBSCRIBE',
        { branch: 'z9hG4bKsame' },
        { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 },
      )
      for (let i = 0; i < 3; i++) phone.send(text)
      await until('retransmissions', () => metrics.counter('sip.retransmissions.received').value === 2)
      expect(waiting).to.have.length(1)
      waiting[0]?.answer({ status: 202 })
      waiting[0]?.answer({ status: 500 })
      expect((await phone.take(({ status }) => status > 0, 'an answer')).status).to.equal(202)
      expect(waiting[0]?.answered).to.equal(true)
    })

    it('are answered 500 where a handler chooses what is no final answer', async () => {
      for (const status of [undefined, 0, 42, 100, 1000, NaN]) {
        await open()
        stack.handle('SUBSCRIBE', (tx) => tx.answer({ status: status as number }))
        expect((await phone.request('SUBSCRIBE', { uri: 'sip:x@127.0.0.1' })).status, String(status)).to.equal(500)
        if (!Number.isNaN(status)) {
          await phone.close()
          await stack.close()
        }
      }
    })

    it('are forgotten where nobody answers them', async () => {
      await open()
      stack.handle('SUBSCRIBE', () => undefined)
      phone.send(phone.write('SUBSCRIBE', {}, { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }))
      await until('it to come', () => gauge('sip.transactions.server') === 1)
      await until('it to be forgotten', () => gauge('sip.transactions.server') === 0)
      expect(metrics.counter('sip.requests.unanswered').value).to.equal(1)
    })

    it('are told apart by sent-by and method, and by RFC 2543 without a magic branch', async () => {
      await open()
      const seen: string[] = []
      stack.handle('SUBSCRIBE', (tx) => {
        seen.push(tx.request.header('via') ?? '')
        tx.answer({ status: 200 })
      })
      stack.handle('PUBLISH', (tx) => tx.answer({ status: 200 }))
      const dialog = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      const own = `127.0.0.1:${phone.local.port}`
      phone.send(phone.write('SUBSCRIBE', { via: `${own};branch=z9hG4bKa;rport` }, dialog))
      const other = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      phone.send(phone.write('SUBSCRIBE', { via: `192.0.2.4:5060;branch=z9hG4bKa;rport` }, other))
      phone.send(phone.write('PUBLISH', { via: `${own};branch=z9hG4bKa;rport` }, dialog))
      await until('three answers', () => phone.received.length === 3)
      expect(seen).to.have.length(2)
      const old = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      phone.send(phone.write('SUBSCRIBE', { via: `${own};branch=1` }, old))
      phone.send(phone.write('SUBSCRIBE', { via: `${own};branch=1` }, old))
      phone.send(phone.write('SUBSCRIBE', { via: `${own};branch=1` }, { ...old, cseq: 2 }))
      phone.send(phone.write('SUBSCRIBE', { via: own }, { ...old, cseq: 3 }))
      await until('their answers', () => phone.received.length === 7)
      expect(seen).to.have.length(5)
    })

    it('with a branch that was used before are served, each with its own answer', async () => {
      await open()
      const seen: number[] = []
      stack.handle('SUBSCRIBE', (tx) => {
        seen.push(tx.request.cseq.number)
        tx.answer({ status: 200, headers: [['Expires', String(seen.length)]] })
      })
      const one = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      const other = { ...phone.dialog('sip:101@127.0.0.1'), cseq: 1 }
      for (const dialog of [one, { ...one, cseq: 2 }, other, { ...one, cseq: 2 }])
        phone.send(phone.write('SUBSCRIBE', { branch: 'z9hG4bKsame' }, dialog))
      await until('four answers', () => phone.received.length === 4)
      expect(seen).to.deep.equal([1, 2, 1])
      expect(phone.received.map((answer) => answer.header('Expires'))).to.have.members(['1', '2', '3', '2'])
    })

    it('are answered 500 where the handler throws or rejects', async () => {
      await open({ log: silent })
      stack.handle('SUBSCRIBE', () => {
        throw new Error('a bug')
      })
      stack.handle('PUBLISH', async () => {
        await Promise.resolve()
        throw new Error('a bug')
      })
      expect((await phone.request('SUBSCRIBE')).status).to.equal(500)
      expect((await phone.request('PUBLISH')).status).to.equal(500)
    })
  })

  const gauge = (name: string): number => metrics.read().find(([key]) => key === name)?.[1] ?? Number.NaN
})

const silent = {
  category: 'sip',
  error: () => undefined,
  warning: () => undefined,
  notice: () => undefined,
  verbose: () => undefined,
  debug: () => undefined,
  refusal: () => undefined,
  enabled: () => false,
}
