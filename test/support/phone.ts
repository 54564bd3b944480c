/**
 * The other end of the wire: a phone on real sockets, with a SIP of its own that shares nothing with core/sip.
 *
 *     const phone = await TestPhone.open({ server: stack.listening[0], user: '100', password: 'secret' })
 *     const dialog = phone.dialog('sip:101@127.0.0.1')
 *     const answer = await phone.request('SUBSCRIBE', { dialog, headers: [['Event', 'presence'], ['Expires', '600']] })
 *     const notify = await phone.next('NOTIFY')                  // answered 200 by itself, unless autoAnswer is false
 *     await phone.close()
 */
import { createHash, randomBytes } from 'node:crypto'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

export interface PhoneSettings {
  readonly server: { readonly address: string; readonly port: number }
  readonly protocol?: 'udp' | 'tcp' | 'tls'
  readonly user?: string
  /** Challenges are answered with it. */
  readonly password?: string
  /** Default yes: requests that come are answered 200. */
  readonly autoAnswer?: boolean
  /** The Contact to give, in place of the true one. */
  readonly contact?: string
  readonly localAddress?: string
  /** Milliseconds that answers and requests are waited for. */
  readonly patience?: number
}

export interface PhoneRequest {
  /** Request-URI; default: the dialog's target. */
  readonly uri?: string
  readonly dialog?: PhoneDialog
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string
  readonly branch?: string
  /** The Via without `SIP/2.0/…`: `192.0.2.1:5060;branch=…`. */
  readonly via?: string
  readonly from?: string
  readonly to?: string
  /** Default: yes. */
  readonly contact?: boolean
}

/** What a phone keeps of a dialog; `request` fills it in from the answers. */
export interface PhoneDialog {
  callId: string
  localTag: string
  remoteTag: string
  cseq: number
  uri: string
  target: string
  routes: string[]
}

/** Milliseconds between two retransmissions over UDP, where a busy machine may lose a datagram. */
const RETRANSMIT = 500

const COMPACT: Record<string, string> = {
  v: 'via', f: 'from', t: 'to', i: 'call-id', m: 'contact', l: 'content-length', c: 'content-type',
  o: 'event', u: 'allow-events', k: 'supported', s: 'subject', e: 'content-encoding',
} // biome-ignore format: a table

export class WireMessage {
  readonly startLine: string
  readonly lines: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly raw: Buffer
  /** Where it came from. */
  readonly from: { readonly address: string; readonly port: number }

  constructor(raw: Buffer, from: { address: string; port: number }) {
    const text = raw.toString('utf8')
    const end = text.indexOf('\r\n\r\n')
    const [startLine = '', ...lines] = text.slice(0, end < 0 ? text.length : end).split('\r\n')
    this.raw = raw
    this.from = from
    this.startLine = startLine
    this.body = end < 0 ? '' : text.slice(end + 4)
    this.lines = lines.map((line) => {
      const colon = line.indexOf(':')
      const name = line.slice(0, colon).trim().toLowerCase()
      return [COMPACT[name] ?? name, line.slice(colon + 1).trim()]
    })
  }

  /** 0 for requests. */
  get status(): number {
    return this.startLine.startsWith('SIP/2.0 ') ? Number(this.startLine.slice(8, 11)) : 0
  }

  get reason(): string {
    return this.startLine.slice(12)
  }

  /** Empty for responses. */
  get method(): string {
    return this.status > 0 ? '' : this.startLine.slice(0, this.startLine.indexOf(' '))
  }

  get uri(): string {
    return this.startLine.split(' ')[1] ?? ''
  }

  /** The first line of a header; empty where there is none. */
  header(name: string): string {
    return this.headers(name)[0] ?? ''
  }

  headers(name: string): string[] {
    return this.lines.filter(([key]) => key === name.toLowerCase()).map(([, value]) => value)
  }

  param(header: string, name: string): string | undefined {
    return new RegExp(`[;?]${name}=([^;>,\\s]*)`).exec(this.header(header))?.[1]
  }

