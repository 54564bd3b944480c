/** All subscriptions of ours, as pjsip.conf has them: begun at the start, changed by a reload, ended with the module. */
import { outboundCredentials } from '../../core/auth/outbound.ts'
import type { Core } from '../../core/core.ts'
import type { Logger } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import type { Undo } from '../../core/scope.ts'
import type { CredentialsFor, HeaderLine } from '../../core/sip/contract.ts'
import type { DeviceState } from '../../core/states/devices.ts'
import { type MailboxCounts, mailboxName } from '../../core/states/mailboxes.ts'
import {
  type OutboundSubscriptionConfig,
  outboundSubscriptionOptions,
  subscriptionOrigin,
} from '../../core/subscription-options.ts'
import { within } from '../../core/within.ts'
import type { OutboundSubscribing, SubscriberHandler, SubscribeTo } from './contract.ts'
import { dialogEvent, moduleEvent, presenceEvent, summaryEvent } from './events.ts'
import type { NotifyRouter } from './router.ts'
import { OutboundSubscription, type SubscriptionContext } from './subscription.ts'
import { deviceTarget, mailboxTarget, moduleTarget } from './target.ts'

export type AnySubscription =
  | OutboundSubscription<DeviceState>
  | OutboundSubscription<MailboxCounts>
  | OutboundSubscription<true>

/** How long an end waits for notifiers to agree, in milliseconds; those that do not answer find out by a 481. */
const FAREWELL = 500

export class OutboundSubscriptions implements OutboundSubscribing {
  readonly #core: Core
  readonly #log: Logger
  readonly #router: NotifyRouter
  readonly #headers: () => readonly HeaderLine[]
  /** Those of pjsip.conf, and those of modules. */
  readonly #all = new Map<string, AnySubscription>()
  readonly #ofModules = new Map<string, OutboundSubscription<true>>()
  #files: unknown

  constructor(core: Core, log: Logger, router: NotifyRouter, headers: () => readonly HeaderLine[]) {
    this.#core = core
    this.#log = log
    this.#router = router
    this.#headers = headers
  }

  /** In the order of the file, then those of modules. */
  get list(): readonly AnySubscription[] {
    return [...this.#all.values(), ...this.#ofModules.values()]
  }

  find(id: string): AnySubscription | undefined {
    return this.#all.get(id) ?? this.#ofModules.get(id)
  }

  subscribe(to: SubscribeTo, handler: SubscriberHandler): Undo {
    const { id } = to
    if (this.find(id)) throw new Error(`there is a subscription '${id}' already`)
    const { event, accept } = handler
    // A module may be JavaScript.
    if (!Array.isArray(accept) || accept.length === 0)
      throw new TypeError(`who subscribes to ${event} accepts no body type`)
    const config = { ...defaultsOf(outboundSubscriptionOptions), ...to }
    const one = new OutboundSubscription(config, moduleEvent(handler), moduleTarget(event), this.#contextOf(config))
    this.#ofModules.set(id, one)
    one.start()
    return async () => {
      if (this.#ofModules.get(id) === one) this.#ofModules.delete(id)
      await within(FAREWELL, one.close())
    }
  }

  /** Until undone; the undoing takes leave of the notifiers. */
  follow(): Undo {
    const undo = this.#core.endpoints.onChange(() => this.#reread())
    this.#reread()
    return async () => {
      await undo()
      const all = this.list
      this.#all.clear()
      this.#ofModules.clear()
      // The next start shows what was known until it knows better.
      if (!this.#core.stopping) for (const { target } of all) target.takeBack()
      await within(FAREWELL, Promise.all(all.map((one) => one.close())))
    }
  }

  #reread(): void {
    const { files } = this.#core.endpoints
    if (files === this.#files) return
    this.#files = files
    const wanted = files.outboundSubscriptions ?? new Map<string, OutboundSubscriptionConfig>()
    for (const [id, one] of this.#all) {
      const config = wanted.get(id)
      if (config && sameConfig(config, one.config)) {
        // What was refused may be granted with what has changed: a password, a transport.
        if (one.phase === 'waiting' || one.phase === 'over') one.refresh()
        continue
      }
      this.#all.delete(id)
      void one.close()
      if (!config || config.mailbox !== one.config.mailbox || config.device !== one.config.device) one.target.takeBack()
    }
    for (const one of this.#ofModules.values()) if (one.phase === 'waiting') one.refresh()
    for (const [id, config] of wanted) {
      if (this.#all.has(id)) continue
      const one = this.#make(config)
      this.#all.set(id, one)
      one.start()
    }
  }

  #make(config: OutboundSubscriptionConfig): AnySubscription {
    const { devices, mailboxes } = this.#core
    const origin = subscriptionOrigin(config.id)
    this.#forgetOthers(origin, config)
    const context = this.#contextOf(config)
    if (config.event === 'message-summary')
      return new OutboundSubscription(config, summaryEvent, mailboxTarget(mailboxes, origin, config.mailbox), context)
    const event = config.event === 'dialog' ? dialogEvent : presenceEvent
    return new OutboundSubscription(config, event, deviceTarget(devices, origin, config.device), context)
  }

  #contextOf(config: OutboundSubscriptionConfig): SubscriptionContext {
    return {
      core: this.#core,
      log: this.#log,
      router: this.#router,
      credentials: this.#credentials(config),
      headers: this.#headers,
      sent: () => this.#core.metrics.counter('subscriber.subscribe.sent').add(),
    }
  }

  /** A start brings back what was said of the section's last mailbox or device, which may have been another. */
  #forgetOthers(origin: string, { event, mailbox, device }: OutboundSubscriptionConfig): void {
    const { devices, mailboxes } = this.#core
    const isMailbox = event === 'message-summary'
    for (const name of mailboxes.namesOf(origin))
      if (!isMailbox || name.toLowerCase() !== mailboxName(mailbox).toLowerCase())
        mailboxes.set(origin, name, undefined)
    for (const name of devices.namesOf(origin))
      if (isMailbox || name.toLowerCase() !== device.toLowerCase()) devices.set(origin, name, undefined)
  }

  #credentials({ id, outbound_auth }: OutboundSubscriptionConfig): CredentialsFor | undefined {
    if (outbound_auth.length === 0) return undefined
    return outboundCredentials(this.#core.endpoints, outbound_auth, (realms) => {
      const names = realms.map((realm) => `'${realm}'`).join(', ')
      this.#log.notice(
        `subscription '${id}' is challenged for realm ${names}, which none of its outbound_auth can answer`,
      )
    })
  }
}

function sameConfig(a: OutboundSubscriptionConfig, b: OutboundSubscriptionConfig): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
