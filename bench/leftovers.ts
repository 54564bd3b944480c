/** What must not outlive the bench, however it ends: processes and temporary directories. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Signals that end the bench, and the status it ends with then. */
const ENDINGS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** By process id, negative for a group of processes. */
const children = new Map<ChildProcess, number>()
const directories = new Set<string>()

process.on('exit', () => {
  for (const pid of children.values()) kill(pid)
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** From now on a signal ends this process as if it had come to its end. */
export function endOnSignals(): void {
  for (const [signal, status] of Object.entries(ENDINGS)) process.on(signal, () => process.exit(status))
}

/** Ends with this process at the latest. `group`: with its own processes; it has to be detached. */
export function keepTrack(child: ChildProcess, group = false): void {
  if (child.pid === undefined) return
  children.set(child, group ? -child.pid : child.pid)
  child.once('exit', () => children.delete(child))
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

export function temporaryDirectory(prefix: string): string {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  directories.add(directory)
  return directory
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  directories.delete(directory)
}
