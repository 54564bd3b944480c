/** The device states, presence states and mailboxes of the demo PBX, as a real Asterisk makes them. */
import { aggregateDeviceStates, type DeviceState } from '../states/devices.ts'
import { mailboxName } from '../states/mailboxes.ts'
import { NO_PRESENCE, type PresenceState } from '../states/presence.ts'
import type { Bus } from './bus.ts'
import { deviceStateOf, type PbxChannel } from './channel.ts'
import type { PbxData, PbxMailbox, PbxObject } from './data.ts'

export interface MessageCounts {
  readonly newMessages: number
  readonly oldMessages: number
}

export interface MwiSettings {
  /** False where res_mwi_devstate is not loaded: no `MWI:` device then has a state. */
  readonly devices: boolean
  /** res_mwi_external keeps the counts: boxes exist once somebody has set them. */
  readonly external: boolean
}

export class States {
  readonly #bus: Bus
  readonly #channels: () => Iterable<PbxChannel>
  readonly #endpoints: ReadonlyMap<string, PbxObject>
  readonly #online = new Map<string, string>()
  /** Device in lower case → the state that was told last. */
  readonly #told = new Map<string, DeviceState>()
  /** `Custom:`, `Stasis:` and whatever else is set from outside. */
  readonly #set = new Map<string, { name: string; state: DeviceState }>()
  readonly #presence = new Map<string, PresenceState>()
  readonly #boxes = new Map<string, PbxMailbox>()
  readonly #counts = new Map<string, MessageCounts>()
  readonly #mwiDevices: boolean

  constructor(data: PbxData, bus: Bus, channels: () => Iterable<PbxChannel>, mwi: MwiSettings) {
    this.#bus = bus
    this.#channels = channels
    this.#mwiDevices = mwi.devices
    this.#endpoints = new Map(data.endpoints.map((endpoint) => [endpoint.id, endpoint]))
    for (const box of data.mailboxes) {
      this.#boxes.set(box.name, box)
      if (mwi.external) continue
      this.#counts.set(box.name, { newMessages: 0, oldMessages: 0 })
      if (mwi.devices) this.#told.set(`mwi:${box.name}`.toLowerCase(), 'NOT_INUSE')
    }
  }

  // Endpoints

  /** `online` with the contact it registered, offline without. */
  register(id: string, contact: string | undefined): void {
    if (!this.#endpoints.has(id)) throw new Error(`the demo PBX has no endpoint '${id}'`)
    const before = this.#online.get(id)
    if (contact === before) return
    if (contact === undefined) this.#online.delete(id)
    else this.#online.set(id, contact)
    const told = (uri: string, status: string): void =>
      this.#bus.endpoint(id, {
        type: 'ContactStatusChange',
        contact_info: { uri, contact_status: status, aor: id, roundtrip_usec: '0' },
      })
    if (before !== undefined) told(before, 'Removed')
    if (contact !== undefined) told(contact, 'NonQualified')
    if ((before === undefined) !== (contact === undefined)) {
      const status = contact === undefined ? 'Unreachable' : 'Reachable'
      this.#bus.endpoint(id, { type: 'PeerStatusChange', peer: { peer_status: status } })
      this.refresh(`PJSIP/${id}`)
    }
  }

  contact(id: string): string | undefined {
    return this.#online.get(id)
  }

  // Devices

  get(device: string): DeviceState {
    const slash = device.indexOf('/')
    if (slash >= 0) return this.#technology(device.slice(0, slash), device.slice(slash + 1))
    const colon = device.indexOf(':')
    const provider = device.slice(0, Math.max(colon, 0)).toLowerCase()
    if (provider === 'custom' || provider === 'stasis') return this.#set.get(device.toLowerCase())?.state ?? 'UNKNOWN'
    if (provider === 'mwi') return this.#mwi(device.slice(colon + 1))
    // A parking space that nobody is in is a free one, whether the lot exists or not.
    if (provider === 'park') return this.#set.get(device.toLowerCase())?.state ?? 'NOT_INUSE'
    return this.#set.get(device.toLowerCase())?.state ?? 'INVALID'
  }

  /** `devstate change`, or what an application of Asterisk publishes (`Queue:`, `park:` …). */
  set(device: string, state: DeviceState): void {
    this.#set.set(device.toLowerCase(), { name: device, state })
    this.refresh(device)
  }

  unset(device: string): void {
    if (this.#set.delete(device.toLowerCase())) this.refresh(device)
  }

  /** Those that were set and begin so, as they were written first. */
  listSet(prefix: string): { name: string; state: DeviceState }[] {
    return [...this.#set.values()].filter(({ name }) => name.toLowerCase().startsWith(prefix.toLowerCase()))
  }

  /** Looks at a device again, and tells where its state is another than the one told last. */
  refresh(device: string): void {
    if (device.startsWith('Local/')) return
    const state = this.get(device)
    const key = device.toLowerCase()
    if (this.#told.get(key) === state) return
    this.#told.set(key, state)
    this.#bus.device(device, state)
  }

  /** Calls are gone and nobody is told: the states now are what later ones are compared with. */
  restarted(): void {
    for (const device of this.#told.keys()) this.#told.set(device, this.get(device))
  }

  // Presence

  presence(provider: string): PresenceState {
    return this.#presence.get(provider.toLowerCase()) ?? NO_PRESENCE
  }

  setPresence(provider: string, state: PresenceState): void {
    this.#presence.set(provider.toLowerCase(), state)
  }

  // Mailboxes

  box(name: string): PbxMailbox | undefined {
    return this.#boxes.get(mailboxName(name))
  }

  counts(name: string): MessageCounts | undefined {
    return this.#counts.get(mailboxName(name))
  }

  listCounts(): [name: string, counts: MessageCounts][] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  setCounts(name: string, counts: MessageCounts | undefined): void {
    const full = mailboxName(name)
    if (counts) this.#counts.set(full, counts)
    else this.#counts.delete(full)
    if (this.#mwiDevices) this.refresh(`MWI:${full}`)
  }

  #mwi(box: string): DeviceState {
    if (!this.#mwiDevices) return 'INVALID'
    const counts = this.#counts.get(mailboxName(box))
    // A deleted box of res_mwi_external is NOT_INUSE; one that never was has no cached state.
    if (!counts) return this.#told.has(`mwi:${mailboxName(box)}`.toLowerCase()) ? 'NOT_INUSE' : 'INVALID'
    return counts.newMessages > 0 ? 'INUSE' : 'NOT_INUSE'
  }

  #technology(technology: string, resource: string): DeviceState {
    if (technology.toUpperCase() !== 'PJSIP') return 'INVALID'
    const endpoint = this.#endpoints.get(resource)
    if (!endpoint) return 'INVALID'
    const device = `PJSIP/${endpoint.id}`
    const channels = [...this.#channels()].filter((channel) => channel.device === device && channel.state !== 'Down')
    if (channels.length === 0) return this.#online.has(endpoint.id) ? 'NOT_INUSE' : 'UNAVAILABLE'
    const busyAt = Number(endpoint.values.get('device_state_busy_at') ?? 0)
    if (busyAt > 0 && channels.length >= busyAt) return 'BUSY'
    return aggregateDeviceStates(channels.map(deviceStateOf))
  }
}
