/** What is done to a server that was just started, and which rows that gives. */
import type { Generator } from './children.ts'
import type { LanguageName } from './lamp-language.ts'
import { median } from './median.ts'
import type { OfficeSettings } from './office.ts'
import type { Order, Outcome } from './orders.ts'
import type { RowKey, Sample } from './rows.ts'
import type { ServerUnderLoad } from './server.ts'
import { type Sizes, WATCHERS_A_BUSY_LAMP, WATCHERS_A_LAMP } from './sizes.ts'

export const SESSIONS = ['exchange', 'churn', 'messages', 'devices', 'fan-out', 'overload'] as const
export type SessionName = (typeof SESSIONS)[number]
/** Fed over ARI, which no other server is. */
export const OVER_ARI: ReadonlySet<SessionName> = new Set(['devices', 'overload'])

const WARM = { lamps: 100, watchers: 10 }
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
    }
    const stall = await this.#server.longestStall()
    if (stall !== undefined) this.#sample('stall', stall)
    // True whatever the server did.
    this.#fault = ''
    this.#sample('generator', this.#generatorShare * 100)
  }

  async #exchange(): Promise<void> {
    const { window, subscriptions } = this.#sizes
    // The first thousand meet a cold server; what is asked is how it goes on.
    await this.#prepare('dialogs', [WARM], 'warm')
    await this.#ask({ do: 'subscribe', window })
    const lamps = Math.ceil(subscriptions / WATCHERS_A_LAMP)
    await this.#prepare('dialogs', [{ lamps, watchers: WATCHERS_A_LAMP }], 'p', false)
    const first = await this.#ask({ do: 'subscribe', window })
    this.#sample('exchange', first.cpu / first.operations)
    this.#sample('exchangeRate', first.operations / first.seconds)
    this.#sample('memory', (first.memory[1] - first.memory[0]) / first.operations / MILLI)
    const refresh = await this.#ask({ do: 'subscribe', window })
    this.#sample('refresh', refresh.cpu / refresh.operations)
    this.#sample('refreshRate', refresh.operations / refresh.seconds)
  }

  async #churn(language: LanguageName, [cpu, rate, p99]: readonly [RowKey, RowKey, RowKey]): Promise<void> {
    const { seconds, window, lamps } = this.#sizes
    await this.#prepare(language, [{ lamps, watchers: WATCHERS_A_LAMP }], 'p')
    await this.#ask({ do: 'churn', seconds: seconds / 5, window })
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
    await this.#ask({ do: 'fan-out', lamp: 0, rounds: 2 })
    const short = median((await this.#ask({ do: 'fan-out', lamp: 0, rounds })).lasts)
    this.#sample('few', short)
    const long = median((await this.#ask({ do: 'fan-out', lamp: 1, rounds: Math.min(3, rounds) })).lasts)
    this.#sample('many', long)
    this.#sample('growth', (long / short) * (10 / (many / few)))
    await this.#restart(long * ((few + many) / many))
  }

  /** Against the milliseconds that as many NOTIFYs took in a fan-out. */
  async #restart(fanOut: number): Promise<void> {
    const { end, begin } = this.#server.again ?? {}
    if (!end || !begin) return
    const stall = await this.#server.longestStall()
    if (stall !== undefined) this.#sample('stall', stall)
    await end()
    await this.#ask({ do: 'forget' })
    await begin()
    const back = await this.#ask({ do: 'restored' })
    this.#sample('restart', median(back.lasts))
    this.#sample('restartRatio', median(back.lasts) / fanOut)
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

  /** Phones whose lamps have a state, and with `subscribed` all subscriptions. */
  async #prepare(language: LanguageName, layout: OfficeSettings['layout'], prefix: string, subscribed = true) {
    const { address } = this.#server
    const { window } = this.#sizes
    await this.#ask({ do: 'open', office: { server: address, language, layout, prefix, pbx: this.#pbx } })
    await this.#ask({ do: 'change', window })
    if (subscribed) await this.#ask({ do: 'subscribe', window })
  }

  async #ask(order: Order): Promise<Outcome> {
    const outcome = await this.#generator.ask(order, this.#server.pids)
    if (this.#fault === '' && outcome.faults !== '') this.#fault = `${order.do}: ${outcome.faults}`
    // Shorter ones say nothing of a share.
    if (outcome.seconds > 0.5) this.#generatorShare = Math.max(this.#generatorShare, outcome.generator)
    return outcome
  }

  #sample(row: RowKey, value: number): void {
    this.samples.push({ run: this.#run, server: this.#server.name, row, value, fault: this.#fault })
  }
}
