import { Timer } from '../timer.ts'

/**
 * A task at an interval, one run at a time: the next pause begins when a run has ended, and lasts at least four times as
 * long as the run did, so that a large system is asked less often rather than all the time. Keeps no process alive.
 */
export class Repeating {
  readonly #interval: () => number
  readonly #task: () => Promise<unknown>
  readonly #timer = new Timer()
  #running = false

  /** `interval` in seconds, read before each pause. `task` never rejects. */
  constructor(interval: () => number, task: () => Promise<unknown>) {
    this.#interval = interval
    this.#task = task
  }

  start(): void {
    this.#running = true
    this.#schedule()
  }

  stop(): void {
    this.#running = false
    this.#timer.clear()
  }

  #schedule(took = 0): void {
    if (this.#running) this.#timer.set(Math.max(this.#interval() * 1000, 4 * took), () => void this.#run())
  }

  async #run(): Promise<void> {
    const began = performance.now()
    await this.#task()
    this.#schedule(performance.now() - began)
  }
}
