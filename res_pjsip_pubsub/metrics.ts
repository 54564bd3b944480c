/** Counters of the notifier. */
import type { Metrics } from '../core/metrics.ts'
import type { Undo } from '../core/scope.ts'
import type { DeliveryCounters } from './delivery.ts'
import type { Phase } from './phase.ts'
import type { Subscriptions } from './subscriptions.ts'

export function deliveryCounters(metrics: Metrics): DeliveryCounters {
  return {
    sent: metrics.counter('pubsub.notify.sent'),
    answered: metrics.counter('pubsub.notify.answered'),
    failed: metrics.counter('pubsub.notify.failed'),
    retried: metrics.counter('pubsub.notify.retried'),
    coalesced: metrics.counter('pubsub.notify.coalesced'),
    suppressed: metrics.counter('pubsub.notify.suppressed'),
  }
}

const PHASES: readonly Phase[] = ['waiting', 'active', 'ending']

/** Subscriptions now, by phase. They are counted when somebody asks. */
export function phaseGauges(metrics: Metrics, subscriptions: Subscriptions): Undo {
  const undos = PHASES.map((phase) =>
    metrics.gauge(`pubsub.subscriptions.${phase}`, () => count(subscriptions, (s) => s.phase === phase)),
  )
  return () => {
    for (const undo of undos) undo()
  }
}

export function eventGauge(metrics: Metrics, event: string, subscriptions: Subscriptions): Undo {
  return metrics.gauge(`pubsub.subscriptions.event.${event}`, () => count(subscriptions, (s) => s.event === event))
}

function count<T>(all: Iterable<T>, is: (one: T) => boolean): number {
  let n = 0
  for (const one of all) if (is(one)) n++
  return n
}
