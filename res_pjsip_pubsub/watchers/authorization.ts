/**
 * What a watcher may have of what it watches: the contract, and who is asked.
 *
 * A package that has `reqAuth` is asked itself where it has `getAuthStatus`; otherwise the one authorizer that a module
 * registered. Without either everything is allowed, unless one was to come that could not read its rules. Decisions are
 * watched, as state is: a changed rule comes by the same path as the first answer.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import type { Undo } from '../../core/scope.ts'
import { Timer } from '../../core/timer.ts'
import { Constant, type Watchable } from '../../core/watch.ts'
import type { AuthStatus, EventPackage } from '../contract.ts'

/** RFC 5025 3.2.1, from the least to the most. `confirm`: pending until the presentity has decided. */
export const SUB_HANDLINGS = ['block', 'confirm', 'polite-block', 'allow'] as const
export type SubHandling = (typeof SUB_HANDLINGS)[number]

/** The part of the state that a watcher is shown. */
export interface View {
  /** Watchers with equal keys are shown the same. */
  readonly key: string
  /**
   * How much of a body of this type is shown: `part` goes through `filter`; of `nothing` the package makes a body that
   * tells nothing (`politeState`).
   */
  shows(type: string): 'all' | 'part' | 'nothing'
  /** A generator's document with what is not shown left out. The document given is not changed. */
  filter(doc: unknown, type: string): unknown
}

export interface Authorization {
  readonly handling: SubHandling
  /** Undefined: it is shown everything. */
  readonly view: View | undefined
  /** What decided it, for people. */
  readonly why: string
  /** The document it is from, where a package decides for itself. */
  readonly rules?: string | undefined
}

/** Who wants to watch what. */
export interface Asked {
  readonly event: string
  readonly resource: string
  readonly endpoint: Endpoint
  /** URI of the watcher, without parameters. */
  readonly watcher: string
  /** A resource list: leave is asked for each of its resources. */
  readonly isList?: boolean
}

export interface Authorizer {
  /** The decision now, and each change of it. Does not end. Undefined where it cannot be made now. */
  authorize(asked: Asked): Watchable<Authorization> | undefined
  /** Reads again what it decides by. */
  refresh?(): Promise<void>
  /** Keeps a document, which holds from now on. Throws where it is none. */
  put?(presentity: string, document: string): Promise<void>
}

export const ALLOWED: Authorization = { handling: 'allow', view: undefined, why: 'nothing asks for rules' }

/** Of a subscription that was put back: what it was to its watcher holds until somebody decides anew. */
export const UNDECIDED: Authorization = { handling: 'confirm', view: undefined, why: 'it was pending before the start' }

/** A politely blocked watcher is shown that nobody is there. */
export const POLITE: View = { key: 'polite', shows: () => 'nothing', filter: (doc) => doc }

interface AuthorizationServices {
  readonly package: (event: string) => EventPackage<unknown> | undefined
  /** Milliseconds that decisions stand when the authorizer goes, as it may come back. */
  readonly grace: () => number
  /** Everything is allowed, whatever the rules are. */
  readonly isForced: () => boolean
  /** Everybody is to be authorized anew, or those of whom packages decide for themselves. */
  readonly changed: (whom: 'all' | 'by package') => Promise<void>
}

/** Undefined: nobody can say now. */
export type Decision = Watchable<Authorization> | undefined

const ALWAYS = new Constant(ALLOWED)

const HANDLING: Readonly<Record<AuthStatus, SubHandling>> = {
  active: 'allow',
  pending: 'confirm',
  waiting: 'confirm',
  terminated: 'block',
}

export class Authorizations {
  #authorizer: Authorizer | undefined
  /** The authorizer went, and may come back. */
  readonly #leaving = new Timer()
  readonly #began = performance.now()
  #isLoaded = false
  #isExpected = false
  /** What everybody gets in place of what the rules say, which could not be read. */
  #failure: Watchable<Authorization> | undefined
  readonly #services: AuthorizationServices

  constructor(services: AuthorizationServices) {
    this.#services = services
  }

  /** A second one throws. After its undoing nobody new gets in, and decisions stand, until it is back or the grace is over. */
  register(authorizer: Authorizer): Undo {
    if (this.#authorizer) throw new Error('there is an authorizer already')
    this.#authorizer = authorizer
    this.#failure = undefined
    this.stop()
    void this.#services.changed('all')
    return () => {
      if (this.#authorizer !== authorizer) return
      this.#authorizer = undefined
      this.#beginGrace()
    }
  }

  /** One reads what it decides by, however long that takes: until its undoing there is no end to the grace. */
  expect(): Undo {
    this.stop()
    this.#failure = undefined
    this.#isExpected = true
    return () => {
      this.#isExpected = false
      if (!this.#authorizer) this.#beginGrace()
    }
  }

  /** The one that is expected cannot read what it decides by: everybody waits, until another one is expected. */
  failed(why: string): void {
    this.#failure = new Constant<Authorization>({ handling: 'confirm', view: undefined, why })
    void this.#services.changed('all')
  }

  /** `restored`: of a subscription that was put back, for which the authorizer may still be on its way. */
  of(asked: Asked, restored = false): Decision | Promise<Decision> {
    const of = this.#services.package(asked.event)
    if (!of?.reqAuth || asked.isList) return ALWAYS
    if (of.getAuthStatus) return byPackage(of, asked)
    if (this.#authorizer) return this.#authorizer.authorize(asked)
    if (this.#failure) return this.#services.isForced() ? ALWAYS : this.#failure
    // Nobody is let in because the authorizer takes long to read what it decides by.
    const begins = !this.#isLoaded || (restored && performance.now() < this.#began + this.#services.grace())
    return this.#leaving.armed || this.#isExpected || begins ? undefined : ALWAYS
  }

  /** All modules are there: if there is an authorizer, it has registered. */
  loaded(): void {
    this.#isLoaded = true
  }

  /** A document that holds from now on. Throws where it is none, or nobody keeps such documents. */
  async put(presentity: string, document: string): Promise<void> {
    if (!this.#authorizer?.put) throw new Error('nobody keeps rules: res_pjsip_presence_rules is not loaded')
    await this.#authorizer.put(presentity, document)
  }

  /** The authorizer reads its rules again, and packages that decide for themselves are asked again. */
  async refresh(): Promise<void> {
    await this.#authorizer?.refresh?.()
    await this.#services.changed(this.#failure ? 'all' : 'by package')
  }

  stop(): void {
    this.#leaving.clear()
  }

  #beginGrace(): void {
    this.#leaving.set(this.#services.grace(), () => void this.#services.changed('all'))
  }
}

async function byPackage(of: EventPackage<unknown>, { resource, watcher }: Asked): Promise<Decision> {
  const rules = await of.getRulesDoc?.(resource)
  const said = await of.getAuthStatus?.(resource, watcher, rules)
  // Nobody is let in for what a module forgot to say, or misspelt.
  const status = said !== undefined && Object.hasOwn(HANDLING, said) ? said : 'pending'
  return new Constant<Authorization>({
    handling: HANDLING[status],
    view: undefined,
    why: `the package ${of.event} says ${String(said)}`,
    rules,
  })
}
