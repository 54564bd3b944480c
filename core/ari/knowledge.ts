/**
 * What is known of one Asterisk: devices, mailboxes, presence states, calls, hints and pjsip objects, and how it is brought
 * in step with what that Asterisk says. Only what differs from what was believed reaches the state model, and so the phones.
 */
import type { Core } from '../core.ts'
import { Scope, type Undo } from '../scope.ts'
import type { AskedBy } from './asked-by.ts'
import type { BridgeStatus, ServerOptions } from './bridge-contract.ts'
import { CallTracker } from './call-tracker.ts'
import { checkUp } from './checkup.ts'
import { DeviceReader } from './device-reader.ts'
import { AriEndpointSource } from './endpoint-source.ts'
import { AriHintSource, type HintSourceSettings } from './hint-source.ts'
import { MailboxReader } from './mailbox-reader.ts'
import { PresenceReader } from './presence-reader.ts'
import type { AriEvent } from './protocol.ts'
import { type Reconciliation, reconcile } from './reconcile.ts'

/** What the rest of the house has of it. */
export type KnownIn = Pick<Core, 'devices' | 'mailboxes' | 'presences' | 'calls' | 'hints' | 'endpoints'>

export interface KnowledgeSettings extends HintSourceSettings {
  readonly options: () => ServerOptions
  /** Endpoints, AORs and auths come from files: this Asterisk is not asked for them. */
  readonly endpointsFromFiles: boolean
}

export class Knowledge {
  readonly #origin: string
  readonly #core: KnownIn
  readonly #asked: AskedBy
  readonly #devices: DeviceReader
  readonly #mailboxes: MailboxReader
  readonly #presences: PresenceReader
  readonly #calls: CallTracker
  readonly #hints: AriHintSource
  readonly #objects: AriEndpointSource | undefined
  /** ARI was switched off while everything was to be read: what nobody needed then may be as it was, or not. */
  #isUnread = false

  constructor(origin: string, core: KnownIn, asked: AskedBy, settings: KnowledgeSettings) {
    const limit = (): number => settings.options().request_timeout
    this.#origin = origin
    this.#core = core
    this.#asked = asked
    this.#devices = new DeviceReader(origin, core.devices, asked, limit)
    this.#mailboxes = new MailboxReader(origin, core.mailboxes, asked, limit)
    this.#presences = new PresenceReader(origin, core.presences, asked, limit)
    this.#calls = new CallTracker(origin, core.calls, core.devices, asked.link)
    this.#hints = new AriHintSource(origin, core.hints, asked, settings)
    this.#objects = settings.endpointsFromFiles ? undefined : new AriEndpointSource(origin, asked)
  }

