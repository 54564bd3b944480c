/**
 * The console's Unix socket (mode 0600) and the client side of `-rx` and `-r`. One JSON object a line, both ways:
 * the client sends `{ id, run }` or `{ id, complete }`, the server `{ id, text }`…, then `{ id, done, error? }`
 * or `{ id, candidates }`, and `{ log }` for lines of the log once a client has sent `{ follow: true, level? }`.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { formatLogLine, isLevel, type Level, type Log, type LogSink, reasonOf } from '../log.ts'
import { ConfigError } from '../options.ts'
import type { Undo } from '../scope.ts'
import { type Console, type ConsoleLog, plain, plainLines } from './console.ts'

interface Question {
  readonly id?: number
  readonly run?: string
  readonly complete?: string
  readonly follow?: boolean
  readonly level?: string
}
interface Reply {
  readonly id?: number
  readonly text?: string
  readonly done?: boolean
  readonly error?: string
  readonly candidates?: readonly string[]
  readonly log?: string
}

/** A console line is what a person types; more than this is not one. */
const LINE_LIMIT = 64 * 1024
/**
 * Bytes that may wait for a client before it misses lines of the log, and is not listened to until it has read them: a
 * console in the background reads none.
 */
const LOG_LIMIT = 1024 * 1024

/** What is typed before `open` resolves waits for it. Throws ConfigError where another process has the socket. */
export async function serveConsole(
  path: string,
  console: Console,
  log: Log,
  open: Promise<void> = Promise.resolve(),
): Promise<() => Promise<void>> {
  const logger = log.logger('console')
  await removeStale(path)
  const clients = new Set<Socket>()
  const server = createServer((socket) => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    socket.on('error', (error) => logger.debug(() => `console client: ${error.message}`))
    serveClient(socket, console, log, open)
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      listenAlone(server, path, resolve)
    })
    chmodSync(path, 0o600)
  } catch (error) {
    throw new ConfigError(
      `the console socket ${path} cannot be opened: ${reasonOf(error)}; [console] socket in lamplighter.conf names another`,
    )
  }
  return async () => {
    for (const client of clients) client.destroy()
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  }
}

/** Nobody else may open the socket, not for a moment either. It is made in this call: other files keep the mask they have. */
function listenAlone(server: Server, path: string, listening: () => void): void {
  const before = process.umask(0o177)
  try {
    server.listen(path, listening)
  } finally {
    process.umask(before)
  }
}

/** A socket that nobody listens on was left by a process that was killed. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (!found) return
  if (!found.isSocket())
    throw new ConfigError(`${path} is there and is no socket; [console] socket in lamplighter.conf names another path`)
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (alive)
    throw new ConfigError(`another Lamplighter runs with this configuration: it listens on ${path}; stop it first`)
  unlinkSync(path)
}

function serveClient(socket: Socket, console: Console, log: Log, open: Promise<void>): void {
  const send = (reply: Reply): void => {
    if (socket.destroyed) return
    socket.write(`${JSON.stringify(reply)}\n`)
    if (socket.writableLength < LOG_LIMIT || socket.isPaused()) return
    socket.pause()
    socket.once('drain', () => socket.resume())
  }
  let shown: ConsoleLog | undefined
  socket.once('close', () => shown?.mute())
  eachLine(socket, (line) => {
    const question = readMessage(line)
    if (question?.follow) {
      shown ??= shownLog(log, (entry) => {
        if (socket.writableLength < LOG_LIMIT) send({ log: formatLogLine(entry) })
      })
      shown.show(question.level !== undefined && isLevel(question.level) ? question.level : undefined)
    }
    if (typeof question?.complete === 'string')
      send({ id: question.id, candidates: console.complete(question.complete).filter((word) => word === plain(word)) })
    if (typeof question?.run === 'string') {
      const { id, run } = question
      open
        .then(() => console.run(run, { print: (text) => send({ id, text: plainLines(text) }), log: shown }))
        .then(
          () => send({ id, done: true }),
          (error: unknown) => send({ id, done: true, error: plainLines(reasonOf(error)) }),
        )
    }
  })
}

function shownLog(log: Log, sink: LogSink): ConsoleLog {
  let hide: Undo | undefined
  return {
    get isMuted() {
      return hide === undefined
    },
    show: (level) => {
      void hide?.()
      hide = log.addSink(sink, level)
    },
    mute: () => {
      void hide?.()
      hide = undefined
    },
  }
}

function readMessage(line: string): (Question & Reply) | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function eachLine(socket: Socket, onLine: (line: string) => void): void {
  let held = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    held += chunk
    const lines = held.split('\n')
    held = lines.pop() ?? ''
    for (const line of lines) onLine(line)
    if (held.length > LINE_LIMIT && !socket.writableEnded) socket.destroy()
  })
}

/** The client's end. Rejects where nobody listens. */
export interface ConsoleClient {
  /** Prints as the command does; resolves to the error's text, or undefined when it went well. */
  run(line: string, print: (text: string) => void): Promise<string | undefined>
  complete(line: string): Promise<readonly string[]>
  /** `level`: what is shown of the log, too, where that itself has less. */
  follow(print: (line: string) => void, level?: Level): void
  onClose(listener: () => void): void
  close(): void
}

export async function connectConsole(path: string): Promise<ConsoleClient> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect(path, () => resolve(opening))
    opening.once('error', (error) => reject(new Error(whyNoConsole(path, error))))
  })
  let last = 0
  let onLog: ((line: string) => void) | undefined
  const waiting = new Map<number, (reply: Reply) => void>()
  const closeListeners = new Set<() => void>()
  socket.on('error', () => undefined)
  socket.on('close', () => {
    for (const [id, settle] of waiting)
      settle({ id, done: true, error: 'the connection to Lamplighter was lost', candidates: [] })
    for (const listener of closeListeners) listener()
  })
  // Replies may be long: the limit is for what strangers send, and this end asked for it.
  const replies = createInterface({ input: socket })
  replies.on('line', (line) => {
    const reply = readMessage(line)
    if (reply?.log !== undefined) onLog?.(reply.log)
    if (reply?.id !== undefined) waiting.get(reply.id)?.(reply)
  })
  // It passes the socket's errors on; what they come to is said when it closes.
  replies.on('error', () => undefined)
  const ask = <T>(question: Question, settle: (reply: Reply, resolve: (value: T) => void) => void): Promise<T> =>
    new Promise((resolve) => {
      const id = ++last
      waiting.set(id, (reply) =>
        settle(reply, (value) => {
          waiting.delete(id)
          resolve(value)
        }),
      )
      socket.write(`${JSON.stringify({ ...question, id })}\n`)
    })
  return {
    run: (line, print) =>
      ask<string | undefined>({ run: line }, (reply, resolve) => {
        if (reply.text !== undefined) print(reply.text)
        if (reply.done) resolve(reply.error)
      }),
    complete: (line) => ask<readonly string[]>({ complete: line }, (reply, resolve) => resolve(reply.candidates ?? [])),
    follow: (print, level) => {
      onLog = print
      socket.write(`${JSON.stringify({ follow: true, level })}\n`)
    },
    onClose: (listener) => closeListeners.add(listener),
    close: () => socket.destroy(),
  }
}

function whyNoConsole(path: string, error: Error): string {
  const why = reasonOf(error)
  return 'code' in error && error.code === 'EACCES'
    ? `the console socket ${path} may not be opened (${why}), only by root and the user of Lamplighter`
    : `no Lamplighter answers on ${path} (${why}); is it running with this configuration?`
}
