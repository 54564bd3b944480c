/** A notifier of one lamp for the load generator to talk to, wrong where it is told to be. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Head, okTo, readHead } from '../../bench/wire.ts'

export interface KnownDialog {
  readonly head: Head
  readonly port: number
  cseq: number
  version: number
  expires: string
}

/** Its NOTIFYs can be made to lie, its answers to refuse, and it can be started anew and forget this or that meanwhile. */
export class BenchNotifier {
  readonly socket: Socket = createSocket('udp4')
  readonly dialogs = new Map<string, KnownDialog>()
  /** Changes what it would send. */
  lie: (notify: string) => string = (notify) => notify
  status = '200 OK'
  /** NOTIFYs that were sent, and answered. */
  sent = 0
  confirmed = 0
  #state = ''
  #tags = 0

  async open(): Promise<number> {
    this.socket.bind(0, '127.0.0.1')
    await once(this.socket, 'listening')
    this.socket.on('message', (bytes, { port }) => this.#receive(bytes.toString('latin1'), port))
    return this.socket.address().port
  }

  /** As after a start: a NOTIFY in each dialog that is known. */
  restart(change: (dialog: KnownDialog) => void = () => undefined): void {
    for (const dialog of this.dialogs.values()) {
      dialog.cseq += 100
      change(dialog)
      this.#notify(dialog)
    }
  }

  #receive(text: string, port: number): void {
    const bodyAt = text.indexOf('\r\n\r\n') + 4
    const head = readHead(text, bodyAt)
    if (text.startsWith('SIP/2.0')) {
      this.confirmed++
      return
    }
    if (this.status !== '200 OK') return this.#answer(head, port, this.status, '0')
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

  #notify(dialog: KnownDialog): void {
    const { head, port, expires } = dialog
    const tag = /;tag=(.*)/.exec(head.to)?.[1] ?? ''
    const body = this.#state.replace(/version="\d+"/, `version="${dialog.version++}"`)
    const state = expires === '0' ? 'terminated;reason=timeout' : `active;expires=${expires}`
    const notify =
      `NOTIFY ${/<([^>]*)>/.exec(head.contact)?.[1] ?? ''} SIP/2.0\r\n` +
      `Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${head.callId}${Math.random()}\r\n` +
      `From: <sip:lamp@127.0.0.1>;tag=${tag}\r\nTo: ${head.from}\r\nCall-ID: ${head.callId}\r\n` +
      `CSeq: ${++dialog.cseq} NOTIFY\r\nEvent: ${head.event}\r\nSubscription-State: ${state}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`
    this.sent++
    this.socket.send(this.lie(notify), port)
  }
}
