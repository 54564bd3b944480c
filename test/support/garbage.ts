/** For tests of what is held in memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects all garbage there is. What was made in this turn of the event loop a WeakRef keeps until the next. */
export const collectGarbage: () => void = runInNewContext('gc')

/** Bytes of the heap that are in use once all garbage is gone. */
export function heapInUse(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}
