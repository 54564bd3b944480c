/**
 * `ari-client`, made fit for a server: the only file that imports it.
 *
 * Left alone it ends its process on an event type it does not know, on a bad frame and on a 401; never settles a request
 * whose connection was reset or is silent; knows neither URL prefixes nor https (it believes the `basePath` of the
 * api-docs, which is always http); and swallows the status of refused requests. What is replaced is replaced from
 * outside, at the few methods named in ari-client-types.d.ts. It keeps its credentials in a global, so this file is
 * loaded once a worker thread.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import ariClient, { type Client } from 'ari-client'
import { reasonOf } from '../log.ts'
import { record, text } from './events.ts'
import type { AriAnswer, Operation, Parameters, WorkerStart } from './protocol.ts'
import { Refused } from './refused.ts'

/** Milliseconds; a failure that took longer is no kept connection that was just ended. */
const SENT_AGAIN_WITHIN_MS = 50
/** Bytes; ten thousand channels or endpoints are some seven million. */
const LARGEST_ANSWER = 32_000_000
/** Characters; events have a few thousand. */
const LARGEST_FRAME = 1_000_000

type Swagger = typeof import('swagger-client')

export interface ClientObserver {
  /** One decoded event, of any type the api-docs know. */
  event(event: unknown): void
  /** A frame that is no such event. */
  unread(what: string): void
  pong(): void
  /** Once. The connection is gone, or could not be made. */
  lost(reason: string): void
}

export interface TamedClient {
  readonly operations: readonly Operation[]
  /** Never rejects. */
  request(operation: Operation, parameters: Parameters): Promise<AriAnswer>
  ping(): void
}

/** Loads the api-docs and opens the event socket. Rejects where either fails. */
export async function connectTamed(start: WorkerStart, observer: ClientObserver): Promise<TamedClient> {
  const client = await readDocs(start)
  client._connection.host = start.base.slice(start.base.indexOf('//') + 2)
  await openSocket(client, start, observer)
  return {
    operations: Object.entries(client._swagger.apis).flatMap(([resource, { operations }]) =>
      Object.keys(operations).map((operation): Operation => `${resource}.${operation}`),
    ),
    request: (operation, parameters) => requestTwice(client, operation, parameters),
    ping: () => client.ping(),
  }
}

