/** Where the log goes: standard error, and a file where one is configured. */
import { createWriteStream, openSync, type WriteStream } from 'node:fs'
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

export function fileSink(path: string, onError: (message: string) => void): FileSink {
  const open = (): WriteStream => {
    // Opened before it returns: who asks for it is told at once, and no umask of a moment later is the file's.
    const stream = createWriteStream(path, { fd: openSync(path, 'a', 0o640) })
    let said = false
    stream.on('error', (error) => {
      if (!said) onError(`the log file ${path} cannot be written: ${error.message}`)
      said = true
    })
    return stream
  }
  let stream: WriteStream | undefined
  try {
    stream = open()
  } catch (error) {
    onError(`the log file ${path} cannot be written: ${reasonOf(error)}`)
  }
  return {
    sink: (line) => {
      if (stream && !stream.destroyed) stream.write(`${formatLogLine(line)}\n`)
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
