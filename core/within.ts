/** Resolves as the promise does, or with undefined after so many milliseconds. Rejects as the promise does. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}
