/** What the process itself says: how long the event loop stood still, and how much memory it holds. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Metrics } from './metrics.ts'
import type { Undo } from './scope.ts'

/** Milliseconds between two samples. A sample is the time that passed since the one before. */
const RESOLUTION = 10

/** `process.stall.max_ms`: the longest that anything had to wait for the event loop since this was called. */
export function processMetrics(metrics: Metrics): Undo {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  delay.enable()
  const undos = [
    metrics.gauge('process.stall.max_ms', () => Math.max(0, Math.round(delay.max / 1e6 - RESOLUTION))),
    metrics.gauge('process.memory.rss_bytes', () => process.memoryUsage.rss()),
  ]
  return () => {
    delay.disable()
    for (const undo of undos) undo()
  }
}
