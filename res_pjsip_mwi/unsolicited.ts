/**
 * NOTIFYs for message-summary that nobody asked for, to every contact of every AOR of the endpoints with `mailboxes`:
 * at start, when a contact registers, and on each change of the counts.
 */
import { type ConsoleCommand, plain } from '../core/console/console.ts'
import type { Core } from '../core/core.ts'
import type { Endpoint } from '../core/endpoints.ts'
import type { Logger } from '../core/log.ts'
import { PartyIndex } from '../core/party-index.ts'
import type { Contact } from '../core/registrar/registrar.ts'
import { Scope, type Undo } from '../core/scope.ts'
import type { HeaderLine } from '../core/sip/contract.ts'
import { type MailboxCounts, NO_MESSAGES } from '../core/states/mailboxes.ts'
import { fullNames } from './resources.ts'
import { SendQueue } from './send-queue.ts'
import { type MessageSummary, sumOf } from './summary.ts'
import type { MailboxGroup, Tidings } from './unsolicited-contact.ts'
import { phoneOf, UnsolicitedEndpoint } from './unsolicited-endpoint.ts'
import { unsolicitedNotify } from './unsolicited-notify.ts'

/** Endpoints that servers are asked for at a time. */
const AT_ONCE = 16

interface UnsolicitedSettings {
  readonly log: Logger
  /** Allow-Events and the like. */
  readonly notifyHeaders: () => readonly HeaderLine[]
  /** Epoch milliseconds of the last change of these that is known; 0 for none. */
  readonly changed: (mailboxes: readonly string[]) => number
  /** Whether the endpoint watches the mailbox itself, in place of these NOTIFYs. */
  readonly replaced: (endpointId: string, mailbox: string) => boolean
  /** What was published about an AOR and these counts of its mailboxes, which changed last at that time, become. */
  readonly withPublished: (aor: string, counts: MailboxCounts, counted: number) => Omit<MessageSummary, 'account'>
  /** A contact of this endpoint registered, and is about to be told. */
  readonly onRegistered: (endpoint: Endpoint) => void
}

export class Unsolicited {
  readonly #core: Core
  readonly #settings: UnsolicitedSettings
  readonly #queue: SendQueue
  readonly #endpoints = new Map<string, { readonly served: UnsolicitedEndpoint; readonly forget: Undo }>()
  readonly #byMailbox = new PartyIndex<UnsolicitedEndpoint>()
  readonly #byAor = new PartyIndex<UnsolicitedEndpoint>((aor) => aor)
  /** Endpoints that are not in our files, found by their contacts. */
  readonly #dynamic = new Set<string>()
  readonly #counters
  #closed = false

