/**
 * Reading a state while events about it may arrive. An event that comes between the question and its answer is at least
 * as new as the answer, and travels on another connection: it wins, and the answer is dropped.
 */
export class Asked {
  /** name in lower case → the questions under way that no event has overtaken */
  readonly #open = new Map<string, Set<object>>()

  /** Something was told about this name by an event. */
  told(name: string): void {
    this.#open.delete(name.toLowerCase())
  }

  /** Asks, and resolves to the names whose answer still counts. */
  async during(names: readonly string[], ask: () => Promise<void>): Promise<ReadonlySet<string>> {
    const question = {}
    for (const name of names) {
      const key = name.toLowerCase()
      const questions = this.#open.get(key)
      if (questions) questions.add(question)
      else this.#open.set(key, new Set([question]))
    }
    await ask()
    const valid = new Set<string>()
    for (const name of names) {
      const key = name.toLowerCase()
      const questions = this.#open.get(key)
      if (!questions?.delete(question)) continue
      valid.add(name)
      if (questions.size === 0) this.#open.delete(key)
    }
    return valid
  }
}
