/** Ownership: whatever registers returns its undoing, and a scope undoes what it owns, last first. */
export type Undo = () => void | Promise<void>

export class Scope {
  readonly #undos: Undo[] = []
  #closed = false

  /** Takes ownership of an undoing and hands it back, so that it can also be called early. */
  readonly own = <U extends Undo>(undo: U): U => {
    if (this.#closed) throw new Error('this scope is closed')
    this.#undos.push(undo)
    return undo
  }

  /** Undoes everything, last first. One failing undo does not keep the others from running; all failures are thrown together. */
  async close(): Promise<void> {
    this.#closed = true
    const failures: unknown[] = []
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) {
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some of what was owned could not be undone')
  }
}
