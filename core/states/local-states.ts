/**
 * States without Asterisk, set at the console: `devstate change Custom:x INUSE`, `presencestate change
 * CustomPresence:x away,lunch,text`, `mwi update 100@default 2 1`. Their origin is `local`; the store keeps them.
 */
import { CommandError, type Console, type ConsoleCommand, type ConsoleOutput, plain } from '../console/console.ts'
import type { Undo } from '../scope.ts'
import { DEVICE_STATES, type Devices, isDeviceState } from './devices.ts'
import { type Mailboxes, mailboxName } from './mailboxes.ts'
import { isPresenceName, PRESENCE_STATES, type Presences } from './presence.ts'
import type { Listed } from './reported.ts'

export const LOCAL = 'local'

export function registerLocalStates(
  console: Console,
  { devices, presences, mailboxes }: { devices: Devices; presences: Presences; mailboxes: Mailboxes },
): Undo {
  return console.register(...deviceCommands(devices), ...presenceCommands(presences), ...mailboxCommands(mailboxes))
}

function deviceCommands(devices: Devices): ConsoleCommand[] {
  return [
    {
      words: 'devstate change',
      args: '<Custom:name> <state>',
      help: 'Sets a custom device state.',
      complete: (place) => (place === 0 ? namesOf(devices.list(), 'custom:') : DEVICE_STATES),
      run: ([name, state], out) => {
        const device = custom(name, 'Custom:')
        const wanted = state?.toUpperCase() ?? ''
        if (!isDeviceState(wanted))
          throw new CommandError(`'${state ?? ''}' is no device state, expected one of ${DEVICE_STATES.join(', ')}`)
        devices.set(LOCAL, device, wanted)
        out.print(`Changing ${device} to ${wanted}`)
      },
    },
    {
      words: 'devstate delete',
      args: '<Custom:name>',
      help: 'Takes back a custom device state that was set here.',
      complete: () => namesOf(devices.list(), 'custom:'),
      run: ([name], out) => {
        const device = custom(name, 'Custom:')
        needLocal(device, devices.reports(device))
        devices.set(LOCAL, device, undefined)
        out.print(`Deleted ${device}`)
      },
    },
    {
      words: 'devstate list',
      help: 'Shows all device states that are known, with who says so.',
      run: (_args, out) => printStates(out, 'device states', devices.list(), String),
    },
  ]
}

function presenceCommands(presences: Presences): ConsoleCommand[] {
  return [
    {
      words: 'presencestate change',
      args: '<CustomPresence:name> <state>[,subtype[,message[,options]]]',
      isText: true,
      help: 'Sets a custom presence state; option e says that subtype and message are in base64.',
      complete: (place) => (place === 0 ? namesOf(presences.list(), 'custompresence:') : PRESENCE_STATES.slice(1)),
      run: ([name, ...rest], out) => {
        const provider = custom(name, 'CustomPresence:')
        const [state = '', subtype = '', message = '', ...options] = rest.join(' ').split(',')
        const wanted = state.toLowerCase()
        if (!isPresenceName(wanted) || wanted === 'invalid') {
          throw new CommandError(
            `'${state}' is no presence state, expected one of ${PRESENCE_STATES.slice(1).join(', ')}`,
          )
        }
        // Asterisk takes whatever comes after a comma in the message for options, and an e in it for base64.
        const option = options.join(',').trim()
        if (option !== '' && option !== 'e') {
          throw new CommandError(
            `',${option}' is no option, expected e; a message with commas has to be in base64, with ,e after it`,
          )
        }
        const text = (value: string): string => (option === 'e' ? Buffer.from(value, 'base64').toString('utf8') : value)
        presences.set(LOCAL, provider, { state: wanted, subtype: text(subtype), message: text(message) })
        out.print(plain(`Changing ${provider} to ${wanted}, subtype ${text(subtype)}, message ${text(message)}`))
      },
    },
    {
      words: 'presencestate list',
      help: 'Shows all presence states that are known, with who says so.',
      run: (_args, out) =>
        printStates(out, 'presence states', presences.list(), (p) =>
          [p.state, p.subtype, p.message].filter(Boolean).join(', '),
        ),
    },
  ]
}

