/**
 * The worker thread: one connection to one Asterisk, for as long as it lasts. It may die at any time, and it ends when
 * its connection does; the supervisor starts another one.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { reasonOf } from '../log.ts'
import { readEvent, readInfo } from './events.ts'
import type { AriEvent, AsteriskInfo, ConnectFailure, FromWorker, ToWorker, WorkerStart } from './protocol.ts'
import { Refused } from './refused.ts'

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
    else if (message.kind === 'stop') process.exit(0)
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
  const response = await fetch(`${start.base}/ari/asterisk/info`, {
    headers: { authorization: `Basic ${Buffer.from(`${start.username}:${start.password}`).toString('base64')}` },
    signal: AbortSignal.timeout(start.requestTimeout),
    redirect: 'error',
  }).catch((error: unknown) => {
    throw new Refused({ cause: isUntrusted(error) ? 'certificate' : 'unreachable', reason: networkReason(error) })
  })
  const body = await response.text()
  if (response.status === 401) throw new Refused({ cause: 'credentials', reason: '401 Unauthorized' })
  const info = response.ok ? readInfo(parsed(body)) : undefined
  if (info) return info
  const reason = response.ok ? 'the answer is not what ARI says' : `${response.status} ${response.statusText}`
  throw new Refused({ cause: response.status >= 500 ? 'unreachable' : 'not-ari', reason })
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
  const code = error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : ''
  return /^(?:ERR_TLS_CERT|CERT|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED)_/.test(String(code))
}

/** fetch says "fetch failed" and keeps the reason for itself. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${start.requestTimeout} ms`
  const cause: unknown = error.cause
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  return withoutSecrets(cause === undefined ? error.message : reasonOf(cause))
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
