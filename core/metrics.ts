/** Named counters and gauges. Counting is one property write: nothing is formatted until somebody asks. */
export class Counter {
  value = 0

  add(n = 1): void {
    this.value += n
  }
}

export class Metrics {
  readonly #counters = new Map<string, Counter>()
  readonly #gauges = new Map<string, () => number>()

  /** Names are lower case with dots: `pubsub.notify.sent`. */
  counter(name: string): Counter {
    let counter = this.#counters.get(name)
    if (!counter) this.#counters.set(name, (counter = new Counter()))
    return counter
  }

  gauge(name: string, read: () => number): () => void {
    this.#gauges.set(name, read)
    return () => {
      if (this.#gauges.get(name) === read) this.#gauges.delete(name)
    }
  }

  /** Everything now, in the order of the names. */
  read(): [name: string, value: number][] {
    const all: [string, number][] = [
      ...[...this.#counters].map(([name, counter]): [string, number] => [name, counter.value]),
      ...[...this.#gauges].map(([name, read]): [string, number] => [name, read()]),
    ]
    return all.sort(([a], [b]) => (a < b ? -1 : 1))
  }
}
