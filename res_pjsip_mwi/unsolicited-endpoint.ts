/**
 * An endpoint with `mailboxes`: its contacts, and what they are told. Counts are read from Asterisk only while there is
 * a contact, and nothing is told before they are known or it took too long.
 */
import type { Endpoint } from '../core/endpoints.ts'
import type { Contact, Contacts } from '../core/registrar/registrar.ts'
import type { Mailboxes } from '../core/states/mailboxes.ts'
import type { Need } from '../core/states/reported.ts'
import { fullNames } from './resources.ts'
import {
  type ContactServices,
  isSameWay,
  type MailboxGroup,
  type Tidings,
  UnsolicitedContact,
} from './unsolicited-contact.ts'

interface EndpointServices extends Omit<ContactServices, 'compose'> {
  readonly mailboxes: Mailboxes
  readonly contacts: Contacts
  readonly compose: (endpoint: Endpoint, contact: Contact, group: MailboxGroup) => Tidings | undefined
}

/** Milliseconds that first counts are waited for. A "no messages" that is not true puts a lamp out. */
const FIRST_COUNTS_LIMIT = 3000

export class UnsolicitedEndpoint {
  /** After a reload that changes nothing of what is told here, another one. */
  endpoint: Endpoint
  readonly mailboxes: readonly string[]
  readonly #groups: readonly MailboxGroup[]
  readonly #services: EndpointServices
  /** By phone. */
  readonly #contacts = new Map<string, UnsolicitedContact>()
  /** Who is told everything once the counts are known. */
  readonly #waiting = new Set<UnsolicitedContact>()
  #needs: readonly Need[] = []
  /** All who can be asked have answered: counts that are there from an earlier contact may be old. */
  #isRead = false
  #known = false
  /** Name in lower case → epoch milliseconds of the last change that was seen here. */
  readonly #counted = new Map<string, number>()
  #limitTimer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #disposed = false

  constructor(endpoint: Endpoint, services: EndpointServices) {
    this.endpoint = endpoint
    this.#services = services
    this.mailboxes = fullNames(endpoint.mailboxes)
    this.#groups = endpoint.aggregate_mwi
      ? [{ mailboxes: this.mailboxes }]
      : this.mailboxes.map((name) => ({ mailboxes: [name] }))
  }

  get contacts(): readonly UnsolicitedContact[] {
    return [...this.#contacts.values()]
  }

  /** Epoch milliseconds of the last change of these that was seen here; 0 for none. */
  lastCounted(mailboxes: readonly string[]): number {
    return Math.max(0, ...mailboxes.map((name) => this.#counted.get(name.toLowerCase()) ?? 0))
  }

  /** Reads its contacts again. Whoever `tell` picks is told everything now. `added`: the one that was. */
  look(tell: (contact: Contact, isNew: boolean) => boolean, added?: Contact): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look(tell, added))
    return this.#looking
  }

  async #look(tell: (contact: Contact, isNew: boolean) => boolean, added: Contact | undefined): Promise<void> {
    const found = new Map<string, [Contact, ...Contact[]]>()
    for (const aor of this.endpoint.aors) {
      for (const contact of await this.#services.contacts.of(aor)) {
        const ways = found.get(phoneOf(contact))
        if (!ways) found.set(phoneOf(contact), [contact])
        else if (!ways.some((way) => isSameWay(way, contact))) ways.push(contact)
      }
    }
    if (this.#disposed) return
    for (const [phone, known] of this.#contacts) {
      if (found.has(phone)) continue
      known.dispose()
      this.#contacts.delete(phone)
      this.#waiting.delete(known)
    }
    if (found.size > 0) this.#takeNeeds()
    for (const [phone, ways] of found) {
      const [contact] = ways
      const known = this.#contacts.get(phone)
      const entry = known ?? this.#add(contact)
      entry.update(ways, added && phoneOf(added) === phone ? added : undefined)
      if (!tell(contact, !known)) continue
      if (this.#known) entry.registered(this.#groups)
      else this.#waiting.add(entry)
    }
    if (found.size === 0) this.#letGo()
  }

  refreshed(contact: Contact): void {
    this.#contacts.get(phoneOf(contact))?.refreshed(this.#groups, contact)
  }

  /** Somebody reported on one of its mailboxes. First counts are no change, so they are taken up after `counted`. */
  reported(): void {
    if (!this.#known) queueMicrotask(() => this.#learn())
  }

  /** The counts of a mailbox changed. */
  counted(mailbox: string): void {
    if (!this.#known) return
    const name = mailbox.toLowerCase()
    this.#counted.set(name, Date.now())
    this.#tell(this.#groups.filter((group) => group.mailboxes.some((each) => each.toLowerCase() === name)))
  }

  /** Other mailboxes than before are watched by the phones themselves, or something else was published about them. */
  summaryChanged(): void {
    if (this.#known) this.#tell(this.#groups)
  }

  dispose(): void {
    this.#disposed = true
    for (const contact of this.#contacts.values()) contact.dispose()
    this.#contacts.clear()
    this.#letGo()
  }

  #tell(groups: readonly MailboxGroup[]): void {
    for (const contact of this.#contacts.values()) contact.want(groups)
  }

  #add(contact: Contact): UnsolicitedContact {
    const { compose, ...services } = this.#services
    const entry = new UnsolicitedContact(contact, {
      ...services,
      compose: (to, group) => compose(this.endpoint, to, group),
    })
    this.#contacts.set(phoneOf(contact), entry)
    return entry
  }

  #takeNeeds(): void {
    if (this.#needs.length > 0) return
    const needs = this.mailboxes.map((name) => this.#services.mailboxes.need(name))
    this.#needs = needs
    this.#limitTimer = setTimeout(() => this.#settle(), FIRST_COUNTS_LIMIT).unref()
    void Promise.all(needs.map(({ ready }) => ready)).then(() => {
      if (this.#needs !== needs) return
      this.#isRead = true
      this.#learn()
    })
  }

  #letGo(): void {
    clearTimeout(this.#limitTimer)
    for (const need of this.#needs) void need.release()
    this.#needs = []
    this.#waiting.clear()
    this.#isRead = false
    this.#known = false
  }

  #learn(): void {
    if (!this.#isRead || this.#known) return
    if (this.mailboxes.every((name) => this.#services.mailboxes.reports(name).length > 0)) this.#settle()
  }

  #settle(): void {
    clearTimeout(this.#limitTimer)
    this.#known = true
    for (const contact of this.#waiting) contact.registered(this.#groups)
    this.#waiting.clear()
  }
}

/**
 * Behind different NATs two phones may write the same Contact, and are then told apart by their instance (RFC 5626 4.1).
 * What one phone has registered for two AORs, or by two flows, it is told of once.
 */
export function phoneOf({ uri, instance }: Contact): string {
  return `${uri} ${instance}`
}
