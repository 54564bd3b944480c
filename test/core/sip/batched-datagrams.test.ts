/** The queue of a batched UDP socket, over a kernel that takes what it likes; and the table of its flows. */
import { constants } from 'node:os'
import { expect } from 'chai'
import type { DatagramAddon, DatagramSocket } from '../../../core/sip/addon.ts'
import { BatchedDatagrams } from '../../../core/sip/batched-datagrams.ts'
import type { Address } from '../../../core/sip/contract.ts'
import { FlowTable } from '../../../core/sip/flow-table.ts'
import type { Sender, Wire } from '../../../core/sip/transport.ts'
import { UdpFlow, UdpTransport } from '../../../core/sip/udp.ts'
import { randomFrom } from '../../support/damage.ts'
import { contextFor } from '../../support/datagrams.ts'
import { collectGarbage } from '../../support/garbage.ts'
import { transportConfig } from '../../support/stack.ts'

// Where things are: as in core/sip/native/datagrams.c.
const BATCH = 32
const ROOM = 65_536
const [QUEUED, FILLED, SENT, TAKEN, FAILED, FAILURES] = [0, 1, 2, 4, 5, 6]
const INCOMING = FAILURES + 2 * BATCH
const OUTGOING = INCOMING + BATCH * 8

/** In place of the native part: a kernel that has room for `room` more datagrams, and refuses some. */
class FakeKernel implements DatagramAddon {
  readonly layout = 4
  readonly sent: string[] = []
  room = Number.POSITIVE_INFINITY
  /** What cannot be sent, and its errno. */
  readonly refused = new Map<string, number>()
  #numbers: Int32Array = new Int32Array()
  #incoming: Buffer = Buffer.alloc(0)
  #outgoing: Buffer = Buffer.alloc(0)
  #wake: Parameters<DatagramAddon['open']>[2] = () => undefined

  readAddress(text: string, port: number, _v6: boolean, place: Int32Array): boolean {
    place[0] = Number(text.split('.').at(-1))
    place[1] = port
    return text.startsWith('192.0.2.')
  }

  printAddress(place: Int32Array): string {
    return `192.0.2.${place[0]}`
  }

  numberOfLocal(): number {
    return 0
  }

  printLocal(): string {
    return '192.0.2.1'
  }

  open(...shared: Parameters<DatagramAddon['open']>): DatagramSocket {
    ;[, , this.#wake, this.#numbers, this.#incoming, this.#outgoing] = shared
    return {}
  }

  send(): void {
    const numbers = this.#numbers
    for (let at = this.#at(SENT); at < this.#at(QUEUED); at++) {
      const start = this.#at(OUTGOING + at * 9)
      const text = this.#outgoing.toString('latin1', start, start + this.#at(OUTGOING + at * 9 + 1))
      const refusal = this.refused.get(text)
      if (refusal === undefined && this.room === 0) return
      if (refusal === undefined) {
        this.room--
        this.sent.push(`${text} → ${this.#at(OUTGOING + at * 9 + 2)}:${this.#at(OUTGOING + at * 9 + 3)}`)
      } else {
        const failure = FAILURES + 2 * this.#at(FAILED)
        numbers.set([at, refusal], failure)
        numbers[FAILED] = this.#at(FAILED) + 1
      }
      numbers[SENT] = at + 1
    }
    numbers.set([0, 0, 0], QUEUED)
  }

  /** The socket is writable again. */
  makeRoom(room: number): void {
    this.room = room
    this.send()
    this.#wake(0, 0, 0)
  }

  receive(...datagrams: readonly { readonly text: string; readonly from: readonly number[] }[]): void {
    datagrams.forEach(({ text, from }, at) => {
      this.#incoming.write(text, at * ROOM, 'latin1')
      this.#numbers.set([text.length, ...from], INCOMING + at * 8)
    })
    this.goOn(0, datagrams.length)
  }

  /** Hands over those of a batch; returns how many of it were handled then. */
  goOn(from: number, to: number, microseconds = 1_000_000): number {
    this.#numbers[TAKEN] = to
    this.#wake(from, to, microseconds)
    return this.#at(TAKEN)
  }

  close(): void {
    this.send()
  }

  get filled(): number {
    return this.#at(FILLED)
  }

  #at(index: number): number {
    return this.#numbers[index] ?? Number.NaN
  }
}

interface Came {
  readonly text: string
  readonly wire: Wire
}

