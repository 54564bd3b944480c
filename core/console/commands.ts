/** The console commands of the core: `core …`, `module …`, `pjsip set logger`, `dialplan reload`. */

import { parseAddress } from '../auth/networks.ts'
import type { Dialplan } from '../conf/dialplan.ts'
import type { Core } from '../core.ts'
import type { Loader } from '../loader.ts'
import type { Undo } from '../scope.ts'
import { printHostPort } from '../sip/parse-uri.ts'
import type { Listening } from '../sip/stack.ts'
import { EXTENSION_TEXT } from '../states/extension-state.ts'
import type { Hint } from '../states/hint.ts'
import { hintContexts } from '../states/hint-contexts.ts'
import { CommandError, type ConsoleCommand, type ConsoleOutput, likeFilter, plain, usage } from './console.ts'
import { dialplanShow, extensionIn } from './dialplan-commands.ts'
import { type LifeOperations, lifeCommands } from './life-commands.ts'
import { type LogOperations, logCommands } from './log-commands.ts'

/** What the commands do that only the whole server can. */
export interface Operations extends LifeOperations, LogOperations {
  readonly version: string
  readonly listening: () => readonly Listening[]
  readonly dialplan: Dialplan
  /** Reads the dialplan again, from files and from every Asterisk. */
  reloadDialplan(): Promise<void>
}

export function registerCoreCommands(core: Core, loader: Loader, operations: Operations): Undo {
  return core.console.register(
    ...coreCommands(core, operations),
    ...lifeCommands(operations),
    ...hintCommands(core, operations),
    dialplanShow(operations.dialplan),
    ...moduleCommands(core, loader),
    ...logCommands(core, loader, operations),
    ...traceCommands(core),
  )
}

/** `udp:127.0.0.1:5060`, `tls:[::1]:5061`. */
export function addressText({ protocol, address, port }: Listening): string {
  return `${protocol.toLowerCase()}:${printHostPort(address, port)}`
}

function coreCommands(core: Core, operations: Operations): ConsoleCommand[] {
  return [
    ...['core show help', 'help'].map((words) => ({
      words,
      args: '[words]',
      isText: true,
      help: 'Shows all commands, or those that begin with some words.',
      run: (args: readonly string[], out: ConsoleOutput) => {
        const wanted = args.join(' ').toLowerCase()
        const found = core.console.commands.filter((command) => command.words.toLowerCase().startsWith(wanted))
        if (found.length === 0) throw new CommandError(`no command begins with '${wanted}'`)
        for (const command of found) out.print(`${usage(command).slice('Usage: '.length).padEnd(56)} ${command.help}`)
      },
    })),
    {
      words: 'core show version',
      help: 'Shows the version.',
      run: (_a, out) => out.print(`Lamplighter ${operations.version} on Node.js ${process.version}`),
    },
    {
      words: 'core show metrics',
      args: '[like <regular expression>]',
      help: 'Shows all counters.',
      run: (args, out) => {
        const like = likeFilter(args)
        for (const [name, value] of core.metrics.read()) if (like(name)) out.print(`${name.padEnd(48)} ${value}`)
      },
    },
    ...['show', 'list'].map((verb) => ({
      words: `pjsip ${verb} transports`,
      help: 'Shows where it listens.',
      run: (_a: readonly string[], out: ConsoleOutput) => {
        for (const listening of operations.listening())
          out.print(`Transport:  ${listening.transport.padEnd(24)} ${addressText(listening)}`)
      },
    })),
  ]
}

