/** A call through the demo PBX, from ringing to its end: what Dial() does in a real Asterisk, seen from ARI. */
import { randomUUID } from 'node:crypto'
import type { Bus } from './bus.ts'
import { ariTime, type CallerId, channelJson, type PbxChannel } from './channel.ts'
import { CAUSE, type Cause, type Channels } from './channels.ts'

export interface CallRequest {
  /** The endpoint that calls. */
  readonly from: string
  /** The endpoint, or all that ring together. */
  readonly to: readonly string[]
  /** The number that was dialled. */
  readonly exten: string
  readonly context: string
  readonly caller: CallerId
  /** What the caller is shown of each who answers. */
  callerIdOf(endpoint: string): CallerId
}

type CallState = 'ringing' | 'up' | 'ended'

export class DemoCall {
  readonly #channels: Channels
  readonly #bus: Bus
  readonly #request: CallRequest
  readonly #caller: PbxChannel
  #callees: PbxChannel[]
  #state: CallState = 'ringing'
  #holder: PbxChannel | undefined
  #bridge: { readonly id: string; readonly since: Date } | undefined

  constructor(channels: Channels, bus: Bus, request: CallRequest) {
    this.#channels = channels
    this.#bus = bus
    this.#request = request
    const { from, to, exten, context, caller } = request
    const place = { context, exten, priority: 1, app_name: '', app_data: '' }
    this.#caller = channels.create({ technology: 'PJSIP', address: from, state: 'Ring', caller, dialplan: place })
    const dial = `${to.map((id) => `PJSIP/${id}`).join('&')},30`
    channels.setPlace(this.#caller, { ...place, app_name: 'Dial', app_data: dial })
    this.#callees = to.map((id) => this.#dial(id))
    for (const callee of this.#callees) {
      channels.setState(callee, 'Ringing')
      channels.dial(this.#caller, callee, 'RINGING')
    }
  }

  get state(): CallState {
    return this.#state
  }

  /** The bridge its channels are in, as ARI shows it. */
  get bridge(): Record<string, unknown> | undefined {
    return this.#bridge && bridgeJson(this.#bridge, this.#all())
  }

  /** The channel of an endpoint in this call. */
  channel(endpoint: string): PbxChannel | undefined {
    return this.#all().find((channel) => channel.device === `PJSIP/${endpoint}`)
  }

  /** One of those who ring takes the call; the others stop ringing. */
  answer(endpoint?: string): void {
    this.#expect('ringing')
    const answering = endpoint === undefined ? this.#callees[0] : this.channel(endpoint)
    if (!answering || answering === this.#caller) throw new Error(`${endpoint ?? 'nobody'} does not ring in this call`)
    this.#state = 'up'
    this.#channels.setState(answering, 'Up')
    this.#channels.dial(this.#caller, answering, 'ANSWER')
    for (const other of this.#callees) if (other !== answering) this.#end(other, CAUSE.ELSEWHERE)
    this.#callees = [answering]
    this.#channels.setState(this.#caller, 'Up')
    this.#channels.setConnected(this.#caller, answering.caller)
    this.#enterBridge(answering)
  }

  /** This endpoint holds: the other one hears music. */
  hold(endpoint: string): void {
    const [holder, held] = this.#pair(endpoint)
    if (this.#holder) throw new Error('this call is on hold already')
    this.#holder = holder
    this.#channels.hold(holder, held)
  }

  unhold(): void {
    this.#expect('up')
    if (!this.#holder) throw new Error('this call is not on hold')
    const [holder, held] = this.#pair(endpointOf(this.#holder))
    this.#holder = undefined
    this.#channels.unhold(holder, held)
  }

  /** One side ends the call, answered or not. Without an endpoint the caller does. */
  hangUp(endpoint?: string, cause: Cause = CAUSE.NORMAL): void {
    if (this.#state === 'ended') return
    const wasUp = this.#state === 'up'
    this.#state = 'ended'
    const first = (endpoint === undefined ? undefined : this.channel(endpoint)) ?? this.#caller
    this.#channels.requestHangup(first, cause)
    if (this.#bridge) this.#leaveBridge(this.#bridge)
    const others = this.#all().filter((channel) => channel !== first)
    if (!wasUp) for (const callee of this.#callees) this.#channels.dial(this.#caller, callee, dialStatus(first, callee))
    for (const channel of [first, ...others]) this.#end(channel, cause)
  }

  #dial(id: string): PbxChannel {
    const { context, exten, caller } = this.#request
    const callee = this.#channels.create({
      technology: 'PJSIP',
      address: id,
      state: 'Down',
      caller: this.#request.callerIdOf(id),
      connected: caller,
      linkedId: this.#caller.linkedId,
      dialplan: { context, exten, priority: 1, app_name: 'AppDial', app_data: '(Outgoing Line)' },
    })
    this.#channels.dial(this.#caller, callee, '')
    return callee
  }

  #end(channel: PbxChannel, cause: Cause): void {
    this.#channels.destroy(channel, cause)
  }

  #all(): PbxChannel[] {
    return [this.#caller, ...this.#callees]
  }

  #pair(endpoint: string): [one: PbxChannel, other: PbxChannel] {
    this.#expect('up')
    const one = this.channel(endpoint)
    const other = this.#all().find((channel) => channel !== one)
    if (!one || !other) throw new Error(`${endpoint} is not in this call`)
    return [one, other]
  }

  #expect(state: CallState): void {
    if (this.#state !== state) throw new Error(`the call is ${this.#state}, not ${state}`)
  }

  #enterBridge(answering: PbxChannel): void {
    const bridge = (this.#bridge = { id: randomUUID(), since: new Date() })
    const inside: PbxChannel[] = []
    this.#bus.bridge(bridge.id, [], { type: 'BridgeCreated', bridge: bridgeJson(bridge, inside) })
    for (const channel of [answering, this.#caller]) {
      inside.push(channel)
      this.#moved('ChannelEnteredBridge', channel, bridge, inside)
    }
  }

  #leaveBridge(bridge: { readonly id: string; readonly since: Date }): void {
    const inside = this.#all()
    for (let channel = inside.shift(); channel; channel = inside.shift())
      this.#moved('ChannelLeftBridge', channel, bridge, inside)
    this.#bus.bridge(bridge.id, [], { type: 'BridgeDestroyed', bridge: bridgeJson(bridge, []) })
    this.#bridge = undefined
  }

  #moved(type: string, channel: PbxChannel, bridge: { id: string; since: Date }, inside: PbxChannel[]): void {
    const event = { type, bridge: bridgeJson(bridge, inside), channel: channelJson(channel) }
    this.#bus.bridge(bridge.id, [channel], event)
  }
}

const endpointOf = (channel: PbxChannel): string => channel.device.slice('PJSIP/'.length)

function dialStatus(first: PbxChannel, callee: PbxChannel): string {
  return first === callee ? 'BUSY' : 'CANCEL'
}

function bridgeJson(bridge: { id: string; since: Date }, inside: readonly PbxChannel[]): Record<string, unknown> {
  return {
    id: bridge.id,
    technology: 'simple_bridge',
    bridge_type: 'mixing',
    bridge_class: 'basic',
    creator: '',
    name: '',
    channels: inside.map((channel) => channel.id),
    creationtime: ariTime(bridge.since),
    video_mode: 'none',
  }
}
