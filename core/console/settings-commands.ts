/** The console commands about the configuration as a whole: `core show settings`, `voicemail show users`. */
import type { Configuration } from '../conf/configuration.ts'
import type { Core } from '../core.ts'
import type { Undo } from '../scope.ts'
import { nativePart } from '../sip/addon.ts'
import type { Listening } from '../sip/stack.ts'
import { addressText } from './commands.ts'
import { CommandError, type Console, type ConsoleCommand, type ConsoleOutput, likeFilter } from './console.ts'

/** A mailbox and whose it is. */
type Row = readonly [name: string, text: string]

export interface SettingsCommandSettings {
  readonly console: Console
  readonly core: Pick<Core, 'mailboxes'>
  readonly configuration: () => Configuration
  /** As it was at the start: paths do not change until the next one. */
  readonly started: Configuration
  readonly listening: () => readonly Listening[]
}

export function registerSettingsCommands(settings: SettingsCommandSettings): Undo {
  return settings.console.register(showSettings(settings), ...mailboxCommands(settings))
}

function showSettings({ configuration, started, listening }: SettingsCommandSettings): ConsoleCommand {
  return {
    words: 'core show settings',
    help: 'Shows addresses, paths and general settings.',
    run: (_args, out) => {
      const { directory, storePath, consoleSocket, logFile } = started
      const { servers, general } = configuration()
      out.print(`Listening on: ${listening().map(addressText).join(', ')}`)
      for (const line of datagramLines(listening())) out.print(line)
      out.print(`Configuration: ${directory}`)
      out.print(`Store: ${storePath}`)
      out.print(`Console socket: ${consoleSocket}`)
      out.print(`Log file: ${logFile ?? '(none)'}`)
      out.print(`Asterisk servers: ${servers.map(({ name }) => name).join(', ') || '(none)'}`)
      for (const [name, value] of Object.entries(general))
        out.print(`${name}: ${typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)}`)
    },
  }
}

/** How UDP is done; why it is done one by one. */
function datagramLines(listening: readonly Listening[]): string[] {
  const kinds = new Set(listening.flatMap(({ datagrams }) => datagrams ?? []))
  const native = nativePart()
  return [...kinds].map((kind) =>
    kind === 'batched'
      ? 'UDP datagrams: in batches'
      : `UDP datagrams: one by one${native.kind === 'missing' ? ` (the native part: ${native.why})` : ''}`,
  )
}

function mailboxCommands({ configuration, core }: SettingsCommandSettings): ConsoleCommand[] {
  const counts = (name: string): string => {
    if (core.mailboxes.reports(name).length === 0) return 'nobody has said'
    const { newMessages, oldMessages } = core.mailboxes.get(name)
    return `${newMessages} new, ${oldMessages} old`
  }
  const users = (): Row[] =>
    [...configuration().mailboxes.mailboxes.values()].map(({ name, fullName }) => [name, fullName])
  const aliases = (): Row[] => [...configuration().mailboxes.aliases].map(([name, mailbox]) => [name, `is ${mailbox}`])
  const show = (rows: readonly Row[], out: ConsoleOutput): void => {
    for (const [name, text] of rows) out.print(`${name.padEnd(28)} ${text.padEnd(28)} ${counts(name)}`)
    out.print(`${rows.length} mailboxes`)
  }
  const contexts = (): string[] => [...new Set([...users(), ...aliases()].map(([name]) => contextOf(name)))]
  return [
    {
      words: 'voicemail show users',
      args: '[like <regular expression>]',
      help: 'Shows the mailboxes and aliases of voicemail.conf, with what is known of their messages.',
      run: (args, out) => {
        const like = likeFilter(args)
        show(
          [...users(), ...aliases()].filter(([name]) => like(name)),
          out,
        )
      },
    },
    {
      words: 'voicemail show users for',
      args: '<context>',
      help: 'Shows those of one context.',
      complete: contexts,
      run: ([context], out) => {
        const found = [...users(), ...aliases()].filter(([name]) => contextOf(name) === context)
        if (found.length === 0)
          throw new CommandError(
            `no mailbox is in context '${context ?? ''}', only in ${contexts().join(', ') || 'none'}`,
          )
        show(found, out)
      },
    },
    {
      words: 'voicemail show aliases',
      help: 'Shows the aliases of voicemail.conf (aliasescontext).',
      run: (_args, out) => show(aliases(), out),
    },
  ]
}

function contextOf(mailbox: string): string {
  return mailbox.slice(mailbox.indexOf('@') + 1)
}
