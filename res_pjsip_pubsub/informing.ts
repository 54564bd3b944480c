/** `local_log_level`: the level of what the pubsub core tells of its own accord, in Kamailio's numbers. */
import type { Level, Logger } from '../core/log.ts'

/** -1 and less, then one by one. */
const LEVELS: readonly Level[] = ['error', 'warning', 'notice', 'verbose', 'debug']

export function levelOf(kamailio: number): Level {
  return LEVELS[Math.min(Math.max(kamailio + 1, 0), LEVELS.length - 1)] ?? 'verbose'
}

/** A logger whose verbose lines have this level. */
export function informing(log: Logger, kamailio: () => number): Logger {
  return {
    ...log,
    category: log.category,
    verbose: (message) => {
      const level = levelOf(kamailio())
      if (level === 'debug') log.debug(() => message)
      else log[level](message)
    },
  }
}
