import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { expect } from 'chai'
import { Metrics } from '../../core/metrics.ts'
import { processMetrics, processorWait } from '../../core/process-metrics.ts'
import type { Undo } from '../../core/scope.ts'
import { busy, computed, until } from '../support/tools.ts'

describe('what the process says of itself', () => {
  let metrics: Metrics
  let undo: Undo
  const read = (name: string): number => metrics.read().find(([key]) => key === name)?.[1] ?? Number.NaN
  beforeEach(() => {
    metrics = new Metrics()
    undo = processMetrics(metrics)
  })
  afterEach(() => undo())

  it('a stall that is computing is both long and busy', async () => {
    for (const began = computed(); computed() - began < 120; );
    // What was waited for a processor in it is not ours, so a little may be missing.
    await until('a long stall', () => read('process.stall.max_ms') >= 90)
    expect(read('process.stall.busy_max_ms')).to.be.within(30, read('process.stall.max_ms'))
  })

  it('a stall in which nothing is computed is long, and not busy', async () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150)
    await until('a long stall', () => read('process.stall.max_ms') >= 120)
    expect(read('process.stall.busy_max_ms')).to.be.below(100)
  })

  it('a stall in which others had the processor is long, and busy only for the rest of it', async () => {
    void undo()
    let waited = 1000
    undo = processMetrics(metrics, { read: () => waited, close: () => undefined })
    busy(120)
    waited += 100
    await until('a long stall', () => read('process.stall.max_ms') >= 90)
    expect(read('process.stall.busy_max_ms')).to.be.below(read('process.stall.max_ms') - 60)
  })

  it('what it waited for a processor, which Linux counts', async function () {
    if (process.platform !== 'linux') this.skip()
    const wait = processorWait()
    const before = wait.read()
    // More of them than there are processors.
    const others = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn(process.execPath, ['-e', 'for (const end = Date.now() + 1500; Date.now() < end; );']),
    )
    try {
      await until('a wait', () => {
        busy(20)
        return wait.read() > before
      })
    } finally {
      for (const other of others) other.kill('SIGKILL')
      wait.close()
    }
  })

  it('memory, and nothing at all once it is undone', () => {
    expect(read('process.memory.rss_bytes')).to.be.above(10_000_000)
    void undo()
    expect(metrics.read()).to.deep.equal([])
  })
})
