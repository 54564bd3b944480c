/**
 * The module loader: loads `res_*` modules in the order of their dependencies, and can unload, load and reload each while
 * the rest goes on.
 *
 * A module that throws declines: the half it registered is undone, and whatever requires it is declined with it, by
 * name. Only `require =` in modules.conf makes that fatal.
 */
import type { Core } from './core.ts'
import { inSlices } from './in-slices.ts'
import { type Logger, reasonOf } from './log.ts'
import type { ModuleConfig, ModuleContext, ModuleDefinition } from './module.ts'
import { ConfigError, type OptionSet, type OptionValues } from './options.ts'
import { Scope } from './scope.ts'

/** modules.conf, as data. */
export interface ModulesPlan {
  readonly autoload: boolean
  readonly preload: readonly string[]
  readonly load: readonly string[]
  readonly noload: readonly string[]
  readonly require: readonly string[]
}

export type ModuleStatus = 'Running' | 'Not Running' | 'Declined'

export interface ModuleInfo {
  readonly name: string
  readonly description: string
  readonly status: ModuleStatus
  /** Running modules that require this one. */
  readonly usedBy: readonly string[]
  /** Why it declined. */
  readonly why: string
}

interface Slot {
  readonly definition: ModuleDefinition
  status: ModuleStatus
  why: string
  /** It was unloaded at the console. */
  byHand: boolean
  /** It was told that all that were to come with it are there. */
  knowsAll: boolean
  scope: Scope | undefined
  context: ModuleContext | undefined
  api: unknown
}

export type ReadOptions = <S extends OptionSet>(declared: ModuleConfig<S>) => OptionValues<S>

/** Milliseconds. Who leaves a notifier that does not answer takes 64 s: a refresh under way goes first, then the farewell. */
const UNDO_LIMIT = 90_000

export class Loader {
  readonly #core: Core
  readonly #readOptions: ReadOptions
  readonly #undoLimit: number
  readonly #slots = new Map<string, Slot>()
  /** One change of modules at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `undoLimit`: milliseconds that each undoing of a module is waited for, as all other changes of modules wait with it. */
  constructor(core: Core, readOptions: ReadOptions, undoLimit = UNDO_LIMIT) {
    this.#core = core
    this.#readOptions = readOptions
    this.#undoLimit = undoLimit
  }

