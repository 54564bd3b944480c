/** A channel of the demo PBX, and the JSON that ARI shows of it. */
import type { DeviceState } from '../states/devices.ts'

export type ChannelState = 'Down' | 'Rsrved' | 'OffHook' | 'Dialing' | 'Ring' | 'Ringing' | 'Up' | 'Busy'

export interface CallerId {
  readonly name: string
  readonly number: string
}

export const NOBODY: CallerId = { name: '', number: '' }

export interface DialplanPlace {
  readonly context: string
  readonly exten: string
  readonly priority: number
  readonly app_name: string
  readonly app_data: string
}

export interface PbxChannel {
  readonly id: string
  /** `PJSIP/100-00000001` */
  readonly name: string
  /** `PJSIP/100` */
  readonly device: string
  /** `PJSIP`, `Local` … */
  readonly technology: string
  /** The id of the first channel of the call. */
  readonly linkedId: string
  readonly creationTime: Date
  state: ChannelState
  caller: CallerId
  connected: CallerId
  dialplan: DialplanPlace
  /** The other side put this one on hold: its device shows ONHOLD. */
  held: boolean
  readonly variables: Map<string, string>
  /** The SIP dialog of the leg; only PJSIP channels have one. */
  readonly sip: SipLeg | undefined
  /** The Stasis application it is in. */
  readonly app: string | undefined
  /** The other half of a Local channel. */
  readonly half: string | undefined
}

export interface SipLeg {
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
}

const DEVICE_STATE_OF: Record<ChannelState, DeviceState> = {
  Down: 'NOT_INUSE',
  Rsrved: 'INUSE',
  OffHook: 'INUSE',
  Dialing: 'INUSE',
  Ring: 'INUSE',
  Ringing: 'RINGING',
  Up: 'INUSE',
  Busy: 'BUSY',
}

export function deviceStateOf(channel: PbxChannel): DeviceState {
  return channel.held ? 'ONHOLD' : DEVICE_STATE_OF[channel.state]
}

export function channelJson(channel: PbxChannel): Record<string, unknown> {
  return {
    id: channel.id,
    name: channel.name,
    state: channel.state,
    protocol_id: channel.sip?.callId ?? '',
    caller: channel.caller,
    connected: channel.connected,
    accountcode: '',
    dialplan: channel.dialplan,
    creationtime: ariTime(channel.creationTime),
    language: 'en',
  }
}

/** `2026-11-21T09:12:55.419+0000` */
export function ariTime(time: Date): string {
  return time.toISOString().replace('Z', '+0000')
}