  get counts(): Pick<BridgeStatus, 'devices' | 'mailboxes' | 'presences' | 'calls' | 'hints'> {
    const { devices, mailboxes, presences } = this.#core
    return {
      devices: devices.namesOf(this.#origin).length,
      mailboxes: mailboxes.namesOf(this.#origin).length,
      presences: presences.namesOf(this.#origin).length,
      calls: this.#calls.size,
      hints: this.#hints.remembered,
    }
  }

  /** It is asked for what somebody needs, until undone. */
  offer(): Undo {
    const { devices, mailboxes, presences, hints, endpoints } = this.#core
    const scope = new Scope()
    scope.own(
      devices.addReader({
        origin: this.#origin,
        // Its state is told of every device, who is on the other end is asked for only where somebody looks.
        asksAgain: true,
        read: async (device) => {
          const state = devices.reportOf(this.#origin, device) ? undefined : this.#devices.read(device)
          await Promise.all([state, this.#calls.needed(device)])
        },
      }),
    )
    scope.own(mailboxes.addReader(this.#mailboxes))
    scope.own(presences.addReader(this.#presences))
    scope.own(hints.addSource(this.#hints))
    if (this.#objects) scope.own(endpoints.addSource(this.#objects))
    return () => scope.close()
  }

  event(event: AriEvent): void {
    switch (event.type) {
      case 'device':
        this.#devices.event(event.name, event.state)
        return this.#mailboxes.event(event.name)
      case 'channel':
      case 'channel-gone':
      case 'dial':
        return this.#calls.event(event)
      case 'replaced':
        return undefined
    }
  }

  /** Which modules that Asterisk has: what can be read, and how. */
  async checkUp(): Promise<void> {
    this.#mailboxes.external = await checkUp(this.#asked)
  }

  /**
   * Everything somebody needs is read; what nobody needs any more is forgotten, for no event will have told its end. At a
   * start nobody may need anything yet: where nothing can be read, what was stored is all that those who come will see.
   */
  async readAll(): Promise<void> {
    const { devices, mailboxes, presences } = this.#core
    this.#isUnread = !(await this.#canRead())
    mailboxes.speak(this.#origin)
    presences.speak(this.#origin)
    if (!this.#isUnread) this.#forgetUnneeded()
    this.refreshObjects()
    const [device, mailbox, presence, calls] = await Promise.all([
      this.#devices.refresh(devices.needed()),
      this.refreshMailboxes(),
      this.refreshPresences(),
      this.#calls.refresh(),
      this.rereadHints(),
    ])
    this.#hints.changed()
    this.#asked.log.verbose(
      `read; ${device} devices, ${mailbox} mailboxes, ${presence} presence states and ${calls.length} calls ` +
        'were other than believed',
    )
  }

  /** What was read is what that Asterisk says. */
  hear(): void {
    this.#core.mailboxes.hear(this.#origin)
    this.#core.presences.hear(this.#origin)
  }

  /** Counts and presence states are told by reading them alone. Returns how many were other than believed. */
  refreshMailboxes(): Promise<number> {
    return this.#mailboxes.refresh(this.#core.mailboxes.needed())
  }

  refreshPresences(): Promise<number> {
    return this.#presences.refresh(this.#core.presences.needed())
  }

  rereadHints(): Promise<string[]> {
    return this.#hints.reread()
  }

  /** They are asked for anew, each when somebody needs it. */
  refreshObjects(): void {
    this.#objects?.refresh()
  }

  /** Whether that Asterisk shows them again. */
  async lookForObjects(): Promise<void> {
    await this.#objects?.lookAgain()
  }

  async reconcile(): Promise<Reconciliation> {
    const { devices } = this.#core
    if (this.#isUnread) await this.readAll()
    const comparable = { compare: (unread: (name: string) => void) => this.#devices.compare(devices.needed(), unread) }
    const result = await reconcile([comparable, this.#calls], this.#asked.log)
    // A module may have been unloaded since the connect, which no event tells.
    if (result.unread.length > 0) await this.checkUp()
    // That these changed since the last time is no drift.
    await Promise.all([this.refreshMailboxes(), this.refreshPresences(), this.rereadHints()])
    this.#presences.forgiveUnneeded()
    return result
  }

  /** That Asterisk has been away for too long. */
  expire(): void {
    // First of all: a call that goes while its device is there has ended.
    this.#core.devices.expireOrigin(this.#origin)
    this.#calls.drop()
    // What is kept where nobody else knows better: counts and presence are as good as they were last heard.
    this.#core.mailboxes.silence(this.#origin)
    this.#core.presences.silence(this.#origin)
  }

  forget(): void {
    for (const states of [this.#core.devices, this.#core.mailboxes, this.#core.presences])
      states.dropOrigin(this.#origin)
    this.#calls.drop()
  }

  #forgetUnneeded(): void {
    const { devices, mailboxes, presences } = this.#core
    for (const states of [devices, mailboxes, presences]) {
      for (const name of states.namesOf(this.#origin)) {
        if (!states.isNeeded(name)) states.set(this.#origin, name, undefined)
      }
    }
  }

  /** Not where ARI is switched off, which leaves an event socket open. */
  async #canRead(): Promise<boolean> {
    return (await this.#asked.link.request('asterisk.getInfo', {})).kind === 'ok'
  }
}
