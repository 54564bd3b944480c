/** The load generator: a process of its own that takes orders from its parent and answers each with what came of it. */
import { challengeAll, changeAll, churn, drained, fanOut, paced, pause, subscribeAll, unsubscribeAll } from './loads.ts'
import { idle, mixed, newTurns } from './mixed.ts'
import { Office } from './office.ts'
import type { Asked, Order, Outcome, Reply } from './orders.ts'
import { killUnderLoad, type Recovery, recover } from './outage.ts'
import { cpuMicroseconds, pssBytes } from './process-cost.ts'

/** Milliseconds after a load in which repeated NOTIFYs and late answers come; they are the server's cost, too. */
const AFTERMATH = 50
/** Milliseconds without a NOTIFY after which nothing more is under way. */
const SETTLED = 1000
const MOST_RESTORING = 60_000

let office: Office | undefined
let turns = newTurns()
let restarted = 0
let killed = 0

process.on('message', (asked: Asked) => {
  run(asked).then(
    (outcome) => process.send?.({ outcome } satisfies Reply),
    (error: unknown) => process.send?.({ failure: error instanceof Error ? (error.stack ?? '') : String(error) }),
  )
})
process.on('disconnect', () => process.exit())

async function run({ order, pids }: Asked): Promise<Outcome> {
  if (order.do === 'open') {
    office?.close()
    office = await Office.open(order.office)
    turns = newTurns()
  }
  if (!office) throw new Error('no office was opened')
  const repeats = office.repeats.ours + office.repeats.theirs
  office.latencies.clear()
  const notifies = office.notifies
  const memory = pssBytes(pids)
  const own = process.cpuUsage()
  const cpu = cpuMicroseconds(pids)
  const start = performance.now()
  const done = await obey(office, order)
  const seconds = (performance.now() - start) / 1000
  if (done.lasts === undefined) await pause(AFTERMATH)
  const { user, system } = process.cpuUsage(own)
  const gone = order.do === 'forget' || order.do === 'kill'
  const after = cpuMicroseconds(pids)
  const faults = gone ? '' : office.takeFaults()
  const [median = 0, p99 = 0, longest = 0] = office.latencies.quantiles([0.5, 0.99, 1])
  return {
    operations: done.operations ?? office.notifies - notifies,
    changes: done.changes ?? 0,
    seconds,
    cpu: after - cpu,
    generator: (user + system) / 1_000_000 / seconds,
    latency: { median, p99, longest },
    lasts: done.lasts ?? [],
    recovery: done.recovery,
    memory: [memory, pssBytes(pids)],
    repeats: office.repeats.ours + office.repeats.theirs - repeats,
    faults,
  }
}

/** Without `operations` the NOTIFYs are counted. */
interface Done {
  readonly operations?: number
  readonly changes?: number
  readonly lasts?: readonly number[]
  readonly recovery?: Recovery
}

async function obey(at: Office, order: Order): Promise<Done> {
  switch (order.do) {
    case 'change':
      await changeAll(at, order.window)
      return { changes: at.lamps.length }
    case 'subscribe':
      return subscribe(at, order)
    case 'unsubscribe':
      await unsubscribeAll(at, order.window)
      return { operations: at.watchers.length }
    case 'challenge':
      await challengeAll(at, order.window)
      return { operations: at.watchers.length }
    case 'churn':
      return { changes: await churn(at, order.seconds, order.window, order.most) }
    case 'paced': {
      const changes = await paced(at, order.seconds, order.rate, true)
      return { changes, lasts: [await drained(at)] }
    }
    case 'overload':
      return overload(at, order.seconds, order.rate)
    case 'fan-out':
      return fanOuts(at, order.lamp, order.rounds)
    case 'forget':
      restarted = performance.now()
      at.serverGone()
      return {}
    case 'restored':
      return { lasts: [await restored(at)] }
    case 'mixed': {
      const changes = await mixed(at, order.seconds, order.rates, turns)
      if (!(await idle(at, MOST_RESTORING))) at.faults.unanswered++
      return { changes }
    }
    case 'kill':
      killed = await killUnderLoad(at, order.seconds, order.rates, order.pid)
      return {}
    case 'recover':
      return { recovery: await recover(at, order.window, order.grace, killed) }
    default:
      return {}
  }
}

async function subscribe(at: Office, order: Order & { do: 'subscribe' }): Promise<Done> {
  const watchers = at.lamps.flatMap((lamp) => lamp.watchers.slice(0, order.each))
  await subscribeAll(at, watchers, order.window, order.expires)
  return { operations: watchers.length }
}

async function overload(at: Office, seconds: number, rate: number): Promise<Done> {
  const changes = await paced(at, seconds, rate, false)
  const end = performance.now()
  await drained(at)
  await pause(SETTLED)
  return { changes, lasts: [Math.max(0, at.notifiedAt - end)] }
}

async function fanOuts(at: Office, index: number, rounds: number): Promise<Done> {
  const lamp = at.lamps[index]
  if (!lamp) throw new Error(`there is no lamp ${index}`)
  const lasts: number[] = []
  for (let round = 0; round < rounds; round++) {
    lasts.push(await fanOut(at, lamp))
    // The answers to the last NOTIFYs belong to this round.
    await pause(AFTERMATH)
  }
  return { changes: rounds, lasts }
}

/** Milliseconds from `forget` to the last watcher's NOTIFY. */
async function restored(at: Office): Promise<number> {
  while (at.watchers.some(({ wantsNotify }) => wantsNotify)) {
    if (performance.now() - restarted > MOST_RESTORING) {
      at.faults.unanswered += at.watchers.filter(({ wantsNotify }) => wantsNotify).length
      break
    }
    await pause(5)
  }
  return performance.now() - restarted
}
