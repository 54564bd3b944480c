/** Endpoints, AORs and auths of one Asterisk, read one at a time from its dynamic configuration when they are needed. */
import type { ConfigSection } from '../config.ts'
import type { Aor, Auth, Endpoint, EndpointSource, ObjectType } from '../endpoints.ts'
import type { Eventual } from '../eventual.ts'
import { reasonOf } from '../log.ts'
import { dropOldest } from '../oldest.ts'
import { type ConfigError, type OptionSet, type OptionValues, readSection } from '../options.ts'
import { aorOptions, authOptions, endpointOptions } from '../pjsip-options.ts'
import { addedTo, type Undo } from '../scope.ts'
import type { AskedBy } from './asked-by.ts'
import { list, record, text } from './events.ts'
import { isFresh } from './fresh.ts'
import { isPlain } from './functions.ts'
import { isAddressDenied } from './refused.ts'

/** Milliseconds an object is believed without asking again. */
const FOUND_TTL = 60_000
/** The same for one that does not exist: anybody can ask for any name. */
const UNKNOWN_TTL = 15_000
/** Of each kind: names that nobody has must not push out those that are known, which stand while Asterisk is away. */
const MOST_REMEMBERED = 20_000
/**
 * Questions at a time for names that somebody merely claims and that nobody is known to have. Whoever sends datagrams can
 * ask for any number, and states are asked for over the same connection: lamps are not to wait behind all of them. An
 * office that comes back after a power cut asks for hundreds at once, which Asterisk answers within half a second.
 */
const MOST_CLAIMS = 1000
/** Rules of access that cannot be read, taken for rules that are not there, would let everybody in. */
const ACCESS = new Set(['deny', 'permit', 'acl', 'contact_deny', 'contact_permit', 'contact_acl'])

/**
 * `Object with id '100' not found`. Where ARI is switched off, or has another prefix, or one of its modules is not there,
 * it is the resource, the URL or the class that is not found, which says nothing of the object.
 */
const SAYS_NONE = /^object\b.*\bnot found/i

interface Remembered {
  /** Undefined: there is none. */
  readonly section: ConfigSection | undefined
  /** Epoch milliseconds. */
  readonly at: number
}

export class AriEndpointSource implements EndpointSource {
  readonly name: string
  readonly #by: Omit<AskedBy, 'probe'>
  readonly #found = new Map<string, Remembered>()
  readonly #missing = new Map<string, Remembered>()
  readonly #asking = new Map<string, Promise<ConfigSection | undefined>>()
  #claims = 0
  /** Since they were looked for last; who waits for one has not been told that they are shown again. */
  #wereHidden = false
  readonly #listeners = new Set<() => void>()

  constructor(name: string, by: Omit<AskedBy, 'probe'>) {
    this.name = name
    this.#by = by
  }

  async endpoint(id: string, isClaim = false): Promise<Endpoint | undefined> {
    const values = await this.#object('endpoint', id, endpointOptions, isClaim)
    return values && { ...values, id, hintContext: values.subscribe_context || values.context }
  }

  async aor(id: string): Promise<Aor | undefined> {
    const values = await this.#object('aor', id, aorOptions)
    return values && { ...values, id }
  }

  async auth(id: string): Promise<Auth | undefined> {
    const values = await this.#object('auth', id, authOptions)
    return values && { ...values, id }
  }

  couldNotAsk(type: ObjectType, id: string): boolean {
    if (!isName(id)) return false
    const known = this.#known(`${type}/${id}`)
    return !known || (!known.section && !isKnown(known))
  }

