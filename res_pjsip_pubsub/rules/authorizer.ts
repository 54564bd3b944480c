/**
 * Decides on watchers by the documents of presentities (RFC 5025). A decision is made anew when its document changes, a
 * period of it begins or ends, or the presentity goes to another sphere.
 */
import type { Undo } from '../../core/scope.ts'
import { parseUri } from '../../core/sip/parse-uri.ts'
import { Timer } from '../../core/timer.ts'
import { type Watchable, Watched, WhileWatched } from '../../core/watch.ts'
import type { Pubsub } from '../contract.ts'
import { nameKey } from '../identity.ts'
import { publishedPresence, spheresOf } from '../kamailio/sphere.ts'
import {
  ALLOWED,
  type Asked,
  type Authorization,
  type Authorizer,
  POLITE,
  type SubHandling,
} from '../watchers/authorization.ts'
import type { RulesBook, RulesDocument } from './book.ts'
import { type Granted, granted, hasSpheres, nextChange, type Requester } from './decision.ts'
import type { RulesReading } from './reading.ts'
import { viewOf } from './view.ts'

/**
 * Milliseconds between two looks at the clock, at most, where a period begins or ends: timers do not follow a clock that is
 * put forward, nor one that went on while the machine stood still.
 */
const LOOK = 60_000

interface Held {
  readonly requester: Requester
  readonly decision: Watched<Authorization>
}

/** A presentity with watchers. */
interface Presentity {
  readonly name: string
  readonly held: Map<string, Held>
  readonly timer: Timer
  unwatch: Undo | undefined
}

export class RulesAuthorizer implements Authorizer {
  readonly #pubsub: Pick<Pubsub, 'publications' | 'hasUnread' | 'settings'>
  readonly #book: RulesBook
  readonly #reading: Pick<RulesReading, 'all' | 'put'>
  /** By key. */
  readonly #presentities = new Map<string, Presentity>()
  /** By the keys of those whose documents ask for spheres: what they said last. */
  readonly #spheres = new Map<string, readonly string[]>()
  readonly #stopListening: Undo
  readonly #look: number

