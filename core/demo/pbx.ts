/**
 * The embedded demo PBX: an Asterisk as ARI shows one, without any telephony in it. It answers as a real one was seen to
 * answer, with its errors and its silences, so that what works against it works against Asterisk.
 *
 *     const pbx = await startDemoPbx({ port: 0, data: readPbxData('configs/demo/asterisk') })
 *     pbx.register('100', true)
 *     const call = pbx.call('100', '101')
 *     call.answer()
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { RawData, WebSocket } from 'ws'
import type { Logger } from '../log.ts'
import type { DeviceState } from '../states/devices.ts'
import { mailboxName } from '../states/mailboxes.ts'
import { NO_PRESENCE, type PresenceState } from '../states/presence.ts'
import { applicationOperations } from './ari-applications.ts'
import { asteriskOperations } from './ari-asterisk.ts'
import { channelOperations } from './ari-channels.ts'
import { AriServer } from './ari-server.ts'
import { stateOperations } from './ari-states.ts'
import { DemoCall } from './call.ts'
import type { CallerId } from './channel.ts'
import type { PbxData, PbxHint } from './data.ts'
import { eventOperations, serveSocket } from './events.ts'
import { Machine } from './machine.ts'

export interface DemoPbxOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default 8088; 0 takes any free one. */
  readonly port?: number
  readonly data: PbxData
  readonly username?: string
  readonly password?: string
  /** The ARI user may only look. */
  readonly readOnly?: boolean
  /** Asterisk's version as /asterisk/info tells it. Default 22.10.0. */
  readonly version?: string
  /** Whether GET /channels/{id}/variables exists. Default true. */
  readonly bulkVariables?: boolean
  readonly voicemail?: 'app_voicemail' | 'res_mwi_external'
  readonly missingModules?: readonly string[]
  readonly log?: Logger
}

export interface CallOptions {
  /** What was dialled, where it is not the callee's own number. */
  readonly exten?: string
  /** Instead of the caller's own caller ID: for calls from a trunk. */
  readonly caller?: CallerId
}

/** @throws Error with one clear line where the port cannot be had. */
export async function startDemoPbx(options: DemoPbxOptions): Promise<DemoPbx> {
  const pbx = new DemoPbx(options)
  await pbx.listen()
  return pbx
}

export class DemoPbx {
  readonly username: string
  readonly password: string
  readonly #machine: Machine
  readonly #server: AriServer
  readonly #log: Logger | undefined
  /** How often it was asked for what a real Asterisk dies of. */
  crashes = 0

