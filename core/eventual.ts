/** What is there at once is not waited for. */
export type Eventual<T> = T | Promise<T>

export function whenThere<T, R>(value: Eventual<T>, next: (value: T) => Eventual<R>): Eventual<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
