/**
 * Bodies, generated once for all subscriptions that may share them: by state object, body type and the parts of the
 * addressing a generator and its supplements look at. What is particular to a subscription, the version number of
 * dialog-info, is put in when the NOTIFY is composed.
 */
import { hexDigest } from '../core/hex-digest.ts'
import type { RequestBody } from '../core/sip/contract.ts'
import { toWire } from '../core/sip/grammar.ts'
import { bodyStart } from '../core/sip/serialize.ts'
import { joined, keyOf } from '../core/text.ts'
import type { Addressing, BodyGenerator, EventPackage } from './contract.ts'
import type { Registry } from './registry.ts'
import type { View } from './watchers/authorization.ts'

/** Stands for the version while a body is reworded; RFC 4235 4.1.1 has no version this high. */
const VERSION_MARK = 4294967295

/** What a NOTIFY carries. */
export interface SentBody {
  readonly type: string
  /** Entity-tag of the state as it is shown (RFC 5839 3). */
  readonly entityTag: string
  /** It tells a part, and another NOTIFY is to tell the rest. */
  readonly isCut: boolean
  /** As a NOTIFY carries it; undefined where it is empty. `version`: of the document, where its type has one. To be called once for each NOTIFY. */
  content(version: number): RequestBody | undefined
  /** What is new in it for one who was told that; undefined where nothing is. */
  newsSince(told: SentBody): SentBody | undefined
}

/** How many there were so far. */
let made = 0

/** One text for many subscriptions. */
export class Body implements SentBody {
  readonly type: string
  /** Without the version. Two bodies say the same if their texts are equal. */
  readonly text: string
  readonly #versionAt: number | undefined
  readonly isCut = false
  #entityTag: string | undefined
  #form: WireForm | undefined
  /** What was asked for last, and the same for all who were told that. */
  #asked = 0
  #isNews = true
  /** Stands for it where holding it would hold all those before it, too. */
  readonly #number = ++made

  constructor(type: string, text: string, versionAt: number | undefined) {
    this.type = type
    this.text = text
    this.#versionAt = versionAt
  }

