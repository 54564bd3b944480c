/** Resolves when the promise has settled, or after so many milliseconds. Rejects as the promise does. */
export async function within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}
