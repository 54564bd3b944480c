/** Reading what Asterisk sends: JSON in, typed values or nothing out. Never throws. */
import { isDeviceState } from '../states/devices.ts'
import type { AriEvent, AsteriskInfo, Channel, ChannelChange, NameNumber } from './protocol.ts'

/** The only event types we want; Asterisk is asked to keep the others to itself. */
export const WANTED_EVENTS = [
  'DeviceStateChanged',
  'ChannelCreated',
  'ChannelStateChange',
  'ChannelConnectedLine',
  'ChannelCallerId',
  'ChannelHold',
  'ChannelUnhold',
  'ChannelDestroyed',
  'Dial',
  'ApplicationReplaced',
] as const

const CHANGES: ReadonlyMap<string, ChannelChange> = new Map([
  ['ChannelCreated', 'created'],
  ['ChannelStateChange', 'state'],
  ['ChannelConnectedLine', 'connected'],
  ['ChannelCallerId', 'caller'],
  ['ChannelHold', 'hold'],
  ['ChannelUnhold', 'unhold'],
])

/** undefined for what we do not use or cannot understand. */
export function readEvent(raw: unknown): AriEvent | undefined {
  const event = record(raw)
  const type = text(event.type)
  if (type === 'DeviceStateChanged') return readDevice(event.device_state)
  if (type === 'ApplicationReplaced') return { type: 'replaced' }
  if (type === 'Dial') {
    const peer = readChannel(event.peer)
    return peer && { type: 'dial', status: text(event.dialstatus), caller: readChannel(event.caller), peer }
  }
  const change = CHANGES.get(type)
  if (!change && type !== 'ChannelDestroyed') return undefined
  const channel = readChannel(event.channel)
  if (!channel) return undefined
  return change ? { type: 'channel', change, channel } : { type: 'channel-gone', channel }
}

/** The answer of `/deviceStates/{name}`, or the `device_state` of an event. */
export function readDevice(raw: unknown): Extract<AriEvent, { type: 'device' }> | undefined {
  const device = record(raw)
  const name = text(device.name)
  const state = text(device.state)
  return name !== '' && isDeviceState(state) ? { type: 'device', name, state } : undefined
}

export function readChannel(raw: unknown): Channel | undefined {
  const channel = record(raw)
  const id = text(channel.id)
  const name = text(channel.name)
  if (id === '' || name === '') return undefined
  const dialplan = record(channel.dialplan)
  const created = Date.parse(text(channel.creationtime))
  return {
    id,
    name,
    state: text(channel.state),
    caller: readNameNumber(channel.caller),
    connected: readNameNumber(channel.connected),
    exten: text(dialplan.exten),
    application: text(dialplan.app_name),
    created: Number.isNaN(created) ? 0 : created,
  }
}

/** The answer of `/asterisk/info`; undefined where it is none. */
export function readInfo(raw: unknown): AsteriskInfo | undefined {
  const info = record(raw)
  const system = record(info.system)
  const version = text(system.version)
  if (version === '') return undefined
  return { version, entityId: text(system.entity_id), startupTime: text(record(info.status).startup_time) }
}

function readNameNumber(raw: unknown): NameNumber {
  const party = record(raw)
  return { name: text(party.name), number: text(party.number) }
}

/** An object's properties; none for anything else. */
export function record(raw: unknown): Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {}
}

export function text(raw: unknown): string {
  return typeof raw === 'string' ? raw : ''
}

export function list(raw: unknown): readonly unknown[] {
  return Array.isArray(raw) ? raw : []
}
