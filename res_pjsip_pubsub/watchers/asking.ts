/** What a watcher may have, asked for as long as it watches. */
import { Constant, type Watchable, type WatchObserver } from '../../core/watch.ts'
import type { Authorization } from './authorization.ts'

export interface Asker {
  /** The decision now, and each change of it. */
  decided(decision: Authorization): void
}

class Asking implements WatchObserver<Authorization> {
  readonly #source: Watchable<Authorization>
  readonly #asker: Asker

  constructor(source: Watchable<Authorization>, asker: Asker) {
    this.#source = source
    this.#asker = asker
  }

  value(decision: Authorization): void {
    this.#asker.decided(decision)
  }

  stop(): void {
    this.#source.detach(this)
  }
}

export type { Asking }

/** Undefined where the decision is for good, and nothing has to be stopped. */
export function ask(source: Watchable<Authorization>, asker: Asker): Asking | undefined {
  const asking = source instanceof Constant ? undefined : new Asking(source, asker)
  if (asking) source.attach(asking)
  else asker.decided(source.value)
  return asking
}
