/** One thing that will happen; setting it again replaces what was to happen before. It keeps no process alive. */
const LONGEST = 2 ** 31 - 1

export class Timer {
  #handle: NodeJS.Timeout | undefined

  get armed(): boolean {
    return this.#handle !== undefined
  }

  set(milliseconds: number, work: () => void): void {
    this.clear()
    this.#handle = setTimeout(
      () => {
        this.#handle = undefined
        work()
      },
      Math.min(milliseconds, LONGEST),
    )
    this.#handle.unref()
  }

  clear(): void {
    clearTimeout(this.#handle)
    this.#handle = undefined
  }
}
