/** What modules are told: one that fails at it is named in the log, and keeps nothing from its way. */
import { type Logger, reasonOf } from '../core/log.ts'
import type { EventPackage, Subscription } from './contract.ts'
import { type NameMatch, nameKey } from './identity.ts'

/** One that does not know says that the change is not the watcher's own: a NOTIFY too many is better than a lamp that is wrong. */
export function isOwnChange(
  of: EventPackage<unknown>,
  state: unknown,
  watcher: string,
  match: NameMatch,
  log: Pick<Logger, 'error'>,
): boolean {
  if (!of.ownChange) return false
  try {
    return of.ownChange(state, nameKey(watcher, match))
  } catch (error) {
    failed(log, 'ownChange', error, of.event)
    return false
  }
}

/** Whether the part of the state that it asks for is over. What a list has to say is no state of the package. */
export function isOver(
  of: EventPackage<unknown> | undefined,
  { isList, narrowed }: { readonly isList: boolean; readonly narrowed: string },
  state: unknown,
  before: unknown,
  log: Pick<Logger, 'error'>,
): boolean {
  if (isList) return false
  return telling(log, 'isOver', () => of?.isOver?.(narrowed, state, before), of?.event) === true
}

/** Undefined where it failed. `event`: whose module it is. A function that is `async` by mistake may fail later. */
export function telling<T>(log: Pick<Logger, 'error'>, what: string, tell: () => T, event?: string): T | undefined {
  try {
    const told = tell()
    if (told instanceof Promise) told.catch((error: unknown) => failed(log, what, error, event))
    return told
  } catch (error) {
    failed(log, what, error, event)
    return undefined
  }
}

type Callback = 'subscriptionEstablished' | 'subscriptionTimeout' | 'subscriptionShutdown'

/** A callback of its package that is told of the subscription and nothing else. */
export function tellPackage(
  of: EventPackage<unknown> | undefined,
  what: Callback,
  subscription: Subscription,
  log: Pick<Logger, 'error'>,
): void {
  telling(log, what, () => of?.[what]?.(subscription), of?.event)
}

function failed(log: Pick<Logger, 'error'>, what: string, error: unknown, event?: string): void {
  log.error(
    `${event === undefined ? 'a module' : `the module of event ${event}`} failed at ${what}: ${reasonOf(error)}`,
  )
}
