/** The console commands about the server as a whole: since when it runs, `core reload`, `core stop …`, `core restart …`. */
import { CommandError, type ConsoleCommand, type ConsoleOutput } from './console.ts'

export interface LifeOperations {
  readonly started: Date
  /** When the files were last read. */
  readonly reloaded: () => Date
  /** Reads all files again. Throws with every fault, and then nothing has changed. */
  reload(): Promise<void>
  stop(): void
  /** As `stop`, for whoever runs it to start it again. Throws with every fault that would keep it from starting. */
  restart(): void
}

/** No call goes through here, and phones stay subscribed: there is nothing to wait for. */
const WHEN = ['now', 'gracefully', 'when convenient']

export function lifeCommands(operations: LifeOperations): ConsoleCommand[] {
  return [
    {
      words: 'core show uptime',
      args: '[seconds]',
      help: 'Shows how long it has been running, and when its files were last read.',
      complete: () => ['seconds'],
      run: ([unit], out) => {
        if (unit !== undefined && unit.toLowerCase() !== 'seconds')
          throw new CommandError('Usage: core show uptime [seconds]')
        const ago = (date: Date): string => {
          const seconds = Math.floor((Date.now() - date.getTime()) / 1000)
          return unit === undefined ? `${seconds} seconds, since ${date.toISOString()}` : String(seconds)
        }
        out.print(`System uptime: ${ago(operations.started)}`)
        out.print(`Last reload: ${ago(operations.reloaded())}`)
      },
    },
    {
      words: 'core waitfullybooted',
      help: 'Ends once Lamplighter serves; commands that come before wait for that.',
      run: (_a, out) => out.print('Lamplighter has fully booted.'),
    },
    ...['core reload', 'reload', 'pjsip reload', 'voicemail reload'].map((words) => ({
      words,
      help:
        words === 'core reload'
          ? 'Reads all configuration again; with a fault in it nothing changes.'
          : 'The same as core reload.',
      run: async (_a: readonly string[], out: ConsoleOutput) => {
        await operations.reload()
        out.print('Configuration reloaded')
      },
    })),
    ...WHEN.flatMap((when): ConsoleCommand[] => [
      {
        words: `core stop ${when}`,
        help: when === 'now' ? 'Saves its state and ends Lamplighter.' : 'The same as core stop now.',
        run: (_a, out) => {
          out.print('Stopping')
          operations.stop()
        },
      },
      {
        words: `core restart ${when}`,
        help: when === 'now' ? 'Ends Lamplighter for systemd to start it again.' : 'The same as core restart now.',
        run: (_a, out) => {
          operations.restart()
          out.print('Stopping, to be started again')
        },
      },
    ]),
  ]
}
