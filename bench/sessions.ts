/** What is done to a server that was just started, and which rows that gives. */
import type { Generator } from './children.ts'
import type { LanguageName } from './lamp-language.ts'
import { SECURED_PHONES } from './lamplighter.ts'
import { median } from './median.ts'
import { FIRST_EXPIRES } from './mixed.ts'
import type { OfficeSettings } from './office.ts'
import type { Order, Outcome } from './orders.ts'
import type { RowKey, Sample } from './rows.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'
import { type Sizes, WATCHERS_A_BUSY_LAMP, WATCHERS_A_LAMP, WATCHERS_A_STORED_LAMP } from './sizes.ts'

export const SESSIONS = [
  'exchange',
  'churn',
  'messages',
  'devices',
  'fan-out',
  'overload',
  'restart',
  'kill',
  'kill-through',
  'digest',
] as const
export type SessionName = (typeof SESSIONS)[number]
/** Fed over ARI, which no other server is. */
export const OVER_ARI: ReadonlySet<SessionName> = new Set(['devices', 'overload'])
/** For Lamplighter with something stored alone. */
const STORED: ReadonlySet<SessionName> = new Set(['restart', 'kill', 'kill-through'])
/** What is shown of Kamailio on SQLite, which takes its time. */
const OF_KAMAILIO_SQLITE: ReadonlySet<SessionName> = new Set(['exchange', 'churn'])

export function isPlayed(session: SessionName, server: ServerName): boolean {
  if (STORED.has(session)) return server === 'lamplighter sqlite'
  if (OVER_ARI.has(session) || session === 'digest') return server.startsWith('lamplighter')
  return server !== 'kamailio sqlite' || OF_KAMAILIO_SQLITE.has(session)
}

/** Milliseconds before a kill in which what is new may be lost: "milliseconds later" of subs_db_mode 2, on a busy disk. */
const GRACE = 100
const MILLI = 1000
/** Of the NOTIFYs that were due, as many as one that is asked for twice what it can may send. */
const HALF = 0.55
const MOST_DOUBLINGS = 3

export class Session {
  readonly samples: Sample[] = []
  readonly #run: number
  readonly #server: ServerUnderLoad
  readonly #generator: Generator
  readonly #sizes: Sizes
  readonly #pbx: number | undefined
  /** What went wrong so far: a state that was lost makes all that comes later worthless. */
  #fault = ''
  #generatorShare = 0

  constructor(run: number, server: ServerUnderLoad, generator: Generator, sizes: Sizes, pbx?: number) {
    this.#run = run
    this.#server = server
    this.#generator = generator
    this.#sizes = sizes
    this.#pbx = pbx
  }

  async run(name: SessionName): Promise<void> {
    switch (name) {
      case 'exchange':
        await this.#exchange()
        break
      case 'churn':
        await this.#churn('dialogs', ['churn', 'churnRate', 'churnP99'])
        break
      case 'messages':
        await this.#churn('messages', ['messages', 'messagesRate', 'messagesP99'])
        break
      case 'devices':
        await this.#churn('devices', ['devices', 'devicesRate', 'devicesP99'])
        break
      case 'fan-out':
        await this.#fanOut()
        break
      case 'overload':
        await this.#overload()
        break
      case 'restart':
        await this.#restart()
        break
      case 'kill':
        await this.#kill(GRACE, ['kill', 'killLost', 'killYoung', 'killRefreshes', 'killReused'])
        break
      case 'kill-through':
        await this.#kill(0, ['through', 'throughLost', undefined, 'throughRefreshes', 'throughReused'])
        break
      case 'digest':
        await this.#digest()
        break
    }
    const stall = await this.#server.longestStall()
    if (stall !== undefined) this.#sample('stall', stall)
    // True whatever the server did.
    this.#fault = ''
    this.#sample('generator', this.#generatorShare * 100)
  }

