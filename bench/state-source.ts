/** The generator's line to the demo PBX: one text line a change, so that nothing of ARI runs in the generator. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export class StateSource {
  readonly #socket: Socket
  #text = ''

  static async open(port: number): Promise<StateSource> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new StateSource(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** What is set in one turn of the event loop leaves together. */
  set(device: string, state: string): void {
    if (this.#text === '') setImmediate(() => this.#flush())
    this.#text += `${device} ${state}\n`
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    this.#socket.write(this.#text)
    this.#text = ''
  }
}
