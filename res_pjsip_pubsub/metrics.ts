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
    metrics.gauge(`pubsub.subscriptions.${phase}`, () => censusOf(subscriptions).phases.get(phase) ?? 0),
  )
  return () => {
    for (const undo of undos) undo()
  }
}

export function eventGauge(metrics: Metrics, event: string, subscriptions: Subscriptions): Undo {
  return metrics.gauge(`pubsub.subscriptions.event.${event}`, () => censusOf(subscriptions).events.get(event) ?? 0)
}

interface Census {
  readonly phases: Map<string, number>
  readonly events: Map<string, number>
}

const taken = new WeakMap<Subscriptions, Census>()

/** All gauges are read at once, and tens of thousands are counted one time for all of them. */
function censusOf(subscriptions: Subscriptions): Census {
  const known = taken.get(subscriptions)
  if (known) return known
  const census: Census = { phases: new Map(), events: new Map() }
  for (const { phase, event } of subscriptions) {
    census.phases.set(phase, (census.phases.get(phase) ?? 0) + 1)
    census.events.set(event, (census.events.get(event) ?? 0) + 1)
  }
  taken.set(subscriptions, census)
  queueMicrotask(() => taken.delete(subscriptions))
  return census
}