function mailboxCommands(mailboxes: Mailboxes): ConsoleCommand[] {
  return [
    {
      words: 'mwi update',
      args: '<mailbox[@context]> <new> [old]',
      help: 'Sets the message counts of a mailbox.',
      complete: (place) => (place === 0 ? namesOf(mailboxes.list(), '') : []),
      run: ([name, fresh, old = '0'], out) => {
        const mailbox = readMailbox(name)
        const counts = { newMessages: count(fresh), oldMessages: count(old) }
        mailboxes.set(LOCAL, mailbox, counts)
        out.print(`Mailbox ${mailbox} has ${counts.newMessages} new and ${counts.oldMessages} old messages`)
      },
    },
    {
      words: 'mwi delete',
      args: '<mailbox[@context]>',
      help: 'Takes back the message counts that were set here.',
      complete: () => namesOf(mailboxes.list(), ''),
      run: ([name], out) => {
        if (name === undefined) throw new CommandError('expected a mailbox: 100@default')
        const mailbox = mailboxName(name)
        needLocal(mailbox, mailboxes.reports(mailbox))
        mailboxes.set(LOCAL, mailbox, undefined)
        out.print(`Deleted ${mailbox}`)
      },
    },
    {
      words: 'mwi list',
      help: 'Shows all mailboxes that are known, with who says so.',
      run: (_args, out) =>
        printStates(out, 'mailboxes', mailboxes.list(), (c) => `${c.newMessages} new, ${c.oldMessages} old`),
    },
  ]
}

/** The name of what is set here, with its prefix as Asterisk writes it. */
function custom(name: string | undefined, prefix: string): string {
  if (name === undefined) throw new CommandError(`expected a name that begins with ${prefix}`)
  if (!name.toLowerCase().startsWith(prefix.toLowerCase()) || name.length === prefix.length)
    throw new CommandError(`${name} cannot be changed here, only names that begin with ${prefix}`)
  return prefix + name.slice(prefix.length)
}

function namesOf(listed: readonly { name: string }[], prefix: string): string[] {
  return listed.map((item) => item.name).filter((name) => name.toLowerCase().startsWith(prefix))
}

/** What nobody has set here cannot be taken back: another name was meant. */
function needLocal(name: string, reports: readonly { readonly origin: string }[]): void {
  if (!reports.some(({ origin }) => origin === LOCAL)) throw new CommandError(`nothing was set here for ${name}`)
}

function readMailbox(text = ''): string {
  const name = mailboxName(text)
  if (!/^[^@]+@[^@]+$/.test(name)) throw new CommandError('expected a mailbox: 100@default')
  return name
}

function count(text: string | undefined): number {
  if (text === undefined || !/^[0-9]{1,9}$/.test(text))
    throw new CommandError(`'${text ?? ''}' is no number of messages`)
  return Number(text)
}

function printStates<T>(
  out: ConsoleOutput,
  what: string,
  listed: readonly Listed<T>[],
  show: (state: T) => string,
): void {
  for (const { name, state, reports } of listed) {
    const says = reports.map((r) => `${r.origin}: ${show(r.state)}, ${ageOf(r.since)}`).join('; ')
    out.print(plain(`${name.padEnd(36)} ${show(state).padEnd(16)} ${says || 'nobody has said'}`))
  }
  out.print(`${listed.length} ${what}`)
}

/** `for 3 min`, for people. */
function ageOf(since: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - since) / 1000))
  if (seconds < 120) return `for ${seconds} s`
  if (seconds < 7200) return `for ${Math.round(seconds / 60)} min`
  return seconds < 172800 ? `for ${Math.round(seconds / 3600)} h` : `for ${Math.round(seconds / 86400)} days`
}
