/** `npm run bench`: Lamplighter and Kamailio in turns under the same load, and the table of what came of it. */
import { writeFileSync } from 'node:fs'
import { Generator, PbxProcess } from './children.ts'
import { Kamailio, missingForKamailio } from './kamailio.ts'
import { Lamplighter, type LamplighterOptions } from './lamplighter.ts'
import { describeMachine, loadNow } from './machine.ts'
import { type BenchOptions, readOptions, USAGE } from './options.ts'
import type { Sample } from './rows.ts'
import type { ServerName, ServerUnderLoad } from './server.ts'
import { Session, type SessionName } from './sessions.ts'
import { printTable, Results } from './table.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${USAGE}`)
    return 2
  }
  const loadBefore = loadNow()
  const began = new Date()
  const servers = options.servers.filter(isHere)
  const results = new Results(await measure(options, servers))
  const text = [
    '# Results',
    '',
    `Written by \`npm run bench\`; what each row means is in docs/performance.md. Median of ${options.runs} (min–max).`,
    '',
    ...describeMachine().map((line) => `- ${line}`),
    `- ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC; load average before it ${loadBefore}`,
    `- ${Object.entries(options.sizes)
      .map(([name, size]) => `${name} ${size}`)
      .join(', ')}`,
    '',
    printTable(results, servers),
    '',
    ...results.failures.map((failure) => `- failed: ${failure}`),
    '',
  ].join('\n')
  process.stdout.write(text)
  if (options.output !== undefined) writeFileSync(options.output, text)
  const ours = results.failures.filter((failure) => failure.startsWith('lamplighter'))
  return ours.length === 0 ? 0 : 1
}

/** In turns: each session goes through all servers before the next begins. */
async function measure(options: BenchOptions, servers: readonly ServerName[]): Promise<Sample[]> {
  const { runs, sessions } = options
  const samples: Sample[] = []
  const generator = new Generator()
  try {
    for (let run = 1; run <= runs; run++)
      for (const session of sessions)
        for (const name of servers) {
          if (session === 'devices' && !name.startsWith('lamplighter')) continue
          process.stderr.write(`run ${run} of ${runs}: ${session}, ${name}\n`)
          samples.push(...(await play(run, session, name, generator, options)))
        }
  } finally {
    await generator.stop()
  }
  return samples
}

async function play(
  run: number,
  name: SessionName,
  server: ServerName,
  generator: Generator,
  { sizes, sources }: BenchOptions,
): Promise<readonly Sample[]> {
  const pbx = name === 'devices' ? await PbxProcess.start() : undefined
  let started: ServerUnderLoad | undefined
  try {
    started = await start(server, sources, pbx && { url: pbx.ports.ari, lamps: sizes.lamps })
    const session = new Session(run, started, generator, sizes, pbx?.ports.control)
    await session.run(name)
    return session.samples
  } finally {
    await started?.stop()
    await pbx?.stop()
  }
}

function start(name: ServerName, sources: boolean, ari: LamplighterOptions['ari']): Promise<ServerUnderLoad> {
  const sqlite = name.endsWith('sqlite')
  return name.startsWith('kamailio') ? Kamailio.start(sqlite) : Lamplighter.start({ sqlite, ari, sources })
}

function isHere(name: ServerName): boolean {
  const missing = name.startsWith('kamailio') ? missingForKamailio(name.endsWith('sqlite')) : ''
  if (missing !== '') process.stderr.write(`${name} is left out: ${missing}\n`)
  return missing === ''
}
