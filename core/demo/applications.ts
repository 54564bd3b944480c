/** Stasis applications: who listens on which socket, what they subscribed to, and the events that reach them. */
import type { DeviceState } from '../states/devices.ts'
import type { AriEvent, Bus } from './bus.ts'
import { ariTime, type PbxChannel } from './channel.ts'

const ALL = {
  channel: '__AST_CHANNEL_ALL_TOPIC',
  bridge: '__AST_BRIDGE_ALL_TOPIC',
  endpoint: '__AST_ENDPOINT_ALL_TOPIC',
  deviceState: '__AST_DEVICE_STATE_ALL_TOPIC',
} as const
export type SourceKind = keyof typeof ALL

export function isSourceKind(text: string): text is SourceKind {
  return Object.hasOwn(ALL, text)
}

/** One connected WebSocket. */
export interface EventSocket {
  send(text: string): void
}

interface EventType {
  readonly type: string
}

class Application {
  readonly name: string
  socket: EventSocket | undefined
  /** Kind → names; devices are keyed without case, and the empty name is everything of the kind. */
  readonly sources: Record<SourceKind, Map<string, string>> = {
    channel: new Map(),
    bridge: new Map(),
    endpoint: new Map(),
    deviceState: new Map(),
  }
  allowed: readonly EventType[] = []
  disallowed: readonly EventType[] = []

  constructor(name: string) {
    this.name = name
  }

  get subscribed(): boolean {
    return Object.values(this.sources).some((source) => source.size > 0)
  }

  wants(type: string): boolean {
    const named = (list: readonly EventType[]): boolean => list.some((entry) => entry.type === type)
    return !named(this.disallowed) && (this.allowed.length === 0 || named(this.allowed))
  }

  json(): Record<string, unknown> {
    const names = (kind: SourceKind): string[] => [...this.sources[kind].values()].map((name) => name || ALL[kind])
    return {
      name: this.name,
      channel_ids: names('channel'),
      bridge_ids: names('bridge'),
      endpoint_ids: names('endpoint'),
      device_names: names('deviceState'),
      events_allowed: this.allowed,
      events_disallowed: this.disallowed,
    }
  }
}

export interface ApplicationsSettings {
  readonly entityId: string
  endpointJson(id: string): Record<string, unknown>
}

export class Applications implements Bus {
  readonly #applications = new Map<string, Application>()
  readonly #settings: ApplicationsSettings
  readonly #inApp: (app: string) => boolean

  /** `inApp` says whether a channel is in the application, which keeps it alive. */
  constructor(settings: ApplicationsSettings, inApp: (app: string) => boolean) {
    this.#settings = settings
    this.#inApp = inApp
  }

  /** A socket takes the application over; `subscribeAll` counts only for one that did not exist. */
  connect(name: string, socket: EventSocket, subscribeAll: boolean): void {
    let app = this.#applications.get(name)
    if (!app) {
      app = new Application(name)
      this.#applications.set(name, app)
      if (subscribeAll) for (const source of Object.values(app.sources)) source.set('', '')
    } else if (app.socket) this.#send(app, { type: 'ApplicationReplaced' })
    app.socket = socket
  }

  /** The application stays, inactive, while something keeps it; the subscription to all devices does not. */
  disconnect(name: string, socket: EventSocket): void {
    const app = this.#applications.get(name)
    if (app?.socket !== socket) return
    app.socket = undefined
    app.sources.deviceState.delete('')
    if (!app.subscribed && !this.#inApp(name)) this.#applications.delete(name)
  }

  connected(name: string): boolean {
    return this.#applications.get(name)?.socket !== undefined
  }

  list(): Record<string, unknown>[] {
    return [...this.#applications.values()].map((app) => app.json())
  }

  json(name: string): Record<string, unknown> | undefined {
    return this.#applications.get(name)?.json()
  }

  subscribe(name: string, kind: SourceKind, source: string): void {
    this.#applications.get(name)?.sources[kind].set(keyOf(kind, source), source)
  }

  unsubscribe(name: string, kind: SourceKind, source: string): void {
    this.#applications.get(name)?.sources[kind].delete(keyOf(kind, source))
  }

  filter(name: string, allowed: readonly EventType[] | undefined, disallowed: readonly EventType[] | undefined): void {
    const app = this.#applications.get(name)
    if (!app) return
    app.allowed = allowed ?? []
    app.disallowed = disallowed ?? []
  }

  /** An event for one application, whatever it subscribed to. */
  tell(name: string, event: AriEvent): void {
    const app = this.#applications.get(name)
    if (app) this.#send(app, event)
  }

  clear(): void {
    this.#applications.clear()
  }

  // What happens in the PBX

  device(name: string, state: DeviceState): void {
    const event = { type: 'DeviceStateChanged', device_state: { name, state } }
    for (const app of this.#applications.values()) {
      // Subscribed singly and to all: each change arrives twice.
      if (app.sources.deviceState.has(name.toLowerCase())) this.#send(app, event)
      if (app.sources.deviceState.has('')) this.#send(app, event)
    }
  }

  channel(channels: readonly PbxChannel[], event: AriEvent): void {
    for (const app of this.#applications.values()) if (concerns(app, channels)) this.#send(app, event)
  }

  endpoint(id: string, event: AriEvent): void {
    for (const app of this.#applications.values())
      if (hearsEndpoint(app, `PJSIP/${id}`)) this.#send(app, { ...event, endpoint: this.#settings.endpointJson(id) })
  }

  bridge(id: string, channels: readonly PbxChannel[], event: AriEvent): void {
    for (const app of this.#applications.values()) {
      const { bridge } = app.sources
      if (bridge.has('') || bridge.has(id) || concerns(app, channels)) this.#send(app, event)
    }
  }

  #send(app: Application, { type, ...fields }: AriEvent): void {
    if (!app.wants(type) && type !== 'ApplicationReplaced') return
    app.socket?.send(
      JSON.stringify({
        type,
        application: app.name,
        timestamp: ariTime(new Date()),
        ...fields,
        asterisk_id: this.#settings.entityId,
      }),
    )
  }
}

function keyOf(kind: SourceKind, source: string): string {
  return kind === 'deviceState' ? source.toLowerCase() : source
}

function concerns(app: Application, channels: readonly PbxChannel[]): boolean {
  const { channel: ids } = app.sources
  return channels.some(
    (channel) => ids.has('') || ids.has(channel.id) || channel.app === app.name || hearsEndpoint(app, channel.device),
  )
}

/** `PJSIP/100` is heard by who subscribed to it, to `PJSIP`, or to all endpoints. */
function hearsEndpoint(app: Application, device: string): boolean {
  const { endpoint } = app.sources
  return endpoint.has('') || endpoint.has(device) || endpoint.has(device.slice(0, device.indexOf('/')))
}
