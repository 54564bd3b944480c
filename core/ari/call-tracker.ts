/**
 * Calls of one Asterisk, from its channel events. A channel that no event told of (Asterisk ran before us) is learned
 * from `GET /channels`; every event carries the whole channel, so one that was missed does no harm.
 */
import { dropOldest } from '../oldest.ts'
import type { Call, Calls, Party } from '../states/calls.ts'
import type { Devices } from '../states/devices.ts'
import { deviceOf, dialledNumber, directionOf, isLeg, stateOf } from './channel-call.ts'
import { type Reading, readOnChannel } from './channel-variables.ts'
import { list, readChannel } from './events.ts'
import { CONNECTED_PRESENTATION, SIP_LEG } from './functions.ts'
import type { AriEvent, Channel } from './protocol.ts'
import type { Difference } from './reconcile.ts'
import type { AriLink } from './supervisor.ts'

interface Leg {
  channel: Channel
  readonly device: string
  direction: Call['direction']
  /** What was dialled, as long as nobody has answered. */
  dialled: string
  rings: boolean
  held: boolean
  /** The channel on the other end of a Dial. */
  peer: string | undefined
  /**
   * Whether the other party may be shown. Channels show it in any case, so it is asked for; until Asterisk has answered
   * nobody is shown.
   */
  presentation: 'unknown' | 'allowed' | 'nameless' | 'restricted'
  sip: Call['sip']
  /** Something is to be asked for, or being asked for. */
  stale: boolean
  asking: boolean
}

type ChannelEvent = Extract<AriEvent, { type: 'channel' | 'channel-gone' | 'dial' }>

/** Channels of which it is remembered that they are over; what comes of one later comes at once. */
const MOST_ENDED = 100

export class CallTracker {
  readonly #origin: string
  readonly #calls: Calls
  readonly #devices: Devices
  readonly #link: AriLink
  readonly #legs = new Map<string, Leg>()
  /**
   * Asterisk makes its events of what differs between two snapshots of a channel. With the last one it tells first that
   * the channel is gone, and then what else is new, as whom it was connected with: that must not bring it back.
   */
  readonly #ended = new Set<string>()
  /** Channels that events told of while `GET /channels` was under way: the events are right. */
  #told: Set<string> | undefined

  constructor(origin: string, calls: Calls, devices: Devices, link: AriLink) {
    this.#origin = origin
    this.#calls = calls
    this.#devices = devices
    this.#link = link
  }

  get size(): number {
    return this.#legs.size
  }

