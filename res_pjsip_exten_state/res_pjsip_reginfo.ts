/**
 * The event package reg (RFC 3680): who is registered where, as application/reginfo+xml. Fed by the registrar.
 *
 * The first NOTIFY and those after a refresh say all of it, the others what is new. Times and CSeq are left out: they
 * would make news of every REGISTER that only says "still here".
 */
import type { Core } from '../core/core.ts'
import type { Endpoint } from '../core/endpoints.ts'
import { hexDigest } from '../core/hex-digest.ts'
import { defineModule, type ModuleConfig } from '../core/module.ts'
import { commaList, options } from '../core/options.ts'
import type { Contact, LostContact } from '../core/registrar/registrar.ts'
import type { Refusal } from '../core/sip/contract.ts'
import { type Watchable, Watched, WhileWatched } from '../core/watch.ts'
import { element, printXml, XML_DECLARATION, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator, Found, Kind } from '../res_pjsip_pubsub/contract.ts'

type ContactEvent = 'registered' | 'created' | 'unregistered' | 'expired' | 'deactivated' | 'rejected'

interface ContactEntry {
  readonly id: string
  readonly uri: string
  readonly active: boolean
  readonly event: ContactEvent
  /** The change that brought it there. */
  readonly change: number
}

/** One AOR (RFC 3680 3.1). */
interface Registration {
  readonly aor: string
  readonly status: 'init' | 'active' | 'terminated'
  /** Goes up with each change of anything. */
  readonly change: number
  readonly contacts: readonly ContactEntry[]
  /** Contacts that went lately, all of them since the change `goneAfter`. */
  readonly gone: readonly ContactEntry[]
  readonly goneAfter: number
}

const registrationKind = { name: 'registration' } as Kind<Registration>

const EVENT_OF = {
  unregistered: 'unregistered',
  expired: 'expired',
  // RFC 3680 3.2: taken away by the network, and the phone may register again at once.
  'connection closed': 'deactivated',
  replaced: 'deactivated',
} as const satisfies Record<LostContact['why'], ContactEvent>

const NOT_YOURS: Refusal = { status: 403, reason: 'Not Your Registration' }

export const reginfoOptions = options({
  admins: commaList(
    [],
    'Endpoints that may see every registration; everybody else sees that of its own AORs.',
    'names of endpoints with commas between them',
  ),
})

const config: ModuleConfig<typeof reginfoOptions> = {
  file: 'pubsub.conf',
  section: 'reginfo',
  set: reginfoOptions,
}

export default defineModule({
  name: 'res_pjsip_reginfo',
  description: 'Registration package: reg, application/reginfo+xml',
  requires: ['res_pjsip_pubsub'],
  config: [config],
  load({ core, own, options: read }, { res_pjsip_pubsub: pubsub }) {
    const registrations = new Registrations(core, read(config).admins)
    own(core.contacts.onChange((aor, added, lost) => registrations.changed(aor, added, lost)))
    own(core.endpoints.onChange(() => void registrations.reread()))
    own(pubsub.bodyGenerator(reginfo))
    own(
      pubsub.eventPackage({
        event: 'reg',
        kind: registrationKind,
        accept: ['application/reginfo+xml'],
        defaultExpires: 3761, // RFC 3680 4.4
        find: (resource, { endpoint }) => registrations.find(resource, endpoint),
      }),
    )
    return registrations
  },
  reload({ options: read }, registrations) {
    registrations.admit(read(config).admins)
  },
})

/** The registrations that somebody watches. */
class Registrations {
  readonly #core: Pick<Core, 'contacts' | 'endpoints'>
  readonly #watched = new Map<string, Watched<Registration>>()
  #endpoints: ReadonlyMap<string, Endpoint>
  #admins: readonly string[]
  #changes = 0
  /** How often any contact has changed. */
  #heard = 0

  constructor(core: Pick<Core, 'contacts' | 'endpoints'>, admins: readonly string[]) {
    this.#core = core
    this.#endpoints = core.endpoints.files.endpoints
    this.#admins = admins
  }

