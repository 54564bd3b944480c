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
import { ModuleSlots, type ModulesPlan, type Slot } from './module-slots.ts'
import { ConfigError, type OptionSet, type OptionValues } from './options.ts'
import { Scope } from './scope.ts'

export type { ModulesPlan } from './module-slots.ts'

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

export type ReadOptions = <S extends OptionSet>(declared: ModuleConfig<S>) => OptionValues<S>

/** Milliseconds. Who leaves a notifier that does not answer takes 64 s: a refresh under way goes first, then the farewell. */
const UNDO_LIMIT = 90_000

export class Loader {
  readonly #core: Core
  readonly #log: Logger
  readonly #readOptions: ReadOptions
  readonly #undoLimit: number
  readonly #slots = new ModuleSlots()
  /** One change of modules at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `undoLimit`: milliseconds that each undoing of a module is waited for, as all other changes of modules wait with it. */
  constructor(core: Core, readOptions: ReadOptions, undoLimit = UNDO_LIMIT) {
    this.#core = core
    this.#log = core.log.logger('loader')
    this.#readOptions = readOptions
    this.#undoLimit = undoLimit
  }

  add(definition: ModuleDefinition): void {
    this.#slots.add(definition)
  }

  /** Loads what modules.conf asks for. Throws only where a required module declined or does not exist. */
  async start(plan: ModulesPlan): Promise<void> {
    for (const name of [...plan.preload, ...plan.load, ...plan.require]) {
      if (!this.#slots.find(name) && !plan.require.includes(name))
        this.#log.warning(`modules.conf: there is no module ${name}`)
    }
    const refused = new Set(plan.noload)
    await inSlices(this.#slots.wanted(plan), async (name) => {
      if (this.#slots.find(name)) await this.#bringUp(name, refused, false)
    })
    for (const slot of this.#slots.all) if (slot.declined !== undefined) this.#log.error(declinedText(slot))
    for (const name of plan.require) {
      const slot = this.#slots.find(name)
      if (!slot?.running)
        throw new ConfigError(
          `modules.conf requires ${name}, which is not running: ${slot ? (slot.declined ?? '') : 'there is no such module'}`,
        )
    }
    this.#allLoaded()
  }

  list(): ModuleInfo[] {
    return this.#slots.all
      .map(
        (slot): ModuleInfo => ({
          name: slot.definition.name,
          description: slot.definition.description,
          status: slot.running ? 'Running' : slot.declined === undefined ? 'Not Running' : 'Declined',
          usedBy: this.#slots.dependents(slot.definition.name).map((d) => d.definition.name),
          why: slot.declined ?? '',
        }),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Loads a module and what it requires. Throws with the reason where it declines. */
  load(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const slot = this.#slots.get(name)
      if (slot.running) throw new Error(`${name} is loaded already`)
      const isUp = await this.#bringUp(name, new Set(), true)
      this.#allLoaded()
      if (!isUp) throw new Error(`${name} declined: ${slot.declined}`)
    })
  }

  /** Unloads a module, first those that require it. Returns their names, in the order they went. */
  unload(name: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const gone = await this.#takeDown(this.#slots.get(name))
      for (const each of gone) this.#slots.get(each).byHand = true
      return gone
    })
  }

