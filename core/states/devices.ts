/** Device states, aggregated over origins exactly as Asterisk aggregates over its servers. */
import { type Report, Reported } from './reported.ts'

export const DEVICE_STATES = [
  'UNKNOWN',
  'NOT_INUSE',
  'INUSE',
  'BUSY',
  'INVALID',
  'UNAVAILABLE',
  'RINGING',
  'RINGINUSE',
  'ONHOLD',
] as const
export type DeviceState = (typeof DEVICE_STATES)[number]

export function isDeviceState(text: string): text is DeviceState {
  return (DEVICE_STATES as readonly string[]).includes(text)
}

/** The highest wins, but for ringing together with use. */
const RISING: readonly DeviceState[] = [
  'INVALID',
  'UNKNOWN',
  'UNAVAILABLE',
  'NOT_INUSE',
  'ONHOLD',
  'RINGING',
  'INUSE',
  'BUSY',
  'RINGINUSE',
]
const RANK = new Map(RISING.map((state, rank) => [state, rank]))
const RINGS: ReadonlySet<DeviceState> = new Set<DeviceState>(['RINGING', 'RINGINUSE'])
const IN_USE: ReadonlySet<DeviceState> = new Set<DeviceState>(['INUSE', 'ONHOLD', 'BUSY', 'RINGINUSE'])

/** INVALID for no states at all. */
export function aggregateDeviceStates(states: Iterable<DeviceState>): DeviceState {
  let highest: DeviceState = 'INVALID'
  let ringing = false
  let inUse = false
  for (const state of states) {
    if ((RANK.get(state) ?? 0) > (RANK.get(highest) ?? 0)) highest = state
    ringing ||= RINGS.has(state)
    inUse ||= IN_USE.has(state)
  }
  return ringing && inUse ? 'RINGINUSE' : highest
}

export class Devices extends Reported<DeviceState> {
  #isAsked = false

  constructor(now?: () => number) {
    super(aggregateReports, Object.is, now)
  }

  /** UNKNOWN is what a line is that is idle, where its channels alone tell of it (DAHDI, IAX2): its lamp is not broken. */
  protected override saysNothing(state: DeviceState): boolean {
    return state === 'INVALID'
  }

  /** A `Custom:` device that nobody ever set is one, and idle, as in Asterisk; where that can be asked it may know better. */
  protected override unsaid(device: string): DeviceState {
    return !this.#isAsked && isCustom(device) ? 'UNKNOWN' : 'INVALID'
  }

  /** Whether there is an Asterisk to ask. What was seen before it answers stays. */
  asked(isAsked: boolean): void {
    this.#isAsked = isAsked
    if (!isAsked) this.weighUnsaid()
  }

  /** The origin has been away for too long: its devices become UNAVAILABLE. `Custom:` ones belong to nobody and stay. */
  expireOrigin(origin: string): void {
    for (const device of this.namesOf(origin)) if (!isCustom(device)) this.set(origin, device, 'UNAVAILABLE')
  }
}

function aggregateReports(reports: readonly Report<DeviceState>[], device: string): DeviceState {
  const [first, second] = reports
  if (!second) return first?.state ?? 'INVALID'
  return isCustom(device) ? lastWritten(reports) : aggregateDeviceStates(reports.map(({ state }) => state))
}

function isCustom(device: string): boolean {
  return device.slice(0, 7).toLowerCase() === 'custom:'
}

/** Nobody owns a Custom: device, so the last writer wins; an origin that says UNKNOWN has never heard of it. */
function lastWritten(reports: readonly Report<DeviceState>[]): DeviceState {
  const age = ({ state, since }: Report<DeviceState>): number =>
    state === 'UNKNOWN' || state === 'INVALID' ? 0 : since
  let newest: Report<DeviceState> | undefined
  for (const report of reports) if (!newest || age(report) >= age(newest)) newest = report
  return newest?.state ?? 'INVALID'
}
