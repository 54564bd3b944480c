/** How large everything is, and how long it takes. */

export interface Sizes {
  /** Seconds of each churn, pace and overload. */
  readonly seconds: number
  /** Requests or lamps at a time. */
  readonly window: number
  /** Subscriptions of the exchange, ten a lamp. */
  readonly subscriptions: number
  /** Lamps of the churn, with ten watchers each. */
  readonly lamps: number
  /** Watchers of one lamp: few, and many. */
  readonly few: number
  readonly many: number
  /** Changes of each of these lamps. */
  readonly rounds: number
  /** Lamps of the overload, with fifty watchers each. */
  readonly busyLamps: number
}

export const FULL: Sizes = {
  seconds: 5,
  window: 256,
  subscriptions: 10_000,
  lamps: 2000,
  few: 1000,
  many: 10_000,
  rounds: 5,
  busyLamps: 200,
}

/** Whether everything works, not how fast. */
export const QUICK: Sizes = {
  seconds: 0.3,
  window: 16,
  subscriptions: 200,
  lamps: 40,
  few: 20,
  many: 200,
  rounds: 2,
  busyLamps: 4,
}

export const WATCHERS_A_LAMP = 10
export const WATCHERS_A_BUSY_LAMP = 50