  async #exchange(): Promise<void> {
    const { subscriptions, crowd } = this.#sizes
    const cold = await this.#newcomers('cold', subscriptions)
    this.#sample('cold', cold.cpu / cold.operations)
    // Servers run for weeks: the rows are of one whose code is compiled. What these hold, transactions included, they
    // hold until the end, so that what comes later has no room of theirs to grow into.
    await this.#newcomers('warm', subscriptions)
    await this.#refreshes()
    const first = await this.#newcomers('p', subscriptions)
    this.#sample('memory', grown(first) / subscriptions / MILLI)
    const refresh = await this.#refreshes()
    this.#sample('refresh', refresh.cpu / refresh.operations)
    this.#sample('refreshRate', refresh.operations / refresh.seconds)
    const more = crowd > subscriptions ? [await this.#newcomers('q', crowd - subscriptions)] : []
    if (more.length) this.#sample('memoryCrowd', (grown(first) + sum(more, grown)) / crowd / MILLI)
    // Half a second of new subscriptions has one full collection in it, or none: the row is of all of them.
    const all = [first, ...more]
    const operations = sum(all, (outcome) => outcome.operations)
    this.#sample('exchange', sum(all, ({ cpu }) => cpu) / operations)
    this.#sample('exchangeRate', operations / sum(all, ({ seconds }) => seconds))
  }

