/** How large everything is, and how long it takes. */

export interface Sizes {
  /** Seconds of each churn, pace and overload. */
  readonly seconds: number
  /** Requests or lamps at a time. */
  readonly window: number
  /** Subscriptions of the exchange, ten a lamp. */
  readonly subscriptions: number
  /** Subscriptions in which memory is measured again, and that are stored at a restart. */
  readonly crowd: number
  /** Lamps of the churn, with ten watchers each. */
  readonly lamps: number
  /** Watchers of one lamp: few, and many. */
  readonly few: number
  readonly many: number
  /** Changes of each of these lamps. */
  readonly rounds: number
  /** Lamps of the overload, with fifty watchers each. */
  readonly busyLamps: number
  /** What comes before anything is measured: a churn of so many seconds, or of so many NOTIFYs, if that is sooner. */
  readonly warmSeconds: number
  readonly warmNotifies: number
  /** Seconds of load before a kill -9, at most. */
  readonly killSeconds: number
  /** Pairs of loads with and without a digest, after one that warms. */
  readonly digestRounds: number
}

export const FULL: Sizes = {
  seconds: 5,
  window: 256,
  subscriptions: 10_000,
  crowd: 50_000,
  lamps: 2000,
  few: 1000,
  many: 10_000,
  rounds: 5,
  busyLamps: 200,
  warmSeconds: 10,
  warmNotifies: 200_000,
  killSeconds: 5,
  digestRounds: 5,
}

/** Whether everything works, not how fast. */
export const QUICK: Sizes = {
  seconds: 0.3,
  window: 16,
  subscriptions: 200,
  crowd: 400,
  lamps: 40,
  few: 20,
  many: 200,
  rounds: 2,
  busyLamps: 4,
  warmSeconds: 0.2,
  warmNotifies: 1000,
  killSeconds: 0.5,
  digestRounds: 1,
}

export const WATCHERS_A_LAMP = 10
export const WATCHERS_A_BUSY_LAMP = 50
/** Of the lamps whose watchers are restored. */
export const WATCHERS_A_STORED_LAMP = 100
