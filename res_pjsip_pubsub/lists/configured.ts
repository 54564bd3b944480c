/**
 * The resource lists of pjsip.conf, as they are now. A plan is made once from one `lookAgain` to the next, and where it
 * is equal to the one before, it is that one: plans that are equal are one object, for all who watch them.
 */
import type { Core } from '../../core/core.ts'
import type { Logger } from '../../core/log.ts'
import type { ResourceList } from '../../core/resource-list-options.ts'
import { type Configured, configuredPlan, type ListPlan, sizeOf } from './plan.ts'

interface Remembered {
  readonly round: number
  readonly text: string
  readonly plan: ListPlan
}

/** A section of pjsip.conf, and how many resources it stands for now. */
export interface ListSection {
  readonly name: string
  readonly event: string
  readonly items: readonly string[]
  readonly resources: number
  readonly fullState: boolean
  /** Milliseconds. */
  readonly batch: number
}

export class ConfiguredLists {
  readonly #core: Pick<Core, 'endpoints' | 'hints'>
  readonly #log: Logger
  readonly #hasPackage: (event: string) => boolean
  /** By event and name. */
  readonly #plans = new Map<string, Remembered>()
  #round = 0
  /** From then on it is known which events there are. */
  #isLoaded = false
  /** What was said of events that there are not. */
  readonly #doubted = new Set<string>()

  constructor(core: Pick<Core, 'endpoints' | 'hints'>, log: Logger, hasPackage: (event: string) => boolean) {
    this.#core = core
    this.#log = log
    this.#hasPackage = hasPackage
  }

  get(name: string): ResourceList | undefined {
    return this.#core.endpoints.files.resourceLists?.get(name)
  }

  /** Undefined where there is no list of this name for this event. */
  plan(event: string, name: string): ListPlan | undefined {
    const key = `${event}\0${name}`
    const known = this.#plans.get(key)
    if (known?.round === this.#round) return known.plan
    const plan = configuredPlan(name, event, this.#now)
    if (!plan) {
      this.#plans.delete(key)
      return undefined
    }
    const text = JSON.stringify(plan)
    const kept = known?.text === text ? known.plan : plan
    this.#plans.set(key, { round: this.#round, text, plan: kept })
    return kept
  }

  lookAgain(): void {
    this.#round++
  }

  *sections(): Iterable<ListSection> {
    const now = this.#now
    for (const [name, list] of now.lists) {
      const plan = configuredPlan(name, list.event, now)
      yield {
        name,
        event: list.event,
        items: list.list_item,
        resources: plan ? sizeOf(plan) : 0,
        fullState: list.full_state,
        batch: list.notification_batch_interval,
      }
    }
  }

  /** All modules of the start are there. */
  loaded(): void {
    this.#isLoaded = true
    this.doubtEvents()
  }

  /** Modules bring events of their own, so that a wrong one is not seen where the file is read. */
  doubtEvents(): void {
    if (!this.#isLoaded) return
    for (const { id, event, source } of this.#now.lists.values()) {
      const what = `${source}: resource_list [${id}] has event = ${event}`
      if (this.#hasPackage(event) || this.#doubted.has(what)) continue
      this.#doubted.add(what)
      this.#log.warning(`${what}, which no module serves; expected presence, dialog or message-summary`)
    }
  }

  get #now(): Configured {
    const { endpoints, hints } = this.#core
    const { files } = endpoints
    return {
      lists: files.resourceLists ?? new Map(),
      names: function* () {
        yield* files.endpoints.keys()
        yield* files.aors.keys()
        for (const { exten } of hints.extensions()) yield exten
        for (const { exten } of hints.list()) yield exten
      },
    }
  }
}