  get cseq(): number {
    return Number(this.header('cseq').split(' ')[0])
  }
}

export class TestPhone {
  readonly local: { readonly address: string; readonly port: number }
  readonly user: string
  /** Everything that came, in order, answered requests too. */
  readonly received: WireMessage[] = []
  /** Answers a request in place of the automatic 200; returning nothing leaves it unanswered. */
  onRequest: ((request: WireMessage) => number | undefined) | undefined
  readonly #settings: PhoneSettings
  readonly #wire: PhoneWire
  readonly #taken = new Set<WireMessage>()
  /** Each is shown what comes, and what had come before it began to wait. */
  readonly #waiting = new Set<(message: WireMessage) => boolean>()
  #nonceCount = 0

  static async open(settings: PhoneSettings): Promise<TestPhone> {
    const wire = await openWire(settings)
    return new TestPhone(settings, wire)
  }

  constructor(settings: PhoneSettings, wire: PhoneWire) {
    this.#settings = settings
    this.#wire = wire
    this.local = wire.local
    this.user = settings.user ?? 'phone'
    wire.receive = (raw, from) => this.#receive(new WireMessage(raw, from))
  }

  get contact(): string {
    const { contact, protocol = 'udp' } = this.#settings
    const transport = protocol === 'udp' ? '' : `;transport=${protocol}`
    return contact ?? `<sip:${this.user}@${hostText(this.local.address)}:${this.local.port}${transport}>`
  }

  /** Resolves when the server closed the connection. */
  get closed(): Promise<void> {
    return this.#wire.closed
  }

  dialog(uri: string): PhoneDialog {
    return { callId: token(), localTag: token(), remoteTag: '', cseq: 0, uri, target: uri, routes: [] }
  }

