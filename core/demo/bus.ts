/** What happens inside the demo PBX, told to whoever forwards it over ARI. */
import type { DeviceState } from '../states/devices.ts'
import type { PbxChannel } from './channel.ts'

/** An ARI event without what every event has (application, timestamp, asterisk_id). */
export interface AriEvent {
  readonly type: string
  readonly [field: string]: unknown
}

export interface Bus {
  device(name: string, state: DeviceState): void
  /** Concerns these channels, the main one first. */
  channel(channels: readonly PbxChannel[], event: AriEvent): void
  /** Concerns `PJSIP/<id>`. */
  endpoint(id: string, event: AriEvent): void
  bridge(id: string, channels: readonly PbxChannel[], event: AriEvent): void
}
