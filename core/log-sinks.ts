/** Where the log goes: standard error, and a file where one is configured. */
import { constants, createWriteStream, openSync, type WriteStream } from 'node:fs'
import { formatLogLine, type LogLine, type LogSink, reasonOf } from './log.ts'
import type { Undo } from './scope.ts'

const COLOUR: Record<LogLine['level'], string> = { error: '31', warning: '33', notice: '36', verbose: '0', debug: '2' }

/** Lines on a terminal are coloured by level. A reader that went away does not end the process. */
export function streamSink(stream: NodeJS.WriteStream, timestamp: boolean): LogSink {
  stream.on('error', () => undefined)
  return (line) => {
    const text = formatLogLine(line)
    const shown = timestamp ? text : text.slice(text.indexOf('] ') + 2)
    stream.write(stream.isTTY ? `\x1b[${COLOUR[line.level]}m${shown}\x1b[0m\n` : `${shown}\n`)
  }
}

export interface FileSink {
  readonly sink: LogSink
  /** Opens the file anew, after it was rotated away. Throws where it cannot be, and goes on with the one it has. */
  reopen(): void
  readonly close: Undo
}

/** Milliseconds between two attempts to open a file that could not be written. */
const AGAIN = 10_000
/** As for `a`, but a pipe that nobody reads holds nobody up. */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** A full disk loses lines, and not those after it. `onError` is told once, until lines are written again. */
export function fileSink(path: string, onError: (message: string) => void, again = AGAIN): FileSink {
  let stream: WriteStream | undefined
  let tried = 0
  let said = false
  const failed = (reason: string): void => {
    if (!said) onError(`the log file ${path} cannot be written: ${reason}`)
    said = true
  }
  const written = (error: Error | null | undefined): void => {
    if (!error) said = false
  }
  const open = (): WriteStream => {
    tried = performance.now()
    // Opened before it returns: who asks for it is told at once, and no umask of a moment later is the file's.
    const opened = createWriteStream(path, { fd: openSync(path, APPEND, 0o640) })
    opened.on('error', (error) => failed(error.message))
    return opened
  }
  const tryToOpen = (): void => {
    try {
      stream = open()
    } catch (error) {
      failed(reasonOf(error))
    }
  }
  tryToOpen()
  return {
    sink: (line) => {
      if ((!stream || stream.destroyed) && performance.now() - tried >= again) tryToOpen()
      if (stream && !stream.destroyed) stream.write(`${formatLogLine(line)}\n`, written)
    },
    reopen: () => {
      const next = open()
      stream?.end()
      stream = next
    },
    close: () =>
      new Promise<void>((resolve) => {
        if (!stream || stream.destroyed) resolve()
        else stream.end(() => resolve())
      }),
  }
}
