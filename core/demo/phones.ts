/** Demo phones: each watches a few extensions and its own mailbox, over SIP, and tells what its lamps show. */
import { randomUUID } from 'node:crypto'
import { Lamp, type LampSpec } from './lamp.ts'
import type { Reading } from './lamp-reading.ts'
import { PhoneAgent, type PhoneTarget, type Respond } from './phone-agent.ts'

export interface PhoneOptions {
  readonly user: string
  readonly password: string
  /** Where the server listens. */
  readonly target: PhoneTarget
  readonly lamps: readonly LampSpec[]
  /** Asked for in each SUBSCRIBE, in seconds. Default 120. */
  readonly expires?: number
}

export interface LampChange {
  readonly phone: string
  readonly spec: LampSpec
  readonly reading: Reading
}

export class DemoPhone {
  readonly user: string
  readonly lamps: readonly Lamp[]
  readonly #agent: PhoneAgent
  #reconnect: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: PhoneOptions, changed: (change: LampChange) => void) {
    const { user, password, target } = options
    this.user = user
    this.#agent = new PhoneAgent(target, {
      request: (request, respond) => this.#request(request.method ?? '', request, respond),
      lost: () => this.#lost(),
    })
    const host = target.host.includes(':') ? `[${target.host}]` : target.host
    const settings = {
      user,
      password,
      domain: `${host}:${target.port}`,
      uriParameters: target.protocol === 'tcp' ? ';transport=tcp' : '',
      expires: options.expires ?? 120,
      instance: `urn:uuid:${randomUUID()}`,
      changed: (lamp: Lamp): void => {
        if (lamp.reading && !this.#closed) changed({ phone: user, spec: lamp.spec, reading: lamp.reading })
      },
    }
    this.lamps = options.lamps.map((spec) => new Lamp(this.#agent, spec, settings))
  }

  /** The lamp of a target, `dialog` where no event is named. */
  lamp(target: string, event: LampSpec['event'] = 'dialog'): Lamp | undefined {
    return this.lamps.find(({ spec }) => spec.target === target && spec.event === event)
  }

  /** What the server did to this phone that it must not do. */
  get faults(): string[] {
    return this.lamps.flatMap((lamp) => lamp.faults)
  }

  async open(): Promise<void> {
    await this.#agent.open()
    for (const lamp of this.lamps) lamp.subscribe()
  }

  /** Ends its subscriptions, waits for that a moment, and closes its socket. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#reconnect)
    await Promise.all(this.lamps.map((lamp) => lamp.unsubscribe()))
    this.#agent.close()
  }

  /** Without a word: what a pulled cable does. */
  vanish(): void {
    this.#closed = true
    clearTimeout(this.#reconnect)
    for (const lamp of this.lamps) lamp.close()
    this.#agent.close()
  }

  #request(method: string, request: Parameters<Lamp['owns']>[0], respond: Respond): void {
    if (method === 'OPTIONS') return respond(200, 'OK', { allow: 'NOTIFY, OPTIONS' })
    if (method !== 'NOTIFY') return respond(405, 'Method Not Allowed', { allow: 'NOTIFY, OPTIONS' })
    const lamp = this.lamps.find((candidate) => candidate.owns(request))
    if (lamp) return lamp.notify(request, respond)
    // A subscription that was given up is answered so until the server has learned it: no fault of either.
    respond(481, 'Subscription Does Not Exist')
  }

  #lost(): void {
    if (this.#closed) return
    this.#reconnect = setTimeout(() => {
      this.#agent.open().then(
        () => {
          for (const lamp of this.lamps) if (lamp.state !== 'ended') lamp.subscribe()
        },
        () => this.#lost(),
      )
    }, 1000)
    this.#reconnect.unref()
  }
}
