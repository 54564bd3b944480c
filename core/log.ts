/** The log: Asterisk's look, a level per category (a category is a module's name), sinks that can be swapped. */
import type { Undo } from './scope.ts'
import { Strikes } from './strikes.ts'

/** Seconds until the same refusal is told again. */
const REFUSAL_INTERVAL = 60

export const LEVELS = ['error', 'warning', 'notice', 'verbose', 'debug'] as const
export type Level = (typeof LEVELS)[number]

export function isLevel(text: string): text is Level {
  return (LEVELS as readonly string[]).includes(text)
}

export interface Logger {
  readonly category: string
  error(message: string): void
  warning(message: string): void
  notice(message: string): void
  verbose(message: string): void
  debug(message: () => string): void
  /** What whoever asks can bring about all day: the same is said once a minute, and so is only so much of all. A notice. */
  refusal(message: string, level?: 'notice' | 'warning'): void
  enabled(level: Level): boolean
}

export interface LogLine {
  readonly time: Date
  readonly level: Level
  readonly category: string
  readonly message: string
}
export type LogSink = (line: LogLine) => void

export function formatLogLine({ time, level, category, message }: LogLine): string {
  const pad = (n: number): string => String(n).padStart(2, '0')
  const stamp =
    `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ` +
    `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  return `[${stamp}] ${level.toUpperCase()}[${category}]: ${oneLine(message)}`
}

/** What a peer sent may end up in a message: it must not forge a second line, move a terminal's cursor or turn letters round. */
function oneLine(message: string): string {
  return message.replace(
    /[\x00-\x08\x0a-\x1f\x7f\u0080-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

export class Log {
  #level: Level
  readonly #levels = new Map<string, Level>()
  /** With the level that each wants to see, as its place in LEVELS; -1 for what is set. */
  readonly #sinks = new Map<LogSink, number>()
  /** What the most curious of them wants to see. */
  #most = -1
  readonly #loggers = new Map<string, Logger>()
  readonly #refusals: Strikes

  /** `now`: milliseconds. */
  constructor(level: Level = 'notice', now = (): number => performance.now()) {
    this.#level = level
    this.#refusals = new Strikes(now)
  }

  /** `level`: what this one is told of, too, where less is set. */
  addSink(sink: LogSink, level?: Level): Undo {
    const recount = (): void => {
      this.#most = Math.max(-1, ...this.#sinks.values())
    }
    this.#sinks.set(sink, level === undefined ? -1 : LEVELS.indexOf(level))
    recount()
    return () => {
      this.#sinks.delete(sink)
      recount()
    }
  }

  /** `logger set level LEVEL [category]`; without a category it is the level of all that have none of their own. */
  setLevel(level: Level, category?: string): void {
    if (category === undefined) this.#level = level
    else this.#levels.set(category, level)
  }

  /** It has the level of all again. */
  unsetLevel(category: string): void {
    this.#levels.delete(category)
  }

  levelOf(category: string): Level {
    return this.#levels.get(category) ?? this.#level
  }

  get categories(): string[] {
    return [...this.#loggers.keys()].sort()
  }

  logger(category: string): Logger {
    let logger = this.#loggers.get(category)
    if (!logger) this.#loggers.set(category, (logger = this.#make(category)))
    return logger
  }

  #make(category: string): Logger {
    const isSet = (place: number): boolean => place <= LEVELS.indexOf(this.levelOf(category))
    const enabled = (level: Level): boolean => {
      const place = LEVELS.indexOf(level)
      return place <= this.#most || isSet(place)
    }
    const write = (level: Level, message: string): void => {
      const place = LEVELS.indexOf(level)
      const forAll = isSet(place)
      if (!forAll && place > this.#most) return
      const line = { time: new Date(), level, category, message }
      for (const [sink, most] of this.#sinks) if (forAll || place <= most) sink(line)
    }
    return {
      category,
      enabled,
      error: (m) => write('error', m),
      warning: (m) => write('warning', m),
      notice: (m) => write('notice', m),
      verbose: (m) => write('verbose', m),
      debug: (m) => {
        if (enabled('debug')) write('debug', m())
      },
      refusal: (m, level = 'notice') => {
        if (enabled(level) && this.#refusals.strike(category, m, 1, REFUSAL_INTERVAL) !== undefined) write(level, m)
      },
    }
  }
}

/** The text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
