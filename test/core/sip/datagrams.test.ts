/** Both kinds of UDP sockets do the same, on real sockets. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { ConfigError } from '../../../core/options.ts'
import { nativePart } from '../../../core/sip/addon.ts'
import { UdpTransport } from '../../../core/sip/udp.ts'
import { contextFor, LoneTransport, Peer } from '../../support/datagrams.ts'
import { transportConfig } from '../../support/stack.ts'
import { busy, needTool, until } from '../../support/tools.ts'

const datagramsModule = new URL('../../../core/sip/datagrams.ts', import.meta.url).href

/** Written where building the native part was tried. */
const TRIED = new URL('../../../dist/core/sip/native/datagrams.stamp', import.meta.url)

const EVERY_BYTE = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join('')
const LONGEST = 65_507

describe('UDP sockets', () => {
  const transports: LoneTransport[] = []
  const peers: Peer[] = []

  const open = async (kind: 'batched' | 'plain', bind?: string): Promise<LoneTransport> => {
    const lone = await LoneTransport.open(kind, bind)
    transports.push(lone)
    return lone
  }

  const peer = async (address?: string): Promise<Peer> => {
    const one = await Peer.open(address)
    peers.push(one)
    return one
  }

  afterEach(async () => {
    for (const { udp } of transports.splice(0)) await udp.close()
    for (const { socket } of peers.splice(0)) socket.close()
  })

  it('are batched where the native part can be built', function () {
    if (process.platform !== 'linux') this.skip()
    needTool(this, 'cc')
    if (!process.env['CI'] && !existsSync(TRIED)) {
      console.error("      skipped: Node's headers are not installed, or `node .ci/prepare.mjs test` was not run")
      this.skip()
    }
    expect(nativePart()).to.include({ kind: 'loaded' })
  })

  it('give others their turn in the middle of a batch that takes long, and lose nothing of it', async function () {
    if (nativePart().kind !== 'loaded') this.skip()
    const lone = await open('batched')
    const phone = await peer()
    const texts = Array.from({ length: 60 }, (_, at) => `message number ${at}`)
    lone.react = () => {
      busy(2)
    }
    const inTurns: number[] = []
    const count = (): void => {
      inTurns.push(lone.came.length)
      if (lone.came.length < texts.length) setImmediate(count)
    }
    for (const text of texts) phone.send(text, lone.udp.local)
    count()
    await until('all of them', () => lone.came.length === texts.length)
    expect(lone.texts).to.deep.equal(texts)
    const most = Math.max(...inTurns.map((came, turn) => came - (inTurns[turn - 1] ?? 0)))
    expect(most).to.be.within(1, 8)
  })

  for (const [bind, addresses] of [
    ['0.0.0.0:0', ['127.0.0.2', '127.0.0.3', '127.0.0.2']],
    ['[::]:0', ['::1']],
  ] as const) {
    it(`on ${bind} answer from the address that was sent to (RFC 3581 4)`, async function () {
      if (nativePart().kind !== 'loaded') this.skip()
      const { udp, came } = await open('batched', bind)
      const { port } = udp.local
      for (const address of addresses) {
        const phone = await peer(address === '::1' ? '::1' : '127.0.0.1')
        const other = await peer(address === '::1' ? '::1' : '127.0.0.1')
        const from: string[] = []
        for (const { socket } of [phone, other])
          socket.on('message', (_, sender) => from.push(`${sender.address} ${sender.port}`))
        phone.send('Which one are you?', { address, port })
        await until('the question', () => came.length > 0)
        const { wire } = came.pop() ?? {}
        expect(wire?.local).to.deep.equal({ address, port })
        expect(wire?.remote).to.deep.equal(phone.address)
        wire?.send('here')
        udp.wireTo(other.address, undefined, wire).send('here, too')
        await until('both answers', () => from.length === 2)
        expect(from).to.deep.equal([`${address} ${port}`, `${address} ${port}`])
        // Who has sent nothing is sent to from any.
        udp.wireTo((await peer(phone.address.address)).address).send('hello')
      }
    })
  }

  for (const kind of ['batched', 'plain'] as const) {
    describe(kind, () => {
      before(function () {
        if (kind === 'batched' && nativePart().kind !== 'loaded') this.skip()
      })

      for (const address of ['127.0.0.1', '::1']) {
        it(`carry every byte both ways, of long and short messages, over ${address}`, async () => {
          const { udp, came } = await open(kind, address === '::1' ? '[::1]:0' : '127.0.0.1:0')
          const phone = await peer(address)
          const texts = [`A${EVERY_BYTE}`, 'B'.padEnd(LONGEST, EVERY_BYTE), 'C is short, too']
          for (const text of texts) phone.send(text, udp.local)
          await until('three messages', () => came.length === 3)
          expect(came.map(({ text }) => text)).to.deep.equal(texts)
          for (const { wire } of came) {
            expect(wire.remote).to.deep.equal(phone.address)
            expect(wire.id).to.equal(came[0]?.wire.id)
          }
          for (const { text, wire } of came) wire.send(text)
          await until('three answers', () => phone.got.length === 3)
          expect(phone.texts).to.deep.equal(texts)
        })
      }

      it('keep the order and lose nothing in a burst, from several peers', async () => {
        const { udp, came } = await open(kind)
        const phones = [await peer(), await peer(), await peer()]
        const rounds = 100
        for (let round = 0; round < rounds; round++) {
          for (const phone of phones) phone.send(`message ${round}`.padEnd(300), udp.local)
        }
        await until('all of them', () => came.length === rounds * phones.length)
        for (const phone of phones) {
          const own = came.filter(({ wire }) => wire.remote.port === phone.address.port)
          expect(own.map(({ text }) => text.trimEnd())).to.deep.equal(
            Array.from({ length: rounds }, (_, round) => `message ${round}`),
          )
        }
        const count = 1000
        const wires = phones.map((phone) => udp.wireTo(phone.address))
        for (let at = 0; at < count; at++) for (const wire of wires) wire.send(`answer ${at}`.padEnd(700))
        for (const phone of phones) {
          await until('every answer', () => phone.got.length === count)
          expect(phone.texts.map((text) => text.trimEnd())).to.deep.equal(
            Array.from({ length: count }, (_, at) => `answer ${at}`),
          )
        }
      })

      it('tell whose message could not be sent, later, and send the next ones', async () => {
        const { udp, metrics, warnings } = await open(kind)
        const phone = await peer()
        const good = udp.wireTo(phone.address)
        const failures: string[] = []
        const bad = [
          { remote: { address: '255.255.255.255', port: 5060 }, text: 'to everybody', code: 'EACCES' },
          { remote: phone.address, text: 'x'.repeat(LONGEST + 1), code: 'EMSGSIZE' },
          { remote: phone.address, text: 'x'.repeat(LONGEST + 1000), code: 'EMSGSIZE' },
          { remote: { address: '127.0.0.1', port: 0 }, text: 'to no port', code: '' },
          { remote: { address: '::1', port: 5060 }, text: 'to the other family', code: '' },
        ]
        good.send('the first one')
        for (const { remote, text } of bad) {
          udp.wireTo(remote).send(text, { sendFailed: (reason) => void failures.push(reason) })
          good.send(`after ${text}`.slice(0, 20))
        }
        expect(failures).to.deep.equal([])
        await until('all failures', () => failures.length === bad.length)
        for (const { code } of bad) expect(failures.some((reason) => reason.includes(code))).to.equal(true)
        await until('the others', () => phone.got.length === 1 + bad.length)
        expect(new Map(metrics.read()).get('sip.udp.send.failed')).to.equal(bad.length)
        // Once for both, as what is too long is sent again and to many.
        expect(warnings).to.have.length(1)
        expect(warnings[0]).to.include(`to 127.0.0.1:${phone.address.port} is too long for UDP`)
      })

      it('send before they are closed, tell who comes later, and free the port at once', async () => {
        const { udp } = await open(kind)
        const phone = await peer()
        const wire = udp.wireTo(phone.address)
        wire.send('the last word')
        await udp.close()
        const reason = await new Promise<string>((resolve) => {
          wire.send('too late', { sendFailed: resolve })
        })
        expect(reason).to.equal('the transport is closed')
        await until('the last word', () => phone.got.length === 1)
        const { udp: again, came } = await open(kind, `127.0.0.1:${udp.local.port}`)
        expect(again.local).to.deep.equal(udp.local)
        phone.send('for the new one', again.local)
        await until('a message', () => came.length === 1)
        await udp.close()
      })

      it('may be closed by what they receive', async () => {
        const lone = await open(kind)
        const phone = await peer()
        lone.react = () => void lone.udp.close()
        for (let at = 0; at < 10; at++) phone.send(`message number ${at}`, lone.udp.local)
        await until('the first message', () => lone.came.length > 0)
        await pause(20)
        expect(lone.texts).to.deep.equal(['message number 0'])
      })

      it('say why they cannot be bound', async () => {
        const { udp } = await open(kind)
        const refusal = async (bind: string): Promise<string> => {
          try {
            await UdpTransport.open(transportConfig({ bind }), contextFor(kind))
          } catch (error) {
            if (error instanceof ConfigError) return error.message
          }
          return 'none'
        }
        expect(await refusal(`127.0.0.1:${udp.local.port}`)).to.contain('another program uses that port')
        expect(await refusal('192.0.2.1:0')).to.contain('this machine does not have that address')
        expect(await refusal('[fe80::1%nowhere]:0')).to.contain('cannot listen on')
      })

      it('let the thread end that has them open, and the process', async () => {
        const code = `
          const { register } = await import('tsx/esm/api')
          register()
          const { openDatagrams } = await import(${JSON.stringify(datagramsModule)})
          const socket = await openDatagrams({ address: '127.0.0.1', port: 0 }, 4, ${JSON.stringify(kind)})
          if (socket.kind !== ${JSON.stringify(kind)}) throw new Error('it is of the other kind')
        `
        const process7 = spawnSync(process.execPath, ['--input-type=module', '-e', `${code}; process.exit(7)`])
        expect(process7.status, process7.stderr.toString()).to.equal(7)
        for (let round = 0; round < 3; round++) {
          const worker = new Worker(
            `(async () => { ${code}; require('node:worker_threads').parentPort.postMessage('') })()`,
            {
              eval: true,
            },
          )
          await once(worker, 'message')
          expect(await worker.terminate()).to.equal(1)
        }
      })
    })
  }
})
