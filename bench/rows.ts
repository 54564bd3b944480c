/** The rows of the table: what is measured, in what unit, and what is to be reached. */
import type { ServerName } from './server.ts'

/** What a ratio is taken against: a row of a server in the same run. */
export interface Against {
  readonly server: ServerName
  readonly row: string
}

export interface Row {
  readonly title: string
  readonly unit: 'µs' | 'ms' | 'kB' | '/s' | '%' | 'ratio' | 'count'
  /** The ratio is of Lamplighter's median to the median of this; without it `goals` are values. */
  readonly against?: Against
  /** At most: in memory, with SQLite. Without goals the row only tells. */
  readonly goals?: readonly [memory: number, sqlite: number]
  /** Of several figures in one run the largest counts. */
  readonly most?: true
  /** What Asterisk 22.10.1 took for it on a machine of this class (recorded, not measured in this run). */
  readonly asterisk?: number
  /** At most, of what Asterisk took: in memory, with SQLite. */
  readonly asteriskGoals?: readonly [memory: number, sqlite: number]
}

const KAMAILIO: ServerName = 'kamailio memory'

export const ROWS = {
  exchange: {
    title: 'SUBSCRIBE, 200, NOTIFY, 200: CPU',
    unit: 'µs',
    against: { server: KAMAILIO, row: 'exchange' },
    goals: [0.5, 0.65],
    asterisk: 661,
    asteriskGoals: [0.1, 0.13],
  },
  exchangeRate: { title: 'the same: rate', unit: '/s', asterisk: 2459 },
  cold: { title: 'the same cold, the first SUBSCRIBEs of a process: CPU', unit: 'µs' },
  refresh: {
    title: 'refresh, 200, NOTIFY, 200: CPU',
    unit: 'µs',
    against: { server: KAMAILIO, row: 'refresh' },
    goals: [0.5, 0.65],
    asterisk: 368,
  },
  refreshRate: { title: 'the same: rate', unit: '/s', asterisk: 4076 },
  memory: { title: 'memory of a subscription (Pss)', unit: 'kB', goals: [4, 5], asterisk: 60 },
  memoryCrowd: {
    title: 'memory of a subscription (Pss), of five times as many',
    unit: 'kB',
    goals: [4, 5],
    asterisk: 60,
  },
  digest: { title: 'digest on each SUBSCRIBE of a new dialog: CPU more', unit: 'µs', goals: [15, 15] },
  digestRefresh: { title: 'digest on each refresh: CPU more', unit: 'µs', goals: [15, 15] },
  churn: {
    title: 'churn of dialog-info, a NOTIFY: CPU',
    unit: 'µs',
    against: { server: KAMAILIO, row: 'churn' },
    goals: [0.5, 0.6],
    asterisk: 260,
    asteriskGoals: [0.1, 0.13],
  },
  churnRate: { title: 'the same: NOTIFYs', unit: '/s', asterisk: 5684 },
  churnP99: {
    title: 'the same at 80 % of that rate: p99 of change → NOTIFY',
    unit: 'ms',
    against: { server: KAMAILIO, row: 'churnP99' },
    goals: [0.25, 0.25],
  },
  messages: {
    title: 'churn of message-summary, a NOTIFY: CPU',
    unit: 'µs',
    against: { server: KAMAILIO, row: 'messages' },
    goals: [0.9, 1],
  },
  messagesRate: { title: 'the same: NOTIFYs', unit: '/s' },
  messagesP99: {
    title: 'the same at 80 % of that rate: p99 of change → NOTIFY',
    unit: 'ms',
    against: { server: KAMAILIO, row: 'messagesP99' },
  },
  devices: {
    title: 'DeviceStateChanged over ARI → NOTIFY: CPU',
    unit: 'µs',
    against: { server: KAMAILIO, row: 'churn' },
    goals: [0.5, 0.6],
  },
  devicesRate: { title: 'the same: NOTIFYs', unit: '/s' },
  devicesP99: { title: 'the same at 80 % of that rate: p99 of change → NOTIFY', unit: 'ms' },
  few: {
    title: 'one lamp, few watchers: last NOTIFY',
    unit: 'ms',
    against: { server: KAMAILIO, row: 'few' },
    asterisk: 149,
  },
  many: {
    title: 'one lamp, ten times as many: last NOTIFY',
    unit: 'ms',
    against: { server: KAMAILIO, row: 'many' },
    goals: [0.1, 0.1],
    asterisk: 1508,
    asteriskGoals: [0.17, 0.17],
  },
  growth: { title: 'that, against the time for few', unit: 'ratio', goals: [12, 12] },
  overload: {
    title: 'changes over ARI at twice what can be sent: last NOTIFY after the last change',
    unit: 'ms',
    goals: [1000, 1000],
  },
  overloadSent: { title: 'the same: NOTIFYs sent for those due', unit: '%' },
  overloadMemory: { title: 'the same: growth of memory (Pss)', unit: 'kB' },
  restart: { title: 'restart: last restored NOTIFY', unit: 'ms' },
  restartRatio: { title: 'that, against a fan-out of as many', unit: 'ratio', goals: [2, 2] },
  kill: { title: 'kill -9 under load: subscriptions at that moment', unit: 'count' },
  killLost: { title: 'kill -9 under load: unknown afterwards', unit: 'count', goals: [0, 0] },
  killYoung: { title: 'kill -9 under load: unknown, and answered in the last 100 ms', unit: 'count' },
  killRefreshes: { title: 'kill -9 under load: refreshes lost of the last period', unit: 'count' },
  killReused: { title: 'kill -9 under load: NOTIFYs with a used CSeq', unit: 'count', goals: [0, 0] },
  through: { title: 'kill -9 with subs_db_mode 1: subscriptions at that moment', unit: 'count' },
  throughLost: { title: 'kill -9 with subs_db_mode 1: unknown afterwards', unit: 'count', goals: [0, 0] },
  throughRefreshes: { title: 'kill -9 with subs_db_mode 1: refreshes lost', unit: 'count', goals: [0, 0] },
  throughReused: { title: 'kill -9 with subs_db_mode 1: NOTIFYs with a used CSeq', unit: 'count', goals: [0, 0] },
  stall: { title: 'longest stall of the event loop in any of it', unit: 'ms', goals: [20, 20], most: true },
  generator: { title: 'share of a core that the generator took at most', unit: '%', most: true },
} satisfies Readonly<Record<string, Row>>

export type RowKey = keyof typeof ROWS
export const ROW_KEYS = Object.keys(ROWS).filter((key): key is RowKey => key in ROWS)

export function rowOf(key: RowKey): Row {
  return ROWS[key]
}

/** A figure, or why there is none. */
export interface Sample {
  /** From 1. */
  readonly run: number
  readonly server: ServerName
  readonly row: RowKey
  readonly value: number
  /** Empty where nothing was lost or wrong. */
  readonly fault: string
}
