/** Around each file: what it leaves open would keep a process of its own from its end, but not a worker of mocha's. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from 'mocha'
import { until } from './tools.ts'

/** Not of a request to the disk, which ends by itself, nor a connection: Node keeps one now and then that was reset. */
const open = (): string[] =>
  process.getActiveResourcesInfo().filter((kind) => !/^FSReq|^CloseReq$|^TCPSocketWrap$/.test(kind))
let before = 0

export const mochaHooks = {
  async beforeAll(): Promise<void> {
    // Mocha has a timer of its own for a hook that waits: now as afterwards.
    await pause(1)
    before = open().length
  },
  async afterAll(this: Context): Promise<void> {
    // An error that is thrown only now fails the file, too, and with that mocha has done with it.
    await pause(20)
    if (this.test?.isFailed()) return new Promise(() => undefined)
    await until('end', () => open().length <= before).catch(() => {
      throw new Error(`${this.test?.parent?.suites[0]?.file} leaves something open: ${open().join(', ')}`)
    })
  },
}