interface Rig {
  readonly kernel: FakeKernel
  readonly udp: UdpTransport
  readonly came: Came[]
  readonly failures: string[]
  readonly send: (text: string, to?: Address) => void
}

async function rig(): Promise<Rig> {
  const kernel = new FakeKernel()
  const datagrams = await BatchedDatagrams.open(kernel, { address: '192.0.2.1', port: 5060 }, 4)
  const came: Came[] = []
  const failures: string[] = []
  const receiver = {
    received: (text: string, wire: Wire) => void came.push({ text, wire }),
    broken: () => undefined,
  }
  const udp = new UdpTransport(transportConfig(), datagrams, 4, { ...contextFor('batched'), receiver })
  const send: Rig['send'] = (text, to = { address: '192.0.2.7', port: 5062 }) =>
    udp.wireTo(to).send(text, { sendFailed: (reason) => void failures.push(`${text}: ${reason}`) })
  return { kernel, udp, came, failures, send }
}

const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, at) => `message ${from + at} → 7:5062`)

const ticks = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

describe('A batched UDP socket', () => {
  it('fills its queue before it hands it over, and says where each message goes', async () => {
    const { kernel, send } = await rig()
    for (let at = 0; at < BATCH; at++) send(`message ${at}`)
    expect(kernel.sent).to.deep.equal([])
    send('one more', { address: '192.0.2.9', port: 65_535 })
    expect(kernel.sent).to.deep.equal(numbered(BATCH))
    kernel.send()
    expect(kernel.sent.at(-1)).to.equal('one more → 9:65535')
  })

  it('hands it over where the next message does not fit', async () => {
    const { kernel, send } = await rig()
    for (const letter of 'abcd') send(letter.repeat(40_000))
    expect(kernel.sent.map((text) => text[0])).to.deep.equal(['a', 'b', 'c'])
    expect(kernel.filled).to.equal(40_000)
  })

  it('keeps order and loses nothing while the kernel takes none, or a few', async () => {
    const { kernel, send, failures } = await rig()
    kernel.room = 10
    for (let at = 0; at < 500; at++) send(`message ${at}`)
    expect(kernel.sent).to.deep.equal(numbered(10))
    kernel.makeRoom(7)
    expect(kernel.sent).to.deep.equal(numbered(17))
    kernel.makeRoom(200)
    send('message 500')
    expect(kernel.sent).to.deep.equal(numbered(217))
    kernel.makeRoom(Number.POSITIVE_INFINITY)
    kernel.send()
    expect(kernel.sent).to.deep.equal(numbered(501))
    for (let at = 0; at < 40; at++) send(`message ${501 + at}`)
    kernel.send()
    expect(kernel.sent).to.deep.equal(numbered(541))
    await ticks()
    expect(failures).to.deep.equal([])
  })

  it('tells who could not be served and why, wherever in the queue that is', async () => {
    const { kernel, send, failures } = await rig()
    kernel.refused.set('message 0', constants.errno.EPERM)
    kernel.refused.set('message 20', constants.errno.EHOSTUNREACH)
    kernel.refused.set('message 39', constants.errno.EMSGSIZE)
    kernel.room = 15
    for (let at = 0; at < 40; at++) send(`message ${at}`)
    expect(failures).to.deep.equal([])
    await ticks()
    expect(failures).to.deep.equal(['message 0: send EPERM 192.0.2.7:5062'])
    kernel.makeRoom(100)
    kernel.makeRoom(100)
    await ticks()
    expect(failures.slice(1)).to.deep.equal([
      'message 20: send EHOSTUNREACH 192.0.2.7:5062',
      'message 39: send EMSGSIZE 192.0.2.7:5062',
    ])
    expect(kernel.sent).to.have.length(37)
  })

  it('refuses what is over the most that may wait', async () => {
    const { kernel, send, failures } = await rig()
    kernel.room = 0
    for (let at = 0; at < 100_000 + BATCH; at++) send('x')
    await ticks()
    expect(failures).to.deep.equal([])
    send('too much')
    await ticks()
    expect(failures).to.deep.equal(['too much: send ENOBUFS 192.0.2.7:5062'])
  })

  it('lets go of what was sent, though there is never a time when nothing waits', async () => {
    const { kernel, udp } = await rig()
    const wire = udp.wireTo({ address: '192.0.2.7', port: 5062 })
    const senders: WeakRef<Sender>[] = []
    const send = (count: number): void => {
      for (let at = 0; at < count; at++) {
        const sender = { sendFailed: () => undefined }
        senders.push(new WeakRef(sender))
        wire.send(`message ${senders.length}`, sender)
      }
    }
    kernel.room = 0
    send(300)
    for (let round = 0; round < 40; round++) {
      kernel.makeRoom(50)
      send(50)
    }
    await ticks()
    collectGarbage()
    expect(kernel.sent).to.have.length(2000)
    expect(senders.filter((sender) => sender.deref()).length).to.be.within(300, 700)
  })

  it('tells everybody whose message is not sent when it is closed', async () => {
    const { kernel, udp, send, failures } = await rig()
    kernel.room = 4
    for (let at = 0; at < BATCH + 2; at++) send(`message ${at}`)
    await udp.close()
    await ticks()
    expect(failures).to.deep.equal(
      Array.from({ length: BATCH - 2 }, (_, at) => `message ${4 + at}: the transport is closed`),
    )
    await udp.close()
    await ticks()
    expect(failures).to.have.length(BATCH - 2)
  })

  it('gives messages of one address the same flow, and takes nothing from port 0', async () => {
    const { kernel, udp, came } = await rig()
    const text = 'OPTIONS sip:h SIP/2.0'
    kernel.receive({ text, from: [7, 5062] }, { text, from: [7, 5063] }, { text, from: [7, 0] })
    kernel.receive({ text, from: [7, 5062] }, { text: 'short', from: [7, 5062] })
    expect(came.map(({ wire }) => wire.remote)).to.deep.equal(
      [5062, 5063, 5062].map((port) => ({ address: '192.0.2.7', port })),
    )
    expect(came[2]?.wire).to.equal(came[0]?.wire)
    expect(udp.wireTo({ address: '192.0.2.7', port: 5063 })).to.equal(came[1]?.wire)
  })

  it('leaves the rest of a batch for the next turn where its time is over, and goes on with it', async () => {
    const { kernel, came } = await rig()
    const texts = Array.from({ length: 10 }, (_, at) => `OPTIONS sip:h${at} SIP/2.0`)
    kernel.receive(...texts.map((text) => ({ text, from: [7, 5062] })))
    expect(came.splice(0)).to.have.length(10)
    let taken = 0
    for (let turns = 0; taken < 10; turns++) {
      expect(turns).to.be.below(3)
      taken = kernel.goOn(taken, 10, 0)
    }
    expect(came.map(({ text }) => text)).to.deep.equal(texts)
  })

  it('sends nothing to what is no address of its family', async () => {
    const { kernel, send, failures } = await rig()
    send('to IPv6', { address: '2001:db8::1', port: 5060 })
    send('to no port', { address: '192.0.2.7', port: 0 })
    kernel.send()
    await ticks()
    expect(kernel.sent).to.deep.equal([])
    expect(failures).to.deep.equal(['to IPv6: send EINVAL [2001:db8::1]:5060', 'to no port: send EINVAL 192.0.2.7:0'])
  })
})

