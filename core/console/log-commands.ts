/** The console commands about the log, in our words and in Asterisk's: `logger set level debug`, `core set debug 3`. */
import { didYouMean } from '../conf/suggestion.ts'
import type { Core } from '../core.ts'
import type { Loader } from '../loader.ts'
import { isLevel, LEVELS, type Level } from '../log.ts'
import { CommandError, type ConsoleCommand, type ConsoleLog, type ConsoleOutput } from './console.ts'

export interface LogOperations {
  /** As lamplighter.conf has it. */
  readonly configuredLevel: () => Level
  reopenLog(): void
}

export function logCommands(
  core: Pick<Core, 'log'>,
  loader: Pick<Loader, 'list'>,
  operations: LogOperations,
): ConsoleCommand[] {
  // A module may be loaded later.
  const categories = (): string[] =>
    [...new Set([...core.log.categories, ...loader.list().map(({ name }) => name)])].sort()
  const expectKnown = (category: string | undefined): void => {
    const known = categories()
    if (category === undefined || known.includes(category)) return
    const hint = didYouMean(category, known) || `, expected one of ${known.join(', ')}`
    throw new CommandError(`'${category}' is no category${hint}`)
  }
  const setLevel = (level: Level, category: string | undefined, out: ConsoleOutput): void => {
    expectKnown(category)
    core.log.setLevel(level, category)
    out.print(`Level of ${category ?? 'all'} is ${level}`)
  }
  return [
    {
      words: 'logger set level',
      args: '<level> [category]',
      help: 'Sets what is logged, in all or of one module.',
      complete: (place) => (place === 0 ? LEVELS : categories()),
      run: ([level = '', category], out) => {
        const wanted = level.toLowerCase()
        if (!isLevel(wanted)) throw new CommandError(`'${level}' is no level, expected one of ${LEVELS.join(', ')}`)
        setLevel(wanted, category, out)
      },
    },
    {
      words: 'logger show levels',
      help: 'Shows the level of each category.',
      run: (_a, out) =>
        core.log.categories.forEach((category) => out.print(`${category.padEnd(44)} ${core.log.levelOf(category)}`)),
    },
    {
      words: 'logger reload',
      help: 'Opens the log file anew, after a rotation.',
      run: (_a, out) => {
        operations.reopenLog()
        out.print('Log file reopened')
      },
    },
    {
      words: 'logger mute',
      help: 'Shows no log at this console, or shows it again.',
      run: (_a, out) => {
        const log = shownHere(out)
        if (log.isMuted) log.show()
        else log.mute()
        out.print(log.isMuted ? 'Console is muted.' : 'Console is not muted anymore.')
      },
    },
    {
      words: 'core set verbose',
      args: '<number>|off',
      help: 'Shows verbose lines of the log at this console, however little is logged elsewhere.',
      complete: () => ['off'],
      run: ([number], out) => {
        const isOn = isOnAt('core set verbose <number>|off', number)
        shownHere(out).show(isOn ? 'verbose' : undefined)
        out.print(isOn ? 'This console shows verbose lines of the log' : 'This console shows what is logged')
      },
    },
    {
      words: 'core set debug',
      args: '<number>|off [category]',
      help: 'Logs all there is, in all or of one module; off takes that back, without a module for all of them.',
      complete: (place) => (place === 0 ? ['off'] : categories()),
      run: ([number, category], out) => {
        if (isOnAt('core set debug <number>|off [category]', number)) return setLevel('debug', category, out)
        expectKnown(category)
        for (const one of category === undefined ? categories() : [category])
          if (core.log.levelOf(one) === 'debug') core.log.unsetLevel(one)
        const level = category === undefined ? operations.configuredLevel() : core.log.levelOf(category)
        if (category === undefined) core.log.setLevel(level)
        out.print(`Level of ${category ?? 'all'} is ${level}`)
      },
    },
  ]
}

/** Asterisk counts; here a number above 0 is as good as another. */
function isOnAt(usage: string, number = ''): boolean {
  if (number.toLowerCase() === 'off') return false
  if (!/^\d+$/.test(number)) throw new CommandError(`Usage: ${usage}`)
  return Number(number) > 0
}

function shownHere({ log }: ConsoleOutput): ConsoleLog {
  if (log) return log
  throw new CommandError("no log is shown here but at a console on a terminal; 'logger set level' sets what is logged")
}
