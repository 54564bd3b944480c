/** Requests that wait before they go out: for a name server, or for whoever has the credentials. */
import type { OutcomeHandler } from './contract.ts'

interface Waiting {
  readonly sender: object
  readonly done: OutcomeHandler
}

export class WaitingRequests {
  readonly #all = new Set<Waiting>()
  readonly #givenUp: (done: OutcomeHandler) => void

  constructor(givenUp: (done: OutcomeHandler) => void) {
    this.#givenUp = givenUp
  }

  /** `goOn` with what is waited for, unless the sender gives the request up before it is there. */
  until<T>(there: Promise<T>, sender: object | undefined, done: OutcomeHandler, goOn: (found: T) => void): void {
    if (!sender) return void there.then(goOn)
    const waiting = { sender, done }
    this.#all.add(waiting)
    void there.then((found) => {
      if (this.#all.delete(waiting)) goOn(found)
    })
  }

  giveUp(sender: object): void {
    const waiting = [...this.#all].filter((one) => one.sender === sender)
    for (const one of waiting) this.#all.delete(one)
    for (const { done } of waiting) this.#givenUp(done)
  }
}
