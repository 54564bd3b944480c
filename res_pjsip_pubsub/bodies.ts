/**
 * Bodies, generated once for all subscriptions that may share them: by state object, body type and the parts of the
 * addressing a generator and its supplements look at. What is particular to a subscription, the version number of
 * dialog-info, is put in when the NOTIFY is composed.
 */
import { createHash } from 'node:crypto'
import type { Addressing, BodyGenerator, Kind } from './contract.ts'
import type { Registry } from './registry.ts'

/** One text for many subscriptions. */
export class Body {
  readonly type: string
  /** Without the version. Two bodies say the same if their texts are equal. */
  readonly text: string
  readonly #versionAt: number | undefined
  #entityTag: string | undefined

  constructor(type: string, text: string, versionAt: number | undefined) {
    this.type = type
    this.text = text
    this.#versionAt = versionAt
  }

  withVersion(version: number): string {
    if (this.#versionAt === undefined) return this.text
    return `${this.text.slice(0, this.#versionAt)}${version}${this.text.slice(this.#versionAt)}`
  }

  /** Entity-tag of the state as it is shown (RFC 5839 3); equal texts have equal ones, over restarts too. */
  get entityTag(): string {
    this.#entityTag ??= createHash('sha1').update(this.type).update('\0').update(this.text).digest('hex').slice(0, 20)
    return this.#entityTag
  }
}

export class Bodies {
  readonly #registry: Registry
  #byState = new WeakMap<object, Map<string, Body>>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Undefined where no generator is registered for the type now. */
  body(state: unknown, kind: Kind<unknown>, type: string, to: Addressing): Body | undefined {
    const generator = this.#registry.generator(type, kind)
    if (!generator) return undefined
    if (typeof state !== 'object' || state === null) return this.#generate(generator, state, to)
    let shared = this.#byState.get(state)
    if (!shared) this.#byState.set(state, (shared = new Map()))
    const key = this.#shareKey(generator, to)
    let body = shared.get(key)
    if (!body) shared.set(key, (body = this.#generate(generator, state, to)))
    return body
  }

  /** Everything is generated anew: a generator or supplement came or went, or options changed. */
  forget(): void {
    this.#byState = new WeakMap()
  }

  #shareKey(generator: BodyGenerator<unknown>, to: Addressing): string {
    let key = `${generator.type}\0${generator.share(to)}`
    for (const supplement of this.#registry.supplements(generator.type, generator.kind))
      key += `\0${supplement.share(to)}`
    return key
  }

  #generate(generator: BodyGenerator<unknown>, state: unknown, to: Addressing): Body {
    const doc = generator.generate(state, to)
    for (const supplement of this.#registry.supplements(generator.type, generator.kind))
      supplement.supplement(doc, state, to)
    const { text, versionAt } = generator.print(doc)
    return new Body(generator.type, text, versionAt)
  }
}
