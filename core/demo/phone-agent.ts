/**
 * SIP for a demo phone: the message and transaction layers of the npm `sip` package over sockets of our own. An
 * independent implementation at the other end of the wire, so that the server is not only tried against itself.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket as TcpSocket } from 'node:net'
import sip, { type Connection, type Message } from 'sip'

export interface PhoneTarget {
  readonly protocol: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
}

/** Answers a request: status, reason phrase, more headers. */
export type Respond = (status: number, reason: string, headers?: Readonly<Record<string, unknown>>) => void

export interface AgentHandlers {
  request(request: Message, respond: Respond): void
  /** The connection to the server is gone (tcp). */
  lost(): void
}

interface Wire {
  readonly local: { readonly address: string; readonly port: number }
  send(bytes: Buffer): void
  close(): void
}

export class PhoneAgent {
  readonly target: PhoneTarget
  readonly #handlers: AgentHandlers
  readonly #transactions = sip.makeTransactionLayer({}, undefined)
  readonly #connection: Connection
  #wire: Wire | undefined
  #closed = false

  constructor(target: PhoneTarget, handlers: AgentHandlers) {
    this.target = target
    this.#handlers = handlers
    this.#connection = {
      protocol: target.protocol.toUpperCase(),
      send: (message) => this.#send(message),
      release: () => undefined,
    }
  }

  /** Opens the socket, or opens it again after the connection was lost. */
  async open(): Promise<void> {
    const receive = (message: Message | undefined): void => {
      if (message) this.#receive(message)
    }
    this.#wire = this.target.protocol === 'udp' ? await openUdp(this.target, receive) : await this.#openTcp(receive)
  }

  get local(): { readonly address: string; readonly port: number } {
    return this.#wire?.local ?? { address: '127.0.0.1', port: 0 }
  }

  /** `sip:100@127.0.0.1:40000;transport=tcp` */
  contact(user: string): string {
    const { address, port } = this.local
    const host = address.includes(':') ? `[${address}]` : address
    return `sip:${user}@${host}:${port}${this.target.protocol === 'tcp' ? ';transport=tcp' : ''}`
  }

  /** Sends a request in a transaction; its answers come to `onResponse`, 408 after 32 s of silence. The top Via is added. */
  request(request: Message, onResponse: (response: Message) => void): void {
    const { address, port } = this.local
    const via = { version: '2.0', protocol: this.#connection.protocol, host: address, port, params: { rport: null } }
    request.headers.via = [via]
    this.#transactions.createClientTransaction(this.#connection, request, onResponse)
  }

  close(): void {
    this.#closed = true
    this.#transactions.destroy()
    this.#wire?.close()
    this.#wire = undefined
  }

  #openTcp(receive: (message: Message) => void): Promise<Wire> {
    return openTcp(this.target, receive, () => {
      this.#wire = undefined
      if (!this.#closed) this.#handlers.lost()
    })
  }

  #send(message: Message): void {
    this.#wire?.send(Buffer.from(sip.stringify(message), 'latin1'))
  }

  #receive(message: Message): void {
    const { headers } = message
    if (this.#closed || !headers.via?.[0] || !headers.cseq || !headers['call-id'] || !headers.from || !headers.to)
      return
    if (message.method === undefined) {
      this.#transactions.getClient(message)?.message(message, this.target)
      return
    }
    if (message.method === 'ACK') return
    const known = this.#transactions.getServer(message)
    if (known) {
      known.message(message, this.target)
      return
    }
    const transaction = this.#transactions.createServerTransaction(message, this.#connection)
    this.#handlers.request(message, (status, reason, headers = {}) => {
      transaction.send?.(sip.makeResponse(message, status, reason, { headers }))
    })
  }
}

/** The package throws on some bytes that are no message. */
function parse(bytes: Buffer): Message | undefined {
  try {
    return sip.parse(bytes)
  } catch {
    return undefined
  }
}

async function openUdp(target: PhoneTarget, receive: (message: Message | undefined) => void): Promise<Wire> {
  const socket: UdpSocket = createSocket(target.host.includes(':') ? 'udp6' : 'udp4')
  const any = target.host.includes(':') ? '::1' : '127.0.0.1'
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, any, resolve)
  })
  socket.removeAllListeners('error')
  // A closed port at the other end shows as an error here; the transaction's time-out deals with it.
  socket.on('error', () => undefined)
  socket.on('message', (bytes) => receive(parse(bytes)))
  return {
    local: socket.address(),
    send: (bytes) => socket.send(bytes, target.port, target.host),
    close: () => socket.close(),
  }
}

async function openTcp(target: PhoneTarget, receive: (message: Message) => void, lost: () => void): Promise<Wire> {
  const socket: TcpSocket = connect({ port: target.port, host: target.host })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.setEncoding('latin1')
  socket.setNoDelay(true)
  const feed = sip.makeStreamParser(receive, () => socket.destroy())
  socket.on('data', (text) => {
    try {
      feed(String(text))
    } catch {
      socket.destroy()
    }
  })
  socket.on('error', () => undefined)
  socket.once('close', lost)
  return {
    local: { address: socket.localAddress ?? '127.0.0.1', port: socket.localPort ?? 0 },
    send: (bytes) => socket.write(bytes),
    close: () => {
      socket.removeListener('close', lost)
      socket.destroy()
    },
  }
}
