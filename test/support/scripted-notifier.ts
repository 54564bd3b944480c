/** A notifier that does what a test tells it to, right or wrong: one UDP socket and text. */
import { createHash } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { until } from './tools.ts'

export interface Received {
  readonly first: string
  readonly headers: ReadonlyMap<string, string>
  readonly from: RemoteInfo
}

export class ScriptedNotifier {
  readonly requests: Received[] = []
  readonly responses: Received[] = []
  /** What a SUBSCRIBE with the right credentials is answered. */
  answer: (request: Received) => void = (request) =>
    this.respond(request, '200 OK', { Expires: header(request, 'expires') })
  readonly #socket: Socket
  readonly #password: string
  #cseq = 100

  private constructor(socket: Socket, password: string) {
    this.#socket = socket
    this.#password = password
    socket.on('message', (bytes, from) => this.#receive(bytes.toString(), from))
  }

  static async open(password: string): Promise<ScriptedNotifier> {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
    return new ScriptedNotifier(socket, password)
  }

  get port(): number {
    return this.#socket.address().port
  }

  close(): void {
    this.#socket.close()
  }

  /** SUBSCRIBEs whose credentials were right. */
  get subscribes(): Received[] {
    return this.requests.filter((request) => this.#authorized(request))
  }

  /** The n-th SUBSCRIBE with right credentials, from 0. */
  subscribe(n: number): Promise<Received> {
    return until(`SUBSCRIBE ${n}`, () => this.subscribes[n])
  }

  respond(request: Received, status: string, extra: Readonly<Record<string, string>> = {}): void {
    const echoed = ['via', 'from', 'call-id', 'cseq'].map((name) => `${name}: ${header(request, name)}`)
    const to = header(request, 'to')
    const lines = [
      `SIP/2.0 ${status}`,
      ...echoed,
      `To: ${to.includes('tag=') ? to : `${to};tag=notifier`}`,
      `Contact: <sip:127.0.0.1:${this.port}>`,
      ...Object.entries(extra).map(([name, value]) => `${name}: ${value}`),
    ]
    this.send(`${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, request.from)
  }

  /** A NOTIFY in the dialog of this SUBSCRIBE. Resolves with the status of its answer. */
  async notify(
    subscribe: Received,
    state: string,
    body: string,
    { type = 'application/dialog-info+xml', event = 'dialog', cseq = ++this.#cseq, contact = true } = {},
  ): Promise<string> {
    const branch = `z9hG4bK${cseq}-${this.responses.length}`
    const to = header(subscribe, 'to')
    const lines = [
      `NOTIFY ${/<([^>]*)>/.exec(header(subscribe, 'contact'))?.[1] ?? ''} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${this.port};branch=${branch}`,
      `From: ${to.includes('tag=') ? to : `${to};tag=notifier`}`,
      `To: ${header(subscribe, 'from')}`,
      `Call-ID: ${header(subscribe, 'call-id')}`,
      `CSeq: ${cseq} NOTIFY`,
      `Event: ${event}`,
      `Subscription-State: ${state}`,
      ...(contact ? [`Contact: <sip:127.0.0.1:${this.port}>`] : []),
      ...(body === '' ? [] : [`Content-Type: ${type}`]),
      `Content-Length: ${Buffer.byteLength(body)}`,
    ]
    this.send(`${lines.join('\r\n')}\r\n\r\n${body}`, subscribe.from)
    const answer = await until(`an answer to the NOTIFY ${cseq}`, () =>
      this.responses.find((response) => header(response, 'via').includes(branch)),
    )
    return answer.first.split(' ')[1] ?? ''
  }

  send(text: string, to: { readonly address: string; readonly port: number }): void {
    this.#socket.send(text, to.port, to.address)
  }

  #receive(text: string, from: RemoteInfo): void {
    const [first = '', ...lines] = text.split('\r\n\r\n', 1)[0]?.split('\r\n') ?? []
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const message = { first, headers, from }
    if (first.startsWith('SIP/')) {
      this.responses.push(message)
      return
    }
    this.requests.push(message)
    if (this.#authorized(message)) return this.answer(message)
    const challenge = 'Digest realm="asterisk", nonce="abc", qop="auth", algorithm='
    this.respond(message, '401 Unauthorized', {
      // SHA-256 first: a phone that does not know it must look further.
      'WWW-Authenticate': `${challenge}SHA-256\r\nWWW-Authenticate: ${challenge}MD5`,
    })
  }

  #authorized({ first, headers }: Received): boolean {
    const sent = headers.get('authorization') ?? ''
    const field = (name: string): string => new RegExp(`[ ,]${name}="?([^",]*)`).exec(sent)?.[1] ?? ''
    const md5 = (...parts: string[]): string => createHash('md5').update(parts.join(':')).digest('hex')
    const user = md5(field('username'), 'asterisk', this.#password)
    const what = md5(first.split(' ')[0] ?? '', field('uri'))
    return field('response') === md5(user, 'abc', field('nc'), field('cnonce'), 'auth', what)
  }
}

export function header(message: Received, name: string): string {
  return message.headers.get(name) ?? ''
}