  /** Sends a request and resolves with its final answer, a challenge answered where there is a password. */
  async request(method: string, request: PhoneRequest = {}): Promise<WireMessage> {
    const dialog = request.dialog ?? this.dialog(request.uri ?? `sip:${this.#hostPort()}`)
    const answer = await this.#once(method, request, dialog)
    const challenge = answer.header('www-authenticate') || answer.header('proxy-authenticate')
    if (![401, 407].includes(answer.status) || this.#settings.password === undefined) return answer
    const name = answer.status === 401 ? 'Authorization' : 'Proxy-Authorization'
    const value = this.#credentials(challenge, method, request.uri ?? dialog.target, this.#settings.password)
    const again = { ...request, branch: undefined, headers: [...(request.headers ?? []), [name, value] as const] }
    return this.#once(method, again, dialog)
  }

  /** The text of a request, for those who want to change it before it is sent. */
  write(method: string, request: PhoneRequest, dialog: PhoneDialog): string {
    const protocol = (this.#settings.protocol ?? 'udp').toUpperCase()
    const { branch = `z9hG4bK${token()}`, body = '', headers = [] } = request
    const own = `${hostText(this.local.address)}:${this.local.port};branch=${branch};rport`
    const tag = dialog.remoteTag === '' ? '' : `;tag=${dialog.remoteTag}`
    const from = request.from ?? `<sip:${this.user}@${hostText(this.#settings.server.address)}>`
    const lines = [
      `${method} ${request.uri ?? dialog.target} SIP/2.0`,
      `Via: SIP/2.0/${protocol} ${request.via ?? own}`,
      'Max-Forwards: 70',
      ...dialog.routes.map((route) => `Route: ${route}`),
      `From: ${from};tag=${dialog.localTag}`,
      `To: ${request.to ?? `<${dialog.uri}>${tag}`}`,
      `Call-ID: ${dialog.callId}`,
      `CSeq: ${dialog.cseq} ${method}`,
      ...(request.contact === false ? [] : [`Contact: ${this.contact}`]),
      ...headers.map(([name, value]) => `${name}: ${value}`),
      `Content-Length: ${Buffer.byteLength(body)}`,
    ]
    return `${lines.join('\r\n')}\r\n\r\n${body}`
  }

  /** The bytes as they are. */
  send(text: string | Buffer): void {
    this.#wire.send(typeof text === 'string' ? Buffer.from(text) : text)
  }

  /** The next request of this method that nobody has taken yet. */
  next(method: string, patience?: number): Promise<WireMessage> {
    return this.take((message) => message.method === method, `a ${method}`, patience)
  }

  /** The first message that fits and has not been taken. Rejects when none comes. */
  take(
    fits: (message: WireMessage) => boolean,
    what: string,
    patience = this.#settings.patience ?? 20_000,
  ): Promise<WireMessage> {
    return new Promise((resolve, reject) => {
      const look = (message: WireMessage): boolean => {
        if (this.#taken.has(message) || !fits(message)) return false
        this.#taken.add(message)
        stop()
        resolve(message)
        return true
      }
      const stop = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
      }
      const timer = setTimeout(() => {
        stop()
        const came = this.received.map(({ startLine }) => startLine).join(' | ')
        reject(new Error(`${this.user} waited for ${what}, there came: ${came || 'nothing'}`))
      }, patience)
      if (!this.received.some(look)) this.#waiting.add(look)
    })
  }

  /** Answers a request. */
  respond(request: WireMessage, status: number, headers: readonly (readonly [string, string])[] = []): void {
    const copied = ['via', 'from', 'to', 'call-id', 'cseq'].flatMap((name) =>
      request.headers(name).map((value) => `${name}: ${value}`),
    )
    const extra = headers.map(([name, value]) => `${name}: ${value}`)
    const text = [`SIP/2.0 ${status} Phone Says So`, ...copied, ...extra, 'Content-Length: 0'].join('\r\n')
    this.#wire.send(Buffer.from(`${text}\r\n\r\n`), request.from)
  }

  async close(): Promise<void> {
    await this.#wire.close()
  }

  async #once(method: string, request: PhoneRequest, dialog: PhoneDialog): Promise<WireMessage> {
    dialog.cseq++
    const { callId, cseq } = dialog
    const text = this.write(method, request, dialog)
    this.send(text)
    const again = this.#settings.protocol === undefined || this.#settings.protocol === 'udp'
    const retransmission = again ? setInterval(() => this.send(text), RETRANSMIT) : undefined
    const answer = await this.take(
      (message) => message.status >= 200 && message.header('call-id') === callId && message.cseq === cseq,
      `an answer to ${method}`,
    ).finally(() => clearInterval(retransmission))
    if (answer.status < 300) {
      dialog.remoteTag = answer.param('to', 'tag') ?? dialog.remoteTag
      dialog.target = /<([^>]*)>/.exec(answer.header('contact'))?.[1] ?? dialog.target
    }
    return answer
  }

  #receive(message: WireMessage): void {
    this.received.push(message)
    if (message.method !== '') {
      const status = this.onRequest ? this.onRequest(message) : this.#settings.autoAnswer === false ? undefined : 200
      if (status !== undefined) this.respond(message, status)
    }
    for (const look of this.#waiting) if (look(message)) return
  }

  /** RFC 7616 3.4 for MD5 and SHA-256, with and without qop. */
  #credentials(challenge: string, method: string, uri: string, password: string): string {
    const of = (name: string): string => new RegExp(`\\b${name}="?([^",]*)"?`).exec(challenge)?.[1] ?? ''
    const algorithm = of('algorithm') || 'MD5'
    const hash = (text: string): string =>
      createHash(algorithm.toUpperCase() === 'SHA-256' ? 'sha256' : 'md5')
        .update(text)
        .digest('hex')
    const nc = String(++this.#nonceCount).padStart(8, '0')
    const cnonce = token()
    const ha1 = hash(`${this.user}:${of('realm')}:${password}`)
    const ha2 = hash(`${method}:${uri}`)
    const withQop = of('qop') !== ''
    const response = hash(
      withQop ? `${ha1}:${of('nonce')}:${nc}:${cnonce}:auth:${ha2}` : `${ha1}:${of('nonce')}:${ha2}`,
    )
    const opaque = of('opaque') === '' ? '' : `, opaque="${of('opaque')}"`
    const qop = withQop ? `, qop=auth, nc=${nc}, cnonce="${cnonce}"` : ''
    return (
      `Digest username="${this.user}", realm="${of('realm')}", nonce="${of('nonce')}", uri="${uri}", ` +
      `response="${response}", algorithm=${algorithm}${qop}${opaque}`
    )
  }

  #hostPort(): string {
    const { address, port } = this.#settings.server
    return `${hostText(address)}:${port}`
  }
}