  constructor(core: Core, settings: UnsolicitedSettings) {
    this.#core = core
    this.#settings = settings
    const marks = (): { high: number; low: number } => {
      const { mwi_tps_queue_high: high, mwi_tps_queue_low: low } = core.endpoints.global
      return { high, low }
    }
    this.#queue = new SendQueue(marks, settings.log)
    this.#counters = {
      sent: core.metrics.counter('mwi.unsolicited.sent'),
      refused: core.metrics.counter('mwi.unsolicited.refused'),
      failed: core.metrics.counter('mwi.unsolicited.failed'),
    }
  }

  /** Until undone. */
  follow(): Undo {
    const { mailboxes, contacts, endpoints, metrics } = this.#core
    const scope = new Scope()
    scope.own(() => this.#close())
    scope.own(
      mailboxes.onReport((name) => {
        for (const endpoint of this.#byMailbox.of(name)) endpoint.reported()
      }),
    )
    scope.own(
      mailboxes.onChange((name) => {
        for (const endpoint of this.#byMailbox.of(name)) endpoint.counted(name)
      }),
    )
    scope.own(contacts.onChange((aor, added) => this.#contactChanged(aor, added)))
    scope.own(
      contacts.onRefresh((contact) => {
        for (const endpoint of this.#byAor.of(contact.aor)) endpoint.refreshed(contact)
        this.#askAgain(contact.aor, contact)
      }),
    )
    scope.own(endpoints.onChange(() => this.#reread(true)))
    scope.own(endpoints.onSource(() => void this.#discoverRegistered()))
    scope.own(metrics.gauge('mwi.unsolicited.queued', () => this.#queue.length))
    this.#reread(this.#tellsAtFirst)
    void this.#discoverRegistered()
    return () => scope.close()
  }

  /** The first of these mailboxes that a contact of the endpoint is told of. */
  servedMailbox(endpoint: Endpoint, mailboxes: readonly string[]): string | undefined {
    const served = this.#endpoints.get(endpoint.id)?.served
    if (!served || served.contacts.length === 0) return undefined
    const names = new Set(served.mailboxes.map((name) => name.toLowerCase()))
    return mailboxes.find((name) => names.has(name.toLowerCase()))
  }

  /** Something is published about an AOR, or no longer. */
  publicationsChanged(aor: string): void {
    for (const endpoint of this.#byAor.of(aor)) endpoint.summaryChanged()
  }

  solicitedChanged(endpointId: string): void {
    this.#endpoints.get(endpointId)?.served.summaryChanged()
  }

  list(): readonly UnsolicitedEndpoint[] {
    return [...this.#endpoints.values()].map(({ served }) => served)
  }

  get #tellsAtFirst(): boolean {
    return !this.#core.endpoints.global.mwi_disable_initial_unsolicited
  }

  #close(): void {
    this.#closed = true
    this.#queue.close()
    for (const { served, forget } of this.#endpoints.values()) {
      void forget()
      served.dispose()
    }
    this.#endpoints.clear()
  }

  /** Endpoints as they are now. New ones, and those of which something changed, tell their contacts if `tell`. */
  #reread(tell: boolean): void {
    const files = this.#core.endpoints.files.endpoints
    for (const id of this.#endpoints.keys()) if (!files.has(id) && !this.#dynamic.has(id)) this.#drop(id)
    for (const endpoint of files.values()) this.#serve(endpoint, tell)
    for (const id of this.#dynamic) {
      if (files.has(id)) this.#dynamic.delete(id)
      else void this.#ask(id, tell)
    }
  }

  async #ask(id: string, tell: boolean): Promise<void> {
    const endpoint = await this.#core.endpoints.endpoint(id)
    if (!this.#dynamic.has(id)) return
    if (endpoint) return this.#serve(endpoint, tell)
    this.#dynamic.delete(id)
    this.#drop(id)
  }

  #serve(endpoint: Endpoint, tell: boolean): void {
    const known = this.#endpoints.get(endpoint.id)?.served
    if (known && sameService(known.endpoint, endpoint)) {
      known.endpoint = endpoint
      // The global default_voicemail_extension may be another one.
      known.summaryChanged()
      // Its AORs may have other permanent contacts now.
      void known.look((_contact, isNew) => isNew)
      return
    }
    const lit = known?.contacts.filter(({ mayBeLit }) => mayBeLit).map(({ contact }) => contact) ?? []
    this.#drop(endpoint.id)
    if (endpoint.mailboxes.length === 0) for (const contact of lit) this.#putOut(endpoint, contact)
    if (endpoint.mailboxes.length === 0 || endpoint.aors.length === 0) return
    const served = new UnsolicitedEndpoint(endpoint, {
      mailboxes: this.#core.mailboxes,
      contacts: this.#core.contacts,
      queue: this.#queue,
      log: this.#settings.log,
      counters: this.#counters,
      compose: (now, contact, group) => this.#compose(now, contact, group),
      send: (request, done) => this.#core.sip.request(request, done),
      giveUp: (sender) => this.#core.sip.giveUp(sender),
    })
    const undos = [this.#byMailbox.add(served.mailboxes, served), this.#byAor.add(endpoint.aors, served)]
    const forget = (): void => undos.forEach((undo) => void undo())
    this.#endpoints.set(endpoint.id, { served, forget })
    void served.look(() => tell)
  }

  /** It has no mailboxes any more, so nobody will tell this lamp again, unless another endpoint has its AOR now. */
  #putOut(endpoint: Endpoint, contact: Contact): void {
    this.#queue.push(() => {
      if (this.#byAor.has(contact.aor)) return
      const headers = this.#settings.notifyHeaders()
      this.#counters.sent.add()
      this.#core.sip.request(unsolicitedNotify(this.#core, endpoint, contact, NO_MESSAGES, headers), ({ kind }) => {
        if (kind !== 'response') this.#counters.failed.add()
      })
    })
  }

  #drop(id: string): void {
    const known = this.#endpoints.get(id)
    if (!known) return
    this.#endpoints.delete(id)
    void known.forget()
    known.served.dispose()
  }

  #contactChanged(aor: string, added: Contact | undefined): void {
    const served = this.#byAor.of(aor)
    if (served.size === 0) {
      if (added && !this.#isInFiles(aor)) void this.#discover(aor, true)
      return
    }
    if (added) this.#askAgain(aor, added)
    for (const endpoint of served) {
      if (added) this.#settings.onRegistered(endpoint.endpoint)
      const isAdded = (contact: Contact): boolean => added !== undefined && phoneOf(contact) === phoneOf(added)
      void endpoint.look((contact, isNew) => isNew || isAdded(contact), added)
    }
  }

  /**
   * Nobody tells of changes on a server: an endpoint that is in no file may have got mailboxes, or others, since its phone
   * registered last. It has just been asked for, as it registers for itself.
   */
  #askAgain(aor: string, { endpoint }: Contact): void {
    if (endpoint === aor && !this.#isInFiles(aor)) void this.#discover(aor, true)
  }

  /** Somebody registered for an AOR that is in no file: an endpoint of the same name may have mailboxes. */
  async #discover(aor: string, tell: boolean): Promise<void> {
    const endpoint = await this.#core.endpoints.endpoint(aor)
    if (this.#closed || !endpoint?.aors.includes(aor) || this.#isInFiles(endpoint.id)) return
    const known = this.#endpoints.get(endpoint.id)?.served
    if (known && sameService(known.endpoint, endpoint)) known.endpoint = endpoint
    else if (known || endpoint.mailboxes.length > 0) {
      this.#dynamic.add(endpoint.id)
      this.#serve(endpoint, tell)
    }
  }

  /** Those who registered before this start, or while nobody could say whether they have mailboxes. */
  async #discoverRegistered(): Promise<void> {
    const aors = this.#core.contacts.registered().filter((aor) => !this.#byAor.has(aor) && !this.#isInFiles(aor))
    for (let at = 0; at < aors.length && !this.#closed; at += AT_ONCE)
      await Promise.all(aors.slice(at, at + AT_ONCE).map((aor) => this.#discover(aor, this.#tellsAtFirst)))
  }

  #isInFiles(id: string): boolean {
    return this.#core.endpoints.files.endpoints.has(id)
  }

  #compose(endpoint: Endpoint, contact: Contact, { mailboxes: all }: MailboxGroup): Tidings | undefined {
    const { mwi_subscribe_replaces_unsolicited: replaces } = endpoint
    const mailboxes = replaces ? all.filter((name) => !this.#settings.replaced(endpoint.id, name)) : all
    if (mailboxes.length === 0) return undefined
    const seen = this.#endpoints.get(endpoint.id)?.served.lastCounted(mailboxes) ?? 0
    const counted = Math.max(seen, this.#settings.changed(mailboxes))
    const own = sumOf(mailboxes.map((name) => this.#core.mailboxes.get(name)))
    // A publication is about all of an AOR: where each mailbox is told of by itself it belongs to none of them.
    const counts = endpoint.aggregate_mwi ? this.#settings.withPublished(contact.aor, own, counted) : own
    const request = unsolicitedNotify(this.#core, endpoint, contact, counts, this.#settings.notifyHeaders())
    return { mailboxes, request }
  }
}

function sameService(a: Endpoint, b: Endpoint): boolean {
  const facts = (endpoint: Endpoint): string =>
    JSON.stringify([
      fullNames(endpoint.mailboxes),
      endpoint.aors,
      endpoint.aggregate_mwi,
      endpoint.mwi_from_user,
      endpoint.from_user,
      endpoint.from_domain,
      endpoint.voicemail_extension,
      endpoint.outbound_proxy,
    ])
  return facts(a) === facts(b)
}

export function showUnsolicited(unsolicited: Unsolicited): ConsoleCommand {
  return {
    words: 'mwi show unsolicited',
    args: '[endpoint]',
    help: 'Shows who is told of mailboxes without having asked, and how the last NOTIFY ended.',
    complete: (place) => (place === 0 ? unsolicited.list().map(({ endpoint }) => endpoint.id) : []),
    run: ([wanted], out) => {
      let contacts = 0
      for (const { endpoint, mailboxes, contacts: each } of unsolicited.list()) {
        if (wanted !== undefined && endpoint.id !== wanted) continue
        out.print(`Endpoint: ${endpoint.id}  Mailboxes: ${mailboxes.join(',')}`)
        for (const { contact, phase, lastOutcome } of each)
          out.print(plain(`  ${contact.uri}  ${phase}${lastOutcome === '' ? '' : `  last: ${lastOutcome}`}`))
        contacts += each.length
      }
      out.print(`${contacts} contacts`)
    },
  }
}
