/** The other end of the console: `lamplighter -rx "command"` and the interactive `lamplighter -r`. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline'
import { type Level, reasonOf } from '../log.ts'
import { type ConsoleClient, connectConsole } from './server.ts'

/** Lines kept over sessions. */
const HISTORY = 500

export interface ConsolePlace {
  readonly socket: string
  /** Why what is written about the socket could not be read, so that it may be another. */
  readonly unread: string | undefined
}

/** Runs one command and returns the exit code: 0 when it went well, 1 when it failed or nobody answers. */
export async function runRemote(at: ConsolePlace, command: string): Promise<number> {
  const client = await connected(at)
  if (!client) return 1
  const failure = await client.run(command, (text) => console.log(text))
  client.close()
  if (failure === undefined) return 0
  console.error(failure)
  return 1
}

/** Reads commands until `exit`, end of input, or the end of the server. `level`: see ConsoleClient.follow. */
export async function interact(at: ConsolePlace, version: string, level?: Level): Promise<number> {
  const client = await connected(at)
  if (!client) return 1
  const terminal = process.stdin.isTTY && process.stdout.isTTY
  const historyFile = join(
    process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'),
    'lamplighter',
    'history',
  )
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal,
    prompt: terminal ? 'lamplighter*CLI> ' : '',
    historySize: HISTORY,
    history: readHistory(historyFile),
    removeHistoryDuplicates: true,
    completer: (line: string, done: (error: Error | null, result: [string[], string]) => void) => {
      client.complete(line).then(
        (candidates) => done(null, [candidates.map((c) => `${c} `), line.slice(line.lastIndexOf(' ') + 1)]),
        () => done(null, [[], line]),
      )
    },
  })
  // Another console may have written there since.
  lines.on('history', ([typed = '']: string[]) => {
    const before = readHistory(historyFile).filter((line) => line !== typed)
    saveHistory(historyFile, [typed, ...before].slice(0, HISTORY))
  })
  if (terminal) console.log(`Lamplighter ${version}; 'core show help' shows the commands, 'exit' leaves them.`)
  let running = false
  let isOver = false
  lines.once('close', () => {
    isOver = true
  })
  /** What was typed meanwhile stays. Node 24 throws where the input has ended by now, as it has behind what is piped in. */
  const promptAgain = (): void => {
    if (!isOver) lines.prompt(true)
  }
  if (terminal) {
    // Above what is being typed, however many rows that has, and without a prompt where a command is still speaking.
    client.follow((line) => {
      const rows = running ? 0 : lines.getCursorPos().rows
      moveCursor(process.stdout, 0, -rows)
      cursorTo(process.stdout, 0)
      clearScreenDown(process.stdout)
      process.stdout.write(`${line}\n${'\n'.repeat(rows)}`)
      if (!running) promptAgain()
    }, level)
    // Nobody waits for the command that runs.
    lines.on('SIGINT', () => {
      lines.close()
      console.log()
      process.exit(0)
    })
    // It reads nothing after Ctrl-Z and fg, but for this.
    lines.on('SIGCONT', promptAgain)
  }
  let lost = false
  client.onClose(() => {
    lost = true
    lines.close()
  })
  lines.prompt()
  let failed = false
  for await (const line of lines) {
    if (lost || ['exit', 'quit'].includes(line.trim())) break
    if (terminal && line.startsWith('!')) {
      runInShell(line.slice(1))
      promptAgain()
      continue
    }
    running = true
    const failure = await client.run(line, (text) => console.log(text))
    running = false
    if (failure !== undefined) console.error(failure)
    failed ||= failure !== undefined
    promptAgain()
  }
  if (lost) console.error('Lamplighter has ended the connection')
  client.close()
  lines.close()
  // Someone who pipes commands in wants to know; someone who types them has read it.
  return !terminal && (failed || lost) ? 1 : 0
}

/** `!ls` of Asterisk's console; `!` alone is a shell. What Ctrl-C ends is the shell's, not this end. */
function runInShell(command: string): void {
  const stays = (): void => undefined
  process.on('SIGINT', stays)
  process.stdin.setRawMode(false)
  const { error } = spawnSync(process.env['SHELL'] ?? '/bin/sh', command === '' ? [] : ['-c', command], {
    stdio: 'inherit',
  })
  process.stdin.setRawMode(true)
  process.off('SIGINT', stays)
  if (error) console.error(error.message)
}

/** undefined where nobody answers, which has been said. */
function connected({ socket, unread }: ConsolePlace): Promise<ConsoleClient | undefined> {
  return connectConsole(socket).catch((error: unknown) => {
    console.error(unread ?? reasonOf(error))
    return undefined
  })
}

function readHistory(path: string): string[] {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
  } catch {
    return []
  }
}

/** A history that cannot be kept is not worth a word. */
function saveHistory(path: string, history: readonly string[]): void {
  try {
    mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
    writeFileSync(path, `${history.join('\n')}\n`, { mode: 0o600 })
  } catch {
    return
  }
}
