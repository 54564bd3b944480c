/** Text for a terminal. */
import { type ConsoleCommand, likeFilter, plain } from '../core/console/console.ts'

/** Whole ones of so many milliseconds; none below 0. */
export function seconds(milliseconds: number): number {
  return Math.max(0, Math.ceil(milliseconds / 1000))
}

/** A line each, the names in a column. */
export function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return rows.map(([name, value]) => plain(`  ${name.padEnd(13)} ${value}`)).join('\n')
}

/** A subscription as Asterisk shows it. Texts are plain already. */
export interface SubscriptionShown {
  /** Endpoint and caller id; in the role of the subscriber, endpoint and what it is shown as. */
  readonly endpoint: string
  readonly resource: string
  readonly expiry: number
  readonly callId: string
  /** Shown where it may not be active. */
  readonly state?: string
}

const BLOCKS = `Endpoint: <Endpoint/Caller-ID.............................................>
Resource: <Resource/Event.................................................>
  Expiry: <Expiry>  <Call-id..............................................>
===========================================================================
`
const COLUMNS = columns('Endpoint/CLI', 'Resource/Event', 'Expiry', 'Call-id')

/** Asterisk's `pjsip show subscriptions` and `pjsip list subscriptions` of one role. `watched`: what is, for their help. */
export function subscriptionCommands(
  role: 'inbound' | 'outbound',
  watched: string,
  all: () => SubscriptionShown[],
): ConsoleCommand[] {
  // `like` compares with the text as it is shown.
  const like = (args: readonly string[]): SubscriptionShown[] => {
    const fits = likeFilter(args)
    return args.length === 0 ? all() : all().filter((one) => fits(block(one)))
  }
  return [
    {
      words: `pjsip show subscriptions ${role}`,
      args: '[like <regular expression>]',
      help: `Shows ${watched}.`,
      run: (args, out) => {
        const shown = like(args)
        out.print(BLOCKS)
        for (const one of shown) out.print(`${block(one)}\n`)
        out.print(counted(shown))
      },
    },
    {
      words: `pjsip list subscriptions ${role}`,
      args: '[like <regular expression>]',
      help: `Lists ${watched}, a line each.`,
      run: (args, out) => {
        const shown = like(args)
        out.print(COLUMNS)
        for (const one of shown) out.print(columns(one.endpoint, one.resource, one.expiry, one.callId))
        out.print(`\n${counted(shown)}`)
      },
    },
  ]
}

function block({ endpoint, resource, expiry, callId, state }: SubscriptionShown): string {
  const first = `Endpoint: ${endpoint}\nResource: ${resource}\n  Expiry: ${String(expiry).padStart(8)}  ${callId}`
  return state === undefined ? first : `${first}\n   State: ${state}`
}

function columns(endpoint: string, resource: string, expiry: string | number, callId: string): string {
  const column = (text: string): string => text.slice(0, 30).padEnd(30)
  return `${column(endpoint)} ${column(resource)} ${String(expiry).padStart(6)} ${callId}`
}

/** In Asterisk's words, which only those are that stand. */
function counted(shown: readonly SubscriptionShown[]): string {
  const active = shown.filter(({ state = 'active' }) => state === 'active').length
  const others = shown.length - active
  return `${active} active subscriptions${others > 0 ? `, ${others} not active` : ''}`
}

/** All that is known of one thing, as Asterisk lists its parameters. */
export function parameters(rows: readonly (readonly [name: string, value: string | number])[]): string {
  const lines = rows.map(([name, value]) => plain(`${name.padEnd(15)}: ${value}`))
  return [`${'ParameterName'.padEnd(15)}: ParameterValue`, '='.repeat(60), ...lines].join('\n')
}
