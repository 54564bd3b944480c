/** A core with the MWI modules loaded, contacts that the test makes up, and NOTIFYs that it answers itself. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Contact, Contacts } from '../../core/registrar/registrar.ts'
import type { Undo } from '../../core/scope.ts'
import type { OutcomeHandler, OutOfDialogRequest } from '../../core/sip/contract.ts'
import mwi from '../../res_pjsip_mwi/res_pjsip_mwi.ts'
import mwiBody from '../../res_pjsip_mwi/res_pjsip_mwi_body_generator.ts'
import pubsubModule from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { TestCore, type TestCoreSettings } from './core.ts'
import { FakeNotify, FakeSip, type FakeTransaction, type Headers } from './fake-sip.ts'
import { until } from './tools.ts'

export class FakeContacts implements Contacts {
  readonly #byAor = new Map<string, Contact[]>()
  readonly #listeners = new Set<(aor: string, added: Contact | undefined) => void>()
  readonly #refreshListeners = new Set<(contact: Contact) => void>()

  async of(aor: string): Promise<readonly Contact[]> {
    return this.#byAor.get(aor) ?? []
  }

  registered(): readonly string[] {
    return [...this.#byAor.keys()]
  }

  onChange(listener: (aor: string, added: Contact | undefined) => void): Undo {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  onRefresh(listener: (contact: Contact) => void): Undo {
    this.#refreshListeners.add(listener)
    return () => {
      this.#refreshListeners.delete(listener)
    }
  }

  /** As it was, but for its expiry. */
  refresh(contact: Contact): void {
    for (const listener of this.#refreshListeners) listener(contact)
  }

  /** A contact that is there before anybody listens. */
  has(aor: string, uri: string, changed: Partial<Contact> = {}): Contact {
    const contact = { aor, uri, path: [], flow: undefined, expires: Infinity, userAgent: '', instance: '', ...changed }
    const isOther = ({ uri: of, path, instance }: Contact): boolean =>
      of !== uri || instance !== contact.instance || (path.length > 0 && path.join() !== contact.path.join())
    this.#byAor.set(aor, [...(this.#byAor.get(aor) ?? []).filter(isOther), contact])
    return contact
  }

  register(aor: string, uri: string, changed: Partial<Contact> = {}): void {
    const contact = this.has(aor, uri, changed)
    for (const listener of this.#listeners) listener(aor, contact)
  }

  lose(aor: string, uri: string): void {
    this.#byAor.set(
      aor,
      (this.#byAor.get(aor) ?? []).filter((contact) => contact.uri !== uri),
    )
    for (const listener of this.#listeners) listener(aor, undefined)
  }
}

/** Keeps unsolicited NOTIFYs until they are answered. */
export class MwiSip extends FakeSip {
  readonly unsolicited: (OutOfDialogRequest & { readonly notify: FakeNotify })[] = []
  /** undefined leaves them to the test. */
  autoAnswerUnsolicited: number | undefined = 200

  override request(request: OutOfDialogRequest, done: OutcomeHandler): void {
    const notify = new FakeNotify(1, request.headers ?? [], request.body, done)
    this.unsolicited.push({ ...request, notify })
    const status = this.autoAnswerUnsolicited
    if (status !== undefined) setImmediate(() => notify.answer(status))
  }

  /** `uri new/old` of each, in order. */
  get told(): string[] {
    return this.unsolicited.map(
      ({ requestUri, notify }) => `${requestUri} ${/Voice-Message: (\S+)/.exec(notify.text)?.[1] ?? ''}`,
    )
  }
}

export class MwiOffice {
  readonly sip: MwiSip
  readonly contacts: FakeContacts
  readonly test: TestCore

  private constructor(sip: MwiSip, contacts: FakeContacts, test: TestCore) {
    this.sip = sip
    this.contacts = contacts
    this.test = test
  }

  /** `before` runs when there is a core, and no module yet. */
  static async open(
    settings: TestCoreSettings,
    before: (office: MwiOffice) => void = () => undefined,
  ): Promise<MwiOffice> {
    const sip = new MwiSip()
    const contacts = new FakeContacts()
    const office = new MwiOffice(sip, contacts, await TestCore.start({ ...settings, sip, contacts }))
    before(office)
    await office.test.load(pubsubModule, mwiBody, mwi)
    return office
  }

  count(mailbox: string, newMessages: number, oldMessages = 0): void {
    this.test.core.mailboxes.set('pbx1', mailbox, { newMessages, oldMessages })
  }

  async subscribe(user: string, headers: Headers = {}): Promise<FakeTransaction> {
    const tx = await this.sip.subscribe(user, { Event: 'message-summary', ...headers })
    await until('answer', () => tx.answered)
    if (tx.status === 200) await until('first NOTIFY', () => tx.dialog.notifies.length > 0)
    return tx
  }

  async unsubscribe(tx: FakeTransaction): Promise<void> {
    await this.sip.again(tx, { Expires: '0' })
    await until('final NOTIFY', () => tx.dialog.last.state.startsWith('terminated'))
  }

  /** Waits for so many unsolicited NOTIFYs in all, and for whatever follows at once. */
  async told(count: number): Promise<readonly string[]> {
    await until(`${count}. unsolicited NOTIFY`, () => this.sip.unsolicited.length >= count)
    return this.settled()
  }

  /** After everything that was due now is sent and answered. */
  async settled(): Promise<readonly string[]> {
    await pause(40)
    return this.sip.told
  }
}
