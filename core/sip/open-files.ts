/**
 * A connection is a file, of which a process may open only so many (`ulimit -n`). Where there is none left the system
 * itself ends a connection that comes and tells nobody, and there is none for Asterisk, the store, the log or the console.
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

/** For all that is no connection of a transport. */
const OTHERS = 256

/** What the transports share. */
export class OpenFiles {
  readonly limit: number
  #left: number

  constructor(limit = limitOfProcess()) {
    this.limit = limit
    this.#left = limit - Math.min(OTHERS, Math.ceil(limit / 2))
  }

  get full(): boolean {
    return this.#left <= 0
  }

  /** It has one until it is closed. */
  add(socket: Socket): void {
    this.#left--
    socket.once('close', () => this.#left++)
  }
}

/** Node has raised the soft limit to the hard one when it started. Where Linux does not say it there is none. */
function limitOfProcess(): number {
  try {
    return Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}
