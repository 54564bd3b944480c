/** One life of the worker thread, seen from the main thread: its requests, its pings, and its one end. */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { reasonOf } from '../log.ts'
import { Timer } from '../timer.ts'
import type {
  AriAnswer,
  AriEvent,
  AsteriskInfo,
  ConnectFailure,
  FromWorker,
  Operation,
  Parameters,
  ToWorker,
  WorkerStart,
} from './protocol.ts'

/** Requests under way at once; more wait here. Asterisk serves 100 HTTP sessions by default. */
const MOST_IN_FLIGHT = 16
/** The worker has its own time-out for each request; this much later it is not answering at all. */
const WORKER_GRACE_MS = 500
/** Time to load the client and its 13 api-docs, on top of the time-outs of the requests. */
const START_LIMIT_MS = 15_000
/** So many requests in a row without any answer: the link is dead, whatever its sockets say. */
const MOST_TIMEOUTS = 3
/** So many that were cut off at once, as Asterisk does when its HTTP sessions are used up: events may come all the same. */
const MOST_CUT_OFF = 3
/** The first ping is early, so that the round trip is known soon, but not amid what is read at the connect. */
const FIRST_PING_MS = 1000
/** A leak in there must end the worker, not the server. */
const WORKER_HEAP_MB = 256

export type LinkEnd =
  | ConnectFailure
  /** `hangs`: its sockets are open, and stay so until `close`. */
  | { readonly cause: 'lost'; readonly reason: string; readonly hangs?: true }

export interface WorkerLinkObserver {
  connected(info: AsteriskInfo): void
  events(events: readonly AriEvent[]): void
  unread(what: string): void
  /** What the worker wrote to stdout or stderr. */
  output(text: string): void
  timedOut(operation: Operation): void
  /** Several requests in a row were cut off at once, though the link is alive. */
  cutOff(reason: string): void
  /** From a ping to its pong, in milliseconds. */
  roundTrip(milliseconds: number): void
  /** Once, and nothing after it. */
  ended(end: LinkEnd): void
}

interface Pending {
  readonly operation: Operation
  readonly parameters: Parameters
  readonly resolve: (answer: AriAnswer) => void
  /** As performance.now() has it. */
  sent?: number
  timer?: NodeJS.Timeout
}

export class WorkerLink {
  readonly #worker: Worker
  readonly #observer: WorkerLinkObserver
  readonly #timeout: number
  readonly #pingInterval: number
  #operations: ReadonlySet<Operation> = new Set()
  readonly #queue: Pending[] = []
  readonly #inFlight = new Map<number, Pending>()
  #nextId = 1
  #timeouts = 0
  /** Why each of the last requests was cut off. */
  #cutOff: string[] = []
  readonly #startTimer = new Timer()
  readonly #pingTimer = new Timer()
  readonly #pongTimer = new Timer()
  /** When the last ping was sent, as performance.now() has it. */
  #pinged = 0
  #ended = false

  /** `pingInterval` in milliseconds. */
  constructor(start: WorkerStart, pingInterval: number, observer: WorkerLinkObserver) {
    this.#observer = observer
    this.#timeout = start.requestTimeout
    this.#pingInterval = pingInterval
    this.#worker = spawn(start)
    this.#worker.on('message', (message: FromWorker) => this.#receive(message))
    this.#worker.on('error', (error) => this.#end({ cause: 'lost', reason: `the worker failed: ${reasonOf(error)}` }))
    this.#worker.on('exit', (code) => this.#end({ cause: 'lost', reason: `the worker ended (${code})` }))
    for (const stream of [this.#worker.stdout, this.#worker.stderr]) {
      stream.on('data', (chunk: Buffer) => observer.output(chunk.toString().trimEnd()))
    }
    this.#startTimer.set(START_LIMIT_MS + 2 * this.#timeout, () =>
      this.#end({ cause: 'unreachable', reason: 'connecting took too long' }),
    )
  }

  has(operation: Operation): boolean {
    return this.#operations.has(operation)
  }

