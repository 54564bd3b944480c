/**
 * What has been registered: event packages, body generators and supplements. Generators and supplements belong to a
 * kind of state, and only those of a package's kind can be chosen for it.
 */
import type { Undo } from '../core/scope.ts'
import { detached } from '../core/text.ts'
import { chooseType } from './accept.ts'
import type { BodyGenerator, BodySupplement, EventPackage, Kind } from './contract.ts'
import { isEventType } from './event-name.ts'

/** Told after each registration and its undoing. */
export interface RegistryListener {
  packageAdded(event: string): void
  /** Its undoing is over when this is. */
  packageRemoved(event: string): Promise<void> | void
  /** A generator or supplement of this type came or went. */
  bodiesChanged(type: string): void
}

/** A template package (RFC 6665 7.2.12), which makes a package of every other. */
export interface Template {
  /** Whether it is applied at all, as the configuration has it now. */
  readonly inForce: boolean
  /** `presence` for `presence.winfo`; undefined where it is none of the template's. */
  appliedTo(event: string): string | undefined
  /** The same object for the same package. */
  apply(of: EventPackage<unknown>): EventPackage<unknown> | undefined
}

/** How many choices are remembered, and how long what they were made for may be. */
const MOST_CHOSEN = 500
const LONGEST_KEY = 500

export class Registry {
  readonly #packages = new Map<string, EventPackage<unknown>>()
  /** Of those, the one that was asked for last. */
  #last: EventPackage<unknown> | undefined
  /** In the order of registration. */
  readonly #all = new Set<BodyGenerator<unknown>>()
  readonly #generators = new ByKind<BodyGenerator<unknown>>()
  readonly #supplements = new ByKind<readonly BodySupplement<unknown, unknown>[]>()
  /** What was chosen for what phones accept, which is much the same for all of them. */
  readonly #chosen = new Map<string, string>()
  readonly #listener: RegistryListener
  readonly #template: Template | undefined
  /** It goes into each answer that makes a dialog. */
  #events: { readonly inForce: boolean; readonly names: readonly string[] } | undefined

  constructor(listener: RegistryListener, template?: Template) {
    this.#listener = listener
    this.#template = template
  }

  /** In the order of registration, each with the template applied to it: Allow-Events. */
  get events(): readonly string[] {
    const inForce = this.#template?.inForce === true
    if (this.#events?.inForce !== inForce) this.#events = { inForce, names: this.#eventNames() }
    return this.#events.names
  }

  #eventNames(): readonly string[] {
    return [...this.#packages.values()]
      .flatMap((one) => {
        const made = this.#applied(one)
        return made ? [one.event, made.event] : [one.event]
      })
      .filter(isEventType)
  }

  /** All body types that can be made, in the order of registration: Accept. */
  get types(): readonly string[] {
    return [...new Set([...this.#all].map((generator) => generator.type))]
  }

  package(event: string): EventPackage<unknown> | undefined {
    // All who are told of a change ask for the same one, several times each.
    if (this.#last?.event === event) return this.#last
    const found = this.#packages.get(event)
    if (found) return (this.#last = found)
    const of = this.#template?.appliedTo(event)
    const base = of === undefined ? undefined : this.package(of)
    return base && this.#applied(base)
  }

  /** Undefined while nobody can make a body for it. */
  #applied(of: EventPackage<unknown>): EventPackage<unknown> | undefined {
    const made = this.#template?.apply(of)
    return made && this.typesOf(made).length > 0 ? made : undefined
  }

  generator(type: string, kind: Kind<unknown>): BodyGenerator<unknown> | undefined {
    return this.#generators.get(type, kind)
  }

  supplements(type: string, kind: Kind<unknown>): readonly BodySupplement<unknown, unknown>[] {
    return this.#supplements.get(type, kind) ?? NONE
  }

  /** The body type for what a watcher accepts; `listedOrder`: the first it lists, whatever its q. */
  choose(of: EventPackage<unknown>, accept: readonly string[] | undefined, listedOrder: boolean): string | undefined {
    const key = `${of.event}\0${listedOrder ? 'listed' : 'best'}\0${accept?.join('\n') ?? '\0'}`
    const known = this.#chosen.get(key)
    if (known !== undefined) return known
    const offer = {
      preferred: of.accept,
      has: (type: string) => this.#generators.get(type, of.kind) !== undefined,
      all: () => this.typesOf(of),
    }
    const chosen = chooseType(accept, offer, listedOrder)
    if (this.#chosen.size >= MOST_CHOSEN) this.#chosen.clear()
    if (chosen !== undefined && key.length <= LONGEST_KEY) this.#chosen.set(detached(key), chosen)
    return chosen
  }

  typesOf(of: EventPackage<unknown>): string[] {
    return [...this.#all].filter((g) => g.kind.name === of.kind.name).map((g) => g.type)
  }

  #forget(): void {
    this.#events = undefined
    this.#chosen.clear()
  }

  addPackage(definition: EventPackage<unknown>): Undo {
    const { event } = definition
    if (this.#packages.has(event)) throw new Error(`event ${event} has a package already`)
    this.#packages.set(event, definition)
    this.#forget()
    this.#listener.packageAdded(event)
    return () => {
      if (this.#packages.get(event) !== definition) return
      this.#packages.delete(event)
      this.#last = undefined
      this.#forget()
      return this.#listener.packageRemoved(event)
    }
  }

  addGenerator(generator: BodyGenerator<unknown>): Undo {
    const { type, kind } = generator
    if (this.#generators.get(type, kind)) throw new Error(`${type} for ${kind.name} has a generator already`)
    this.#all.add(generator)
    this.#generators.set(type, kind, generator)
    this.#forget()
    this.#listener.bodiesChanged(type)
    return () => {
      if (!this.#all.delete(generator)) return
      this.#generators.set(type, kind, undefined)
      this.#forget()
      this.#listener.bodiesChanged(type)
    }
  }

  addSupplement(supplement: BodySupplement<unknown, unknown>): Undo {
    const { type, kind } = supplement
    this.#supplements.set(type, kind, [...this.supplements(type, kind), supplement])
    this.#listener.bodiesChanged(type)
    return () => {
      const rest = this.supplements(type, kind).filter((one) => one !== supplement)
      this.#supplements.set(type, kind, rest.length > 0 ? rest : undefined)
      this.#listener.bodiesChanged(type)
    }
  }
}

const NONE: readonly BodySupplement<unknown, unknown>[] = []

/** By body type and kind of state. Each subscription asks, so no text is made of the two. */
class ByKind<T> {
  readonly #kinds = new Map<string, Map<string, T>>()

  get(type: string, { name }: Kind<unknown>): T | undefined {
    return this.#kinds.get(name)?.get(type)
  }

  set(type: string, { name }: Kind<unknown>, value: T | undefined): void {
    let types = this.#kinds.get(name)
    if (!types) this.#kinds.set(name, (types = new Map()))
    if (value === undefined) types.delete(type)
    else types.set(type, value)
    if (types.size === 0) this.#kinds.delete(name)
  }
}
