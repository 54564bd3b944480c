/** Forty thousand damaged messages on real sockets: nothing breaks, nothing stalls, and the next phone is served. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Log } from '../../../core/log.ts'
import { Metrics } from '../../../core/metrics.ts'
import { processMetrics } from '../../../core/process-metrics.ts'
import type { Stack } from '../../../core/sip/stack.ts'
import { damaged, randomFrom } from '../../support/damage.ts'
import { TestPhone } from '../../support/phone.ts'
import { testStack, transportConfig } from '../../support/stack.ts'
import { until } from '../../support/tools.ts'

const SUBSCRIBE = Buffer.from(
  [
    'SUBSCRIBE sip:101@127.0.0.1 SIP/2.0',
    'Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKflood;rport',
    'Max-Forwards: 70',
    'From: "A" <sip:100@127.0.0.1>;tag=f',
    'To: <sip:101@127.0.0.1>',
    'Call-ID: flood',
    'CSeq: 1 SUBSCRIBE',
    'Contact: <sip:100@192.0.2.7:5062>',
    'Record-Route: <sip:192.0.2.9;lr>, <sip:192.0.2.10>',
    'Event: dialog',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n'),
)
/** Nobody else's port gets the answers to Vias that were changed. */
const HERE = '127.0.0.2'
const ROUND = 10_000
const ROUNDS = 3
/** Connections, and messages on each. */
const CONNECTIONS = 100
const ON_EACH = 100
const LONGEST_STALL = 50

describe('a flood of damaged messages', function () {
  this.timeout(120_000)
  let stack: Stack
  let socket: Socket
  const metrics = new Metrics()
  const errors: string[] = []

  before(async () => {
    const log = new Log('warning')
    // Of a stream that is closed it is told once a minute.
    log.addSink(({ message }) => message.includes('sent cannot be read') || errors.push(message))
    stack = await testStack({
      metrics,
      log: log.logger('sip'),
      transports: [transportConfig(), transportConfig({ id: 'tcp', protocol: 'tcp' })],
      timers: { t1: 10, j: 200 },
    })
    stack.handle('SUBSCRIBE', (tx) => {
      const known = stack.findDialog(tx.request)
      const refusal = known?.accept(tx)
      if (refusal) return tx.answer(refusal)
      if (tx.request.contacts[0]?.uri === undefined) return tx.answer({ status: 400 })
      const dialog = known ?? stack.createDialog(tx, { followFlow: true })
      tx.answer({ status: 200, dialog })
      dialog.record()
      if (!known) dialog.dispose()
    })
    socket = createSocket('udp4')
    socket.bind(0, HERE)
    await once(socket, 'listening')
  })

  after(async () => {
    socket.close()
    await stack.close()
  })

  it('over UDP', async () => {
    for (let round = 0; round < ROUNDS; round++) await withoutStall(() => udpRound(round))
    const seen =
      counted('sip.requests.received') + counted('sip.responses.received') + counted('sip.messages.malformed')
    expect(seen).to.be.above((ROUNDS * ROUND) / 2)
    expect(counted('sip.requests.received')).to.be.above(ROUND)
    await isServed('udp')
  })

  it('over TCP', async () => {
    await withoutStall(tcpRound)
    await isServed('tcp')
  })

  it('leaves nothing behind', async () => {
    await until('empty tables', () => counted('sip.transactions.server') === 0 && counted('sip.dialogs') === 0)
    await until('closed connections', () => counted('sip.connections.tcp') === 0)
    expect(errors).to.deep.equal([])
  })

  /**
   * What this process computes alone, so that a busy machine is no stall. One that is ours comes each time the same
   * messages do; one of a collection, say, does not.
   */
  async function withoutStall(work: () => Promise<void>): Promise<void> {
    const stalls: number[] = []
    do {
      const said = new Metrics()
      const stop = processMetrics(said)
      await work()
      // So that it looks once more, and what was last is counted.
      await pause(20)
      stalls.push(said.read().find(([name]) => name === 'process.stall.busy_max_ms')?.[1] ?? Number.NaN)
      await stop()
    } while (Math.min(...stalls) >= LONGEST_STALL && stalls.length < 5)
    expect(Math.min(...stalls), 'milliseconds').to.be.below(LONGEST_STALL)
  }

  async function udpRound(round: number): Promise<void> {
    const random = randomFrom(round + 1)
    const port = portOf('UDP')
    for (let sent = 0; sent < ROUND; sent++) {
      socket.send(damaged(random, SUBSCRIBE), port, '127.0.0.1')
      if (sent % 50 === 49) await new Promise(setImmediate)
    }
  }

  async function tcpRound(): Promise<void> {
    const random = randomFrom(5060)
    for (let number = 0; number < CONNECTIONS; number++) {
      const socket = connect({ port: portOf('TCP'), host: '127.0.0.1', localAddress: HERE })
      socket.on('error', () => undefined)
      socket.resume()
      const ended = new Promise<void>((resolve) => {
        socket.once('close', () => resolve())
      })
      await once(socket, 'connect')
      // The first ones are sound, so that not every stream ends at once.
      const sound = random(ON_EACH)
      for (let count = 0; count < ON_EACH && !socket.destroyed; count++) {
        const bytes = count < sound ? SUBSCRIBE : damaged(random, SUBSCRIBE)
        const cut = random(bytes.length)
        socket.write(bytes.subarray(0, cut))
        if (random(4) === 0) await new Promise(setImmediate)
        if (!socket.destroyed) socket.write(bytes.subarray(cut))
      }
      socket.end()
      await ended
    }
  }

  async function isServed(protocol: 'udp' | 'tcp'): Promise<void> {
    const server = { address: '127.0.0.1', port: portOf(protocol === 'udp' ? 'UDP' : 'TCP') }
    const phone = await TestPhone.open({ server, protocol })
    const dialog = phone.dialog('sip:101@127.0.0.1')
    expect((await phone.request('SUBSCRIBE', { dialog, headers: [['Event', 'dialog']] })).status).to.equal(200)
    await phone.close()
  }

  function portOf(protocol: string): number {
    return stack.listening.find((one) => one.protocol === protocol)?.port ?? 0
  }

  function counted(name: string): number {
    return metrics.read().find(([key]) => key === name)?.[1] ?? 0
  }
})
