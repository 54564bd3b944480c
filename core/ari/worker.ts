/**
 * The worker thread: one connection to one Asterisk, for as long as it lasts. It may die at any time, and it ends when
 * its connection does; the supervisor starts another one.
 */
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '../log.ts'
import { readEvent, readInfo } from './events.ts'
import type { AriEvent, AsteriskInfo, ConnectFailure, FromWorker, ToWorker, WorkerStart } from './protocol.ts'
import { isAddressDenied, Refused } from './refused.ts'

const port = parentPort
if (!port) throw new Error('this file is the entry of a worker thread')
const start = workerData as WorkerStart
let waiting: AriEvent[] = []

try {
  const info = await look()
  // Loaded only when there is an ARI to talk to: while Asterisk is away an attempt stays cheap.
  const { connectTamed } = await import('./tamed-client.ts')
  const client = await connectTamed(start, {
    event: (raw) => {
      const event = readEvent(raw)
      if (event) queue(event)
    },
    unread: (what) => post({ kind: 'unread', what }),
    pong: () => post({ kind: 'pong' }),
    lost: (reason) => end({ kind: 'lost', reason: withoutSecrets(reason) }),
  })
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'ping') client.ping()
    else {
      void client.request(message.operation, message.parameters).then((answer) => {
        post({ kind: 'answer', id: message.id, answer })
      })
    }
  })
  post({ kind: 'connected', info, operations: client.operations })
} catch (error) {
  const failure: ConnectFailure =
    error instanceof Refused ? error.failure : { cause: 'unreachable', reason: withoutSecrets(reasonOf(error)) }
  end({ kind: 'failed', failure })
}

/** Asks for `/asterisk/info` before anything else: its status says what is wrong far better than `ari-client` does. */
async function look(): Promise<AsteriskInfo> {
  const response = await ask('/ari/asterisk/info').catch((error: unknown) => {
    throw new Refused({ cause: isUntrusted(error) ? 'certificate' : 'unreachable', reason: networkReason(error) })
  })
  if (response.status === 401) throw new Refused({ cause: 'credentials', reason: '401 Unauthorized' })
  if (isAddressDenied(response.status, response.body)) throw new Refused({ cause: 'address', reason: '403 Forbidden' })
  const isOk = response.status === 200
  const info = isOk ? readInfo(parsed(response.body)) : undefined
  if (info) return info
  const reason = isOk ? 'the answer is not what ARI says' : `${response.status} ${response.statusText}`
  throw new Refused({ cause: response.status >= 500 ? 'unreachable' : 'not-ari', reason })
}

interface Answer {
  readonly status: number
  readonly statusText: string
  readonly body: string
}

/**
 * Not by `fetch`: where a connection is taken and ended at once, as by a tunnel whose other end is not there, that settles
 * by nothing but its time-out, and the thread ends first.
 */
function ask(path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const get = start.base.startsWith('https:') ? getHttps : getHttp
    const request = get(`${start.base}${path}`, {
      agent: false,
      headers: { authorization: `Basic ${Buffer.from(`${start.username}:${start.password}`).toString('base64')}` },
      signal: AbortSignal.timeout(start.requestTimeout),
    })
    request.on('error', reject)
    request.on('response', (response) => {
      const { statusCode: status = 0, statusMessage: statusText = '' } = response
      text(response).then((body) => resolve({ status, statusText, body }), reject)
    })
  })
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** Node names what it has against a certificate after OpenSSL: `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`. */
function isUntrusted(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  return /^(?:ERR_TLS_CERT|CERT|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED)_/.test(String(code))
}

/** Of a host with several addresses each has a reason of its own, and the error that holds them has none. */
function networkReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error instanceof Error && error.name === 'AbortError') return `no answer within ${start.requestTimeout} ms`
  return withoutSecrets(reasonOf(error))
}

/** The password is part of the event socket's URL, and URLs end up in messages. */
function withoutSecrets(reason: string): string {
  return reason.replace(/api_key=[^&\s'"]*/g, 'api_key=(hidden)')
}

function queue(event: AriEvent): void {
  if (waiting.push(event) === 1) setImmediate(flush)
}

function flush(): void {
  if (waiting.length === 0) return
  const events = waiting
  waiting = []
  port?.postMessage({ kind: 'events', events } satisfies FromWorker)
}

function post(message: FromWorker): void {
  flush()
  port?.postMessage(message)
}

function end(message: FromWorker): void {
  post(message)
  setImmediate(() => process.exit(0))
}
