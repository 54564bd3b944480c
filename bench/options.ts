/** The command line of the bench. */
import { parseArgs } from 'node:util'
import { SERVERS, type ServerName } from './server.ts'
import { SESSIONS, type SessionName } from './sessions.ts'
import { FULL, QUICK, type Sizes } from './sizes.ts'

export interface BenchOptions {
  readonly runs: number
  readonly servers: readonly ServerName[]
  readonly sessions: readonly SessionName[]
  readonly sizes: Sizes
  /** Everything is small. */
  readonly quick: boolean
  /** Minutes of a soak in place of the sessions; undefined for none. */
  readonly soak: number | undefined
  /** Lamplighter from its sources, not as it is built. */
  readonly sources: boolean
  /** Where the results are written, besides the terminal; undefined writes none. */
  readonly output: string | undefined
}

export const USAGE = `Usage: npm run bench -- [options]

      --quick             everything small: shows that it works, not how fast
      --runs N            how often everything is done (default 3; 1 with --quick)
      --only NAME,...     ${SESSIONS.join(', ')}
      --servers NAME,...  ${SERVERS.join(', ')}
      --subscriptions N   of the exchange (default 10000)
      --many N            watchers of the lamp that has many (default 10000)
      --seconds N         of each churn (default 5)
      --soak [MINUTES]    in place of the table: half the load, for so long (default 60), of lamplighter sqlite
      --sources           Lamplighter from its sources, through tsx, not as it is built
      --output FILE       in place of bench/RESULTS.md; none for no file
`

/** A text says what is wrong. */
export function readOptions(args: readonly string[]): BenchOptions | string {
  try {
    const { values } = parseArgs({
      args: args.flatMap(soakWithMinutes),
      options: {
        quick: { type: 'boolean' },
        runs: { type: 'string' },
        only: { type: 'string' },
        servers: { type: 'string' },
        subscriptions: { type: 'string' },
        many: { type: 'string' },
        seconds: { type: 'string' },
        soak: { type: 'string' },
        sources: { type: 'boolean' },
        output: { type: 'string' },
      },
    })
    const { quick = false } = values
    const sizes = quick ? QUICK : FULL
    const servers = namesOf('servers', values.servers ?? (values.soak && 'lamplighter sqlite'), SERVERS)
    if (values.soak !== undefined && !servers.some((name) => name.startsWith('lamplighter')))
      throw new Error(`--soak is of lamplighter, and not of ${values.servers}`)
    return {
      runs: countOf('runs', values.runs, quick ? 1 : 3),
      servers,
      sessions: namesOf('only', values.only, SESSIONS),
      sizes: {
        ...sizes,
        subscriptions: countOf('subscriptions', values.subscriptions, sizes.subscriptions),
        many: countOf('many', values.many, sizes.many),
        seconds: numberOf('seconds', values.seconds, sizes.seconds),
      },
      quick,
      soak: values.soak === undefined ? undefined : numberOf('soak', values.soak, 0),
      sources: values.sources === true,
      output: values.output === 'none' ? undefined : (values.output ?? (quick ? undefined : 'bench/RESULTS.md')),
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** An hour, where `--soak` stands alone. */
function soakWithMinutes(arg: string, index: number, args: readonly string[]): readonly string[] {
  const next = args[index + 1]
  return arg === '--soak' && (next === undefined || next.startsWith('--')) ? [arg, '60'] : [arg]
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`--${name} ${text} is not a number above 0`)
  return value
}

function countOf(name: string, text: string | undefined, otherwise: number): number {
  const count = numberOf(name, text, otherwise)
  if (!Number.isInteger(count)) throw new Error(`--${name} ${text} is not a whole number`)
  return count
}

function namesOf<Name extends string>(option: string, text: string | undefined, all: readonly Name[]): readonly Name[] {
  if (text === undefined) return all
  return text.split(',').map((word) => {
    const found = all.find((name) => name === word.trim())
    if (!found) throw new Error(`--${option} ${word}: there is ${all.join(', ')}`)
    return found
  })
}