  /** So many phones subscribe anew. */
  async #newcomers(prefix: string, count: number, phones?: string): Promise<Outcome> {
    const { window } = this.#sizes
    const lamps = Math.ceil(count / WATCHERS_A_LAMP)
    await this.#prepare('dialogs', [{ lamps, watchers: WATCHERS_A_LAMP }], prefix, { subscribed: false, phones })
    if (phones !== undefined) await this.#ask({ do: 'challenge', window })
    return this.#ask({ do: 'subscribe', window })
  }

  /** They refresh. */
  async #refreshes(): Promise<Outcome> {
    return this.#ask({ do: 'subscribe', window: this.#sizes.window })
  }

  /** In one process and in turns, so that nothing else makes the difference. */
  async #digest(): Promise<void> {
    const { subscriptions: each, digestRounds } = this.#sizes
    const costs = {
      new: { plain: [] as number[], secured: [] as number[] },
      again: { plain: [] as number[], secured: [] as number[] },
    }
    for (let round = 0; round <= digestRounds; round++)
      for (const kind of ['plain', 'secured'] as const) {
        const first = await this.#newcomers(`${kind}${round}-`, each, kind === 'secured' ? SECURED_PHONES : undefined)
        const refresh = await this.#refreshes()
        if (round === 0) continue
        costs.new[kind].push(first.cpu / first.operations)
        costs.again[kind].push(refresh.cpu / refresh.operations)
      }
    this.#sample('digest', median(costs.new.secured) - median(costs.new.plain))
    this.#sample('digestRefresh', median(costs.again.secured) - median(costs.again.plain))
  }

  async #churn(language: LanguageName, [cpu, rate, p99]: readonly [RowKey, RowKey, RowKey]): Promise<void> {
    const { seconds, window, lamps, warmSeconds, warmNotifies } = this.#sizes
    await this.#prepare(language, [{ lamps, watchers: WATCHERS_A_LAMP }], 'p')
    await this.#ask({ do: 'churn', seconds: warmSeconds, window, most: warmNotifies })
    const top = await this.#ask({ do: 'churn', seconds, window })
    this.#sample(cpu, top.cpu / top.operations)
    this.#sample(rate, top.operations / top.seconds)
    const paced = await this.#ask({ do: 'paced', seconds, rate: (0.8 * top.changes) / top.seconds })
    this.#sample(p99, paced.latency.p99)
  }

  async #fanOut(): Promise<void> {
    const { few, many, rounds } = this.#sizes
    const layout = [
      { lamps: 1, watchers: few },
      { lamps: 1, watchers: many },
    ]
    await this.#prepare('dialogs', layout, 'p')
    await this.#ask({ do: 'fan-out', lamp: 0, rounds: 4 * rounds })
    await this.#ask({ do: 'fan-out', lamp: 1, rounds })
    const short = median((await this.#ask({ do: 'fan-out', lamp: 0, rounds })).lasts)
    this.#sample('few', short)
    const long = median((await this.#ask({ do: 'fan-out', lamp: 1, rounds: Math.min(3, rounds) })).lasts)
    this.#sample('many', long)
    this.#sample('growth', (long / short) * (10 / (many / few)))
  }

  async #restart(): Promise<void> {
    const { again } = this.#server
    if (!again) return
    const { window, crowd, rounds } = this.#sizes
    const lamps = Math.ceil(crowd / WATCHERS_A_STORED_LAMP)
    await this.#prepare('dialogs', [{ lamps, watchers: WATCHERS_A_STORED_LAMP }], 'p')
    const fanOuts: number[] = []
    for (let round = 0; round < rounds; round++)
      fanOuts.push((await this.#ask({ do: 'change', window: Math.ceil(window / 4) })).seconds * MILLI)
    const stall = await this.#server.longestStall()
    if (stall !== undefined) this.#sample('stall', stall)
    await again.end()
    await this.#ask({ do: 'forget' })
    await again.begin()
    const back = median((await this.#ask({ do: 'restored' })).lasts)
    this.#sample('restart', back)
    // The first ones warmed it.
    this.#sample('restartRatio', back / median(fanOuts.slice(-3)))
  }

  /** Everything at once, at half of what it can; `rows` in the order of Recovery. */
  async #kill(grace: number, rows: readonly (RowKey | undefined)[]): Promise<void> {
    const { again, pids } = this.#server
    const [pid] = pids
    if (!again || pid === undefined) return
    const { window, subscriptions, seconds, killSeconds } = this.#sizes
    const lamps = Math.ceil(subscriptions / WATCHERS_A_LAMP)
    await this.#prepare('dialogs', [{ lamps, watchers: 2 * WATCHERS_A_LAMP }], 'p', { subscribed: false })
    const first = await this.#ask({ do: 'subscribe', window, each: WATCHERS_A_LAMP, expires: FIRST_EXPIRES })
    const top = await this.#ask({ do: 'churn', seconds, window })
    // Three kinds of load, each at a sixth of what it could do alone.
    const exchanges = first.operations / first.seconds / 6
    const rates = { changes: top.changes / top.seconds / 6, refreshes: exchanges, arrivals: exchanges, departures: 0 }
    await this.#ask({ do: 'kill', seconds: killSeconds, rates, pid }, [])
    await again.end()
    await again.begin()
    const { recovery } = await this.#ask({ do: 'recover', window, grace })
    if (!recovery) return
    const { known, lost, young, refreshesLost, reused } = recovery
    for (const [index, value] of [known, lost, young, refreshesLost, reused].entries()) {
      const row = rows[index]
      if (row) this.#sample(row, value)
    }
  }

  async #overload(): Promise<void> {
    const { seconds, window, busyLamps } = this.#sizes
    await this.#prepare('devices', [{ lamps: busyLamps, watchers: WATCHERS_A_BUSY_LAMP }], 'p')
    const top = await this.#ask({ do: 'churn', seconds: seconds / 2, window: Math.min(window, busyLamps / 2) })
    // What can be sent shows only where more is asked for: twice the churn, and twice that until half is left out.
    let rate = (2 * top.changes) / top.seconds
    for (let tries = 0; ; tries++) {
      const over = await this.#ask({ do: 'overload', seconds, rate })
      const sent = over.operations / (rate * seconds * WATCHERS_A_BUSY_LAMP)
      if (sent > HALF && tries < MOST_DOUBLINGS) {
        rate *= 2
        continue
      }
      this.#sample('overload', median(over.lasts))
      this.#sample('overloadSent', 100 * sent)
      this.#sample('overloadMemory', (over.memory[1] - over.memory[0]) / MILLI)
      break
    }
  }

  /** Phones whose lamps have a state, and all subscriptions, if nothing else is said. */
  async #prepare(
    language: LanguageName,
    layout: OfficeSettings['layout'],
    prefix: string,
    { subscribed = true, phones }: { readonly subscribed?: boolean; readonly phones?: string | undefined } = {},
  ): Promise<void> {
    const { address } = this.#server
    const { window } = this.#sizes
    await this.#ask({ do: 'open', office: { server: address, language, layout, prefix, pbx: this.#pbx, phones } })
    await this.#ask({ do: 'change', window })
    if (subscribed) await this.#ask({ do: 'subscribe', window })
  }

  async #ask(order: Order, pids = this.#server.pids): Promise<Outcome> {
    const outcome = await this.#generator.ask(order, pids)
    if (this.#fault === '' && outcome.faults !== '') this.#fault = `${order.do}: ${outcome.faults}`
    // Shorter ones say nothing of a share.
    if (outcome.seconds > 0.5) this.#generatorShare = Math.max(this.#generatorShare, outcome.generator)
    return outcome
  }

  #sample(row: RowKey, value: number): void {
    this.samples.push({ run: this.#run, server: this.#server.name, row, value, fault: this.#fault })
  }
}

function sum(outcomes: readonly Outcome[], of: (outcome: Outcome) => number): number {
  return outcomes.reduce((total, outcome) => total + of(outcome), 0)
}

/** Bytes. */
function grown({ memory: [before, after] }: Outcome): number {
  return after - before
}
