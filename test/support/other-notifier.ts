/** A notifier elsewhere, to which the server under test subscribes: it does what a test tells it to, right or wrong. */
import { TestPhone, type WireMessage } from './phone.ts'

export interface Told {
  /** Tag of the notifier; one more is one more branch of a forked SUBSCRIBE. */
  readonly tag?: string
  readonly state?: string
  readonly body?: string
  readonly type?: string
  readonly event?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly contact?: boolean
}

export class OtherNotifier {
  readonly #phone: TestPhone
  /** CSeq by Call-ID and tag. */
  readonly #cseqs = new Map<string, number>()
  /** What a SUBSCRIBE is answered: status and headers. Nothing: it is not answered. */
  answer: (subscribe: WireMessage) => readonly [number, ...(readonly (readonly [string, string])[])] | undefined = (
    subscribe,
  ) => [200, ['Expires', subscribe.header('expires')]]

  private constructor(phone: TestPhone) {
    this.#phone = phone
    phone.onRequest = (request) => {
      const answer = this.answer(request)
      if (answer) this.respond(request, ...answer)
      return undefined
    }
  }

  /** `port` is that of the server under test. */
  static async open(port: number, settings: { readonly patience?: number } = {}): Promise<OtherNotifier> {
    return new OtherNotifier(
      await TestPhone.open({ server: { address: '127.0.0.1', port }, user: 'notifier', ...settings }),
    )
  }

  get port(): number {
    return this.#phone.local.port
  }

  uri(user: string): string {
    return `sip:${user}@127.0.0.1:${this.port}`
  }

  /** SUBSCRIBEs that came, retransmissions left out. */
  get subscribes(): readonly WireMessage[] {
    const seen = new Set<string>()
    return this.#phone.received.filter((message) => {
      const branch = message.param('via', 'branch') ?? ''
      return message.method === 'SUBSCRIBE' && !seen.has(branch) && seen.add(branch)
    })
  }

  /** The next SUBSCRIBE that nobody has taken; on a busy machine one comes again before it is answered. */
  subscribe(patience?: number): Promise<WireMessage> {
    return this.#phone.take((message) => this.subscribes.includes(message), 'a SUBSCRIBE', patience)
  }

  /** Resolves with the answer to a NOTIFY in the dialog of a SUBSCRIBE. */
  notify(subscribe: WireMessage, told: Told = {}): Promise<WireMessage> {
    const { tag = toTagOf(subscribe) ?? 'notifier', state = 'active;expires=600', event, body = '', type } = told
    const callId = subscribe.header('call-id')
    const key = `${callId};${tag}`
    const dialog = {
      callId,
      localTag: tag,
      remoteTag: subscribe.param('from', 'tag') ?? '',
      cseq: this.#cseqs.get(key) ?? 0,
      uri: addressOf(subscribe.header('from')),
      target: addressOf(subscribe.header('contact')),
      routes: [],
    }
    this.#cseqs.set(key, dialog.cseq + 1)
    return this.#phone.request('NOTIFY', {
      dialog,
      from: `<${addressOf(subscribe.header('to'))}>`,
      body,
      headers: [
        ['Event', event ?? subscribe.header('event')],
        ...(state === '' ? [] : [['Subscription-State', state] as const]),
        ...(body === '' ? [] : [['Content-Type', type ?? subscribe.header('accept')] as const]),
        ...(told.headers ?? []),
      ],
      ...(told.contact === undefined ? {} : { contact: told.contact }),
    })
  }

  /** A request of its own, out of every dialog. */
  request(method: string, request: Parameters<TestPhone['request']>[1] = {}): Promise<WireMessage> {
    return this.#phone.request(method, request)
  }

  respond(request: WireMessage, status: number, ...headers: readonly (readonly [string, string])[]): void {
    const copied = ['via', 'from', 'call-id', 'cseq'].flatMap((name) =>
      request.headers(name).map((value) => `${name}: ${value}`),
    )
    const to = request.header('to')
    const lines = [
      `SIP/2.0 ${status} As Told`,
      ...copied,
      `To: ${to.includes('tag=') ? to : `${to};tag=notifier`}`,
      ...(headers.some(([name]) => name === 'Contact') ? [] : [`Contact: ${this.#phone.contact}`]),
      ...headers.map(([name, value]) => `${name}: ${value}`),
      'Content-Length: 0',
    ]
    this.#phone.send(`${lines.join('\r\n')}\r\n\r\n`)
  }

  close(): Promise<void> {
    return this.#phone.close()
  }
}

function toTagOf(message: WireMessage): string | undefined {
  return message.param('to', 'tag')
}

function addressOf(value: string): string {
  return /<([^>]*)>/.exec(value)?.[1] ?? value
}