  request(operation: Operation, parameters: Parameters): Promise<AriAnswer> {
    if (this.#ended) return Promise.resolve({ kind: 'unreachable', reason: 'the connection is gone' })
    return new Promise((resolve) => {
      this.#queue.push({ operation, parameters, resolve })
      this.#pump()
    })
  }

  /** Ends the link on purpose; `ended` is called all the same. */
  async close(reason: string): Promise<void> {
    this.#end({ cause: 'lost', reason })
    await this.#worker.terminate()
  }

  #pump(): void {
    while (this.#inFlight.size < MOST_IN_FLIGHT) {
      const next = this.#queue.shift()
      if (!next) return
      const id = this.#nextId++
      this.#inFlight.set(id, next)
      next.sent = performance.now()
      next.timer = setTimeout(() => {
        this.#settle(id, { kind: 'unreachable', reason: `no answer within ${this.#timeout} ms` })
      }, this.#timeout + WORKER_GRACE_MS).unref()
      this.#post({ kind: 'request', id, operation: next.operation, parameters: next.parameters })
    }
  }

  #receive(message: FromWorker): void {
    if (this.#ended) return
    switch (message.kind) {
      case 'connected':
        this.#startTimer.clear()
        this.#operations = new Set(message.operations)
        this.#schedulePing(Math.min(FIRST_PING_MS, this.#pingInterval))
        return this.#observer.connected(message.info)
      case 'events':
        return this.#observer.events(message.events)
      case 'answer':
        return this.#settle(message.id, message.answer)
      case 'pong':
        this.#pongTimer.clear()
        this.#observer.roundTrip(performance.now() - this.#pinged)
        // Not before: one that is killed cuts off what is under way, too.
        if (this.#cutOff.length === MOST_CUT_OFF) this.#observer.cutOff(this.#cutOff[0] ?? '')
        return this.#schedulePing()
      case 'unread':
        return this.#observer.unread(message.what)
      case 'failed':
        return this.#end(message.failure)
      case 'lost':
        return this.#end({ cause: 'lost', reason: message.reason })
    }
  }

  #settle(id: number, answer: AriAnswer): void {
    const pending = this.#inFlight.get(id)
    if (!pending) return
    this.#inFlight.delete(id)
    clearTimeout(pending.timer)
    pending.resolve(answer)
    if (answer.kind !== 'unreachable') {
      this.#timeouts = 0
      this.#cutOff = []
    } else if (performance.now() - (pending.sent ?? 0) < this.#timeout / 2) {
      if (this.#cutOff.length < MOST_CUT_OFF) this.#cutOff.push(answer.reason)
    } else {
      this.#observer.timedOut(pending.operation)
      if (++this.#timeouts >= MOST_TIMEOUTS) {
        this.#end({
          cause: 'lost',
          reason: `${MOST_TIMEOUTS} requests in a row went without an answer`,
          hangs: true,
        })
      }
    }
    this.#pump()
  }

  #schedulePing(pause = this.#pingInterval): void {
    this.#pingTimer.set(pause, () => this.#ping())
  }

  #ping(): void {
    if (this.#ended) return
    this.#pinged = performance.now()
    this.#post({ kind: 'ping' })
    this.#pongTimer.set(this.#timeout, () =>
      this.#end({ cause: 'lost', reason: `no pong within ${this.#timeout} ms`, hangs: true }),
    )
  }

  #post(message: ToWorker): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread's port, not a window's
    this.#worker.postMessage(message)
  }

  #end(end: LinkEnd): void {
    if (this.#ended) return
    this.#ended = true
    for (const timer of [this.#startTimer, this.#pingTimer, this.#pongTimer]) timer.clear()
    if (end.cause !== 'lost' || !end.hangs) void this.#worker.terminate()
    const unanswered = [...this.#inFlight.values(), ...this.#queue.splice(0)]
    this.#inFlight.clear()
    for (const { resolve, timer } of unanswered) {
      clearTimeout(timer)
      resolve({ kind: 'unreachable', reason: end.reason })
    }
    this.#observer.ended(end)
  }
}

function spawn(start: WorkerStart): Worker {
  return new Worker(entry(), {
    name: 'ari',
    workerData: start,
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
  })
}

/** The worker's file is beside this one and has its extension. Run from source, a worker has to load tsx by itself. */
function entry(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./worker.js', import.meta.url)
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx/package.json'))
  const api = JSON.stringify(new URL('dist/esm/api/index.mjs', tsx).href)
  const worker = JSON.stringify(new URL('./worker.ts', import.meta.url).href)
  const code = `import { register } from ${api}; register(); await import(${worker})`
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}
