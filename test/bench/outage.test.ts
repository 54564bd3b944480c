import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { changeAll, subscribeAll, unsubscribeAll } from '../../bench/loads.ts'
import { FIRST_EXPIRES } from '../../bench/mixed.ts'
import { Office } from '../../bench/office.ts'
import { type Recovery, recover } from '../../bench/outage.ts'
import { type Head, okTo, readHead } from '../../bench/wire.ts'

interface Dialog {
  readonly head: Head
  readonly port: number
  cseq: number
  version: number
  expires: string
}

/** A notifier of one lamp that can be started anew, and forget this or that meanwhile. */
class ForgetfulNotifier {
  readonly socket: Socket = createSocket('udp4')
  readonly dialogs = new Map<string, Dialog>()
  #state = ''
  #tags = 0

  async open(): Promise<number> {
    this.socket.bind(0, '127.0.0.1')
    await once(this.socket, 'listening')
    this.socket.on('message', (bytes, { port }) => this.#receive(bytes.toString('latin1'), port))
    return this.socket.address().port
  }

  /** As after a start: a NOTIFY in each dialog that is known. */
  restart(change: (dialog: Dialog) => void = () => undefined): void {
    for (const dialog of this.dialogs.values()) {
      dialog.cseq += 100
      change(dialog)
      this.#notify(dialog)
    }
  }

  #receive(text: string, port: number): void {
    const bodyAt = text.indexOf('\r\n\r\n') + 4
    const head = readHead(text, bodyAt)
    if (text.startsWith('SIP/2.0')) return
    if (text.startsWith('PUBLISH')) {
      this.#state = text.slice(bodyAt)
      this.#answer(head, port, '200 OK', '3600')
      for (const dialog of this.dialogs.values()) this.#notify(dialog)
      return
    }
    const known = this.dialogs.get(head.callId)
    if (!known && head.to.includes(';tag=')) return this.#answer(head, port, '481 Gone', '0')
    const to = known ? head.to : `${head.to};tag=n${this.#tags++}`
    const dialog = known ?? { head: { ...head, to }, port, cseq: 0, version: 0, expires: head.expires }
    dialog.expires = head.expires
    this.dialogs.set(head.callId, dialog)
    this.#answer({ ...head, to }, port, '200 OK', head.expires)
    this.#notify(dialog)
    if (head.expires === '0') this.dialogs.delete(head.callId)
  }

  #answer(head: Head, port: number, status: string, expires: string): void {
    const granted = `Expires: ${expires}\r\nSIP-ETag: e\r\nContact: <sip:127.0.0.1>\r\nContent-Length`
    this.socket.send(okTo(head).replace('Content-Length', granted).replace('200 OK', status), port)
  }

  #notify(dialog: Dialog): void {
    const { head, port, expires } = dialog
    const tag = /;tag=(.*)/.exec(head.to)?.[1] ?? ''
    const body = this.#state.replace(/version="\d+"/, `version="${dialog.version++}"`)
    const state = expires === '0' ? 'terminated;reason=timeout' : `active;expires=${expires}`
    this.socket.send(
      `NOTIFY ${/<([^>]*)>/.exec(head.contact)?.[1] ?? ''} SIP/2.0\r\n` +
        `Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${head.callId}${Math.random()}\r\n` +
        `From: <sip:lamp@127.0.0.1>;tag=${tag}\r\nTo: ${head.from}\r\nCall-ID: ${head.callId}\r\n` +
        `CSeq: ${++dialog.cseq} NOTIFY\r\nEvent: ${head.event}\r\nSubscription-State: ${state}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
      port,
    )
  }
}

describe('what the load generator asks of a server that comes back', function () {
  this.timeout(20_000)
  let notifier: ForgetfulNotifier
  let office: Office

  beforeEach(async () => {
    notifier = new ForgetfulNotifier()
    const server = { address: '127.0.0.1', port: await notifier.open() }
    office = await Office.open({ server, language: 'dialogs', prefix: 'p', layout: [{ lamps: 1, watchers: 3 }] })
    await changeAll(office, 1)
    await subscribeAll(office, office.watchers, 3, FIRST_EXPIRES)
    expect(office.takeFaults()).to.equal('')
  })
  afterEach(() => {
    office.close()
    notifier.socket.close()
  })

  const comeBack = async (change?: (dialog: Dialog) => void, grace = 0): Promise<Recovery> => {
    const killed = performance.now()
    office.serverGone()
    const recovering = recover(office, 3, grace, killed)
    notifier.restart(change)
    return recovering
  }
  const forgetOne = (): void => {
    const [first] = notifier.dialogs.keys()
    if (first !== undefined) notifier.dialogs.delete(first)
  }

  it('finds nothing wrong with one that remembers', async () => {
    const found = await comeBack()
    expect(found).to.deep.equal({ known: 3, lost: 0, young: 0, refreshesLost: 0, reused: 0 })
    expect(office.takeFaults()).to.equal('')
  })

  it('finds a lost subscription', async () => {
    forgetOne()
    expect(await comeBack()).to.include({ known: 3, lost: 1, young: 0 })
    expect(office.takeFaults()).to.equal('')
  })

  it('forgives one that is younger than what is promised', async () => {
    forgetOne()
    expect(await comeBack(undefined, 60_000)).to.include({ known: 3, lost: 0, young: 1 })
  })

  it('finds a lost refresh', async () => {
    await subscribeAll(office, office.watchers, 3)
    const found = await comeBack((dialog) => (dialog.expires = '1700'))
    expect(found).to.include({ lost: 0, refreshesLost: 3 })
  })

  it('finds a CSeq that was used before', async () => {
    const found = await comeBack((dialog) => (dialog.cseq = 0))
    expect(found.reused).to.be.above(0)
    expect(office.takeFaults()).to.contain('with a CSeq twice')
  })

  it('finds a version that goes back', async () => {
    await comeBack((dialog) => (dialog.version = 0))
    expect(office.takeFaults()).to.contain('with a gap in their versions')
  })

  it('ends subscriptions and begins new ones', async () => {
    await unsubscribeAll(office, 3)
    expect(notifier.dialogs.size).to.equal(0)
    await subscribeAll(office, office.watchers, 3)
    await changeAll(office, 1)
    expect(notifier.dialogs.size).to.equal(3)
    expect(office.takeFaults()).to.equal('')
  })
})