function hintCommands(core: Core, operations: Operations): ConsoleCommand[] {
  const names = (): string[] => [...core.hints.list(), ...core.hints.extensions()].map(({ exten }) => exten)
  return [
    {
      words: 'core show hints',
      args: '[like <regular expression>]',
      help: 'Shows the hints in use.',
      run: (args, out) => {
        const like = likeFilter(args)
        printHints(
          core.hints.list().filter((hint) => like(`${hint.exten}@${hint.context}`)),
          out,
        )
      },
    },
    {
      words: 'core show hint',
      args: '<extension>[@context]',
      help: 'Shows the hints of one extension, watched or not, with the state of each device.',
      complete: names,
      run: async ([wanted], out) => {
        if (wanted === undefined) throw new CommandError('Usage: core show hint <extension>[@context]')
        const found = await hintsOf(wanted, core)
        printHints(found, out)
        for (const hint of found) printDetails(core, hint, out)
      },
    },
    {
      words: 'core show calls',
      help: 'Shows the calls that dialog-info is made from.',
      run: (_a, out) => {
        const calls = core.calls.list()
        for (const call of calls) {
          const party = `with ${call.remote.number || 'unknown'}  (${call.origin} ${call.id})`
          const how = `${call.direction.padEnd(10)} ${call.state.padEnd(10)} ${call.held ? 'held ' : '     '}`
          out.print(plain(`${call.device.padEnd(28)} ${how} ${party}`))
        }
        out.print(`${calls.length} calls`)
      },
    },
    {
      words: 'dialplan reload',
      help: 'Reads the hints again, from files and from every Asterisk.',
      run: async (_a, out) => {
        await operations.reloadDialplan()
        out.print('Dialplan reloaded')
      },
    },
  ]
}

/** Those that are in use, also where the dialplan has them no more, and those that a source knows. */
async function hintsOf(wanted: string, core: Core): Promise<ReadonlySet<Hint>> {
  const [exten, context] = extensionIn(wanted) ?? [wanted, undefined]
  const contexts = context === undefined ? hintContexts(exten, core) : new Set([context])
  const found = new Set(core.hints.list().filter((hint) => hint.exten === exten && contexts.has(hint.context)))
  let isUnknown = false
  for (const each of contexts) {
    const hint = await core.hints.find(each, exten)
    if (typeof hint === 'object') found.add(hint)
    isUnknown ||= hint === 'unreachable'
  }
  if (found.size > 0) return found
  if (isUnknown) throw new CommandError(`no Asterisk server can say now whether there is a hint ${wanted}`)
  const elsewhere = core.hints.extensions().flatMap((one) => (one.exten === exten ? [one.context] : []))
  const but = elsewhere.length > 0 ? `, but in ${elsewhere.join(', ')}` : ''
  throw new CommandError(
    contexts.size > 0
      ? `there is no hint ${exten} in ${[...contexts].join(', ')}${but}`
      : `no hint ${exten} is in use, and no endpoint says in which context it would be: core show hint ${exten}@context`,
  )
}

function printHints(hints: Iterable<Hint>, out: ConsoleOutput): void {
  out.print('    -= Registered Asterisk Dial Plan Hints =-')
  for (const hint of hints) {
    const { definition, value, watchers } = hint
    const devices = definition ? [definition.devices.join('&'), ...definition.presence].join(',') : '(gone)'
    const name = `${hint.exten}@${hint.context}`
    const states = `State:${EXTENSION_TEXT[value.state].padEnd(15)} Presence:${value.presence.state.padEnd(15)}`
    out.print(plain(`${name.padEnd(20)}: ${devices.padEnd(20)}  ${states} Watchers ${String(watchers).padStart(2)}`))
  }
  out.print('----------------')
  out.print(`- ${[...hints].length} hints registered`)
}

function printDetails(core: Core, hint: Hint, out: ConsoleOutput): void {
  out.print(`${hint.exten}@${hint.context} from ${hint.definition?.source ?? 'a dialplan that has it no more'}`)
  // Not of the hint's value, which is as it was when its lamp last changed.
  for (const device of hint.definition?.devices ?? []) {
    const state = core.devices.get(device)
    const says = core.devices.reports(device).map((report) => `${report.origin}: ${report.state}`)
    out.print(plain(`  ${device.padEnd(30)} ${state.padEnd(12)} ${says.join(', ') || 'nobody has said'}`))
  }
  for (const name of hint.definition?.presence ?? []) {
    const says = core.presences.reports(name).map((report) => `${report.origin}: ${report.state.state}`)
    const { state } = core.presences.get(name)
    out.print(plain(`  ${name.padEnd(30)} ${state.padEnd(12)} ${says.join(', ') || 'nobody has said'}`))
  }
}

