/** The console commands about the configuration as a whole: `core show settings`, `voicemail show users`. */
import type { Configuration } from '../conf/configuration.ts'
import type { Core } from '../core.ts'
import type { Undo } from '../scope.ts'
import { nativePart } from '../sip/addon.ts'
import type { Listening } from '../sip/stack.ts'
import { addressText } from './commands.ts'
import { type Console, type ConsoleCommand, likeFilter } from './console.ts'

export interface SettingsCommandSettings {
  readonly console: Console
  readonly core: Pick<Core, 'mailboxes'>
  readonly configuration: () => Configuration
  /** As it was at the start: paths do not change until the next one. */
  readonly started: Configuration
  readonly listening: () => readonly Listening[]
}

export function registerSettingsCommands(settings: SettingsCommandSettings): Undo {
  return settings.console.register(showSettings(settings), showMailboxes(settings))
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

function showMailboxes({ configuration, core }: SettingsCommandSettings): ConsoleCommand {
  return {
    words: 'voicemail show users',
    args: '[like <regular expression>]',
    help: 'Shows the mailboxes and aliases of voicemail.conf, with what is known of their messages.',
    run: (args, out) => {
      const like = likeFilter(args)
      const { mailboxes, aliases } = configuration().mailboxes
      const counts = (name: string): string => {
        if (core.mailboxes.reports(name).length === 0) return 'nobody has said'
        const { newMessages, oldMessages } = core.mailboxes.get(name)
        return `${newMessages} new, ${oldMessages} old`
      }
      const shown = [
        ...[...mailboxes.values()].map(({ name, fullName }) => ({ name, text: fullName })),
        ...[...aliases].map(([name, mailbox]) => ({ name, text: `is ${mailbox}` })),
      ].filter(({ name }) => like(name))
      for (const { name, text } of shown) out.print(`${name.padEnd(28)} ${text.padEnd(28)} ${counts(name)}`)
      out.print(`${shown.length} mailboxes`)
    },
  }
}
