import { within } from './within.ts'

/** Ownership: whatever registers returns its undoing, and a scope undoes what it owns, last first. */
export type Undo = () => void | Promise<void>

/** Puts it into the set; the undoing takes it out. */
export function addedTo<T>(set: Set<T>, one: T): Undo {
  set.add(one)
  return () => {
    set.delete(one)
  }
}

/** How long each undoing is waited for, and what happens where that is over. */
export interface Patience {
  readonly milliseconds: number
  readonly exceeded: () => void
}

export class Scope {
  readonly #undos: Undo[] = []
  #closed = false

  /** Takes ownership of an undoing and hands it back, so that it can also be called early. */
  readonly own = <U extends Undo>(undo: U): U => {
    if (this.#closed) throw new Error('this scope is closed')
    this.#undos.push(undo)
    return undo
  }

  /**
   * Undoes everything, last first. One failing undo does not keep the others from running; all failures are thrown
   * together. Without `patience` each is waited for as long as it takes.
   */
  async close(patience?: Patience): Promise<void> {
    this.#closed = true
    const failures: unknown[] = []
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) {
      try {
        const undoing = undo()
        await (undoing && patience ? bounded(undoing, patience) : undoing)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some of what was owned could not be undone')
  }
}

async function bounded(undoing: Promise<void>, { milliseconds, exceeded }: Patience): Promise<void> {
  const isOver = await within(
    milliseconds,
    undoing.then(() => true),
  )
  if (!isOver) exceeded()
}
