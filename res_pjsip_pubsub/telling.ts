/** What modules are told: one that fails at it is named in the log, and keeps nothing from its way. */
import { type Logger, reasonOf } from '../core/log.ts'

/** Undefined where it failed. */
export function telling<T>(log: Pick<Logger, 'error'>, what: string, tell: () => T): T | undefined {
  try {
    return tell()
  } catch (error) {
    log.error(`a module failed at ${what}: ${reasonOf(error)}`)
    return undefined
  }
}
