/** From a channel as ARI shows it to a call as dialog-info shows it (RFC 4235). Pure. */
import type { Call } from '../states/calls.ts'
import type { Channel } from './protocol.ts'

/** Whether a channel is one leg of somebody's call: not half of a Local channel, a recording, or one being replaced. */
export function isLeg({ name }: Channel): boolean {
  return name.includes('/') && !NOT_A_LEG.test(name) && !name.endsWith('>')
}

const NOT_A_LEG =
  /^(?:Local|Surrogate|AsyncGoto|Bridge|CBAnn|CBRec|Snoop|Recorder|Announcer|UnicastRTP|AudioSocket|WebSocket|ExternalMedia|Message|Parked)\//

/** `PJSIP/100` of `PJSIP/100-00000001`. */
export function deviceOf(channelName: string): string {
  const dash = channelName.lastIndexOf('-')
  return dash < 0 ? channelName : channelName.slice(0, dash)
}

/** Applications that run on a channel that was dialled, not on one that dials. */
const DIALLED = new Set(['', 'AppDial', 'AppDial2', 'AppQueue'])

/**
 * A channel from a phone starts in Ring or comes to it, one to a phone is in Down, Dialing or Ringing. For one first seen
 * in the middle of its call the application tells: `AppDial` runs on the called side only.
 */
export function directionOf({ state, application }: Channel): Call['direction'] {
  if (state === 'Ring' || state === 'OffHook' || state === 'Dialing Offhook') return 'initiator'
  if (state === 'Down' || state === 'Ringing' || state === 'Dialing' || state === 'Pre-ring') return 'recipient'
  return DIALLED.has(application) ? 'recipient' : 'initiator'
}

const STATES: Readonly<Record<string, Call['state']>> = {
  Ringing: 'early',
  'Pre-ring': 'early',
  Up: 'confirmed',
  Busy: 'confirmed',
}

/** `rings`: somebody the channel dialled is ringing. */
export function stateOf({ state }: Channel, rings: boolean): Call['state'] {
  return STATES[state] ?? (rings ? 'early' : 'trying')
}

/** Extensions that are places in the dialplan, not numbers somebody dialled. */
const NO_NUMBER = new Set(['', 's', 'h', 'i', 't', 'o', 'a', 'e', 'T', 'failed', 'fax'])

/** The number a phone dialled; empty where the channel's place in the dialplan is no number. */
export function dialledNumber({ exten }: Channel): string {
  return NO_NUMBER.has(exten) ? '' : exten
}