  /** Everything is asked anew, but what was known stands while Asterisk does not answer. */
  refresh(): void {
    for (const [key, { section }] of this.#found) this.#found.set(key, { section, at: 0 })
    this.#missing.clear()
    for (const listener of this.#listeners) listener()
  }

  /** Where objects were not shown: whether they are, by one that need not be there. Then who waits for one looks again, too. */
  async lookAgain(): Promise<void> {
    if (!this.#wereHidden) return
    if (this.#by.complaints.has('objects')) await this.#ask('endpoint', NEED_NOT_BE_THERE, undefined)
    if (this.#by.complaints.has('objects')) return
    this.#wereHidden = false
    this.refresh()
  }

  onChange(listener: () => void): Undo {
    return addedTo(this.#listeners, listener)
  }

  async #object<S extends OptionSet>(
    type: ObjectType,
    id: string,
    set: S,
    isClaim = false,
  ): Promise<OptionValues<S> | undefined> {
    if (!isName(id)) return undefined
    const section = await this.#section(type, id, isClaim)
    if (!section) return undefined
    const problems: ConfigError[] = []
    const values = readSection(section, set, problems, { unknown: 'ignore' })
    if (problems.length === 0) {
      this.#by.complaints.settle(`${type}/${id}`)
      return values
    }
    const keyOf = ({ place }: ConfigError): string =>
      section.entries.find(({ line }) => line === place?.line)?.key ?? ''
    const isUsed = type !== 'auth' && !problems.some((problem) => ACCESS.has(keyOf(problem)))
    const what = isUsed ? 'is used with defaults' : 'is not used'
    this.#by.complaints.say(`${type}/${id}`, `${type} ${id} ${what}: ${problems.map(reasonOf).join('; ')}`)
    return isUsed ? values : undefined
  }

  #section(type: string, id: string, isClaim: boolean): Eventual<ConfigSection | undefined> {
    const key = `${type}/${id}`
    const known = this.#known(key)
    if (known && isKnown(known)) return known.section
    const underWay = this.#asking.get(key)
    if (underWay) return underWay
    const isBounded = isClaim && !known?.section
    if (isBounded && this.#claims >= MOST_CLAIMS) return undefined
    if (isBounded) this.#claims++
    const asking = this.#ask(type, id, known?.section)
    this.#asking.set(key, asking)
    void asking.finally(() => {
      this.#asking.delete(key)
      if (isBounded) this.#claims--
    })
    return asking
  }

  #known(key: string): Remembered | undefined {
    return this.#found.get(key) ?? this.#missing.get(key)
  }

  async #ask(type: string, id: string, known: ConfigSection | undefined): Promise<ConfigSection | undefined> {
    if (!this.#by.link.connected) return known
    const answer = await this.#by.link.request('asterisk.getObject', {
      configClass: 'res_pjsip',
      objectType: type,
      id,
    })
    if (answer.kind === 'unreachable') return known
    if (answer.kind === 'refused' && !SAYS_NONE.test(answer.message)) {
      // Said of the whole connection.
      if (answer.status === 401 || isAddressDenied(answer.status, answer.message)) return known
      this.#wereHidden = true
      this.#by.complaints.say(
        'objects',
        `Asterisk does not show its pjsip objects (${answer.status} ${answer.message}): load res_ari_asterisk.so and ` +
          'res_pjsip.so (modules.conf), or give Lamplighter the files (asterisk_config in lamplighter.conf)',
      )
      return known
    }
    this.#by.complaints.settle('objects', 'Asterisk shows its pjsip objects again')
    const section = answer.kind === 'ok' ? this.#sectionOf(type, id, answer.body) : undefined
    this.#remember(`${type}/${id}`, section)
    // What was wrong with it is gone with it.
    if (!section) this.#by.complaints.settle(`${type}/${id}`)
    return section
  }

  /** An endpoint that does not say whether it has an auth must never pass for one without. */
  #sectionOf(type: string, id: string, body: unknown): ConfigSection | undefined {
    const place = { file: `${this.name}:${type}/${id}`, line: 0 }
    const entries = list(body).map((raw, index) => {
      const { attribute, value } = record(raw)
      return { ...place, line: index + 1, key: text(attribute), value: text(value) }
    })
    if (type === 'endpoint' && !entries.some(({ key }) => key === 'auth')) {
      this.#by.log.warning(`endpoint ${id} is not shown with its auth and cannot be used`)
      return undefined
    }
    // Asterisk writes what is not set as an empty value, or as an unknown caller; ours then is the default.
    return { ...place, name: id, entries: entries.filter(({ value }) => value !== '' && value !== '<unknown>') }
  }

  #remember(key: string, section: ConfigSection | undefined): void {
    this.#found.delete(key)
    this.#missing.delete(key)
    const remembered = section ? this.#found : this.#missing
    remembered.set(key, { section, at: Date.now() })
    dropOldest(remembered, MOST_REMEMBERED)
  }
}

const NEED_NOT_BE_THERE = 'lamplighter-probe'

/** Whether Asterisk can be asked for it: `.` and `..` are path segments of their own. */
function isName(id: string): boolean {
  return isPlain(id) && !/^\.+$/.test(id)
}

function isKnown({ section, at }: Remembered): boolean {
  return isFresh(at, section ? FOUND_TTL : UNKNOWN_TTL)
}
