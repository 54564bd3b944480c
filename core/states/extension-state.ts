/** What an extension with a hint looks like, and when two looks are the same. */
import { type Call, sameCalls } from './calls.ts'
import { aggregateDeviceStates, type DeviceState } from './devices.ts'
import { type PresenceState, samePresence } from './presence.ts'

/** Asterisk's extension states (the numbers are `AST_EXTENSION_*`). */
export const EXTENSION = {
  NOT_INUSE: 0,
  INUSE: 1,
  BUSY: 2,
  UNAVAILABLE: 4,
  RINGING: 8,
  RINGINUSE: 9,
  ONHOLD: 16,
} as const
export type ExtensionStateCode = (typeof EXTENSION)[keyof typeof EXTENSION]

export const EXTENSION_TEXT: Record<ExtensionStateCode, string> = {
  0: 'Idle',
  1: 'InUse',
  2: 'Busy',
  4: 'Unavailable',
  8: 'Ringing',
  9: 'InUse&Ringing',
  16: 'Hold',
}

const OF_DEVICE: Record<DeviceState, ExtensionStateCode> = {
  UNKNOWN: EXTENSION.NOT_INUSE,
  NOT_INUSE: EXTENSION.NOT_INUSE,
  INUSE: EXTENSION.INUSE,
  BUSY: EXTENSION.BUSY,
  INVALID: EXTENSION.UNAVAILABLE,
  UNAVAILABLE: EXTENSION.UNAVAILABLE,
  RINGING: EXTENSION.RINGING,
  RINGINUSE: EXTENSION.RINGINUSE,
  ONHOLD: EXTENSION.ONHOLD,
}

export interface ExtensionState {
  readonly context: string
  readonly exten: string
  readonly name: string
  readonly state: ExtensionStateCode
  /** As they were when the lamp last changed: a device of which the lamp does not depend may be in another state by now. */
  readonly devices: readonly { readonly device: string; readonly state: DeviceState }[]
  readonly presence: PresenceState
  /** Calls on the hint's devices, oldest first; empty where ARI does not tell them. */
  readonly calls: readonly Call[]
}

/** Of an extension with these devices, of which there is one at least. */
export function extensionStateOf(devices: ExtensionState['devices']): ExtensionStateCode {
  const [first] = devices
  if (first && devices.length === 1) return OF_DEVICE[first.state]
  return OF_DEVICE[aggregateDeviceStates(devices.map(({ state }) => state))]
}

/**
 * Devices count where something goes on: which of a group rings decides whose call is shown, though the group rings
 * either way.
 */
export function sameExtensionState(a: ExtensionState, b: ExtensionState): boolean {
  return (
    a.state === b.state &&
    a.name === b.name &&
    (!goesOn(a.state) || sameDevices(a.devices, b.devices)) &&
    samePresence(a.presence, b.presence) &&
    sameCalls(a.calls, b.calls)
  )
}

function goesOn(state: ExtensionStateCode): boolean {
  return state !== EXTENSION.NOT_INUSE && state !== EXTENSION.UNAVAILABLE
}

function sameDevices(a: ExtensionState['devices'], b: ExtensionState['devices']): boolean {
  return a.length === b.length && a.every(({ device, state }, i) => b[i]?.device === device && b[i]?.state === state)
}
