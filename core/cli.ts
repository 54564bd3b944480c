#!/usr/bin/env node
/**
 * The command: `lamplighter [-C DIR]` serves, `--check` reads the configuration only, `-r` and `-rx` talk to the one
 * that runs. Without a configuration it plays the demo.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readConfiguration } from './conf/configuration.ts'
import { whyNotDirectory } from './conf/cross-checks.ts'
import { interact, runRemote } from './console/remote.ts'
import { findModules } from './find-modules.ts'
import { reasonOf } from './log.ts'
import { ConfigurationFaults } from './reload.ts'
import { Scope } from './scope.ts'
import { type Server, startServer } from './server.ts'
import { readWith, unreadable } from './server-configuration.ts'
import { programVersion } from './version.ts'

const SYSTEM_DIRECTORY = '/etc/lamplighter'

const USAGE = `Usage: lamplighter [options]

  -C, --config DIR    configuration directory (default ${SYSTEM_DIRECTORY} where it exists, otherwise the demo)
      --check         read the configuration, report every fault with file and line, and end
  -r                  a console on the instance that runs with this configuration
  -x COMMAND          run one console command there, with or without -r: lamplighter -C DIR -rx "core show hints"
  -v, -d              with -r: show verbose (debug) lines of the log there, however little is logged elsewhere
  -q, --quiet         in the demo: do not show the lamps
  -V, --version       show the version
  -h, --help          show this
`

/** How it ends to be started again (EX_TEMPFAIL): `RestartForceExitStatus` of the unit. */
const AGAIN = 75
/** Milliseconds from the end to that of the process, should anything hold it. */
const LINGER = 300

// Whoever read our output may have gone: `lamplighter -rx "core show help" | head -1`.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
process.exitCode = await main()

async function main(): Promise<number> {
  const options = readArguments()
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${USAGE}`)
    return 2
  }
  if (options.help) return print(USAGE)
  if (options.version) return print(`lamplighter ${programVersion}\n`)
  const configured = options.config ?? (existsSync(SYSTEM_DIRECTORY) ? SYSTEM_DIRECTORY : undefined)
  let directory: string
  try {
    directory = configured === undefined ? (await import('./demo/place.ts')).demoDirectory() : resolve(configured)
  } catch (error) {
    console.error(reasonOf(error))
    return 1
  }
  const why = configured === undefined ? undefined : whyNotDirectory(directory, '')
  if (why !== undefined) {
    console.error(why === '' ? `there is no directory ${directory}` : `${directory} ${why}`)
    return 1
  }
  if (options.check) return await check(directory)
  if (options.remote || options.execute !== undefined) {
    const { configuration, problems } = readConfiguration(directory)
    // Where the console listens stands in a file that not everybody may read.
    const unread = problems.find(({ message }) => message.startsWith(`${join(directory, 'lamplighter.conf')}: `))
    const console = { socket: configuration.consoleSocket, unread: unread?.message }
    if (options.execute !== undefined) return runRemote(console, options.execute)
    return interact(console, programVersion, options.debug ? 'debug' : options.verbose ? 'verbose' : undefined)
  }
  return serve(directory, configured === undefined, options.quiet === true)
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', short: 'C' },
        check: { type: 'boolean' },
        remote: { type: 'boolean', short: 'r' },
        execute: { type: 'string', short: 'x' },
        // As in Asterisk's -rvvvvv; here there is one level of each.
        verbose: { type: 'boolean', short: 'v', multiple: true },
        debug: { type: 'boolean', short: 'd', multiple: true },
        quiet: { type: 'boolean', short: 'q' },
        version: { type: 'boolean', short: 'V' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: false,
    })
    if ((values.verbose ?? values.debug) && !values.remote && values.execute === undefined)
      return "-v and -d are of -r; of the server it is 'level' in [console] of lamplighter.conf"
    return values
  } catch (error) {
    return reasonOf(error)
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

async function check(directory: string): Promise<number> {
  const modules = await findModules()
  const { configuration, problems, warnings, unwritable } = readWith(modules, directory)
  const faults = [...unreadable(modules, configuration), ...problems, ...warnings, ...unwritable]
  for (const fault of faults) console.error(fault.message)
  const count = faults.length === 0 ? 'no faults' : faults.length === 1 ? '1 fault' : `${faults.length} faults`
  console.log(`${directory}: ${count}`)
  return faults.length === 0 ? 0 : 1
}

/** Serves until a signal ends it. */
async function serve(directory: string, demo: boolean, quiet: boolean): Promise<number> {
  let code = 0
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
  // What gets here is a fault of ours; the lamps of everybody else must not go out for it.
  process.on('uncaughtException', (error) =>
    console.error(`this should not have happened, please report it: ${error.stack ?? error.message}`),
  )
  // A signal that comes early must not end the process, which is what it does to one that has not asked for it.
  let server: Server | undefined
  let reloadAsked = false
  const reload = (): void => {
    reloadAsked = true
    // Why it failed is in the log.
    void server?.reload().catch(() => undefined)
  }
  // The demo has nothing to read again: its terminal was closed.
  process.on('SIGHUP', demo ? end : reload)
  const scope = new Scope()
  try {
    const played = demo ? await (await import('./demo/demo.ts')).playDemo({ directory, quiet }) : undefined
    if (played) scope.own(() => played.stop())
    const onStop = (again: boolean): void => {
      if (again) code = AGAIN
      end()
    }
    const started = await startServer({ directory, version: programVersion, onStop, ended })
    scope.own(() => started.stop())
    server = started
    console.log(`Lamplighter ready: ${started.addresses.join(', ')}`)
    if (reloadAsked) reload()
    await played?.openPhones()
    await ended
  } catch (error) {
    const lines = error instanceof ConfigurationFaults ? error.faults.map((fault) => fault.message) : [reasonOf(error)]
    for (const line of lines) console.error(line)
    return 1
  } finally {
    await scope.close()
    setTimeout(() => process.exit(), LINGER).unref()
  }
  return code
}
