/**
 * Which dialogs an extension shows. The hint's device states decide what the lamp may say, the calls say who with:
 * calls are told by other events than states, a moment sooner or later, and must not contradict them. So
 *
 * 1. a call is shown as far as the state of its own device allows,
 * 2. where the extension's state asks for a dialog that no call gives (no channel events, `Custom:` devices), one is
 *    made from the state alone,
 * 3. idle and unavailable are exactly one terminated dialog (phones do not take an empty document).
 */
import { hexDigest } from '../core/hex-digest.ts'
import type { Call, Party } from '../core/states/calls.ts'
import type { DeviceState } from '../core/states/devices.ts'
import { EXTENSION, type ExtensionState, type ExtensionStateCode } from '../core/states/extension-state.ts'
import { STATE_WORDS } from './mapping.ts'

export interface ShownDialog {
  /** Stable while the dialog lasts, unique in the document. */
  readonly id: string
  readonly state: 'early' | 'confirmed' | 'terminated'
  readonly held: boolean
  readonly direction?: Call['direction']
  readonly callId?: string
  readonly localTag?: string
  readonly remoteTag?: string
  readonly local?: Party
  readonly remote?: Party
}

/**
 * A trunk has hundreds of calls, whose document no datagram has room for: its lamp would stand still. Half a kilobyte is
 * what a dialog takes.
 */
const MOST_SHOWN = 64

export interface DialogView {
  /** endpoint `notify_early_inuse_ringing` */
  readonly earlyInUse: boolean
  readonly single: boolean
}

export function dialogsOf(state: ExtensionState, exten: string, view: DialogView): readonly ShownDialog[] {
  const wanted = wantedOf(state.state, view)
  if (wanted.state === 'terminated') return [{ id: exten, state: 'terminated', held: false }]
  const ringing = state.state === EXTENSION.RINGINUSE && !view.earlyInUse ? 'confirmed' : 'early'
  const dialogs = new Map<string, ShownDialog>()
  for (const { device, state: deviceState } of state.devices)
    for (const { call, rings, held } of fitting(callsOf(state, device), deviceState)) {
      const dialog = dialogOf(call, rings ? ringing : 'confirmed', held)
      dialogs.set(dialog.id, dialog)
    }
  const shown = [...dialogs.values()]
  if (!shown.some((dialog) => covers(dialog, wanted))) shown.push(fromState(exten, wanted))
  if (!view.single && shown.length <= MOST_SHOWN) return shown
  // The order of equals stays, and the oldest call comes first.
  const best = shown.toSorted((a, b) => interest(b) - interest(a))
  return view.single ? best.slice(0, 1).map((dialog) => ({ ...dialog, id: exten })) : best.slice(0, MOST_SHOWN)
}

/** A call as it is by itself, whatever its device may say. */
export function dialogAlone(call: Call): ShownDialog {
  return dialogOf(call, rings(call) ? 'early' : 'confirmed', call.held)
}

/** The caller Asterisk would name: the oldest call that rings on any of the devices that ring. */
export function oldestRinging(state: ExtensionState): Call | undefined {
  const ringing = new Set(
    state.devices
      .filter((d) => d.state === 'RINGING' || d.state === 'RINGINUSE')
      .map(({ device }) => device.toLowerCase()),
  )
  return state.calls
    .filter((call) => ringing.has(call.device.toLowerCase()) && rings(call))
    .toSorted((a, b) => a.since - b.since)[0]
}

/** The dialog that must be there whatever the calls say. */
interface Wanted {
  readonly state: ShownDialog['state']
  /** undefined: either. What is in use while something else rings may be on hold. */
  readonly held: boolean | undefined
}

function wantedOf(code: ExtensionStateCode, { earlyInUse }: DialogView): Wanted {
  if (code === EXTENSION.RINGINUSE) return { state: earlyInUse ? 'early' : 'confirmed', held: undefined }
  return { state: STATE_WORDS[code].dialog, held: code === EXTENSION.ONHOLD }
}

function covers(dialog: ShownDialog, { state, held }: Wanted): boolean {
  return dialog.state === state && (held === undefined || dialog.held === held)
}

function fromState(exten: string, { state, held = false }: Wanted): ShownDialog {
  return state === 'early' ? { id: exten, state, held, direction: 'recipient' } : { id: exten, state, held }
}

interface Fitting {
  readonly call: Call
  readonly rings: boolean
  readonly held: boolean
}

/**
 * The calls of a device that its state allows. A caller who waits for the answer is in use, as the device state has
 * it: shown early, the lamps of colleagues would blink and offer a pickup.
 */
function fitting(calls: readonly Call[], state: DeviceState): Fitting[] {
  const busy = calls.filter((call) => !rings(call))
  switch (state) {
    case 'RINGING':
      return calls.filter(rings).map((call) => ({ call, rings: true, held: false }))
    case 'RINGINUSE':
      return calls.map((call) => ({ call, rings: rings(call), held: call.held }))
    case 'ONHOLD':
      return (busy.length > 0 ? busy : calls).map((call) => ({ call, rings: false, held: true }))
    case 'INUSE':
    case 'BUSY': {
      // Asterisk shows who holds a call as in use, and who is held as on hold: a single call is not on hold here.
      const someTalk = busy.some((call) => !call.held)
      return (busy.length > 0 ? busy : calls).map((call) => ({ call, rings: false, held: call.held && someTalk }))
    }
    default:
      return []
  }
}

function rings({ direction, state }: Call): boolean {
  return direction === 'recipient' && state !== 'confirmed'
}

function callsOf({ calls }: ExtensionState, device: string): Call[] {
  return calls.filter((call) => call.device.toLowerCase() === device.toLowerCase())
}

function dialogOf(call: Call, state: ShownDialog['state'], held: boolean): ShownDialog {
  const { origin, id, direction, local, remote } = call
  return { id: `${id}@${origin}`, state, held, direction, ...namesOf(call), local, remote }
}

/** Call-ID and tags are the real ones where they are known, and otherwise made from the call: the same every time. */
export function namesOf({ origin, id, sip }: Call): Required<Pick<ShownDialog, 'callId' | 'localTag' | 'remoteTag'>> {
  if (sip) return { callId: sip.callId, localTag: sip.localTag, remoteTag: sip.remoteTag }
  const made = hexDigest('sha256', `${origin}\0${id}`)
  return { callId: made.slice(0, 32), localTag: made.slice(32, 48), remoteTag: made.slice(48) }
}

function interest({ state, held }: ShownDialog): number {
  if (state === 'early') return 3
  return held ? 1 : 2
}
