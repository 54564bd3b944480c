/** The console: commands that modules register. They are run over a Unix socket by `-rx` and `-r` (console-server.ts). */
import { type Level, reasonOf } from '../log.ts'
import type { Undo } from '../scope.ts'

export interface ConsoleOutput {
  /** One or more lines of text. */
  print(text: string): void
  /** Where the log is shown between the answers. */
  readonly log?: ConsoleLog
}

/** The log as one console shows it. */
export interface ConsoleLog {
  readonly isMuted: boolean
  /** Lines of this level, too, where the log itself has less. */
  show(level?: Level): void
  mute(): void
}

/** What the operator typed wrong, or what could not be done: printed without a stack, and `-rx` exits non-zero. */
export class CommandError extends Error {}

export interface ConsoleCommand {
  /** The fixed words: `core show hints`. The command with the most matching words wins. */
  readonly words: string
  /** What follows them: `<extension>[@context]`; empty for nothing. */
  readonly args?: string
  /** The last argument may be several words. */
  readonly isText?: boolean
  /** One sentence. */
  readonly help: string
  /** Candidates for the argument at this place (0 is the first after the fixed words). */
  complete?(place: number, typed: string): readonly string[]
  run(args: readonly string[], out: ConsoleOutput): void | Promise<void>
}

export class Console {
  /** By their words in lower case: they are typed in any. */
  readonly #commands = new Map<string, ConsoleCommand>()
  #isStopping = false

  /** All of them, or none: throws where the words are another's. */
  register(...commands: readonly ConsoleCommand[]): Undo {
    const added = new Map<string, ConsoleCommand>()
    for (const command of commands) {
      const key = command.words.toLowerCase()
      if (this.#commands.has(key) || added.has(key))
        throw new Error(`console command '${command.words}' is registered twice`)
      added.set(key, command)
    }
    for (const [key, command] of added) this.#commands.set(key, command)
    return () => {
      for (const key of added.keys()) this.#commands.delete(key)
    }
  }

  /** In the order of their words. */
  get commands(): readonly ConsoleCommand[] {
    return [...this.#commands.values()].sort((a, b) => (a.words < b.words ? -1 : 1))
  }

  /** Commands go one by one now, and what is typed from here on must not find some of them. */
  stop(): void {
    this.#isStopping = true
  }

  /** Runs one line. Throws CommandError for what the operator did wrong or what could not be done. */
  async run(line: string, out: ConsoleOutput): Promise<void> {
    const words = splitLine(line)
    if (words.length === 0) return
    if (this.#isStopping) throw new CommandError('Lamplighter is stopping')
    const command = this.#find(words)
    if (!command) {
      throw new CommandError(`No such command '${line.trim()}' (type 'core show help' for the commands)`)
    }
    const args = words.slice(command.words.split(' ').length)
    if (args.length > mostOf(command)) throw new CommandError(usage(command))
    try {
      await command.run(args, out)
    } catch (error) {
      if (error instanceof CommandError) throw error
      throw new CommandError(`'${command.words}' failed: ${reasonOf(error)}`, { cause: error })
    }
  }

  /** Words that may stand where the line ends. */
  complete(line: string): string[] {
    const words = splitLine(line)
    const typed = /\s$/.test(line) || line === '' ? '' : (words.pop() ?? '')
    const found = new Set<string>()
    for (const command of this.#commands.values()) {
      const fixed = command.words.split(' ')
      if (!words.every((word, i) => i >= fixed.length || fixed[i]?.toLowerCase() === word.toLowerCase())) continue
      const next = fixed[words.length]
      if (next !== undefined) found.add(next)
      else for (const candidate of candidates(command, words.length - fixed.length, typed)) found.add(candidate)
    }
    return [...found].filter((word) => word.toLowerCase().startsWith(typed.toLowerCase())).sort()
  }

  #find(words: readonly string[]): ConsoleCommand | undefined {
    for (let n = words.length; n > 0; n--) {
      const command = this.#commands.get(words.slice(0, n).join(' ').toLowerCase())
      if (command) return command
    }
    return undefined
  }
}

/** Candidates of its own, and the word that its usage begins with. */
function candidates(command: ConsoleCommand, place: number, typed: string): readonly string[] {
  if (place === 0 && command.args?.startsWith('[like ')) return ['like']
  return command.complete?.(place, typed) ?? []
}

/** How many arguments its usage has room for: `<mailbox> <new> [old]` for three, and `[<module> ...]` for any number. */
function mostOf({ args = '', isText = false }: ConsoleCommand): number {
  if (isText || args.includes('...')) return Number.POSITIVE_INFINITY
  return args
    .replace(/<[^>]*>/g, '<>')
    .split(' ')
    .filter(Boolean).length
}

/**
 * What others chose, as a caller's number or the name of a device, must not move the operator's cursor, nor turn the order of
 * letters round. For the readline of Node 24 a U+2028 ends a line, and a reply with one in it would be lost.
 */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, '?')
}

/** Text that is laid out: line ends and tabs stay. */
export function plainLines(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, '?')
}

/** Columns as wide as what is in them. */
export function printTable(out: ConsoleOutput, rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  )
  for (const row of rows) out.print(plain(row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')).trimEnd())
}

export function usage(command: ConsoleCommand): string {
  return `Usage: ${command.words}${command.args ? ` ${command.args}` : ''}`
}

/** Words of a line; double quotes hold blanks together and a backslash takes the next character as it is. */
export function splitLine(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i)
    if (c === '\\' && i + 1 < line.length) word = (word ?? '') + line.charAt(++i)
    else if (c === '"') {
      quoted = !quoted
      word ??= ''
    } else if (!quoted && (c === ' ' || c === '\t' || c === '\n' || c === '\r')) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + c
  }
  if (word !== undefined) words.push(word)
  return words
}

/** The test of `like <re>` in a show command: what is typed is a regular expression, without case. */
export function likeFilter(args: readonly string[]): (text: string) => boolean {
  if (args.length === 0) return () => true
  if (args[0]?.toLowerCase() !== 'like' || args[1] === undefined)
    throw new CommandError(`expected 'like <regular expression>', not '${args.join(' ')}'`)
  try {
    const pattern = new RegExp(args[1], 'i')
    return (text) => pattern.test(text)
  } catch (error) {
    throw new CommandError(`'${args[1]}' is not a regular expression: ${reasonOf(error)}`)
  }
}
