/** Much of the same, a few milliseconds at a time, so that the packets that come in are not held up. */
const SLICE = 5

/** Rejects as `work` does, and leaves what comes after. */
export async function inSlices<T>(all: Iterable<T>, work: (one: T) => void | Promise<void>): Promise<void> {
  let began = performance.now()
  for (const one of all) {
    const working = work(one)
    if (working) await working
    if (performance.now() - began < SLICE) continue
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    began = performance.now()
  }
}
