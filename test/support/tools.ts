/** Programs from outside that some tests need. Where one is missing the test says so and skips; in CI that is a failure. */
import { spawnSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from 'mocha'

export function needTool(test: Context, tool: string): void {
  if (spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0) return
  if (process.env['CI']) throw new Error(`${tool} is not installed, and in CI nothing may skip`)
  console.error(
    `      skipped: ${tool} is not installed (node .ci/prepare.mjs test installs it from Debian's packages)`,
  )
  test.skip()
}

/** As somebody to whom the modes of files apply, which is not root. */
export async function asNobody<T>(work: () => T | Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65534)
  try {
    return await work()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}

/** Computes for so long, and lets nobody else. */
export function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

/** Milliseconds this process has computed so far, whatever else the machine computes. */
export function computed(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Waits until `holds` returns something, and fails with `what` when it does not in time. */
export async function until<T>(
  what: string,
  holds: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  milliseconds = 20_000,
): Promise<T> {
  const deadline = Date.now() + milliseconds
  for (let isLate = false; ; ) {
    const value = await holds()
    if (value !== undefined && value !== false && value !== null) return value
    if (isLate) throw new Error(`within ${milliseconds} ms there was no ${what}`)
    // A machine that stood still for as long gets one more turn for what was due meanwhile.
    isLate = Date.now() > deadline
    await pause(10)
  }
}
