/** `npm run bench`: Lamplighter and Kamailio in turns under the same load, and the table of what came of it. */
import { appendFileSync, writeFileSync } from 'node:fs'
import { Generator, PbxProcess } from './children.ts'
import { Kamailio, missingForKamailio } from './kamailio.ts'
import { Lamplighter, type LamplighterOptions } from './lamplighter.ts'
import { endOnSignals } from './leftovers.ts'
import { describeMachine, loadNow } from './machine.ts'
import { type BenchOptions, readOptions, USAGE } from './options.ts'
import type { Sample } from './rows.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'
import { isPlayed, OVER_ARI, Session, type SessionName } from './sessions.ts'
import { soak } from './soak.ts'
import { printTable, Results } from './table.ts'

endOnSignals()
process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${USAGE}`)
    return 2
  }
  if (options.soak !== undefined) return soakAll(options.soak, options)
  const hindrance = options.output === undefined ? undefined : hindranceTo(options.output)
  if (hindrance !== undefined) {
    process.stderr.write(`the results cannot be written: ${hindrance}\n`)
    return 2
  }
  const servers = options.servers.filter(isHere)
  const samples: Sample[] = []
  // Before the results are written, which are under version control themselves.
  const machine = describeMachine()
  const before = `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC; load average before it ${loadNow()}`
  let text = ''
  const generator = new Generator()
  try {
    for (let run = 1; run <= options.runs; run++) {
      samples.push(...(await measure(run, options, servers, generator)))
      // After each run: what takes long may be ended early, and is not lost.
      text = report(samples, run, [...machine, before], options, servers)
      if (options.output !== undefined) writeFileSync(options.output, text)
    }
  } finally {
    await generator.stop()
  }
  process.stdout.write(text)
  return new Results(samples).failures.some((failure) => failure.startsWith('lamplighter')) ? 1 : 0
}

/** To writing a file: what a measurement of half an hour should not end with. */
function hindranceTo(file: string): string | undefined {
  try {
    appendFileSync(file, '')
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** One Lamplighter after the other. */
async function soakAll(minutes: number, options: BenchOptions): Promise<number> {
  let failed = false
  const generator = new Generator()
  try {
    for (const name of options.servers.filter((server) => server.startsWith('lamplighter'))) {
      process.stderr.write(`soak of ${minutes} minutes: ${name}\n`)
      const { lines, failures } = await soak(minutes, name.endsWith('sqlite'), options, generator)
      for (const line of lines) process.stdout.write(`${name}: ${line}\n`)
      for (const failure of failures) process.stdout.write(`${name}: failed: ${failure}\n`)
      failed ||= failures.length > 0
    }
  } finally {
    await generator.stop()
  }
  return failed ? 1 : 0
}

/** In turns: each session goes through all servers before the next begins. */
async function measure(
  run: number,
  options: BenchOptions,
  servers: readonly ServerName[],
  generator: Generator,
): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const session of options.sessions)
    for (const name of servers) {
      if (!isPlayed(session, name)) continue
      process.stderr.write(`run ${run} of ${options.runs}: ${session}, ${name}\n`)
      samples.push(...(await play(run, session, name, generator, options)))
    }
  return samples
}

function report(
  samples: readonly Sample[],
  runs: number,
  conditions: readonly string[],
  { sizes }: BenchOptions,
  servers: readonly ServerName[],
): string {
  const results = new Results(samples)
  const sizeText = Object.entries(sizes).map(([name, size]) => `${name} ${size}`)
  return [
    '# Results',
    '',
    `Written by \`npm run bench\`; what each row means is in docs/performance.md. Median of ${runs} (min–max).`,
    '',
    ...conditions.map((line) => `- ${line}`),
    `- load average after it ${loadNow()}, of which the bench itself makes about 2`,
    `- ${sizeText.join(', ')}`,
    '',
    printTable(results, servers),
    '',
    ...results.failures.map((failure) => `- failed: ${failure}`),
    '',
  ].join('\n')
}

async function play(
  run: number,
  name: SessionName,
  server: ServerName,
  generator: Generator,
  { sizes, sources }: BenchOptions,
): Promise<readonly Sample[]> {
  const pbx = OVER_ARI.has(name) ? await PbxProcess.start() : undefined
  let started: ServerUnderLoad | undefined
  try {
    const ari = pbx && { url: pbx.ports.ari, lamps: Math.max(sizes.lamps, sizes.busyLamps) }
    started = await start(server, { sources, ari, through: name === 'kill-through' })
    const session = new Session(run, started, generator, sizes, pbx?.ports.control)
    await session.run(name)
    return session.samples
  } finally {
    await started?.stop()
    await pbx?.stop()
  }
}

function start(name: ServerName, options: Omit<LamplighterOptions, 'sqlite'>): Promise<ServerUnderLoad> {
  const sqlite = name.endsWith('sqlite')
  return name.startsWith('kamailio') ? Kamailio.start(sqlite) : Lamplighter.start({ sqlite, ...options })
}

function isHere(name: ServerName): boolean {
  const missing = name.startsWith('kamailio') ? missingForKamailio(name.endsWith('sqlite')) : ''
  if (missing !== '') process.stderr.write(`${name} is left out: ${missing}\n`)
  return missing === ''
}
