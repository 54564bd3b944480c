/** What is there at once is not waited for. */
export type Eventual<T> = T | Promise<T>

export function whenThere<T, R>(value: Eventual<T>, next: (value: T) => Eventual<R>): Eventual<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** All of them; a promise only where one of them is. */
export function allThere<T>(values: readonly Eventual<T>[]): Eventual<readonly T[]> {
  const there: T[] = []
  for (const value of values) {
    if (value instanceof Promise) return Promise.all(values)
    there.push(value)
  }
  return there
}
