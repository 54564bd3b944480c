/** What modules are told: one that fails at it is named in the log, and keeps nothing from its way. */
import { type Logger, reasonOf } from '../core/log.ts'
import type { EventPackage } from './contract.ts'

/** One that does not know says that the change is not the watcher's own: a NOTIFY too many is better than a lamp that is wrong. */
export function isOwnChange(
  of: EventPackage<unknown> | undefined,
  state: unknown,
  watcher: string,
  log: Pick<Logger, 'error'>,
): boolean {
  if (!of?.ownChange) return false
  try {
    return of.ownChange(state, watcher)
  } catch (error) {
    log.error(`a module failed at ownChange: ${reasonOf(error)}`)
    return false
  }
}

/** Undefined where it failed. */
export function telling<T>(log: Pick<Logger, 'error'>, what: string, tell: () => T): T | undefined {
  try {
    return tell()
  } catch (error) {
    log.error(`a module failed at ${what}: ${reasonOf(error)}`)
    return undefined
  }
}