/** Before it reads the api-docs it asks for the list of them, which may stay without an answer for ever. */
function readDocs(start: WorkerStart): Promise<Client> {
  const { base, username, password, requestTimeout } = start
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no answer within ${requestTimeout} ms`)), requestTimeout)
    tameSwagger(start, () => clearTimeout(limit))
    ariClient.connect(base, username, password).then(resolve, reject)
  })
}

function openSocket(client: Client, { app, requestTimeout }: WorkerStart, observer: ClientObserver): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = false
    const limit = setTimeout(() => {
      reject(new Refused({ cause: 'no-events', reason: `no event socket within ${requestTimeout} ms` }))
    }, requestTimeout)
    client.on('pong', () => observer.pong())
    client.on('WebSocketConnected', () => {
      open = true
      clearTimeout(limit)
      readFrames(client, observer)
      resolve()
    })
    // It would try again by itself, ten times and then never more. One try is one worker's life.
    client.on('WebSocketReconnecting', (error: unknown) => {
      const reason = error === undefined ? 'the event socket was closed' : reasonOf(error)
      if (open) observer.lost(reason)
      else reject(new Error(reason))
    })
    client.start(encodeURIComponent(app), true).then(undefined, reject)
  })
}

/**
 * In place of its own listener, which throws on every frame it cannot read, and makes objects with all operations of
 * whatever an event is about.
 */
function readFrames({ _ws: socket, _swagger }: Client, observer: ClientObserver): void {
  if (!socket) return
  const known: ReadonlySet<unknown> = new Set(Object.keys(_swagger.apis.events?.models ?? {}))
  socket.removeAllListeners('message')
  socket.on('message', (frame) => {
    const frameText = textOf(frame)
    if (frameText.length > LARGEST_FRAME) return observer.unread(`frame of ${frameText.length} characters`)
    let event: unknown
    try {
      event = JSON.parse(frameText)
    } catch {
      return observer.unread('frame that is not JSON')
    }
    const { type } = record(event)
    if (known.has(type)) observer.event(event)
    else observer.unread(`event of unknown type '${text(type).slice(0, 60)}'`)
  })
}

/**
 * Asterisk ends a kept connection just when a request goes out on it: that one is sent again. All we ask for may be asked
 * twice.
 */
async function requestTwice(client: Client, operation: Operation, parameters: Parameters): Promise<AriAnswer> {
  const began = Date.now()
  const answer = await request(client, operation, parameters)
  if (answer.kind !== 'unreachable' || Date.now() - began > SENT_AGAIN_WITHIN_MS) return answer
  return request(client, operation, parameters)
}

function request(client: Client, operation: Operation, parameters: Parameters): Promise<AriAnswer> {
  const [resource = '', name = ''] = operation.split('.')
  const run = client._swagger.apis[resource]?.[name]
  return new Promise((resolve) => {
    if (typeof run !== 'function') {
      resolve({ kind: 'refused', status: 404, message: `this Asterisk has no operation ${operation}` })
      return
    }
    const succeeded = (response: unknown): void => resolve(readSuccess(record(response).data))
    const failed = (response: unknown): void => resolve(readFailure(record(response)))
    try {
      // A copy: the swagger client deletes what it has used.
      Reflect.apply(run, undefined, [{ ...parameters }, succeeded, failed])
    } catch (error) {
      resolve({ kind: 'refused', status: 400, message: reasonOf(error) })
    }
  })
}

function textOf(data: unknown): string {
  return Buffer.isBuffer(data) ? data.toString() : text(data)
}

function readSuccess(data: unknown): AriAnswer {
  const body = textOf(data)
  try {
    return { kind: 'ok', body: body === '' ? undefined : JSON.parse(body) }
  } catch {
    return { kind: 'unreachable', reason: 'the answer is not JSON' }
  }
}

function readFailure(response: Readonly<Record<string, unknown>>): AriAnswer {
  const status = typeof response.status === 'number' ? response.status : 0
  const data = textOf(response.data)
  if (status === 0) return { kind: 'unreachable', reason: data || 'the connection was lost' }
  return { kind: 'refused', status, message: messageIn(data) }
}

function reasonIn(failure: AriAnswer): string {
  if (failure.kind === 'refused') return `${failure.status} ${failure.message}`.trim()
  return failure.kind === 'unreachable' ? failure.reason : ''
}

/** What Asterisk's HTTP server answers in ARI's place is a page: `<p>Shutdown in progress</p>`. */
const SENTENCE_OF_A_PAGE = /<p>([^<]+)<\/p>/

/** `{"message":"…"}` and `{"error":"…"}` are ARI's two ways. */
function messageIn(data: string): string {
  try {
    const body = record(JSON.parse(data))
    return text(body.message) || text(body.error) || data.slice(0, 200)
  } catch {
    return (SENTENCE_OF_A_PAGE.exec(data)?.[1] ?? data).slice(0, 200)
  }
}

/** ARI answers, or we were not here: what is not found are the files that it shows as its api-docs. */
function failureOf(last: AriAnswer | undefined, cause: unknown): Error {
  const reason = last ? reasonIn(last) : String(cause)
  // 500 where there is no such directory, 404 where a file is not in it.
  const isMissing = last?.kind === 'refused' && (last.status === 404 || last.message.includes('rest-api'))
  return isMissing ? new Refused({ cause: 'no-docs', reason }) : new Error(reason)
}

/** `reads`: the api-docs are read now, each with a time-out of its own. */
function tameSwagger({ base, requestTimeout }: WorkerStart, reads: () => void): void {
  const swagger = loadSwagger()
  const basePath = `${base}/ari`
  // Its log writes to the terminal and keeps everything for ever.
  Object.assign(globalThis, { log: () => undefined })

  let lastFailure: AriAnswer | undefined
  const api = swagger.SwaggerApi.prototype
  const { build, buildFrom1_1Spec } = api
  api.build = function () {
    reads()
    this.url = `${basePath}/api-docs/resources.json`
    return build.call(this)
  }
  api.buildFrom1_1Spec = function (spec) {
    return buildFrom1_1Spec.call(this, { ...spec, basePath })
  }
  api.fail = function (reason) {
    this.failure(failureOf(lastFailure, reason))
  }
  const resource = swagger.SwaggerResource.prototype
  const { addApiDeclaration } = resource
  resource.addApiDeclaration = function (spec) {
    return addApiDeclaration.call(this, { ...spec, basePath })
  }

  const http = swagger.ShredHttpClient.prototype
  const { execute } = http
  http.execute = function (job) {
    const { error: told } = job.on
    // What it makes of this for its reason is `503 : undefined`, or a guess at the settings of browsers.
    const failed: typeof told = (response) => {
      lastFailure = readFailure(record(response))
      told(response)
    }
    job.on.error = failed
    job.timeout = requestTimeout
    const made = execute.call(this, job)
    const { emitter, _raw: sent } = made
    boundAnswer(sent, requestTimeout, (reason) => failed({ status: 0, data: reason }))
    // With a time-out set it says this of errors only by an argument.
    emitter.on('cleanup', (error?: unknown) => {
      if (error !== undefined) failed({ status: 0, data: reasonOf(error) })
    })
    emitter.on('timeout', () => failed({ status: 0, data: `no answer within ${requestTimeout} ms` }))
    // Bodies that are not the JSON they claim to be throw in its listeners.
    for (const name of ['error', 'response', 'redirect', '307']) {
      for (const listener of emitter.listeners(name)) {
        emitter.off(name, listener as () => void)
        emitter.on(name, (...values: unknown[]) => {
          try {
            Reflect.apply(listener, emitter, values)
          } catch {
            failed({ status: 0, data: 'the answer is not JSON' })
          }
        })
      }
    }
    return made
  }
}

/**
 * The time-out of shred ends with the first line of an answer, and it takes whatever comes after that, unpacks what nobody
 * asked it to be packed, and goes round in circles where it is sent elsewhere. ARI does nothing of that; something in
 * between, or in Asterisk's place, may.
 */
function boundAnswer(sent: ClientRequest, requestTimeout: number, failed: (reason: string) => void): void {
  sent.once('response', (answer: IncomingMessage) => {
    const { statusCode = 0, headers } = answer
    const giveUp = (reason: string): void => {
      failed(reason)
      // All of it may have come already.
      answer.removeAllListeners('end')
      sent.destroy()
    }
    if (statusCode >= 300 && statusCode < 400) return giveUp(`answered ${statusCode}, which leads elsewhere`)
    if (headers['content-encoding'] !== undefined)
      return giveUp(`the answer is packed (${headers['content-encoding']})`)
    const limit = setTimeout(() => giveUp(`no end of the answer within ${requestTimeout} ms`), requestTimeout)
    answer.once('close', () => clearTimeout(limit))
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > LARGEST_ANSWER) giveUp(`an answer of more than ${LARGEST_ANSWER} bytes`)
    })
  })
}

function loadSwagger(): Swagger {
  const fromAriClient = createRequire(createRequire(import.meta.url).resolve('ari-client'))
  return fromAriClient('swagger-client') as Swagger
}