  add(definition: ModuleDefinition): void {
    if (this.#slots.has(definition.name)) throw new Error(`module ${definition.name} is there twice`)
    this.#slots.set(definition.name, {
      definition,
      status: 'Not Running',
      why: '',
      byHand: false,
      knowsAll: false,
      scope: undefined,
      context: undefined,
      api: undefined,
    })
  }

  /** Loads what modules.conf asks for. Throws only where a required module declined or does not exist. */
  async start(plan: ModulesPlan): Promise<void> {
    const log = this.#core.log.logger('loader')
    for (const name of [...plan.preload, ...plan.load, ...plan.require]) {
      if (!this.#slots.has(name) && !plan.require.includes(name))
        log.warning(`modules.conf: there is no module ${name}`)
    }
    const refused = new Set(plan.noload)
    await inSlices(this.#wanted(plan), async (name) => {
      if (this.#slots.has(name)) await this.#bringUp(name, refused, false)
    })
    this.#reportDeclined()
    for (const name of plan.require) {
      const slot = this.#slots.get(name)
      if (slot?.status !== 'Running')
        throw new ConfigError(
          `modules.conf requires ${name}, which is not running: ${slot ? slot.why : 'there is no such module'}`,
        )
    }
    this.#allLoaded()
  }

  list(): ModuleInfo[] {
    return [...this.#slots.values()]
      .map((slot) => ({
        name: slot.definition.name,
        description: slot.definition.description,
        status: slot.status,
        usedBy: this.#dependents(slot.definition.name).map((d) => d.definition.name),
        why: slot.why,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Loads a module and what it requires. Throws with the reason where it declines. */
  load(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const slot = this.#slot(name)
      if (slot.status === 'Running') throw new Error(`${name} is loaded already`)
      await this.#bringUp(name, new Set(), true)
      this.#allLoaded()
      if (this.#slot(name).status !== 'Running') throw new Error(`${name} declined: ${slot.why}`)
    })
  }

  /** Unloads a module, first those that require it. Returns their names, in the order they went. */
  unload(name: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const gone = await this.#takeDown(this.#slot(name))
      for (const each of gone) this.#slot(each).byHand = true
      return gone
    })
  }

  /**
   * Unloads it with its dependents and loads all of them again, and those that declined before. Throws with all that
   * declined, and why.
   */
  restart(name: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const names = await this.#takeDown(this.#slot(name))
      const again = [...names.toReversed(), ...this.#declinedFor(name)]
      for (const each of again) await this.#bringUp(each, new Set(), true)
      this.#allLoaded()
      const declined = again.map((each) => this.#slot(each)).filter(({ status }) => status !== 'Running')
      if (declined.length > 0)
        throw new Error(declined.map(({ definition, why }) => `${definition.name} declined: ${why}`).join('\n'))
      return names
    })
  }

  /**
   * Another modules.conf: what it does not ask for any more is unloaded with all that requires it, what it asks for and
   * is not there is loaded. Only what was loaded or unloaded at the console stays as it is, until modules.conf says
   * another thing about it. Those that run read their options again before others are loaded, which may ask them for
   * theirs. Throws with all that declined, and the faults of those that run.
   */
  change(before: ModulesPlan, after: ModulesPlan): Promise<void> {
    return this.#inTurn(async () => {
      const log = this.#core.log.logger('loader')
      const [old, now] = [this.#wanted(before), this.#wanted(after)]
      const gone: string[] = []
      for (const name of [...old].reverse())
        if (!now.has(name) && this.#slots.get(name)?.status === 'Running')
          gone.push(...(await this.#takeDown(this.#slot(name))))
      if (gone.length > 0) log.notice(`unloaded ${gone.join(', ')}`)
      const faults = await reloadEach([...this.#slots.values()])
      const refused = new Set(after.noload)
      const missing = [...now]
        .map((name) => this.#slots.get(name))
        .filter((slot) => slot !== undefined)
        .filter(({ definition: { name }, status, byHand }) => status !== 'Running' && !(byHand && old.has(name)))
        .filter(({ definition: { name } }) => !this.#isBlocked(name, refused))
      for (const { definition } of missing) await this.#bringUp(definition.name, refused, true)
      this.#allLoaded()
      const back = missing.filter(({ status }) => status === 'Running').map(({ definition }) => definition.name)
      if (back.length > 0) log.notice(`loaded ${back.join(', ')}`)
      const declined = missing
        .filter(({ status }) => status !== 'Running')
        .map(({ definition, why }) => `${definition.name} declined to load: ${why}`)
      const absent = after.require
        .filter((name) => !this.#slots.has(name))
        .map((name) => `modules.conf requires ${name}: there is no such module`)
      const troubles = [...faults, ...declined, ...absent]
      if (troubles.length > 0) throw new Error(troubles.join('\n'))
    })
  }

  /** New options for one module or all. A module that finds fault keeps its old ones; all faults are thrown together. */
  reload(name?: string): Promise<void> {
    return this.#inTurn(async () => {
      const slots = name === undefined ? [...this.#slots.values()] : [this.#slot(name)]
      if (name !== undefined && slots[0]?.status !== 'Running') throw new Error(`${name} is not loaded`)
      const faults = await reloadEach(slots)
      if (faults.length > 0) throw new Error(faults.join('\n'))
    })
  }

  /** Unloads all, dependents before what they require. */
  async stop(): Promise<void> {
    await this.#inTurn(async () => {
      for (const slot of [...this.#slots.values()].reverse()) if (slot.status === 'Running') await this.#takeDown(slot)
    })
  }

  /** The API of a running module. */
  api(name: string): unknown {
    return this.#slots.get(name)?.api
  }

  /** In the order in which they are loaded. */
  #wanted({ preload, require, load, autoload, noload }: ModulesPlan): Set<string> {
    const names = [...preload, ...require, ...load, ...(autoload ? this.#slots.keys() : [])]
    return new Set(names.filter((name) => !noload.includes(name)))
  }

  #slot(name: string): Slot {
    const slot = this.#slots.get(name)
    if (!slot) throw new Error(`there is no module ${name}`)
    return slot
  }

  #dependents(name: string): Slot[] {
    return [...this.#slots.values()].filter(
      (s) => s.status === 'Running' && (s.definition.requires ?? []).some((r) => r === name),
    )
  }

  /** Those that require it, be it by another one, and declined. */
  #declinedFor(name: string): string[] {
    const needs = (one: string): boolean =>
      (this.#slots.get(one)?.definition.requires ?? []).some((required) => required === name || needs(required))
    return [...this.#slots].filter(([one, { status }]) => status === 'Declined' && needs(one)).map(([one]) => one)
  }

  /** Whether modules.conf keeps it from running by refusing it or something that it requires. */
  #isBlocked(name: string, refused: ReadonlySet<string>): boolean {
    const requires = this.#slots.get(name)?.definition.requires ?? []
    return refused.has(name) || requires.some((required) => this.#isBlocked(required, refused))
  }

  async #bringUp(name: string, refused: ReadonlySet<string>, again: boolean): Promise<boolean> {
    const slot = this.#slots.get(name)
    if (!slot || refused.has(name)) return false
    if (slot.status === 'Running') return true
    if (slot.status === 'Declined' && !again) return false
    const lacking: string[] = []
    for (const required of slot.definition.requires ?? [])
      if (!(await this.#bringUp(required, refused, again))) lacking.push(required)
    if (lacking.length > 0) return this.#decline(slot, `it requires ${lacking.join(' and ')}, which is not running`)
    const scope = new Scope()
    const core = this.#core
    const options: ReadOptions = (declared) => {
      if (!slot.definition.config?.includes(declared))
        throw new Error(`it reads [${declared.section}] of ${declared.file}, which it does not declare`)
      return this.#readOptions(declared)
    }
    const context: ModuleContext = { core, log: core.log.logger(name), own: scope.own, options }
    const needs = Object.fromEntries(
      (slot.definition.requires ?? []).map((required) => [required, this.#slots.get(required)?.api]),
    )
    try {
      slot.api = await slot.definition.load(context, needs as never)
    } catch (error) {
      await this.#undo(name, scope).catch((undoing: unknown) =>
        core.log.logger('loader').error(`undoing ${name}: ${reasonOf(undoing)}`),
      )
      return this.#decline(slot, reasonOf(error))
    }
    Object.assign(slot, { status: 'Running', why: '', byHand: false, knowsAll: false, scope, context })
    return true
  }

  /** Those that came are told, each once. */
  #allLoaded(): void {
    for (const slot of this.#slots.values()) {
      if (slot.status !== 'Running' || slot.knowsAll) continue
      slot.knowsAll = true
      tellAllLoaded(slot.definition, slot.api, this.#core.log.logger('loader'))
    }
  }

  #decline(slot: Slot, why: string): false {
    Object.assign(slot, { status: 'Declined', why })
    return false
  }

  #reportDeclined(): void {
    for (const slot of this.#slots.values()) {
      if (slot.status === 'Declined')
        this.#core.log.logger('loader').error(`${slot.definition.name} declined to load: ${slot.why}`)
    }
  }

  async #takeDown(slot: Slot): Promise<string[]> {
    if (slot.status !== 'Running') throw new Error(`${slot.definition.name} is not loaded`)
    const gone: string[] = []
    for (const dependent of this.#dependents(slot.definition.name)) {
      if (dependent.status === 'Running') gone.push(...(await this.#takeDown(dependent)))
    }
    const { scope } = slot
    Object.assign(slot, { status: 'Not Running', why: '', scope: undefined, context: undefined, api: undefined })
    try {
      if (scope) await this.#undo(slot.definition.name, scope)
    } catch (error) {
      this.#core.log.logger('loader').error(`unloading ${slot.definition.name}: ${reasonOf(error)}`)
    }
    return [...gone, slot.definition.name]
  }

  #undo(name: string, scope: Scope): Promise<void> {
    const milliseconds = this.#undoLimit
    const exceeded = (): void =>
      this.#core.log
        .logger('loader')
        .error(`unloading ${name}: a part of it has not ended within ${milliseconds / 1000} s, and is left to itself`)
    return scope.close({ milliseconds, exceeded })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => undefined)
    return next
  }
}

/** One that fails at it is there all the same: what it offers may be used by others already. */
function tellAllLoaded(definition: ModuleDefinition, api: unknown, log: Logger): void {
  try {
    definition.allLoaded?.(api)
  } catch (error) {
    log.error(`${definition.name} failed when all modules were loaded: ${reasonOf(error)}`)
  }
}

/** Those of them that run. Returns what went wrong. */
async function reloadEach(slots: readonly Slot[]): Promise<string[]> {
  const faults: string[] = []
  for (const { status, definition, context, api } of slots) {
    if (status !== 'Running' || !context) continue
    try {
      await definition.reload?.(context, api)
    } catch (error) {
      faults.push(reasonOf(error))
    }
  }
  return faults
}
