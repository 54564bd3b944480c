/**
 * How a reload goes on when a part of it fails: every step is taken, whatever becomes of the others, and all that went
 * wrong is told together. And what no reload can change.
 */
import { inspect } from 'node:util'
import type { Configuration } from './conf/configuration.ts'
import { type Logger, reasonOf } from './log.ts'
import { ConfigError } from './options.ts'

/** What was wrong with the configuration; nothing was started or changed. */
export class ConfigurationFaults extends Error {
  readonly faults: readonly ConfigError[]

  constructor(faults: readonly ConfigError[]) {
    super(faults.map((fault) => fault.message).join('\n'))
    this.faults = faults
  }
}

/** The configuration was good and is in effect, but for these. */
export class ReloadTroubles extends Error {
  readonly troubles: readonly string[]

  constructor(troubles: readonly string[]) {
    super(troubles.join('\n'))
    this.troubles = troubles
  }
}

export type Step = () => void | Promise<void>

/** Takes all steps in order. Throws ReloadTroubles when they are over. */
export async function takeAll(steps: readonly Step[]): Promise<void> {
  const troubles: string[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      troubles.push(...reasonOf(error).split('\n'))
    }
  }
  if (troubles.length > 0) throw new ReloadTroubles(troubles)
}

/** What is wrong with the configuration as a whole, before any of it takes effect; other errors pass. */
export async function beforeAnything(step: Step): Promise<void> {
  try {
    await step()
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigurationFaults([error]) : error
  }
}

/** Says what became of a reload that failed, and what to do. */
export function logFailure(log: Logger, error: unknown): void {
  if (error instanceof ConfigurationFaults) {
    for (const fault of error.faults) log.error(fault.message)
    log.error('nothing was reloaded: mend the faults above and reload again')
  } else if (error instanceof ReloadTroubles) {
    for (const trouble of error.troubles) log.error(trouble)
    log.error('the configuration is in effect but for the errors above: mend them and reload again')
  } else log.error(`a reload failed, which should not have happened, please report it: ${inspect(error)}`)
}

/** What has another value than at the start and waits for the next one, in the words of lamplighter.conf. */
export function waitsForRestart(started: Configuration, now: Configuration): string[] {
  const changed = (name: string, a: unknown, b: unknown): string[] => (a === b ? [] : [name])
  return [
    ...changed('path in [store]', started.storePath, now.storePath),
    ...changed('synchronous in [store]', started.store.synchronous, now.store.synchronous),
    ...changed('socket in [console]', started.consoleSocket, now.consoleSocket),
    ...changed('logfile in [console]', started.logFile, now.logFile),
    ...changed('timestamp in [console]', started.console.timestamp, now.console.timestamp),
  ]
}
