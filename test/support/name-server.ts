/** A name server on a UDP port of 127.0.0.1 that knows A records, and no others. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

const A = 1
const NO_SUCH_NAME = 3
/** Of a question: type and class. */
const AFTER_NAME = 4
const HEADER = 12

export class NameServerOfTest {
  readonly #socket: Socket
  /** Address by name. */
  records: Readonly<Record<string, string>>

  private constructor(socket: Socket, records: Readonly<Record<string, string>>) {
    this.#socket = socket
    this.records = records
    socket.on('message', (question, from) => {
      socket.send(this.#answer(question), from.port, from.address)
    })
  }

  static async open(records: Readonly<Record<string, string>>): Promise<NameServerOfTest> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new NameServerOfTest(socket, records)
  }

  /** As `setServers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  close(): void {
    this.#socket.close()
  }

  /** RFC 1035 4.1. */
  #answer(question: Buffer): Buffer {
    const labels: string[] = []
    let at = HEADER
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const known = this.records[labels.join('.').toLowerCase()]
    const address = question.readUInt16BE(at + 1) === A ? known : undefined
    const head = Buffer.from(question.subarray(0, HEADER))
    head.writeUInt16BE(0x8180 | (known === undefined ? NO_SUCH_NAME : 0), 2)
    for (const [place, count] of [1, address === undefined ? 0 : 1, 0, 0].entries())
      head.writeUInt16BE(count, 4 + 2 * place)
    const asked = question.subarray(HEADER, at + 1 + AFTER_NAME)
    if (address === undefined) return Buffer.concat([head, asked])
    // The name of the question, A, IN, a TTL of one second, four bytes.
    const record = [0xc0, HEADER, 0, A, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]
    return Buffer.concat([head, asked, Buffer.from(record)])
  }
}
