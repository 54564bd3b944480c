/**
 * Where Lamplighter's time goes: `npx tsx bench/profile.ts exchange|churn|messages|fan-out [sqlite]` runs one load under
 * node's CPU profiler and prints the functions and files that took most, by themselves.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Generator } from './children.ts'
import { Lamplighter } from './lamplighter.ts'
import { endOnSignals, removeDirectory, temporaryDirectory } from './leftovers.ts'
import type { Order, Outcome } from './orders.ts'

const SHOWN = 40
const WINDOW = 128
const LAYOUT = [{ lamps: 1000, watchers: 10 }]

const LOADS: Readonly<Record<string, readonly Order[]>> = {
  exchange: Array.from({ length: 4 }, (): Order => ({ do: 'subscribe', window: WINDOW })),
  churn: [{ do: 'churn', seconds: 10, window: WINDOW }],
  messages: [{ do: 'churn', seconds: 10, window: WINDOW }],
  'fan-out': [{ do: 'fan-out', lamp: 1000, rounds: 10 }],
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

endOnSignals()
process.exitCode = await main(process.argv[2] ?? '', process.argv[3] === 'sqlite')

async function main(name: string, sqlite: boolean): Promise<number> {
  const load = LOADS[name]
  if (!load) {
    console.error(`which load? ${Object.keys(LOADS).join(', ')}`)
    return 2
  }
  const directory = temporaryDirectory('lamplighter-profile-')
  const generator = new Generator()
  const server = await Lamplighter.start({ sqlite, node: ['--cpu-prof', `--cpu-prof-dir=${directory}`] })
  try {
    const ask = (order: Order): Promise<Outcome> => generator.ask(order, server.pids)
    const language = name === 'messages' ? 'messages' : 'dialogs'
    const layout = name === 'fan-out' ? [...LAYOUT, { lamps: 1, watchers: 5000 }] : LAYOUT
    await ask({ do: 'open', office: { server: server.address, language, layout, prefix: 'p' } })
    await ask({ do: 'change', window: WINDOW })
    for (const order of [{ do: 'subscribe', window: WINDOW } as const, ...load]) {
      const { operations, cpu, seconds, faults } = await ask(order)
      const rate = Math.round(operations / seconds)
      console.log(`${order.do}: ${Math.round(cpu / operations)} µs each, ${rate} a second${faults && `; ${faults}`}`)
    }
  } finally {
    await generator.stop()
    await server.stop()
  }
  for (const file of readdirSync(directory)) print(JSON.parse(readFileSync(join(directory, file), 'utf8')) as Profile)
  removeDirectory(directory)
  return 0
}

function print({ nodes, samples, timeDeltas }: Profile): void {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const byFunction = new Map<string, number>()
  const byFile = new Map<string, number>()
  let total = 0
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)
    if (!frame || frame.functionName === '(idle)') continue
    const time = timeDeltas[index] ?? 0
    const file = frame.url.replace(/^.*\/dist\//, '')
    const name = `${frame.functionName || '(anonymous)'} ${file}${file ? `:${frame.lineNumber + 1}` : ''}`
    byFunction.set(name, (byFunction.get(name) ?? 0) + time)
    byFile.set(file || frame.functionName, (byFile.get(file || frame.functionName) ?? 0) + time)
    total += time
  }
  for (const times of [byFunction, byFile]) {
    console.log('')
    for (const [name, time] of [...times].sort((a, b) => b[1] - a[1]).slice(0, SHOWN))
      console.log(`${((100 * time) / total).toFixed(1).padStart(5)} %  ${name}`)
  }
}
