/** A core that subscribes elsewhere, and the notifier it subscribes to, on two sockets. */
import type { OutboundSubscriptionConfig } from '../../core/subscription-options.ts'
import res_pjsip_outbound_subscribe from '../../res_pjsip_pubsub/res_pjsip_outbound_subscribe.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { pjsipConfig, TestCore, type TestCoreSettings } from './core.ts'
import { OtherNotifier } from './other-notifier.ts'
import type { WireMessage } from './phone.ts'
import { until } from './tools.ts'

/** Timer N is 64 times this one. */
export const T1 = 20

export class SubscriberOffice {
  readonly office: TestCore
  readonly notifier: OtherNotifier
  readonly #settings: TestCoreSettings

  private constructor(office: TestCore, notifier: OtherNotifier, settings: TestCoreSettings) {
    this.office = office
    this.notifier = notifier
    this.#settings = settings
  }

  static async open(settings: TestCoreSettings = {}): Promise<SubscriberOffice> {
    const all = { system: { timer_t1: T1, timer_b: 64 * T1 }, ...settings }
    const office = await TestCore.start(all)
    await office.load(res_pjsip_pubsub, res_pjsip_outbound_subscribe)
    return new SubscriberOffice(office, await OtherNotifier.open(office.port), all)
  }

  async close(): Promise<void> {
    // It has never heard of what is left now, so nothing is waited for.
    this.notifier.answer = () => [481]
    await this.office.close()
    await this.notifier.close()
  }

  /** Other sections than before, by name; the server is the notifier. */
  configure(
    sections: Readonly<Record<string, Partial<OutboundSubscriptionConfig>>>,
    settings: TestCoreSettings = {},
  ): void {
    const full = Object.entries(sections).map(([id, section]) => [
      id,
      { server_uri: this.notifier.uri('100'), max_retry_interval: 1, ...section },
    ])
    const { endpoints } = this.office.core
    endpoints.replace(pjsipConfig({ ...this.#settings, ...settings, outboundSubscriptions: Object.fromEntries(full) }))
  }

  /** One subscription, and its SUBSCRIBE. */
  subscribe(section: Partial<OutboundSubscriptionConfig> = {}): Promise<WireMessage> {
    this.configure({ there: { event: 'dialog', device: 'Remote:100', ...section } })
    return this.notifier.subscribe()
  }

  get device(): string {
    return this.office.core.devices.get('Remote:100')
  }

  mailbox(name = '100@there'): string {
    const { newMessages, oldMessages } = this.office.core.mailboxes.get(name)
    return `${newMessages}/${oldMessages}`
  }

  async phase(wanted: string, milliseconds?: number): Promise<void> {
    let shown = ''
    await until(
      `phase ${wanted}`,
      async () => {
        shown = await this.office.run('pjsip show subscription outbound there')
        return new RegExp(`State +: ${wanted}\\n`).test(shown)
      },
      milliseconds,
    ).catch((error: unknown) => {
      throw new Error(`it is:\n${shown}`, { cause: error })
    })
  }

  logged(text: string): boolean {
    return this.office.logged.some((line) => line.includes(text))
  }
}

export function dialogInfo(
  dialogs: Readonly<Record<string, string>>,
  { version = 0, state = 'full', direction = 'recipient' } = {},
): string {
  const each = Object.entries(dialogs).map(
    ([id, word]) => `<dialog id="${id}" direction="${direction}"><state>${word}</state></dialog>`,
  )
  return (
    '<?xml version="1.0"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" ' +
    `version="${version}" state="${state}" entity="sip:100@there">${each.join('')}</dialog-info>`
  )
}
