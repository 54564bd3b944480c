/**
 * Bodies, generated once for all subscriptions that may share them: by resource, state object, body type and the parts of
 * the addressing a generator and its supplements look at.
 */
import { keyOf } from '../core/text.ts'
import { Body } from './body.ts'
import type { Addressing, BodyGenerator, EventPackage } from './contract.ts'
import type { Registry } from './registry.ts'
import type { View } from './watchers/authorization.ts'

/** What of a package its bodies depend on. */
type Made = Pick<EventPackage<unknown>, 'kind' | 'politeState' | 'shownIn'>

/** Those who have the same bodies: of one resource as it is seen from one context, made in one way. */
export class Sharing {
  readonly of: Made
  readonly generator: BodyGenerator<unknown>
  /** Of dialplan hints. */
  readonly context: string
  /** It holds for these bodies. */
  readonly generation: object
  /** Bodies are kept of the state that was asked for last: its watchers are told of it one after the other. */
  #state: unknown
  #whole: Body | undefined
  #parts: Map<string, Body> | undefined

  constructor(of: Made, generator: BodyGenerator<unknown>, context: string, generation: object) {
    this.of = of
    this.generator = generator
    this.context = context
    this.generation = generation
  }

  /** Whether its bodies may tell no more than what is new. */
  get hasParts(): boolean {
    return this.generator.partial !== undefined
  }

  /** `filter`: the key of what is shown of it; undefined for all of it. */
  bodyOf(state: unknown, filter: string | undefined): Body | undefined {
    if (state !== this.#state) return undefined
    return filter === undefined ? this.#whole : this.#parts?.get(filter)
  }

  keep(state: unknown, filter: string | undefined, body: Body): void {
    if (state !== this.#state) this.letGo()
    this.#state = state
    if (filter === undefined) this.#whole = body
    else (this.#parts ??= new Map()).set(filter, body)
  }

  /** All who are told of a change have it: who asks after that has it made again. */
  passed(body: Body): void {
    if (this.#whole === body) this.#whole = undefined
  }

  /** Who asked for them is gone, and nobody else may ask: then the next has them made again. */
  letGo(): void {
    this.#state = undefined
    this.#whole = undefined
    this.#parts = undefined
  }
}

/** Bodies that tell of changes and are kept: each is asked for by its watchers one after the other. */
const MOST_PASSING = 64

/**
 * Bodies that were made to tell of a change. Most often nobody asks for them any more when all watchers have them, and the
 * next change is there before somebody does. They go before the collector takes them for something that lasts.
 */
class PassingBodies {
  readonly #all: (readonly [of: Sharing, body: Body] | undefined)[] = Array.from(
    { length: MOST_PASSING },
    () => undefined,
  )
  #next = 0

  add(sharing: Sharing, body: Body): void {
    const oldest = this.#all[this.#next]
    oldest?.[0].passed(oldest[1])
    this.#all[this.#next] = [sharing, body]
    this.#next = (this.#next + 1) % MOST_PASSING
  }
}

/** Sharings that are found by their names; more than that are found by those who have them. */
const MOST_FOUND = 8192

export class Bodies {
  readonly #registry: Registry
  /** By what they are of and for. */
  readonly #found = new Map<Made, Map<string, Sharing>>()
  /** A mere mark: who still has one of an earlier generation must not hold all of that by it. */
  #generation: object = {}
  readonly #passing = new PassingBodies()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Whether a generator is registered for the type now. */
  makes(of: Made, type: string): boolean {
    return this.#registry.generator(type, of.kind) !== undefined
  }

  /** Undefined where no generator is registered for the type now. */
  body(actual: unknown, of: Made, type: string, to: Addressing, view?: View): Body | undefined {
    const sharing = this.sharing(of, type, to)
    return sharing && this.shared(sharing, actual, to, view)
  }

  /** Undefined where no generator is registered for the type now. */
  sharing(of: Made, type: string, to: Addressing): Sharing | undefined {
    const generator = this.#registry.generator(type, of.kind)
    if (!generator) return undefined
    const { hintContext } = to.endpoint
    const key = keyOf(hintContext, to.resource, this.#shareKey(generator, to))
    let all = this.#found.get(of)
    if (!all) this.#found.set(of, (all = new Map()))
    const known = all.get(key)
    if (known) return known
    if (all.size >= MOST_FOUND) all.clear()
    const sharing = new Sharing(of, generator, hintContext, this.#generation)
    all.set(key, sharing)
    return sharing
  }

  /** What of `to` it depends on besides resource, localUri and userAgent with whom bodies are shared; undefined: on anything. */
  variant(of: Made, type: string, to: Addressing): string | undefined {
    const generator = this.#registry.generator(type, of.kind)
    if (!generator?.variant) return undefined
    let variant = generator.variant(to)
    for (const supplement of this.#registry.supplements(type, of.kind)) {
      if (!supplement.variant) return undefined
      variant = keyOf(variant, supplement.variant(to))
    }
    return variant
  }

  /** The body that all have who share it. `isNews`: it is to tell of a change. */
  shared(sharing: Sharing, actual: unknown, to: Addressing, view?: View, isNews = false): Body | undefined {
    const { generator, of } = sharing
    const shown = view?.shows(generator.type) ?? 'all'
    if (shown === 'nothing') return of.politeState && this.#generate(generator, of.politeState(actual), to)
    const filter = shown === 'part' ? view : undefined
    const known = sharing.bodyOf(actual, filter?.key)
    if (known) return known
    const body = this.#generate(generator, shownIn(of, actual, generator), to, filter)
    sharing.keep(actual, filter?.key, body)
    if (isNews && !filter) this.#passing.add(sharing, body)
    return body
  }

  /** What is new for one who was told `since`. `whole`: bodies of this type have no parts. */
  part({ generator, of }: Sharing, actual: unknown, since: unknown, to: Addressing): Body | 'whole' | undefined {
    if (!generator.partial) return 'whole'
    const state = shownIn(of, actual, generator)
    const doc = generator.partial(state, shownIn(of, since, generator), to)
    return doc === undefined ? undefined : this.#finish(generator, doc, state, to)
  }

  /** Another one after each `forget`. */
  get generation(): object {
    return this.#generation
  }

  /** Everything is generated anew: a generator or supplement came or went, or options changed. */
  forget(): void {
    this.#found.clear()
    this.#generation = {}
  }

  #shareKey(generator: BodyGenerator<unknown>, to: Addressing): string {
    let key = `${generator.type}\0${generator.share(to)}`
    for (const supplement of this.#registry.supplements(generator.type, generator.kind))
      key += `\0${supplement.share(to)}`
    return `${key}\0`
  }

  #generate(generator: BodyGenerator<unknown>, state: unknown, to: Addressing, filter?: View): Body {
    return this.#finish(generator, generator.generate(state, to), state, to, filter)
  }

  #finish(generator: BodyGenerator<unknown>, doc: unknown, state: unknown, to: Addressing, filter?: View): Body {
    for (const supplement of this.#registry.supplements(generator.type, generator.kind))
      supplement.supplement(doc, state, to)
    const { text, versionAt } = generator.print(filter ? filter.filter(doc, generator.type) : doc)
    return new Body(generator.type, text, versionAt)
  }
}

function shownIn(of: Made, state: unknown, { type }: BodyGenerator<unknown>): unknown {
  return of.shownIn ? of.shownIn(state, type) : state
}