  constructor(
    pubsub: Pick<Pubsub, 'publications' | 'hasUnread' | 'settings'>,
    book: RulesBook,
    reading: Pick<RulesReading, 'all' | 'put'>,
    look = LOOK,
  ) {
    this.#pubsub = pubsub
    this.#book = book
    this.#reading = reading
    this.#look = look
    this.#stopListening = book.onChange((plainKeys) => {
      for (const key of this.#presentities.keys()) if (plainKeys.has(book.plainKeyOf(key))) this.#changed(key)
    })
  }

  authorize(asked: Asked): Watchable<Authorization> | undefined {
    const requester = requesterOf(asked)
    const { resource } = asked
    const document = this.#book.get(resource)
    // Nobody is turned away because what the presentity published is not read yet.
    if (document && this.#checksSpheres(document) && !this.#spheresOf(document.presentity)) return undefined
    const key = JSON.stringify(requester)
    return new WhileWatched({
      value: () => this.#decide(resource, requester),
      open: () => this.#hold(resource, requester, key),
      left: (decision) => this.#letGo(resource, key, decision),
    })
  }

  put(presentity: string, document: string): Promise<void> {
    return this.#reading.put(presentity, document)
  }

  /** Options may be others now, too. */
  async refresh(): Promise<void> {
    await this.#reading.all()
    for (const key of this.#presentities.keys()) this.#changed(key)
  }

  /** Decisions stand as they are. */
  close(): void {
    void this.#stopListening()
    for (const presentity of this.#presentities.values()) leave(presentity)
    this.#presentities.clear()
  }

  #hold(name: string, requester: Requester, key: string): Watched<Authorization> {
    const filedAs = this.#book.keyOf(name)
    const known = this.#presentities.get(filedAs)
    const presentity = known ?? { name, held: new Map(), timer: new Timer(), unwatch: undefined }
    this.#presentities.set(filedAs, presentity)
    const now = this.#decide(name, requester)
    const held = presentity.held.get(key) ?? { requester, decision: new Watched(now, same) }
    held.decision.set(now)
    presentity.held.set(key, held)
    if (!known) this.#attend(presentity)
    return held.decision
  }

  #letGo(name: string, key: string, decision: Watched<Authorization>): void {
    const filedAs = this.#book.keyOf(name)
    const presentity = this.#presentities.get(filedAs)
    if (decision.watchers > 0 || presentity?.held.get(key)?.decision !== decision) return
    presentity.held.delete(key)
    if (presentity.held.size > 0) return
    leave(presentity)
    this.#presentities.delete(filedAs)
  }

  #changed(key: string): void {
    const presentity = this.#presentities.get(key)
    if (!presentity) return
    this.#attend(presentity)
    this.#decideAnew(presentity)
  }

  #decideAnew({ name, held }: Presentity): void {
    for (const { requester, decision } of held.values()) decision.set(this.#decide(name, requester))
  }

  /** To the clock and the sphere, as far as its document asks for them. */
  #attend(presentity: Presentity): void {
    leave(presentity)
    const document = this.#book.get(presentity.name)
    const ruleset = document?.ruleset
    if (!ruleset) return
    const about = document.presentity
    const next = nextChange(ruleset, Date.now())
    if (next !== undefined)
      presentity.timer.set(Math.min(this.#look, next - Date.now() + 1), () =>
        this.#changed(this.#book.keyOf(presentity.name)),
      )
    if (!this.#checksSpheres(document)) return
    const spheres = (): string => JSON.stringify(this.#spheresOf(about))
    let known = spheres()
    presentity.unwatch = publishedPresence(this.#pubsub, about).watch({
      value: () => {
        const now = spheres()
        if (known === now) return
        known = now
        this.#decideAnew(presentity)
      },
    })
  }

  #checksSpheres({ ruleset }: RulesDocument): boolean {
    const { enable_sphere_check, force_active } = this.#pubsub.settings
    return enable_sphere_check && !force_active && ruleset !== undefined && hasSpheres(ruleset)
  }

  /** While what is published is not read, as after a start, what was known stands; undefined where that is nothing. */
  #spheresOf(presentity: string): readonly string[] | undefined {
    if (this.#pubsub.hasUnread('presence', presentity)) return this.#spheres.get(presentity)
    const now = spheresOf(publishedPresence(this.#pubsub, presentity).value)
    this.#spheres.set(presentity, now)
    return now
  }

  #decide(name: string, requester: Requester): Authorization {
    const { settings } = this.#pubsub
    if (settings.force_active) return { ...ALLOWED, why: 'force_active' }
    const document = this.#book.get(name)
    if (!document && !this.#book.isRead) return plainly('confirm', 'the table of rules cannot be read now')
    if (!document) return plainly(settings.rules_absent, `${name} has no rules: rules_absent`)
    const { presentity, ruleset, place, fault } = document
    if (!ruleset) return plainly('confirm', `${place} cannot be read: ${fault}`)
    const said = granted(ruleset, {
      requester,
      spheres: (this.#checksSpheres(document) && this.#spheresOf(presentity)) || [],
      now: Date.now(),
      domains: settings.rules_domains,
      sameName: (one, other) => nameKey(one, settings) === nameKey(other, settings),
    })
    if (said.rules.length === 0)
      return plainly(settings.rules_unmatched, `${place}: no rule is about it: rules_unmatched`)
    return this.#asGranted(said, `${place}: ${said.rules.join(', ')}`)
  }

  /** RFC 5025 3.2.1: block where nothing is said. */
  #asGranted({ handling = 'block', transformations }: Granted, why: string): Authorization {
    if (handling !== 'allow') return plainly(handling, why)
    const showsAll = !transformations && this.#pubsub.settings.rules_untransformed === 'everything'
    return { handling, view: showsAll ? undefined : viewOf(transformations ?? NOTHING), why }
  }
}

const NO_COMPONENTS = { all: false, selected: new Set<string>() }
const NOTHING = {
  services: NO_COMPONENTS,
  persons: NO_COMPONENTS,
  devices: NO_COMPONENTS,
  userInput: 'false',
  attributes: new Set<string>(),
  unknownAttributes: new Set<string>(),
  allAttributes: false,
} as const

function plainly(handling: SubHandling, why: string): Authorization {
  return { handling, view: handling === 'polite-block' ? POLITE : undefined, why }
}

function same(one: Authorization, other: Authorization): boolean {
  return one.handling === other.handling && one.view?.key === other.view?.key && one.why === other.why
}

function leave(presentity: Presentity): void {
  presentity.timer.clear()
  void presentity.unwatch?.()
  presentity.unwatch = undefined
}

/** RFC 3323 4.1.1.3: the host of those who do not say who they are. */
const ANONYMOUS = 'anonymous.invalid'

/** RFC 3325 9.1: who is asserted may be a telephone number. */
function numberOf(uri: string): string | undefined {
  return /^tel:([^;]+)/i.exec(uri)?.[1]
}

/** The names a watcher has proved to have, or that a trusted endpoint says it has. */
function requesterOf({ endpoint, watcher }: Pick<Asked, 'endpoint' | 'watcher'>): Requester {
  const uri = parseUri(watcher)
  const domain = uri?.host ?? ''
  if (endpoint.trust_id_inbound) {
    const user = uri?.user ?? numberOf(watcher)
    return { authenticated: domain !== ANONYMOUS, users: user === undefined ? [] : [user], domain, asserted: true }
  }
  const authenticated = endpoint.id !== 'anonymous' && !endpoint.id.startsWith('anonymous@')
  const users = [endpoint.id, ...endpoint.aors.map((aor) => aor.split('@', 1)[0] ?? aor)]
  return { authenticated, users: [...new Set(users)], domain, asserted: false }
}
