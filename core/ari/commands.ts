/** The console commands of the bridges: `ari show servers`, `ari show server`, `ari reconcile`. */
import { CommandError, type ConsoleCommand, type ConsoleOutput, plain, printTable } from '../console/console.ts'
import { reasonOf } from '../log.ts'
import type { Bridge } from './bridge.ts'
import type { BridgeStatus } from './bridge-contract.ts'
import type { Reconciliation } from './reconcile.ts'

/** Of what could not be read, so many are named. */
const UNREAD_NAMED = 5

export function ariCommands(bridges: () => readonly Bridge[]): ConsoleCommand[] {
  const names = (): readonly string[] => bridges().map(({ name }) => name)
  const find = (name: string): Bridge => {
    const bridge = bridges().find((one) => one.name.toLowerCase() === name.toLowerCase())
    if (!bridge)
      throw new CommandError(`no Asterisk server is called '${name}'; there is: ${names().join(', ') || 'none'}`)
    return bridge
  }
  return [
    {
      words: 'ari show servers',
      help: 'Lists the Asterisk servers and how the connection to each is.',
      run: (_args, out) => showAll(bridges(), out),
    },
    {
      words: 'ari show server',
      args: '<name>',
      help: 'Shows one Asterisk server: its state, what was learned from it, and what is to be changed there.',
      complete: (place) => (place === 0 ? names() : []),
      run: ([name], out) => {
        if (name === undefined) throw new CommandError('Usage: ari show server <name>')
        showOne(find(name).status(), out)
      },
    },
    {
      words: 'ari reconcile',
      args: '[name]',
      help: 'Compares what is believed with what Asterisk says, of one server or of all, and repairs what differs.',
      complete: (place) => (place === 0 ? names() : []),
      run: async ([name], out) => {
        const failures: string[] = []
        for (const bridge of name === undefined ? bridges() : [find(name)])
          await reconcileNow(bridge, out).catch((error: unknown) => failures.push(reasonOf(error)))
        // One that is away keeps nobody from comparing the others.
        if (failures.length > 0) throw new CommandError(failures.join('; '))
      },
    },
  ]
}

function showAll(bridges: readonly Bridge[], out: ConsoleOutput): void {
  if (bridges.length === 0) return out.print('No Asterisk server is configured (type = server in lamplighter.conf).')
  const head = [
    'Name',
    'URL',
    'State',
    'Version',
    'Connected since',
    'Round trip',
    'Events',
    'Repaired',
    'Devices',
    'Last error',
  ]
  printTable(out, [head, ...bridges.map((bridge) => rowOf(bridge.status()))])
}

function rowOf(status: BridgeStatus): string[] {
  return [
    status.name,
    status.url,
    stateText(status),
    status.asterisk?.version ?? '-',
    status.connectedSince ? shortTime(status.connectedSince) : '-',
    roundTripText(status),
    String(status.events),
    String(status.repaired),
    String(status.devices),
    errorText(status, shortTime),
  ]
}

function showOne(status: BridgeStatus, out: ConsoleOutput): void {
  const { asterisk, lastReconciliation: last } = status
  const rows: [string, string][] = [
    ['Name', status.name],
    ['URL', status.url],
    ['Application', status.app],
    ['State', `${stateText(status)}, since ${status.since.toISOString()}`],
    ['Connected', status.connectedSince ? `since ${status.connectedSince.toISOString()}` : 'no'],
    ['Round trip', roundTripText(status)],
    ['Last error', errorText(status, (at) => at.toISOString())],
    ['Asterisk', asterisk ? `${asterisk.version}, started ${asterisk.startupTime}` : 'never reached'],
    ['Connects', String(status.connects)],
    ['Events', String(status.events)],
    ['Requests without answer', String(status.timeouts)],
    ['Devices', String(status.devices)],
    ['Mailboxes', String(status.mailboxes)],
    ['Presence states', String(status.presences)],
    ['Calls', String(status.calls)],
    ['Hints remembered', String(status.hints)],
    ['Reconciled', last ? `${last.at.toISOString()}, ${last.repaired.length} repaired${unreadText(last)}` : 'not yet'],
    ['Repaired since the start', String(status.repaired)],
  ]
  for (const [name, value] of rows) out.print(plain(`${`${name}:`.padEnd(26)}${value}`))
  for (const complaint of status.complaints) out.print(plain(`To do: ${complaint}`))
}

function unreadText({ unread }: Reconciliation): string {
  return unread.length > 0 ? `, ${unread.length} could not be read` : ''
}

function stateText({ state, retryAt }: BridgeStatus): string {
  if (state !== 'away' && state !== 'stale') return state
  const seconds = retryAt ? Math.max(0, Math.ceil((retryAt.getTime() - Date.now()) / 1000)) : 0
  return `${state} (next attempt in ${seconds} s)`
}

function roundTripText({ roundTrip }: BridgeStatus): string {
  return roundTrip === undefined ? '-' : `${roundTrip.toFixed(1)} ms`
}

function errorText({ lastError }: BridgeStatus, time: (at: Date) => string): string {
  return lastError ? `${time(lastError.at)} ${lastError.text}` : 'none'
}

/** `2026-03-01 09:12:44Z` */
function shortTime(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')}Z`
}

async function reconcileNow(bridge: Bridge, out: ConsoleOutput): Promise<void> {
  const { repaired, unread } = await bridge.reconcile()
  for (const { what, believed, found } of repaired) {
    out.print(plain(`${bridge.name}: ${what} was believed ${believed}, Asterisk says ${found}; repaired`))
  }
  if (unread.length > 0) {
    const some = unread.slice(0, UNREAD_NAMED).join(', ')
    const more = unread.length > UNREAD_NAMED ? `, and ${unread.length - UNREAD_NAMED} more` : ''
    out.print(plain(`${bridge.name}: could not be asked for ${some}${more}; see ari show server ${bridge.name}`))
  } else if (repaired.length === 0) out.print(`${bridge.name}: nothing differs`)
}