  event(event: ChannelEvent): void {
    if (event.type === 'channel') {
      this.#told?.add(event.channel.id)
      if (event.change === 'created') this.#ended.delete(event.channel.id)
      if (this.#ended.has(event.channel.id)) return
      this.#see(event.channel)
      if (event.change === 'hold' || event.change === 'unhold') this.#hold(event.channel.id, event.change === 'hold')
    } else if (event.type === 'channel-gone') {
      this.#told?.add(event.channel.id)
      this.#ended.add(event.channel.id)
      dropOldest(this.#ended, MOST_ENDED)
      this.#gone(event.channel.id)
    } else {
      this.#dial(event)
    }
  }

  /** Takes over what Asterisk shows. Returns what was other than believed. */
  async refresh(): Promise<Difference[]> {
    const differences = await this.compare()
    for (const { repair } of differences) repair()
    return differences
  }

  /** Calls that began or ended without an event. `unread` is told where they cannot be asked for. */
  async compare(unread: (name: string) => void = () => undefined): Promise<Difference[]> {
    const told = new Set<string>()
    this.#told = told
    const answer = await this.#link.request('channels.list', {})
    if (this.#told === told) this.#told = undefined
    if (answer.kind !== 'ok') {
      unread('calls')
      return []
    }
    const channels = list(answer.body).flatMap((raw) => readChannel(raw) ?? [])
    const listed = new Map(channels.map((channel) => [channel.id, channel]))
    const differences: Difference[] = []
    for (const [id, leg] of this.#legs) {
      if (listed.has(id) || told.has(id)) continue
      differences.push({
        what: `call ${leg.channel.name}`,
        believed: shownText(leg.channel),
        found: 'over',
        repair: () => this.#gone(id),
      })
    }
    // Left by who had this origin before, and over since.
    for (const { origin, id, device, state } of this.#calls.list()) {
      if (origin !== this.#origin || this.#legs.has(id) || listed.has(id) || told.has(id)) continue
      const repair = (): void => this.#calls.end(origin, device, id)
      differences.push({ what: `call ${id} of ${device}`, believed: state, found: 'over', repair })
    }
    for (const channel of channels) {
      const known = this.#legs.get(channel.id)
      if (told.has(channel.id) || !isLeg(channel)) continue
      if (known?.channel.state === channel.state && sameParty(known.channel, channel)) continue
      differences.push({
        what: `call ${channel.name}`,
        believed: known ? shownText(known.channel) : 'not known',
        found: shownText(channel),
        repair: () => {
          // It is there, so this is another one by the same id.
          this.#ended.delete(channel.id)
          this.#see(channel)
        },
      })
    }
    // What could not be asked before.
    for (const leg of this.#legs.values()) if (this.#devices.isNeeded(leg.device)) void this.#askIfStale(leg)
    return differences
  }

  /** Somebody looks at this device now: what is asked for only then is asked for. Never rejects. */
  async needed(device: string): Promise<void> {
    const own = this.#calls.of(device).filter(({ origin }) => origin === this.#origin)
    const legs = own.flatMap(({ id }) => this.#legs.get(id) ?? [])
    await Promise.all(legs.map((leg) => this.#askIfStale(leg)))
  }

  /** Asterisk has been away for too long to say that anything is going on there. */
  drop(): void {
    this.#legs.clear()
    this.#calls.endAll(this.#origin)
  }

  #see(channel: Channel): void {
    if (!isLeg(channel)) return
    const known = this.#legs.get(channel.id)
    const device = deviceOf(channel.name)
    // A masquerade gives a channel another name.
    if (known && known.device !== device) this.#gone(channel.id)
    let leg = this.#legs.get(channel.id)
    if (!leg) {
      leg = {
        channel,
        device,
        ...fromWhom(channel),
        rings: false,
        held: false,
        peer: undefined,
        presentation: 'unknown',
        sip: undefined,
        stale: true,
        asking: false,
      }
      this.#legs.set(channel.id, leg)
    }
    const before = leg.channel
    leg.channel = channel
    // chan_sip makes the channel of its phone that calls before that one is in Ring, DAHDI when the receiver is lifted.
    if (before.state !== 'Ring' && channel.state === 'Ring') Object.assign(leg, fromWhom(channel))
    if (!sameParty(before, channel)) {
      leg.presentation = 'unknown'
      leg.stale = true
    }
    // The phone's tag is known from its first answer on.
    if (before.state !== channel.state && leg.sip?.localTag === '') leg.stale = true
    if (this.#devices.isNeeded(device)) void this.#askIfStale(leg)
    this.#publish(leg)
  }

  #gone(id: string): void {
    const leg = this.#legs.get(id)
    if (!leg) return
    this.#legs.delete(id)
    const peer = leg.peer === undefined ? undefined : this.#legs.get(leg.peer)
    if (peer?.held) {
      peer.held = false
      this.#publish(peer)
    }
    this.#calls.end(this.#origin, leg.device, id)
  }

  /** The one that pressed hold, and the one that is held. */
  #hold(id: string, held: boolean): void {
    const leg = this.#legs.get(id)
    const peer = leg?.peer === undefined ? undefined : this.#legs.get(leg.peer)
    for (const one of [leg, peer]) {
      if (!one || one.held === held) continue
      one.held = held
      this.#publish(one)
    }
  }

  #dial({ status, caller, peer }: Extract<ChannelEvent, { type: 'dial' }>): void {
    for (const channel of [caller, peer]) {
      if (!channel || this.#ended.has(channel.id)) continue
      this.#told?.add(channel.id)
      this.#see(channel)
    }
    const dialling = caller && this.#legs.get(caller.id)
    const dialled = this.#legs.get(peer.id)
    if (!dialling || !dialled) return
    dialled.peer = dialling.channel.id
    // Several may be dialled at once; the one that answers is the other end.
    if (dialling.peer === undefined || status === 'ANSWER') dialling.peer = peer.id
    if (status === 'RINGING' || status === 'PROGRESS') dialling.rings = true
    this.#publish(dialling)
  }

  async #askIfStale(leg: Leg): Promise<void> {
    if (leg.stale && !leg.asking) await this.#ask(leg)
  }

  /** On the call's own channel, as well as may be: where Asterisk knows no such function the call is shown without. */
  async #ask(leg: Leg): Promise<void> {
    leg.asking = true
    let isAnswered = true
    while (leg.stale && this.#legs.get(leg.channel.id) === leg) {
      leg.stale = false
      const isPjsip = leg.device.slice(0, 6).toUpperCase() === 'PJSIP/'
      const sip = isPjsip && !leg.sip?.localTag ? [SIP_LEG.callId, SIP_LEG.localTag, SIP_LEG.remoteTag] : []
      const { number, name } = CONNECTED_PRESENTATION
      const readings = await readOnChannel(this.#link, leg.channel.id, [number, name, ...sip])
      if (readings === 'no channel') continue
      isAnswered = readings.every(({ kind }) => kind !== 'unasked')
      this.#take(leg, readings)
    }
    leg.asking = false
    leg.stale ||= !isAnswered
    if (this.#legs.get(leg.channel.id) === leg) this.#publish(leg)
  }

  #take(leg: Leg, [number, name, callId, asterisksTag, phonesTag]: readonly Reading[]): void {
    // Somebody else may be on the other end by now: the loop asks again.
    if (!leg.stale && number && name && number.kind !== 'unasked' && name.kind !== 'unasked') {
      leg.presentation = isForbidden(number) ? 'restricted' : isForbidden(name) ? 'nameless' : 'allowed'
    }
    const value = (reading: Reading | undefined): string => (reading?.kind === 'value' ? reading.value : '')
    if (value(callId) === '') return
    // RFC 4235 4.1: local and remote are the device's, which is what is watched.
    leg.sip = { callId: value(callId), localTag: value(phonesTag), remoteTag: value(asterisksTag) }
  }

  #publish(leg: Leg): void {
    const { channel } = leg
    const call: Call = {
      origin: this.#origin,
      id: channel.id,
      device: leg.device,
      direction: leg.direction,
      state: stateOf(channel, leg.rings),
      held: leg.held,
      local: { ...channel.caller, restricted: false },
      remote: remoteOf(leg),
      since: channel.created,
      ...(leg.sip && { sip: leg.sip }),
    }
    const before = this.#calls.of(leg.device).find(({ origin, id }) => origin === call.origin && id === call.id)
    if (before && JSON.stringify(before) === JSON.stringify(call)) return
    this.#calls.set(call)
  }
}

function fromWhom(channel: Channel): Pick<Leg, 'direction' | 'dialled'> {
  const direction = directionOf(channel)
  return { direction, dialled: direction === 'initiator' ? dialledNumber(channel) : '' }
}

function sameParty({ connected: a }: Channel, { connected: b }: Channel): boolean {
  return a.number === b.number && a.name === b.name
}

/** What is compared of a channel. */
function shownText({ state, connected: { number, name } }: Channel): string {
  const party = [name, number && `<${number}>`].filter(Boolean).join(' ')
  return `${state} with ${party || 'nobody'}`
}

function isForbidden(reading: Reading): boolean {
  return reading.kind === 'value' && reading.value.startsWith('prohib')
}

/** In place of a name that is not to be shown while its number is; as Asterisk has it. */
const WITHHELD_NAME = 'anonymous'
const NOBODY: Party = { number: '', name: '', restricted: false }

function remoteOf({ presentation, channel, dialled }: Leg): Party {
  if (presentation === 'restricted') return { ...channel.connected, restricted: true }
  if (presentation === 'unknown') return dialled ? { ...NOBODY, number: dialled } : NOBODY
  const { number, name } = channel.connected
  const shown = presentation === 'nameless' && name !== '' ? WITHHELD_NAME : name
  return { number: number || dialled, name: shown, restricted: false }
}