  /** The same text, as the way from what a watcher knows to this one: it has the state of this one then. */
  leadingTo(whole: SentBody): Body {
    const body = new Body(this.type, this.text, this.#versionAt)
    body.#entityTag = whole.entityTag
    return body
  }

  /** As one watcher is told it. A version in it is still to be put in, where it is left. */
  reworded(reword: (text: string) => string): Body {
    if (this.#versionAt === undefined) return new Body(this.type, reword(this.text), undefined)
    const text = reword(this.withVersion(VERSION_MARK))
    const at = text.indexOf(String(VERSION_MARK))
    if (at < 0) return new Body(this.type, text, undefined)
    return new Body(this.type, text.slice(0, at) + text.slice(at + String(VERSION_MARK).length), at)
  }

  withVersion(version: number): string {
    if (this.#versionAt === undefined) return this.text
    return `${this.text.slice(0, this.#versionAt)}${version}${this.text.slice(this.#versionAt)}`
  }

  content(version: number): RequestBody | undefined {
    return this.text === '' ? undefined : new NumberedBody(this, version)
  }

  /** With the lines that go before it, as it goes on the wire. */
  written(version: number, compact: boolean): string {
    if (this.#form?.compact !== compact) this.#form = new WireForm(this.type, this.text, this.#versionAt, compact)
    return this.#form.text(version)
  }

  newsSince(told: SentBody): SentBody | undefined {
    if (!(told instanceof Body)) return this
    if (this.#asked !== told.#number) {
      this.#asked = told.#number
      this.#isNews = told.text !== this.text
    }
    return this.#isNews ? this : undefined
  }

  /** Entity-tag of the state as it is shown (RFC 5839 3); equal texts have equal ones, over restarts too. */
  get entityTag(): string {
    this.#entityTag ??= hexDigest('sha1', `${this.type}\0${this.text}`).slice(0, 20)
    return this.#entityTag
  }
}

/** One NOTIFY's number of a text. */
class NumberedBody implements RequestBody {
  readonly #body: Body
  readonly #version: number

  constructor(body: Body, version: number) {
    this.#body = body
    this.#version = version
  }

  get contentType(): string {
    return this.#body.type
  }

  get content(): string {
    return this.#body.withVersion(this.#version)
  }

  written(compact: boolean): string {
    return this.#body.written(this.#version, compact)
  }
}

/** A text as it goes on the wire, but for its version, whose digits count in Content-Length. */
class WireForm {
  readonly compact: boolean
  readonly #type: string
  readonly #content: string
  /** Undefined where there is no version. */
  readonly #after: string | undefined
  /** All before the version, for versions of so many digits. */
  #before = ''
  #digits = -1

  constructor(type: string, text: string, versionAt: number | undefined, compact: boolean) {
    this.compact = compact
    this.#type = type
    this.#content = toWire(versionAt === undefined ? text : text.slice(0, versionAt))
    this.#after = versionAt === undefined ? undefined : toWire(text.slice(versionAt))
  }

  text(version: number): string {
    const after = this.#after
    if (after === undefined) return this.#upTo(0)
    const digits = String(version)
    return this.#upTo(digits.length, after.length) + digits + after
  }

  #upTo(digits: number, after = 0): string {
    if (digits !== this.#digits) {
      const length = this.#content.length + digits + after
      this.#before = joined(`${bodyStart(this.#type, this.compact)}${length}\r\n\r\n${this.#content}`)
      this.#digits = digits
    }
    return this.#before
  }
}

/** What of a package its bodies depend on. */
type Made = Pick<EventPackage<unknown>, 'kind' | 'politeState'>

/** Who makes the bodies for a watcher, and by what it shares them with others. It holds for a generation of bodies. */
export interface Sharing {
  readonly generator: BodyGenerator<unknown>
  /** Whether its bodies may tell no more than what is new. */
  readonly hasParts: boolean
  readonly key: string
}

/** The bodies of one state. Most often there is one: a Map for each change is more than the rest that is kept of it. */
class Shared {
  #key = ''
  #body: Body | undefined = undefined
  #others: Map<string, Body> | undefined = undefined

  get(key: string): Body | undefined {
    return key === this.#key ? this.#body : this.#others?.get(key)
  }

  set(key: string, body: Body): void {
    if (this.#body === undefined) {
      this.#key = key
      this.#body = body
    } else {
      this.#others ??= new Map()
      this.#others.set(key, body)
    }
  }
}

export class Bodies {
  readonly #registry: Registry
  #byState = new WeakMap<object, Shared>()
  /** Of the state that was asked for last: its watchers are told of it one after the other. */
  #last: object | undefined
  #lastShared = new Shared()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Undefined where no generator is registered for the type now. */
  body(actual: unknown, of: Made, type: string, to: Addressing, view?: View): Body | undefined {
    const sharing = this.sharing(of, type, to)
    return sharing && this.shared(sharing, actual, of, to, view)
  }

  /** Undefined where no generator is registered for the type now. */
  sharing(of: Made, type: string, to: Addressing): Sharing | undefined {
    const generator = this.#registry.generator(type, of.kind)
    return generator && { generator, hasParts: generator.partial !== undefined, key: this.#shareKey(generator, to) }
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

  /** The body that all have who share it. */
  shared({ generator, key }: Sharing, actual: unknown, of: Made, to: Addressing, view?: View): Body | undefined {
    const { type } = generator
    const shown = view?.shows(type) ?? 'all'
    if (shown === 'nothing' && !of.politeState) return undefined
    const state = shown === 'nothing' ? of.politeState?.(actual) : actual
    const filter = shown === 'part' ? view : undefined
    if (typeof state !== 'object' || state === null) return this.#generate(generator, state, to, filter)
    const shared = this.#of(state)
    const full = filter ? key + filter.key : key
    let body = shared.get(full)
    if (!body) shared.set(full, (body = this.#generate(generator, state, to, filter)))
    return body
  }

  /** What is new for one who was told `since`. `whole`: bodies of this type have no parts. */
  part({ generator }: Sharing, state: unknown, since: unknown, to: Addressing): Body | 'whole' | undefined {
    if (!generator.partial) return 'whole'
    const doc = generator.partial(state, since, to)
    return doc === undefined ? undefined : this.#finish(generator, doc, state, to)
  }

  /** Another one after each `forget`. */
  get generation(): object {
    return this.#byState
  }

  /** Everything is generated anew: a generator or supplement came or went, or options changed. */
  forget(): void {
    this.#byState = new WeakMap()
    this.#last = undefined
    this.#lastShared = new Shared()
  }

  #of(state: object): Shared {
    if (this.#last === state) return this.#lastShared
    let shared = this.#byState.get(state)
    if (!shared) this.#byState.set(state, (shared = new Shared()))
    this.#last = state
    this.#lastShared = shared
    return shared
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
