import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { devices, dialogs, messages } from '../../bench/lamp-language.ts'
import { changeAll, subscribeAll } from '../../bench/loads.ts'
import { Office } from '../../bench/office.ts'
import { slope } from '../../bench/slope.ts'
import { type Head, okTo, readHead } from '../../bench/wire.ts'
import { until } from '../support/tools.ts'

/** Changes what a notifier would send. */
type Lie = (notify: string) => string

interface Watching {
  readonly head: Head
  readonly port: number
}

/** Answers everything with 200, and sends one NOTIFY for each SUBSCRIBE and each PUBLISH; what it lies about is told it. */
class Notifier {
  readonly socket: Socket = createSocket('udp4')
  lie: Lie = (notify) => notify
  status = '200 OK'
  /** NOTIFYs that were sent, and answered. */
  sent = 0
  confirmed = 0
  #published = ''
  #cseq = 0
  #watcher: Watching | undefined

  async open(): Promise<number> {
    this.socket.bind(0, '127.0.0.1')
    await once(this.socket, 'listening')
    this.socket.on('message', (bytes, { port }) => this.#receive(bytes.toString('latin1'), port))
    return this.socket.address().port
  }

  #receive(text: string, port: number): void {
    const bodyAt = text.indexOf('\r\n\r\n') + 4
    const head = readHead(text, bodyAt)
    if (text.startsWith('SIP/2.0')) {
      this.confirmed++
      return
    }
    if (text.startsWith('PUBLISH')) this.#published = text.slice(bodyAt)
    else this.#watcher = { head, port }
    const granted = 'Expires: 3600\r\nSIP-ETag: e\r\nContact: <sip:127.0.0.1>\r\nContent-Length'
    const to = head.to.includes(';tag=') ? head.to : `${head.to};tag=n`
    const answer = okTo({ ...head, to })
      .replace('Content-Length', granted)
      .replace('200 OK', this.status)
    this.socket.send(answer, port)
    if (this.#watcher && this.status === '200 OK') this.#notify(this.#watcher)
  }

  #notify({ head, port }: Watching): void {
    const cseq = ++this.#cseq
    const body = this.#published.replace(/version="\d+"/, `version="${cseq}"`)
    const notify =
      `NOTIFY ${/<([^>]*)>/.exec(head.contact)?.[1] ?? ''} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${cseq}\r\n` +
      `From: ${head.to.replace(/;tag=.*/, '')};tag=n\r\nTo: ${head.from}\r\nCall-ID: ${head.callId}\r\nCSeq: ${cseq} NOTIFY\r\n` +
      `Event: ${head.event}\r\nSubscription-State: active;expires=3600\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    this.sent++
    this.socket.send(this.lie(notify), port)
  }
}

describe('what the load generator checks', () => {
  let notifier: Notifier
  let office: Office

  beforeEach(async () => {
    notifier = new Notifier()
    const server = { address: '127.0.0.1', port: await notifier.open() }
    office = await Office.open({ server, language: 'dialogs', prefix: 'p', layout: [{ lamps: 1, watchers: 1 }] })
    await changeAll(office, 1)
  })
  afterEach(() => {
    office.close()
    notifier.socket.close()
  })

  const subscribed = async (): Promise<void> => {
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('')
  }

  it('finds nothing wrong with a notifier that is right', async () => {
    await subscribed()
    await changeAll(office, 1)
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('')
    expect([office.notifies, office.latencies.length]).to.deep.equal([3, 1])
  })

  const lies: [what: string, lie: Lie, found: RegExp][] = [
    [
      'an older state, and a lamp that stays stale',
      (text) => text.replace('n-1-', 'n-0-').replace('confirmed</state>', 'early</state>    '),
      /^1 stale lamps/,
    ],
    ['a state that nobody published', (text) => text.replace('n-1-', 'n-7-'), /1 with a wrong state/],
    ['a word that does not go with it', (text) => text.replace('confirmed', 'early'), /1 with a wrong state/],
    ['another tag', (text) => text.replace(';tag=n', ';tag=m'), /1 strange \(a NOTIFY with another From tag\)/],
    [
      'another length',
      (text) => text.replace(/(Content-Length: )\d+/, '$17'),
      /1 strange \(a NOTIFY with Content-Length/,
    ],
    [
      'an end',
      (text) => text.replace('active;expires=3600', 'terminated'),
      /1 strange \(a NOTIFY with Subscription-State/,
    ],
    ['a version too many', (text) => text.replace(/version="\d+"/, 'version="9"'), /1 with a gap/],
    ['a used CSeq', (text) => text.replace(/CSeq: \d+/, 'CSeq: 1'), /1 with a CSeq twice, 1 stale/],
  ]
  for (const [what, lie, found] of lies) {
    it(`finds ${what}`, async () => {
      await subscribed()
      notifier.lie = lie
      const [lamp] = office.lamps
      if (!lamp) throw new Error('no lamp')
      const before = notifier.sent
      office.change(lamp, performance.now())
      await until('the answer and the NOTIFY', () => !lamp.waiting && notifier.confirmed > before)
      expect(office.takeFaults()).to.match(found)
    })
  }

  it('finds a refusal', async () => {
    notifier.status = '500 Server Error'
    await subscribeAll(office, office.watchers, 1)
    expect(office.takeFaults()).to.equal('1 refused (500 Server Error)')
  })

  it('draws the line through values that scatter', () => {
    expect([slope([1, 3, 5]), slope([4, 2, 4, 2, 4]), slope([7])]).to.deep.equal([2, 0, 0])
    expect(slope([10, 9, 12, 11, 14, 13])).to.be.closeTo(0.829, 0.001)
  })

  it('reads the number of a state, or that there is none', () => {
    const body = dialogs.publish('p0', 4)
    expect([dialogs.shown(body, 0, 4), dialogs.shown(body, 0, 5), dialogs.shown(body, 0, 3)]).to.deep.equal([4, 4, -1])
    const summary = messages.publish('p0', 4)
    expect([messages.shown(summary, 0, 4), messages.shown(summary, 0, 3), messages.shown('', 0, 5)]).to.deep.equal([
      4, -1, -1,
    ])
    const ringing = '<dialog-info><dialog id="1"><state>early</state></dialog></dialog-info>'
    expect([
      devices.shown(ringing, 0, 2),
      devices.shown('<dialog-info/>', 0, 3),
      devices.shown('', 0, 2),
    ]).to.deep.equal([2, 0, -1])
    expect([devices.key(5), dialogs.key(5)]).to.deep.equal([2, 5])
  })
})
