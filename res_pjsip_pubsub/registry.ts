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
interface RegistryListener {
  packageAdded(): void
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

/** How many choices are remembered, and how many values what they were made for may have, and how long each may be. */
const MOST_CHOSEN = 32
const MOST_VALUES = 8
const LONGEST_VALUE = 100

/** What was chosen for what phones accept, which is much the same for all of them. */
interface Choice {
  readonly of: EventPackage<unknown>
  readonly accept: readonly string[] | undefined
  readonly listedOrder: boolean
  readonly chosen: string
}

export class Registry {
  readonly #packages = new Map<string, EventPackage<unknown>>()
  /** Of those, the one that was asked for last. */
  #last: EventPackage<unknown> | undefined
  /** In the order of registration. */
  readonly #all = new Set<BodyGenerator<unknown>>()
  readonly #generators = new ByKind<BodyGenerator<unknown>>()
  readonly #supplements = new ByKind<readonly BodySupplement<unknown, unknown>[]>()
  readonly #choices: Choice[] = []
  #nextChoice = 0
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
    for (const one of this.#choices)
      if (one.of === of && one.listedOrder === listedOrder && isSameList(one.accept, accept)) return one.chosen
    const offer = {
      preferred: of.accept,
      has: (type: string) => this.#generators.get(type, of.kind) !== undefined,
      all: () => this.typesOf(of),
    }
    const chosen = chooseType(accept, offer, listedOrder)
    if (chosen !== undefined && isShort(accept))
      this.#remember({ of, accept: accept?.map(detached), listedOrder, chosen })
    return chosen
  }

  /** The oldest makes room. */
  #remember(choice: Choice): void {
    this.#choices[this.#nextChoice] = choice
    this.#nextChoice = (this.#nextChoice + 1) % MOST_CHOSEN
  }

  typesOf(of: EventPackage<unknown>): string[] {
    return [...this.#all].filter((g) => g.kind.name === of.kind.name).map((g) => g.type)
  }

  #forget(): void {
    this.#events = undefined
    this.#choices.length = 0
    this.#nextChoice = 0
  }

  addPackage(definition: EventPackage<unknown>): Undo {
    const { event } = definition
    if (this.#packages.has(event)) throw new Error(`event ${event} has a package already`)
    this.#packages.set(event, definition)
    this.#forget()
    this.#listener.packageAdded()
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

function isSameList(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (one.length !== other.length) return false
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false
  return true
}

function isShort(accept: readonly string[] | undefined): boolean {
  return !accept || (accept.length <= MOST_VALUES && accept.every((value) => value.length <= LONGEST_VALUE))
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