describe('The table of UDP flows', () => {
  for (const words of [2, 6]) {
    it(`finds what is in it and nothing else, with addresses of ${words} numbers`, async () => {
      const { udp } = await rig()
      const table = new FlowTable(words)
      const random = randomFrom(words)
      const known = new Map<string, UdpFlow>()
      for (let count = 0; count < 50_000; count++) {
        // Few addresses and many ports, as behind a NAT; and half of them come again.
        const place = Int32Array.from({ length: words }, (_, at) => (at === 0 ? random(20) - 10 : random(60)))
        const key = place.join()
        const found = table.find(place, 0)
        if (found) expect(found).to.equal(known.get(key))
        else {
          const flow = new UdpFlow(udp, { address: key, port: 1 }, [...place], udp.local)
          table.add(flow)
          known.set(key, flow)
        }
        expect(table.find(Int32Array.of(9, ...place), 1)?.remote.address).to.equal(key)
      }
      expect(table.size).to.be.within(500, 32_768)
    })
  }

  it('forgets all when there are too many, and goes on', async () => {
    const { udp } = await rig()
    const table = new FlowTable(2)
    for (let port = 0; port < 32_769; port++) table.add(new UdpFlow(udp, { address: 'a', port }, [1, port], udp.local))
    expect(table.size).to.equal(1)
    expect(table.find(Int32Array.of(1, 0), 0)).to.equal(undefined)
    expect(table.find(Int32Array.of(1, 32_768), 0)?.remote.port).to.equal(32_768)
  })
})
