/** Processes of the bench: started, awaited, ended. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { keepTrack } from './leftovers.ts'
import type { Asked, Order, Outcome, Reply } from './orders.ts'
import type { PbxPorts } from './pbx.ts'

function start(file: string): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  keepTrack(child)
  return child
}

/** What it says next; rejects where it ends instead. */
async function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the bench ended with ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message)
    })
  })
}

export async function stopChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

export class Generator {
  readonly #child = start('generator.ts')

  /** @throws Error with what went wrong in the generator itself; faults of the server are in the outcome. */
  async ask(order: Order, pids: readonly number[]): Promise<Outcome> {
    this.#child.send({ order, pids } satisfies Asked)
    const reply = (await answer(this.#child)) as Reply
    if ('failure' in reply) throw new Error(`the generator failed: ${reply.failure}`)
    return reply.outcome
  }

  async stop(): Promise<void> {
    await stopChild(this.#child)
  }
}

export class PbxProcess {
  readonly ports: PbxPorts
  readonly #child: ChildProcess

  static async start(): Promise<PbxProcess> {
    const child = start('pbx.ts')
    return new PbxProcess(child, (await answer(child)) as PbxPorts)
  }

  private constructor(child: ChildProcess, ports: PbxPorts) {
    this.#child = child
    this.ports = ports
  }

  async stop(): Promise<void> {
    await stopChild(this.#child)
  }
}
