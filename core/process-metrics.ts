/** What the process itself says: how long the event loop stood still, and how much memory it holds. */
import { performance } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'
import type { Undo } from './scope.ts'

/** Milliseconds between two looks at the clock. */
const RESOLUTION = 10

/**
 * All since this was called:
 * - `process.stall.max_ms`: the longest that anything had to wait for the event loop, whatever the reason;
 * - `process.stall.busy_max_ms`: the longest wait that our own computing explains. On a machine that has not enough
 *   processors for everybody the first rises and this one does not. CPU time is that of all threads, so it may say too
 *   much, never too little;
 * - `process.memory.rss_bytes`, now.
 */
export function processMetrics(metrics: Metrics): Undo {
  let longest = 0
  let longestBusy = 0
  let at = performance.now()
  let cpu = cpuMilliseconds()
  const timer = setInterval(() => {
    const now = performance.now()
    const used = cpuMilliseconds()
    const late = now - at - RESOLUTION
    longest = Math.max(longest, late)
    longestBusy = Math.max(longestBusy, Math.min(late, used - cpu))
    at = now
    cpu = used
  }, RESOLUTION)
  timer.unref()
  const undos = [
    metrics.gauge('process.stall.max_ms', () => Math.round(longest)),
    metrics.gauge('process.stall.busy_max_ms', () => Math.round(longestBusy)),
    metrics.gauge('process.memory.rss_bytes', () => process.memoryUsage.rss()),
  ]
  return () => {
    clearInterval(timer)
    for (const undo of undos) undo()
  }
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
