/** Text for a terminal. */
import { plain } from '../core/console/console.ts'

/** Whole ones of so many milliseconds; none below 0. */
export function seconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / 1000))
}

/** A line each, the names in a column. */
export function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return rows.map(([name, value]) => plain(`  ${name.padEnd(13)} ${value}`)).join('\n')
}

/** Asterisk's heading of the blocks that show subscriptions, of either role. */
export const SUBSCRIPTIONS_HEADER = `Endpoint: <Endpoint/Caller-ID.............................................>
Resource: <Resource/Event.................................................>
  Expiry: <Expiry>  <Call-id..............................................>
===========================================================================
`

/** The heading of the lines that list them. */
export const SUBSCRIPTIONS_COLUMNS = subscriptionLine('Endpoint/CLI', 'Resource/Event', 'Expiry', 'Call-id')

export function subscriptionLine(endpoint: string, resource: string, expiry: string | number, callId: string): string {
  const column = (text: string): string => text.slice(0, 30).padEnd(30)
  return plain(`${column(endpoint)} ${column(resource)} ${String(expiry).padStart(6)} ${callId}`)
}

/** All that is known of one thing, as Asterisk lists its parameters. */
export function parameters(rows: readonly (readonly [name: string, value: string | number])[]): string {
  const lines = rows.map(([name, value]) => plain(`${name.padEnd(15)}: ${value}`))
  return [`${'ParameterName'.padEnd(15)}: ParameterValue`, '='.repeat(60), ...lines].join('\n')
}
