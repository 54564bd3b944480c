/** Floods of damaged messages at a server of another process, no faster than it reads. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { damaged, type Random, randomFrom } from './damage.ts'
import { sipBytes } from './sip-text.ts'

interface Server {
  readonly address: string
  readonly port: number
}

/** Nobody else's port gets the answers to Vias that were changed. */
const HERE = '127.0.0.2'
/** Datagrams before the server is asked whether it has come so far. */
const BATCH = 250
/** Milliseconds after which the question may have been lost. */
const ASK_AGAIN = 500
/** Connections at a time. */
const ABREAST = 2
/** Messages on one connection: what the server finds at once is dealt with at once, and is not to look like a stall. */
const MOST_ON_ONE = 20

/** Datagrams; NOTIFYs that come of them are answered, as a phone would. */
export class FloodOfDatagrams {
  readonly #socket: Socket
  readonly #server: Server
  #answered: ((callId: string) => void) | undefined

  private constructor(socket: Socket, server: Server) {
    this.#socket = socket
    this.#server = server
    socket.on('message', (bytes) => this.#receive(bytes.toString('latin1')))
    socket.on('error', () => undefined)
  }

  static async open(server: Server): Promise<FloodOfDatagrams> {
    const socket = createSocket('udp4')
    socket.bind(0, HERE)
    await once(socket, 'listening')
    return new FloodOfDatagrams(socket, server)
  }

  async send(seed: number, count: number): Promise<void> {
    const random = randomFrom(seed)
    for (let sent = 1; sent <= count; sent++) {
      this.#send(damaged(random, soundSubscribe(random, `${seed}-${sent}`, 'UDP')))
      if (sent % BATCH === 0) await this.#readSoFar(`${seed}-${sent}`)
    }
  }

  close(): void {
    this.#socket.close()
  }

  #send(bytes: Buffer): void {
    this.#socket.send(bytes, this.#server.port, this.#server.address)
  }

  async #readSoFar(callId: string): Promise<void> {
    const question = sipBytes([
      `OPTIONS sip:${this.#server.address} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HERE};branch=z9hG4bK${callId};rport`,
      'Max-Forwards: 70',
      `From: <sip:flood@${HERE}>;tag=f`,
      `To: <sip:${this.#server.address}>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ])
    const again = setInterval(() => this.#send(question), ASK_AGAIN)
    await new Promise<void>((resolve) => {
      this.#answered = (answered) => {
        if (answered === callId) resolve()
      }
      this.#send(question)
    })
    clearInterval(again)
  }

  #receive(text: string): void {
    if (text.startsWith('NOTIFY ')) this.#send(okTo(text))
    else if (text.includes(' OPTIONS\r\n')) this.#answered?.(/\r\nCall-ID: ([^\r]*)/.exec(text)?.[1] ?? '')
  }
}

/** Streams: some sound messages, then damaged ones until the server has had enough. */
export async function floodOfStreams(server: Server, seed: number, count: number): Promise<void> {
  const random = randomFrom(seed)
  const sent = { messages: 0 }
  const stream = async (): Promise<void> => {
    const socket = connect({ port: server.port, host: server.address, localAddress: HERE })
    socket.on('error', () => undefined)
    socket.setEncoding('latin1')
    let pending = ''
    socket.on('data', (text) => {
      pending = answerNotifies(pending + String(text), (bytes) => void (socket.destroyed || socket.write(bytes)))
    })
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => resolve())
    })
    await Promise.race([once(socket, 'connect'), closed])
    const sound = random(MOST_ON_ONE)
    for (let number = 0; number < MOST_ON_ONE && sent.messages < count && !socket.destroyed; number++) {
      const good = soundSubscribe(random, `${seed}-${++sent.messages}`, 'TCP')
      const bytes = number < sound ? good : damaged(random, good)
      const cut = random(bytes.length)
      socket.write(bytes.subarray(0, cut))
      // Now and then it is in two pieces, and what the server closed has the time to show.
      if (random(4) === 0 || number >= sound) await new Promise(setImmediate)
      if (!socket.destroyed) socket.write(bytes.subarray(cut))
    }
    socket.end()
    await closed
  }
  const lane = async (): Promise<void> => {
    while (sent.messages < count) await stream()
  }
  await Promise.all(Array.from({ length: ABREAST }, lane))
}

/** A SUBSCRIBE or REGISTER as it should be: another transaction each time, and for two seconds at most. */
function soundSubscribe(random: Random, id: string, protocol: 'UDP' | 'TCP'): Buffer {
  const method = random(8) === 0 ? 'REGISTER' : 'SUBSCRIBE'
  const exten = ['200', '201', '100', '101', '999'][random(5)] ?? '200'
  const event = ['dialog', 'presence', 'message-summary'][random(3)] ?? 'dialog'
  const to = method === 'REGISTER' ? 'flood' : exten
  return sipBytes([
    `${method} sip:${method === 'REGISTER' ? '' : `${exten}@`}127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/${protocol} 192.0.2.7:5062;branch=z9hG4bK${id};rport`,
    'Max-Forwards: 70',
    'From: "A" <sip:flood@127.0.0.1>;tag=f',
    `To: <sip:${to}@127.0.0.1>`,
    `Call-ID: ${id}`,
    `CSeq: 1 ${method}`,
    'Contact: <sip:flood@192.0.2.7:5062>',
    'Record-Route: <sip:127.0.0.2:9;lr>, <sip:127.0.0.2:9>',
    `Event: ${event}`,
    `Expires: ${random(4) === 0 ? 2 : 0}`,
    'Content-Length: 0',
  ])
}

/** Answers whole NOTIFYs in what came, and returns what is not whole yet. */
function answerNotifies(text: string, send: (bytes: Buffer) => void): string {
  for (;;) {
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) return text
    const length = Number(/\r\nContent-Length: ([0-9]+)/.exec(text.slice(0, end))?.[1] ?? 0)
    if (text.length < end + 4 + length) return text
    if (text.startsWith('NOTIFY ')) send(okTo(text.slice(0, end)))
    text = text.slice(end + 4 + length)
  }
}

function okTo(request: string): Buffer {
  const [head = ''] = request.split('\r\n\r\n', 1)
  const copied = head.split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
  return sipBytes(['SIP/2.0 200 OK', ...copied, 'Content-Length: 0'])
}
