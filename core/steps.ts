/**
 * Steps that wait only where there is something to wait for:
 *
 *     function* find(id: string): Steps<string> {
 *       const endpoint = yield* wait(endpoints.endpoint(id))
 *       return endpoint?.context ?? ''
 *     }
 *     const context = takeSteps(find('100'))     // a string at once where the endpoint was at hand
 */
import type { Eventual } from './eventual.ts'

export type Steps<R> = Generator<Promise<unknown>, R, unknown>

export function* wait<T>(value: Eventual<T>): Steps<T> {
  return value instanceof Promise ? ((yield value) as T) : value
}

export function takeSteps<R>(steps: Steps<R>): Eventual<R> {
  const first = steps.next()
  return first.done ? first.value : takeSlowly(steps, first.value)
}

async function takeSlowly<R>(steps: Steps<R>, first: Promise<unknown>): Promise<R> {
  let step: IteratorResult<Promise<unknown>, R>
  let waited = first
  do {
    try {
      step = steps.next(await waited)
    } catch (error) {
      step = steps.throw(error)
    }
    if (!step.done) waited = step.value
  } while (!step.done)
  return step.value
}
