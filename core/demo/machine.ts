/** The inside of the demo PBX: everything but the network. */
import { Applications } from './applications.ts'
import type { DemoCall } from './call.ts'
import type { PbxChannel } from './channel.ts'
import { Channels } from './channels.ts'
import type { PbxData } from './data.ts'
import { Dialplan } from './dialplan.ts'
import { evaluate, type FunctionContext } from './functions.ts'
import { isLoaded } from './modules.ts'
import { States } from './states.ts'

export interface MachineSettings {
  readonly data: PbxData
  /** `22.5.0` */
  readonly version: string
  /** GET /channels/{id}/variables, which came with 20.20.0, 22.10.0 and 23.4.0. */
  readonly bulkVariables: boolean
  readonly voicemail: 'app_voicemail' | 'res_mwi_external'
  /** Modules that are not loaded: `res_mwi_devstate.so`. */
  readonly missingModules: readonly string[]
  /** Called when Asterisk would die. */
  crash(): void
}

export const ENTITY_ID = '02:fc:00:00:00:01'
export const SYSTEM_NAME = 'demopbx'

export class Machine {
  readonly settings: MachineSettings
  readonly dialplan: Dialplan
  readonly states: States
  readonly channels: Channels
  readonly applications: Applications
  readonly calls = new Set<DemoCall>()
  readonly globals = new Map<string, string>()
  startupTime = new Date()
  #locals = 0
  readonly #functions: FunctionContext

  constructor(settings: MachineSettings) {
    this.settings = settings
    this.dialplan = new Dialplan(settings.data)
    const inApp = (app: string): boolean => [...this.channels.all()].some((channel) => channel.app === app)
    this.applications = new Applications({ entityId: ENTITY_ID, endpointJson: (id) => this.endpointJson(id) }, inApp)
    this.channels = new Channels(this.applications, (device) => this.states.refresh(device))
    this.states = new States(settings.data, this.applications, () => this.channels.all(), {
      devices: this.loaded('res_mwi_devstate.so'),
      external: settings.voicemail === 'res_mwi_external',
    })
    this.#functions = {
      data: settings.data,
      dialplan: this.dialplan,
      states: this.states,
      version: settings.version,
      loaded: (module) => this.loaded(module),
      crash: () => settings.crash(),
    }
  }

  loaded(module: string): boolean {
    return isLoaded(module, this.settings)
  }

  evaluate(expression: string, channel: PbxChannel): string | undefined {
    return evaluate(expression, this.#functions, channel)
  }

  endpointJson(id: string): Record<string, unknown> {
    return {
      technology: 'PJSIP',
      resource: id,
      state: this.states.contact(id) === undefined ? 'offline' : 'online',
      channel_ids: this.channels.ofEndpoint(id),
    }
  }

  /** What a restart does to the inside: calls, channels and applications are gone, what the database and the spool hold stays. */
  restart(): void {
    this.applications.clear()
    this.channels.clear()
    this.calls.clear()
    this.globals.clear()
    this.states.restarted()
    this.startupTime = new Date()
    this.#locals = 0
  }

  /** Both halves of `Local/zz@context`; the first one is in the application. */
  createLocal(address: string, app: string, id: string | undefined): PbxChannel {
    const number = (this.#locals++).toString(16).padStart(8, '0')
    const [exten = '', context = 'default'] = address.split('@')
    const first = id ?? `${Math.floor(Date.now() / 1000)}.local${this.#locals}`
    const second = `${first};2`
    const dialplan = { context, exten, priority: 1, app_name: '', app_data: '' }
    const half = (id: string, half: 1 | 2, other: string, app?: string): PbxChannel =>
      this.channels.create({
        id,
        technology: 'Local',
        address,
        state: 'Down',
        dialplan,
        linkedId: first,
        app,
        local: { half, other, number },
      })
    const channel = half(first, 1, second, app)
    half(second, 2, first)
    // Local devices are not cached: each half tells its state, whatever it was.
    for (let told = 0; told < 2; told++) this.applications.device(`Local/${address}`, 'INVALID')
    return channel
  }
}
