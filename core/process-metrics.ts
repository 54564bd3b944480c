/** What the process itself says: how long the event loop stood still, and how much memory it holds. */
import { closeSync, openSync, readSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'
import type { Undo } from './scope.ts'

/** Milliseconds between two looks at the clock. */
const RESOLUTION = 10

const SPACE = 0x20
const ZERO = 0x30

/** How long this thread has waited for a processor, in milliseconds; `close` when nobody asks any more. */
export interface ProcessorWait {
  read(): number
  close(): void
}

/**
 * All since this was called:
 * - `process.stall.max_ms`: the longest that anything had to wait for the event loop, whatever the reason;
 * - `process.stall.busy_max_ms`: the longest wait that our own computing explains. On a machine that has not enough
 *   processors for everybody the first rises and this one does not: what the thread of the event loop has waited for one
 *   is left out. CPU time is that of all threads, and both are those of all the time since the clock was last looked at,
 *   so it may say too much, never too little;
 * - `process.memory.rss_bytes`, now.
 */
export function processMetrics(metrics: Metrics, wait: ProcessorWait = processorWait()): Undo {
  let longest = 0
  let longestBusy = 0
  let at = performance.now()
  let cpu = cpuMilliseconds()
  let waited = wait.read()
  const timer = setInterval(() => {
    const now = performance.now()
    const used = cpuMilliseconds()
    const waitedNow = wait.read()
    const late = now - at - RESOLUTION
    longest = Math.max(longest, late)
    longestBusy = Math.max(longestBusy, Math.min(late, used - cpu, now - at - (waitedNow - waited)))
    at = now
    cpu = used
    waited = waitedNow
  }, RESOLUTION)
  timer.unref()
  const undos = [
    metrics.gauge('process.stall.max_ms', () => Math.round(longest)),
    metrics.gauge('process.stall.busy_max_ms', () => Math.round(longestBusy)),
    metrics.gauge('process.memory.rss_bytes', () => process.memoryUsage.rss()),
  ]
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    clearInterval(timer)
    wait.close()
    for (const undo of undos) undo()
  }
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** As Linux counts it for the first thread of a process (proc(5): /proc/PID/schedstat); 0 where nobody does. */
export function processorWait(): ProcessorWait {
  const text = Buffer.alloc(64)
  let file: number
  try {
    file = openSync('/proc/self/schedstat', 'r')
  } catch {
    return { read: () => 0, close: () => undefined }
  }
  return {
    // By hand, as it is asked for a hundred times a second.
    read() {
      const length = readSync(file, text, 0, text.length, 0)
      let nanoseconds = 0
      for (let at = text.indexOf(SPACE) + 1; at < length && text[at] !== SPACE; at++)
        nanoseconds = 10 * nanoseconds + ((text[at] ?? ZERO) - ZERO)
      return nanoseconds / 1_000_000
    },
    close: () => closeSync(file),
  }
}
