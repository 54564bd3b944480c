/** The channels of the demo PBX: made, changed and ended with the events that a real Asterisk sends, in its order. */
import { randomUUID } from 'node:crypto'
import type { AriEvent, Bus } from './bus.ts'
import {
  type CallerId,
  type ChannelState,
  channelJson,
  type DialplanPlace,
  NOBODY,
  type PbxChannel,
  type SipLeg,
} from './channel.ts'

export interface NewChannel {
  readonly id?: string
  readonly technology: string
  /** What stands after the technology's slash: the endpoint of PJSIP, `exten@context` of Local. */
  readonly address: string
  readonly state: ChannelState
  readonly caller?: CallerId
  readonly connected?: CallerId
  readonly dialplan: DialplanPlace
  readonly linkedId?: string
  readonly app?: string
  /** Both halves of a Local channel share one number; `;1` or `;2` is added. */
  readonly local?: { readonly half: 1 | 2; readonly other: string; readonly number: string }
}

/** Q.850 cause codes that calls of the demo end with. */
export const CAUSE = { NORMAL: 16, BUSY: 17, NO_ANSWER: 19, REJECTED: 21, ELSEWHERE: 26, UNALLOCATED: 1 } as const
export type Cause = (typeof CAUSE)[keyof typeof CAUSE]
const CAUSE_TEXT: Record<Cause, string> = {
  16: 'Normal Clearing',
  17: 'User busy',
  19: 'User alerting, no answer',
  21: 'Call Rejected',
  26: 'Answered elsewhere',
  1: 'Unallocated (unassigned) number',
}

export class Channels {
  readonly #bus: Bus
  readonly #deviceChanged: (device: string) => void
  readonly #channels = new Map<string, PbxChannel>()
  readonly #numbers = new Map<string, number>()
  #serial = 0

  constructor(bus: Bus, deviceChanged: (device: string) => void) {
    this.#bus = bus
    this.#deviceChanged = deviceChanged
  }

  all(): Iterable<PbxChannel> {
    return this.#channels.values()
  }

  get(id: string): PbxChannel | undefined {
    return this.#channels.get(id)
  }

  ofEndpoint(id: string): string[] {
    const device = `PJSIP/${id}`
    return [...this.#channels.values()].filter((channel) => channel.device === device).map((channel) => channel.id)
  }

  /** Eight hexadecimal digits that count by technology, as in `PJSIP/100-0000002a`. */
  #nextNumber(technology: string): string {
    const number = this.#numbers.get(technology) ?? 0
    this.#numbers.set(technology, number + 1)
    return number.toString(16).padStart(8, '0')
  }

  create(wanted: NewChannel): PbxChannel {
    const id = wanted.id ?? `${Math.floor(Date.now() / 1000)}.${this.#serial++}`
    const number = wanted.local?.number ?? this.#nextNumber(wanted.technology)
    const channel: PbxChannel = {
      id,
      name: `${wanted.technology}/${wanted.address}-${number}${wanted.local ? `;${wanted.local.half}` : ''}`,
      device: `${wanted.technology}/${wanted.address}`,
      technology: wanted.technology,
      linkedId: wanted.linkedId ?? id,
      creationTime: new Date(),
      state: wanted.state,
      caller: wanted.caller ?? NOBODY,
      connected: wanted.connected ?? NOBODY,
      dialplan: wanted.dialplan,
      held: false,
      variables: new Map(),
      sip: wanted.technology === 'PJSIP' ? newLeg() : undefined,
      app: wanted.app,
      half: wanted.local?.other,
    }
    this.#channels.set(id, channel)
    this.tell(channel, { type: 'ChannelCreated' })
    if (channel.state !== 'Down') this.#deviceChanged(channel.device)
    return channel
  }

  /** An event of this channel alone; its `channel` is added. */
  tell(channel: PbxChannel, event: AriEvent): void {
    this.#bus.channel([channel], { ...event, channel: channelJson(channel) })
  }

  /** `Dial` events name two channels. */
  dial(caller: PbxChannel, peer: PbxChannel, dialstatus: string): void {
    const dialstring = dialstatus === '' ? peer.device.slice(peer.device.indexOf('/') + 1) : ''
    this.#bus.channel([caller, peer], {
      type: 'Dial',
      dialstatus,
      forward: '',
      dialstring,
      caller: channelJson(caller),
      peer: channelJson(peer),
    })
  }

  setState(channel: PbxChannel, state: ChannelState): void {
    if (channel.state === state) return
    channel.state = state
    this.tell(channel, { type: 'ChannelStateChange' })
    this.#deviceChanged(channel.device)
  }

  setConnected(channel: PbxChannel, connected: CallerId): void {
    channel.connected = connected
    this.tell(channel, { type: 'ChannelConnectedLine' })
  }

  /** Goes to another place of the dialplan and says so. */
  setPlace(channel: PbxChannel, place: DialplanPlace): void {
    channel.dialplan = place
    this.tell(channel, { type: 'ChannelDialplan', dialplan_app: place.app_name, dialplan_app_data: place.app_data })
  }

  setVariable(channel: PbxChannel, variable: string, value: string): void {
    channel.variables.set(variable, value)
    this.tell(channel, { type: 'ChannelVarset', variable, value })
  }

  /** `holder` holds: the device of the party that is held shows ONHOLD, the holder's stays in use. */
  hold(holder: PbxChannel, held: PbxChannel): void {
    this.tell(holder, { type: 'ChannelHold', musicclass: '' })
    held.held = true
    this.#deviceChanged(held.device)
  }

  unhold(holder: PbxChannel, held: PbxChannel): void {
    this.tell(holder, { type: 'ChannelUnhold' })
    held.held = false
    this.#deviceChanged(held.device)
  }

  requestHangup(channel: PbxChannel, cause: Cause): void {
    this.tell(channel, { type: 'ChannelHangupRequest', cause })
  }

  destroy(channel: PbxChannel, cause: Cause): void {
    if (!this.#channels.delete(channel.id)) return
    this.tell(channel, { type: 'ChannelDestroyed', cause, cause_txt: CAUSE_TEXT[cause] })
    this.#deviceChanged(channel.device)
  }

  /** All at once and without a word: what a crash does. */
  clear(): void {
    this.#channels.clear()
    this.#numbers.clear()
  }
}

function newLeg(): SipLeg {
  return { callId: randomUUID(), localTag: randomUUID(), remoteTag: randomUUID().slice(0, 8) }
}
