/** The modules that there are, and who requires whom: nothing here loads or unloads one. */
import type { ModuleContext, ModuleDefinition } from './module.ts'
import type { Scope } from './scope.ts'

/** modules.conf, as data. */
export interface ModulesPlan {
  readonly autoload: boolean
  readonly preload: readonly string[]
  readonly load: readonly string[]
  readonly noload: readonly string[]
  readonly require: readonly string[]
}

export interface Slot {
  readonly definition: ModuleDefinition
  /** Names of the modules that it requires. */
  readonly requires: readonly string[]
  /** Undefined while it does not run. */
  running: Running | undefined
  /** Why it declined, the last time that it was to be loaded. */
  declined: string | undefined
  /** It was unloaded at the console. */
  byHand: boolean
}

interface Running {
  readonly scope: Scope
  readonly context: ModuleContext
  readonly api: unknown
  /** It was told that all that were to come with it are there. */
  knowsAll: boolean
}

export class ModuleSlots {
  readonly #slots = new Map<string, Slot>()

  add(definition: ModuleDefinition): void {
    const { name, requires = [] } = definition
    if (this.#slots.has(name)) throw new Error(`module ${name} is there twice`)
    this.#slots.set(name, { definition, requires, running: undefined, declined: undefined, byHand: false })
  }

  /** In the order in which they were found. */
  get all(): Slot[] {
    return [...this.#slots.values()]
  }

  find(name: string): Slot | undefined {
    return this.#slots.get(name)
  }

  /** Throws where there is none. */
  get(name: string): Slot {
    const slot = this.#slots.get(name)
    if (!slot) throw new Error(`there is no module ${name}`)
    return slot
  }

  /** What modules.conf asks for, in the order in which it is loaded. */
  wanted({ preload, require, load, autoload, noload }: ModulesPlan): Set<string> {
    const names = [...preload, ...require, ...load, ...(autoload ? this.#slots.keys() : [])]
    return new Set(names.filter((name) => !noload.includes(name)))
  }

  /** Those that run and require it. */
  dependents(name: string): Slot[] {
    return this.all.filter(({ running, requires }) => running && requires.includes(name))
  }

  /** The module and all that go with it; nobody where it does not run. */
  affected(slot: Slot): Slot[] {
    if (!slot.running) return []
    return [slot, ...this.dependents(slot.definition.name).flatMap((each) => this.affected(each))]
  }

  /** Those that require it, be it by another one, and declined. */
  declinedFor(name: string): string[] {
    const needs = (one: string): boolean => this.#requires(one).some((required) => required === name || needs(required))
    return [...this.#slots].filter(([one, { declined }]) => declined !== undefined && needs(one)).map(([one]) => one)
  }

  /** Whether modules.conf keeps it from running by refusing it or something that it requires. */
  isBlocked(name: string, refused: ReadonlySet<string>): boolean {
    return refused.has(name) || this.#requires(name).some((required) => this.isBlocked(required, refused))
  }

  #requires(name: string): readonly string[] {
    return this.#slots.get(name)?.requires ?? []
  }
}