function moduleCommands(core: Core, loader: Loader): ConsoleCommand[] {
  const names = (): string[] => loader.list().map((module) => module.name)
  const several = (args: readonly string[]): string[] => {
    if (args.length === 0) throw new CommandError('expected the name of a module')
    return args.map((name) => name.replace(/\.so$/, ''))
  }
  const one = (args: readonly string[]): string => several(args)[0] ?? ''
  return [
    {
      words: 'module show',
      args: '[like <text>]',
      help: 'Shows the modules, what uses them and how they are.',
      run: (args, out) => {
        const like = likeFilter(args)
        const found = loader.list().filter(({ name }) => like(name) || like(`${name}.so`))
        out.print(`${'Module'.padEnd(44)} ${'Description'.padEnd(56)} Use Count  Status`)
        for (const { name, description, usedBy, status, why } of found) {
          out.print(
            `${name.padEnd(44)} ${description.slice(0, 56).padEnd(56)} ${String(usedBy.length).padEnd(10)} ${status}${why ? ` (${why})` : ''}`,
          )
        }
        out.print(`${found.length} modules`)
      },
    },
    {
      words: 'module load',
      args: '<module>',
      help: 'Loads a module.',
      complete: names,
      run: async (args, out) => {
        const name = one(args)
        await loader.load(name)
        out.print(`Loaded ${name}`)
      },
    },
    {
      words: 'module unload',
      args: '<module> [<module> ...]',
      help: 'Unloads modules, each after those that require it.',
      complete: names,
      run: async (args, out) => {
        const gone = new Set<string>()
        for (const name of several(args)) {
          if (gone.has(name)) continue
          const names = await loader.unload(name)
          for (const each of names) gone.add(each)
          out.print(`Unloaded ${names.join(', ')}`)
        }
      },
    },
    {
      words: 'module reload',
      args: '[<module> ...]',
      help: 'Lets modules read their options again.',
      complete: names,
      run: async (args, out) => {
        for (const name of args.length > 0 ? several(args) : [undefined]) {
          await loader.reload(name)
          out.print(`Reloaded ${name ?? 'all modules'}`)
        }
      },
    },
    {
      words: 'module refresh',
      args: '<module>',
      help: 'Unloads a module with those that require it, and loads all of them again.',
      complete: names,
      run: async (args, out) => {
        const name = one(args)
        const goOn = core.sip.hold()
        try {
          out.print(`Unloaded and loaded ${(await loader.restart(name)).join(', ')}`)
        } finally {
          await goOn()
        }
      },
    },
  ]
}

function traceCommands(core: Core): ConsoleCommand[] {
  return [
    {
      words: 'pjsip set logger',
      args: '{on|off|host <address>}',
      help: 'Shows all SIP messages in the log, or those of one peer.',
      complete: (place) => (place === 0 ? ['on', 'off', 'host'] : []),
      run: ([mode, host], out) => {
        const isHost = mode === 'host' && host !== undefined
        if (!isHost && ((mode !== 'on' && mode !== 'off') || host !== undefined))
          throw new CommandError('Usage: pjsip set logger {on|off|host <address>}')
        const address = isHost ? parseAddress(host)?.toString() : undefined
        if (isHost && address === undefined)
          throw new CommandError(`'${host}' is no IP address, and only those are looked at`)
        setTrace(core, mode === 'off' ? 'no' : (address ?? 'yes'))
        out.print(
          mode === 'off' ? 'PJSIP logging disabled' : `PJSIP logging enabled${isHost ? ` for host ${address}` : ''}`,
        )
      },
    },
  ]
}

/** `yes`, `no` or one address, as in the `debug` option of pjsip.conf's global section. */
export function setTrace(core: Core, wanted: string): void {
  const mode = wanted.toLowerCase()
  if (mode === 'no' || mode === '') return core.sip.trace(undefined)
  const log = core.log.logger('pjsip_trace')
  core.log.setLevel('verbose', 'pjsip_trace')
  core.sip.trace(
    (text) => text.split(/\r?\n/).forEach((line) => log.verbose(line)),
    // As a socket writes it: an IPv6 address may be written in many ways.
    mode === 'yes' ? undefined : (parseAddress(wanted)?.toString() ?? wanted),
  )
}