interface PhoneWire {
  readonly local: { readonly address: string; readonly port: number }
  readonly closed: Promise<void>
  receive: (raw: Buffer, from: { address: string; port: number }) => void
  send(bytes: Buffer, to?: { address: string; port: number }): void
  close(): Promise<void>
}

const nobody = (): void => undefined

async function openWire({ protocol = 'udp', server, localAddress }: PhoneSettings): Promise<PhoneWire> {
  if (protocol === 'udp') {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4')
    socket.bind({ port: 0, address: localAddress ?? (server.address.includes(':') ? '::1' : '127.0.0.1') })
    await once(socket, 'listening')
    return new UdpWire(socket, server)
  }
  const options = { host: server.address, port: server.port, localAddress }
  const socket = protocol === 'tcp' ? connectTcp(options) : connectTls({ ...options, rejectUnauthorized: false })
  await once(socket, protocol === 'tcp' ? 'connect' : 'secureConnect')
  return new StreamWire(socket, server)
}

class UdpWire implements PhoneWire {
  receive: PhoneWire['receive'] = nobody
  readonly closed = new Promise<void>(nobody)
  readonly #socket: UdpSocket
  readonly #server: { readonly address: string; readonly port: number }

  constructor(socket: UdpSocket, server: { readonly address: string; readonly port: number }) {
    this.#socket = socket
    this.#server = server
    socket.on('message', (raw, from) => this.receive(raw, { address: from.address, port: from.port }))
  }

  get local(): { address: string; port: number } {
    const { address, port } = this.#socket.address()
    return { address, port }
  }

  send(bytes: Buffer, to = this.#server): void {
    this.#socket.send(bytes, to.port, to.address)
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(resolve)
    })
  }
}

class StreamWire implements PhoneWire {
  receive: PhoneWire['receive'] = nobody
  readonly local: { readonly address: string; readonly port: number }
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #from: { readonly address: string; readonly port: number }
  #pending = Buffer.alloc(0)

  constructor(socket: Socket, from: { readonly address: string; readonly port: number }) {
    this.#socket = socket
    this.#from = from
    this.local = { address: socket.localAddress ?? '', port: socket.localPort ?? 0 }
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve())
    })
    socket.on('error', nobody)
    socket.on('data', (chunk) => this.#data(chunk))
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  async close(): Promise<void> {
    this.#socket.destroy()
    await this.closed
  }

  #data(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk])
    for (;;) {
      // Keep-alives, ours answered and theirs, are messages of nothing but line ends.
      if (this.#pending[0] === 13 || this.#pending[0] === 10) {
        let end = 0
        while (this.#pending[end] === 13 || this.#pending[end] === 10) end++
        this.receive(this.#pending.subarray(0, end), { ...this.#from })
        this.#pending = this.#pending.subarray(end)
      }
      const head = this.#pending.indexOf('\r\n\r\n')
      if (head < 0) return
      const length =
        /^(?:content-length|l)\s*:\s*([0-9]+)/im.exec(this.#pending.toString('latin1', 0, head))?.[1] ?? '0'
      const total = head + 4 + Number(length)
      if (this.#pending.length < total) return
      const message = this.#pending.subarray(0, total)
      this.#pending = this.#pending.subarray(total)
      this.receive(message, { ...this.#from })
    }
  }
}

/** Without the zone, which is this machine's matter. */
function hostText(address: string): string {
  return address.includes(':') ? `[${address.split('%')[0]}]` : address
}

function token(): string {
  return randomBytes(8).toString('hex')
}