  constructor(options: DemoPbxOptions) {
    this.username = options.username ?? 'lamplighter'
    this.password = options.password ?? 'lamplighter'
    this.#log = options.log
    this.#machine = new Machine({
      data: options.data,
      version: options.version ?? '22.10.0',
      bulkVariables: options.bulkVariables ?? true,
      voicemail: options.voicemail ?? 'app_voicemail',
      missingModules: options.missingModules ?? [],
      crash: () => this.#crash(),
    })
    const machine = this.#machine
    this.#server = new AriServer({
      host: options.host ?? '127.0.0.1',
      port: options.port ?? 8088,
      username: this.username,
      password: this.password,
      readOnly: options.readOnly ?? false,
      operations: [
        ...asteriskOperations(machine),
        ...applicationOperations(machine),
        ...channelOperations(machine),
        ...stateOperations(machine),
        ...eventOperations,
      ],
      connected: (apps, subscribeAll, socket) => this.#connected(apps, subscribeAll, socket),
    })
  }

  /** `http://127.0.0.1:8088` */
  get url(): string {
    return this.#server.url
  }

  get port(): number {
    return this.#server.port
  }

  get data(): PbxData {
    return this.#machine.settings.data
  }

  async listen(): Promise<void> {
    await this.#server.listen()
    this.#log?.verbose(`the demo PBX serves ARI on ${this.url}`)
  }

  async stop(): Promise<void> {
    await this.#server.close()
  }

  // What happens on a telephone system

  /** Online with this contact, or with one of our own making; offline. */
  register(endpoint: string, online: boolean | string): void {
    const contact = online === true ? `sip:${endpoint}@127.0.0.1:5060` : online === false ? undefined : online
    this.#machine.states.register(endpoint, contact)
  }

  /** Rings at once. Throws where the caller is unknown or nobody who is called is registered. */
  call(from: string, to: string | readonly string[], { exten, caller }: CallOptions = {}): DemoCall {
    const { channels, applications, states, calls } = this.#machine
    const called = typeof to === 'string' ? [to] : to
    const reachable = called.filter((id) => id !== from && states.contact(id) !== undefined)
    const endpoint = this.data.endpoints.find(({ id }) => id === from)
    if (!endpoint) throw new Error(`the demo PBX has no endpoint '${from}'`)
    if (reachable.length === 0) throw new Error(`none of ${called.join(', ')} is registered at the demo PBX`)
    for (const ended of calls) if (ended.state === 'ended') calls.delete(ended)
    const call = new DemoCall(channels, applications, {
      from,
      to: reachable,
      exten: exten ?? called[0] ?? '',
      context: endpoint.values.get('context') ?? 'default',
      caller: caller ?? this.callerIdOf(from),
      callerIdOf: (id) => this.callerIdOf(id),
    })
    calls.add(call)
    return call
  }

  callerIdOf(id: string): CallerId {
    const text = this.data.endpoints.find((endpoint) => endpoint.id === id)?.values.get('callerid') ?? ''
    const open = text.indexOf('<')
    if (open < 0) return { name: text, number: id }
    const name = text.slice(0, open).trim().replaceAll('"', '')
    return {
      name,
      number: text
        .slice(open + 1)
        .replace('>', '')
        .trim(),
    }
  }

  leaveMessage(box: string): void {
    const { newMessages, oldMessages } = this.#machine.states.counts(box) ?? { newMessages: 0, oldMessages: 0 }
    this.#machine.states.setCounts(mailboxName(box), { newMessages: newMessages + 1, oldMessages })
  }

  /** All new messages are old ones now. */
  readMessages(box: string): void {
    const { newMessages, oldMessages } = this.#machine.states.counts(box) ?? { newMessages: 0, oldMessages: 0 }
    this.#machine.states.setCounts(mailboxName(box), { newMessages: 0, oldMessages: oldMessages + newMessages })
  }

  /** The counts as they are; undefined forgets the box. */
  setMessages(box: string, counts: { newMessages: number; oldMessages: number } | undefined): void {
    this.#machine.states.setCounts(mailboxName(box), counts)
  }

  /** `Custom:dnd101`, or whatever else an application of Asterisk sets: `Queue:sales`, `park:701@parkedcalls`. */
  setDevice(device: string, state: DeviceState): void {
    this.#machine.states.set(device, state)
  }

  /** `Custom:` before the name may be left out. */
  setCustom(name: string, state: DeviceState): void {
    this.setDevice(name.toLowerCase().startsWith('custom:') ? name : `Custom:${name}`, state)
  }

  /** `CustomPresence:alice` */
  setPresence(provider: string, state: Partial<PresenceState>): void {
    this.#machine.states.setPresence(provider, { ...NO_PRESENCE, ...state })
  }

  /** The state of any device now. */
  deviceState(device: string): DeviceState {
    return this.#machine.states.get(device)
  }

  messages(box: string): { newMessages: number; oldMessages: number } | undefined {
    return this.#machine.states.counts(box)
  }

  /** The applications that exist, as /applications shows them. */
  get applications(): Record<string, unknown>[] {
    return this.#machine.applications.list()
  }

  // What happens to a telephone system

  /** Other hints from now on. No event tells it, as in Asterisk. */
  reloadDialplan(hints: readonly PbxHint[]): void {
    this.#machine.dialplan.replace(hints)
  }

  /** All sockets end with 1006, and calls, channels, applications and subscriptions are gone. Serves again after `away` milliseconds. */
  async restart(away = 0): Promise<void> {
    this.#machine.restart()
    await this.#away(away)
  }

  /** The network is gone for `away` milliseconds: connections break, and nothing inside is lost. */
  async dropLink(away = 0): Promise<void> {
    await this.#away(away)
  }

  /** Connections stay open, and nothing is answered or sent until it thaws. */
  freeze(): void {
    this.#server.freeze(true)
  }

  thaw(): void {
    this.#server.freeze(false)
  }

  async #away(milliseconds: number): Promise<void> {
    await this.#server.close()
    if (milliseconds > 0) await pause(milliseconds)
    await this.#server.listen()
  }

  #crash(): void {
    this.crashes++
    this.#log?.warning('a client asked for VM_INFO(..., email) of a mailbox without e-mail: a real Asterisk dies here')
    this.#machine.restart()
    this.#server.dropSockets()
  }

  #connected(apps: readonly string[], subscribeAll: boolean, socket: WebSocket): () => void {
    const { applications } = this.#machine
    const sender = {
      send: (text: string): void => {
        if (!this.#server.frozen) socket.send(text)
      },
    }
    for (const app of apps) applications.connect(app, sender, subscribeAll)
    socket.on('message', (data, isBinary) => {
      if (!isBinary && !this.#server.frozen) serveSocket(this.#server, apps, textOf(data), sender)
    })
    return () => {
      for (const app of apps) applications.disconnect(app, sender)
    }
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString()
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString()
}
