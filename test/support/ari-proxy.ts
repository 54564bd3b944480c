/** Stands between a bridge and an ARI server, and does to both what networks and broken servers do. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

export interface Rule {
  /** Of the path without its query. */
  readonly path: RegExp
  /** Answers in the server's place; returning false lets the request through. */
  answer(request: IncomingMessage, response: ServerResponse): boolean | void
}

export class AriProxy {
  readonly #target: string
  readonly #prefix: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #clients = new Set<WebSocket>()
  readonly rules: Rule[] = []
  /** `GET /ari/channels`, in order. */
  readonly requests: string[] = []
  /** The most event sockets that were open at a time. */
  mostSockets = 0
  /** Whether events reach the bridge. */
  silent = false
  /** Whether event sockets are opened; where not, whoever asks for one is left without an answer. */
  opensSockets = true

  private constructor(target: string, prefix: string) {
    this.#target = target
    this.#prefix = prefix
    this.#server = createServer((incoming, response) => this.#forward(incoming, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    const sockets = new WebSocketServer({
      server: this.#server,
      verifyClient: (_, opens) => {
        if (this.opensSockets) opens(true)
      },
    })
    sockets.on('connection', (client, incoming) => this.#join(client, incoming))
  }

  /** `prefix`: requests without it are answered 404, as with a prefix in http.conf. */
  static async before(target: string, prefix = ''): Promise<AriProxy> {
    const proxy = new AriProxy(target, prefix)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#prefix}`
  }

  /** Event sockets that are open. */
  get sockets(): number {
    return this.#clients.size
  }

  /** To the bridge, as if the server had sent it. */
  send(frame: string): void {
    for (const client of this.#clients) client.send(frame)
  }

  reset(): void {
    // Node never closes a socket that is reset after it was ended, and then the process cannot end.
    for (const socket of this.#sockets) {
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.terminate()
    this.reset()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const path = (incoming.url ?? '').replace(/\?.*/, '')
    this.requests.push(`${incoming.method} ${path}`)
    for (const rule of this.rules) if (rule.path.test(path) && rule.answer(incoming, response) !== false) return
    if (!path.startsWith(`${this.#prefix}/`)) return void response.writeHead(404).end()
    const { host: _, ...headers } = incoming.headers
    const outgoing = request(
      `${this.#target}${(incoming.url ?? '').slice(this.#prefix.length)}`,
      { method: incoming.method, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }

  #join(client: WebSocket, incoming: IncomingMessage): void {
    this.#clients.add(client)
    this.mostSockets = Math.max(this.mostSockets, this.sockets)
    const server = new WebSocket(
      `${this.#target.replace('http', 'ws')}${(incoming.url ?? '').slice(this.#prefix.length)}`,
    )
    server.on('message', (data) => {
      if (!this.silent) client.send(data, { binary: false })
    })
    server.on('error', () => client.terminate())
    server.on('close', () => client.terminate())
    client.on('error', () => undefined)
    client.on('close', () => {
      this.#clients.delete(client)
      server.terminate()
    })
  }
}