  async find(resource: string, endpoint: Endpoint): Promise<Found<Registration>> {
    const aor = this.#shownTo(endpoint, resource)
    if (aor === undefined) return NOT_YOURS
    if (!(await this.#core.endpoints.aor(aor)))
      return this.#core.endpoints.mayExist('aor', aor) ? 'unavailable' : undefined
    const contacts = await this.#core.contacts.of(aor)
    return this.#kept(aor, this.#begun(aor, contacts))
  }

  /** Who may see all of them from now on. */
  admit(admins: readonly string[]): void {
    if (admins.join() === this.#admins.join()) return
    this.#admins = admins
    for (const [aor, registration] of this.#watched) this.#lookAgain(aor, registration)
  }

  /** Endpoints and AORs are others now. */
  async reread(): Promise<void> {
    const { endpoints } = this.#core
    const assigned = assignedAnew(this.#endpoints, endpoints.files.endpoints)
    this.#endpoints = endpoints.files.endpoints
    for (const [aor, registration] of this.#watched) {
      const isThere = (await endpoints.aor(aor)) !== undefined || endpoints.mayExist('aor', aor)
      if (this.#watched.get(aor) !== registration) continue
      if (!isThere) this.#gone(aor, registration)
      else if (assigned.has(aor)) this.#lookAgain(aor, registration)
    }
  }

  /** The AOR; undefined where it is none of the endpoint's. */
  #shownTo({ id, aors }: Endpoint, resource: string): string | undefined {
    const own = aors.find((aor) => aor === resource || aor.startsWith(`${resource}@`))
    const mine = own ?? (resource === id ? aors[0] : undefined)
    return mine ?? (this.#admins.includes(id) ? resource : undefined)
  }

  /** Those who watch it may not see it any more, or something else: each is looked up anew (RFC 6665 4.1.3: rejected). */
  #lookAgain(aor: string, registration: Watched<Registration>): void {
    this.#watched.delete(aor)
    registration.end('deactivated')
  }

  #gone(aor: string, registration: Watched<Registration>): void {
    this.#watched.delete(aor)
    for (const entry of registration.value.contacts) this.#reject(registration, entry)
    registration.end('noresource')
  }

  changed(aor: string, added: Contact | undefined, lost: LostContact | undefined): void {
    this.#heard++
    const registration = this.#watched.get(aor)
    if (!registration) return
    const change = ++this.#changes
    if (added) registration.set(withContact(registration.value, { ...entryOf(added), change }))
    else if (lost)
      registration.set(
        withoutContact(registration.value, {
          ...entryOf(lost.contact),
          active: false,
          event: EVENT_OF[lost.why],
          change,
        }),
      )
    else void this.#permanentWent(aor, registration)
  }

  /** The files do not name it any more (RFC 3680 3.2: it is not to come back). */
  async #permanentWent(aor: string, registration: Watched<Registration>): Promise<void> {
    const still = new Set((await this.#core.contacts.of(aor)).map((contact) => entryOf(contact).id))
    for (const entry of registration.value.contacts)
      if (entry.event === 'created' && !still.has(entry.id)) this.#reject(registration, entry)
  }

  #reject(registration: Watched<Registration>, entry: ContactEntry): void {
    const change = ++this.#changes
    registration.set(withoutContact(registration.value, { ...entry, active: false, event: 'rejected', change }))
  }

  /** Is known while it is watched, and one for all who watch it, however many have found it before the first did. */
  #kept(aor: string, found: Registration): Watchable<Registration> {
    const heard = this.#heard
    return new WhileWatched({
      value: () => this.#watched.get(aor)?.value ?? found,
      open: () => {
        const known = this.#watched.get(aor)
        if (known) return known
        const registration = new Watched(found)
        this.#watched.set(aor, registration)
        // Its watcher may have waited for a disk.
        if (heard !== this.#heard) void this.#readAgain(aor, registration)
        return registration
      },
      left: (registration) => {
        if (registration.watchers === 0 && this.#watched.get(aor) === registration) this.#watched.delete(aor)
      },
    })
  }

  async #readAgain(aor: string, registration: Watched<Registration>): Promise<void> {
    const now = this.#begun(aor, await this.#core.contacts.of(aor))
    if (isOther(registration.value, now)) registration.set(now)
  }

  #begun(aor: string, contacts: readonly Contact[]): Registration {
    const change = ++this.#changes
    const status = contacts.length === 0 ? 'init' : 'active'
    return {
      aor,
      status,
      change,
      contacts: contacts.map((contact) => ({ ...entryOf(contact), change })),
      gone: [],
      goneAfter: change,
    }
  }
}

/** AORs of endpoints that have others than before. */
function assignedAnew(before: ReadonlyMap<string, Endpoint>, now: ReadonlyMap<string, Endpoint>): ReadonlySet<string> {
  const all = [...before, ...now].filter(([id]) => before.get(id)?.aors.join() !== now.get(id)?.aors.join())
  return new Set(all.flatMap(([, { aors }]) => aors))
}

function isOther({ contacts: before }: Registration, { contacts: now }: Registration): boolean {
  const known = new Set(before.map(({ id }) => id))
  return before.length !== now.length || now.some(({ id }) => !known.has(id))
}

/** How many that went are remembered, for those who have not been told yet. Who missed more gets all of it. */
const GONE = 20

function withContact(before: Registration, entry: ContactEntry): Registration {
  const others = before.contacts.filter(({ id }) => id !== entry.id)
  return { ...before, status: 'active', change: entry.change, contacts: [...others, entry] }
}

function withoutContact(before: Registration, entry: ContactEntry): Registration {
  const contacts = before.contacts.filter(({ id }) => id !== entry.id)
  const gone = [...before.gone, entry]
  const goneAfter = gone.length > GONE ? (gone.shift()?.change ?? before.goneAfter) : before.goneAfter
  const status = contacts.length === 0 ? 'terminated' : 'active'
  return { ...before, status, change: entry.change, contacts, gone, goneAfter }
}

/**
 * RFC 3680 5.1.1: an id is that of one contact. A phone may have several for a while, which have its instance in common,
 * and behind different NATs two phones write the same URI: what the registrar takes for one binding is one (RFC 5626 6).
 */
function entryOf({ id, aor, uri, expires }: Contact): Omit<ContactEntry, 'change'> {
  const event = expires === Number.POSITIVE_INFINITY ? 'created' : 'registered'
  return { id: shortHash(`${aor} ${id ?? uri}`), uri, active: true, event }
}

const REGINFO = 'urn:ietf:params:xml:ns:reginfo'
const VERSION_AT = XML_DECLARATION.length + `<reginfo xmlns="${REGINFO}" version="`.length

const reginfo: BodyGenerator<Registration, XmlElement> = {
  type: 'application/reginfo+xml',
  kind: registrationKind,
  share: ({ localUri }) => localUri,
  variant: () => '',
  generate: (registration, to) => document(registration, to, 'full', registration.contacts),
  partial(registration, since, to) {
    const { change } = since
    if (change < registration.goneAfter || change > registration.change)
      return document(registration, to, 'full', registration.contacts)
    const news = [...registration.gone, ...registration.contacts].filter((contact) => contact.change > change)
    return news.length === 0 ? undefined : document(registration, to, 'partial', news)
  },
  print: (root) => ({ text: printXml(root), versionAt: VERSION_AT }),
}

function document(
  { aor, status }: Registration,
  { localUri }: Addressing,
  state: 'full' | 'partial',
  contacts: readonly ContactEntry[],
): XmlElement {
  const shown = contacts.map(({ id, uri, active, event }) =>
    element('contact', { id, state: active ? 'active' : 'terminated', event }, [element('uri', {}, uri)]),
  )
  const registration = element('registration', { aor: localUri, id: shortHash(aor), state: status }, shown)
  return element('reginfo', { xmlns: REGINFO, version: '', state }, [registration])
}

function shortHash(text: string): string {
  return hexDigest('sha256', text).slice(0, 16)
}
