/** A task at an interval, one run at a time: the next pause begins when a run has ended. Keeps no process alive. */
export class Repeating {
  readonly #interval: () => number
  readonly #task: () => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
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
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (!this.#running) return
    this.#timer = setTimeout(() => void this.#task().finally(() => this.#schedule()), this.#interval() * 1000)
    this.#timer.unref()
  }
}