  /**
   * Unloads it with its dependents and loads all of them again, and those that declined before. Throws with all that
   * declined, and why; with a fault in a file of theirs nothing is unloaded, for it would not come back.
   */
  restart(name: string): Promise<string[]> {
    return this.#inTurn(async () => {
      const slot = this.#slots.get(name)
      const read = new Set(this.#slots.affected(slot).flatMap(({ definition }) => definition.config ?? []))
      for (const declared of read) this.#readOptions(declared)
      const names = await this.#takeDown(slot)
      const again = [...names.toReversed(), ...this.#slots.declinedFor(name)]
      for (const each of again) await this.#bringUp(each, new Set(), true)
      this.#allLoaded()
      const failed = again.map((each) => this.#slots.get(each)).filter(({ running }) => !running)
      if (failed.length > 0)
        throw new Error(failed.map(({ definition, declined }) => `${definition.name} declined: ${declined}`).join('\n'))
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
      const [old, now] = [this.#slots.wanted(before), this.#slots.wanted(after)]
      const gone: string[] = []
      for (const name of [...old].reverse()) {
        const slot = this.#slots.find(name)
        if (!now.has(name) && slot?.running) gone.push(...(await this.#takeDown(slot)))
      }
      if (gone.length > 0) this.#log.notice(`unloaded ${gone.join(', ')}`)
      const faults = await reloadEach(this.#slots.all)
      const refused = new Set(after.noload)
      const missing = [...now]
        .map((name) => this.#slots.find(name))
        .filter((slot) => slot !== undefined)
        .filter(({ definition: { name }, running, byHand }) => !running && !(byHand && old.has(name)))
        .filter(({ definition: { name } }) => !this.#slots.isBlocked(name, refused))
      for (const { definition } of missing) await this.#bringUp(definition.name, refused, true)
      this.#allLoaded()
      const back = missing.filter(({ running }) => running).map(({ definition }) => definition.name)
      if (back.length > 0) this.#log.notice(`loaded ${back.join(', ')}`)
      const failed = missing.filter(({ running }) => !running).map(declinedText)
      const absent = after.require
        .filter((name) => !this.#slots.find(name))
        .map((name) => `modules.conf requires ${name}: there is no such module`)
      const troubles = [...faults, ...failed, ...absent]
      if (troubles.length > 0) throw new Error(troubles.join('\n'))
    })
  }

  /** New options for one module or all. A module that finds fault keeps its old ones; all faults are thrown together. */
  reload(name?: string): Promise<void> {
    return this.#inTurn(async () => {
      const slots = name === undefined ? this.#slots.all : [this.#slots.get(name)]
      if (name !== undefined && !slots[0]?.running) throw new Error(`${name} is not loaded`)
      const faults = await reloadEach(slots)
      // What is wrong in a file is said to each that reads it.
      if (faults.length > 0) throw new Error([...new Set(faults)].join('\n'))
    })
  }

  /** Unloads all, dependents before what they require. */
  async stop(): Promise<void> {
    await this.#inTurn(async () => {
      for (const slot of this.#slots.all.reverse()) if (slot.running) await this.#takeDown(slot)
    })
  }

  /** The API of a running module. */
  api(name: string): unknown {
    return this.#slots.find(name)?.running?.api
  }

  /** With all that it requires. `again`: also what has declined before. Whether it runs then. */
  async #bringUp(name: string, refused: ReadonlySet<string>, again: boolean): Promise<boolean> {
    const slot = this.#slots.find(name)
    if (!slot || refused.has(name)) return false
    if (slot.running) return true
    if (slot.declined !== undefined && !again) return false
    const lacking: string[] = []
    for (const required of slot.requires) if (!(await this.#bringUp(required, refused, again))) lacking.push(required)
    if (lacking.length === 0) await this.#load(slot)
    else slot.declined = `it requires ${lacking.join(' and ')}, which is not running`
    return slot.running !== undefined
  }

  /** It runs then, or it has declined. */
  async #load(slot: Slot): Promise<void> {
    const { definition } = slot
    const { name, config } = definition
    const scope = new Scope()
    const core = this.#core
    const options: ReadOptions = (declared) => {
      if (!config?.includes(declared))
        throw new Error(`it reads [${declared.section}] of ${declared.file}, which it does not declare`)
      return this.#readOptions(declared)
    }
    const context: ModuleContext = { core, log: core.log.logger(name), own: scope.own, options }
    const needs = Object.fromEntries(slot.requires.map((required) => [required, this.api(required)]))
    try {
      const api = await definition.load(context, needs as never)
      slot.running = { scope, context, api, knowsAll: false }
      slot.declined = undefined
      slot.byHand = false
    } catch (error) {
      await this.#undo(name, scope).catch((undoing: unknown) =>
        this.#log.error(`undoing ${name}: ${reasonOf(undoing)}`),
      )
      slot.declined = reasonOf(error)
    }
  }

  /** Those that came are told, each once. */
  #allLoaded(): void {
    for (const { definition, running } of this.#slots.all) {
      if (!running || running.knowsAll) continue
      running.knowsAll = true
      tellAllLoaded(definition, running.api, this.#log)
    }
  }

  async #takeDown(slot: Slot): Promise<string[]> {
    if (!slot.running) throw new Error(`${slot.definition.name} is not loaded`)
    const gone: string[] = []
    for (const dependent of this.#slots.dependents(slot.definition.name))
      if (dependent.running) gone.push(...(await this.#takeDown(dependent)))
    const { scope } = slot.running
    slot.running = undefined
    try {
      await this.#undo(slot.definition.name, scope)
    } catch (error) {
      this.#log.error(`unloading ${slot.definition.name}: ${reasonOf(error)}`)
    }
    return [...gone, slot.definition.name]
  }

  #undo(name: string, scope: Scope): Promise<void> {
    const milliseconds = this.#undoLimit
    const exceeded = (): void =>
      this.#log.error(
        `unloading ${name}: a part of it has not ended within ${milliseconds / 1000} s, and is left to itself`,
      )
    return scope.close({ milliseconds, exceeded })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => undefined)
    return next
  }
}

function declinedText({ definition, declined }: Slot): string {
  return `${definition.name} declined to load: ${declined ?? ''}`
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
  for (const { definition, running } of slots) {
    if (!running) continue
    try {
      await definition.reload?.(running.context, running.api)
    } catch (error) {
      faults.push(reasonOf(error))
    }
  }
  return faults
}
