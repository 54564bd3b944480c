/** ARI on the network: HTTP, authentication, routing, and the WebSocket of /events. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { resourceDocument, resourceList } from './api-docs.ts'
import type { Operation } from './operation.ts'
import { type Answer, AriRequest, failure, ok } from './request.ts'
import { findRoute } from './routes.ts'

export interface AriServerSettings {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
  /** May look, not change. */
  readonly readOnly: boolean
  readonly operations: readonly Operation[]
  /** A socket for these applications is open. The function it returns is called when it closes. */
  connected(apps: readonly string[], subscribeAll: boolean, socket: WebSocket): () => void
}

/** Longer request lines are refused, as Asterisk does. */
const LONGEST_REQUEST_LINE = 4096
const LARGEST_BODY = 65536
const CHALLENGE = { 'WWW-Authenticate': 'Basic realm="Asterisk REST Interface"' }

export class AriServer {
  readonly #settings: AriServerSettings
  readonly #sockets = new WebSocketServer({
    noServer: true,
    autoPong: false,
    maxPayload: LARGEST_BODY,
    handleProtocols: (protocols) => (protocols.has('ari') ? 'ari' : false),
  })
  #server: Server | undefined
  #port = 0
  #frozen = false

  constructor(settings: AriServerSettings) {
    this.#settings = settings
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    const { host } = this.#settings
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}`
  }

  async listen(): Promise<void> {
    const { host } = this.#settings
    const server = createServer({ keepAliveTimeout: 15000 }, (request, response) => {
      void this.#serve(request, response).catch(() => response.destroy())
    })
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    server.on('clientError', (_, socket) => socket.destroy())
    // A restart takes the port again that it had.
    const port = this.#port || this.#settings.port
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
      server.listen(port, host, resolve)
    })
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  /** Sockets end without a close frame (1006 at the other end), as when the process dies. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.dropSockets()
    if (!server) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  dropSockets(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  /** Connections stay open and nothing is answered any more: a stopped process, a dead network. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen
  }

  get frozen(): boolean {
    return this.#frozen
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    if (this.#frozen) return
    const answer = body === undefined ? failure(413, 'Request body too large') : this.#answer(request, body)
    write(response, answer)
  }

  #answer(request: IncomingMessage, body: string): Answer {
    const target = request.url ?? '/'
    if (target.length > LONGEST_REQUEST_LINE) return failure(400, 'Request line too long')
    const url = new URL(target, 'http://ari')
    if (!url.pathname.startsWith('/ari/')) return failure(404, 'Resource not found')
    if (!this.#authorized(request, url)) return UNAUTHORIZED
    return this.handle(request.method ?? 'GET', url.pathname.slice('/ari/'.length), queryOf(url), body)
  }

  /** One authorized request; `path` stands below `/ari/`. */
  handle(method: string, path: string, query: ReadonlyMap<string, string>, body: string): Answer {
    const { operations, readOnly } = this.#settings
    if (path.startsWith('api-docs/')) return this.#document(path.slice('api-docs/'.length))
    if (path === 'events') return method === 'GET' ? UPGRADE_REQUIRED : failure(405, 'Invalid method')
    const fields = readFields(body)
    if (!fields) return failure(400, 'Failed to parse request message JSON')
    const route = findRoute(operations, method, path)
    if (route.kind === 'failure') return route.answer
    if (readOnly && method !== 'GET') return failure(403, 'Write access denied')
    return route.operation.run(new AriRequest(method, route.parameters, query, fields))
  }

  #document(name: string): Answer {
    const basePath = `${this.url}/ari`
    if (name === 'resources.json') return ok(resourceList(basePath))
    const document = name.endsWith('.json')
      ? resourceDocument(name.slice(0, -'.json'.length), basePath, this.#settings.operations)
      : undefined
    return document ? ok(document) : failure(404, 'Resource not found')
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy())
    if (this.#frozen) return
    const url = new URL(request.url ?? '/', 'http://ari')
    const apps = (url.searchParams.get('app') ?? '').split(',').filter((app) => app !== '')
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    if (url.pathname !== '/ari/events') return refuse(socket, failure(404, 'Resource not found'))
    if (!this.#authorized(request, url)) return refuse(socket, UNAUTHORIZED)
    if (apps.length === 0) return refuse(socket, MISSING_APP)
    if (protocols.some((name) => name !== '' && name !== 'ari')) return refuse(socket, failure(400, 'Bad Request'))
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      const closed = this.#settings.connected(apps, url.searchParams.get('subscribeAll') === 'true', client)
      client.on('ping', (data) => {
        if (!this.#frozen) client.pong(data)
      })
      client.on('error', () => client.terminate())
      client.on('close', closed)
    })
  }

  #authorized(request: IncomingMessage, url: URL): boolean {
    const { username, password } = this.#settings
    const [scheme = '', encoded = ''] = (request.headers.authorization ?? '').split(' ')
    const given =
      scheme.toLowerCase() === 'basic'
        ? Buffer.from(encoded, 'base64').toString()
        : (url.searchParams.get('api_key') ?? '')
    return sameSecret(given, `${username}:${password}`)
  }
}

const UNAUTHORIZED: Answer = { ...failure(401, 'Authentication required'), headers: CHALLENGE }
const UPGRADE_REQUIRED: Answer = { status: 426, headers: { Upgrade: 'websocket', Connection: 'Upgrade' } }
const MISSING_APP: Answer = { status: 400, body: html('400 Bad Request', 'HTTP request is missing param: [app]') }

function html(title: string, text: string): string {
  return `<!DOCTYPE html>\r\n<html><head>\r\n<title>${title}</title>\r\n</head><body>\r\n<h1>${title}</h1>\r\n<p>${text}</p>\r\n</body></html>\r\n`
}

function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/** A repeated name keeps its last value. */
function queryOf(url: URL): ReadonlyMap<string, string> {
  return new Map(url.searchParams)
}

function readFields(body: string): Readonly<Record<string, unknown>> | undefined {
  if (body.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
    size += bytes.length
    if (size > LARGEST_BODY) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString()
}

function encode({ status, body, headers }: Answer): { text: string; headers: Record<string, string | number> } {
  const isHtml = typeof body === 'string'
  const text = body === undefined ? '' : isHtml ? body : JSON.stringify(body)
  const type = isHtml ? 'text/html' : 'application/json'
  const entity: Record<string, string | number> = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) }
  if (text !== '') entity['Content-Type'] = type
  return { text, headers: { ...headers, ...entity } }
}

function write(response: ServerResponse, answer: Answer): void {
  const { text, headers } = encode(answer)
  response.writeHead(answer.status, headers)
  response.end(text)
}

function refuse(socket: Duplex, answer: Answer): void {
  const { text, headers } = encode(answer)
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Error'}\r\n${lines.join('')}\r\n${text}`)
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const where = `${host}:${port}`
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(
        `the demo PBX cannot listen on ${where} (TCP): the port is in use; free it or choose another one`,
      )
    case 'EADDRNOTAVAIL':
      return new Error(`the demo PBX cannot listen on ${where} (TCP): this machine does not have that address`)
    case 'EACCES':
      return new Error(
        `the demo PBX cannot listen on ${where} (TCP): ports below 1024 need more rights; choose another`,
      )
    default:
      return new Error(`the demo PBX cannot listen on ${where} (TCP): ${error.message}`)
  }
}
