/**
 * A body as a NOTIFY carries it. What is particular to a subscription, the version number of dialog-info, is put in when
 * the NOTIFY is composed.
 */
import { hexDigest } from '../core/hex-digest.ts'
import type { RequestBody } from '../core/sip/contract.ts'
import { toWire } from '../core/sip/grammar.ts'
import { bodyStart } from '../core/sip/serialize.ts'
import { detached, joined } from '../core/text.ts'

/** Stands for the version while a body is reworded; RFC 4235 4.1.1 has no version this high. */
const VERSION_MARK = 4294967295

/** What is remembered of a body where it was told. */
export interface Told {
  /** Entity-tag of the state as it is shown (RFC 5839 3). */
  readonly entityTag: string
  /** It told a part, and another NOTIFY is to tell the rest. */
  readonly isCut: boolean
}

/** What a NOTIFY carries. */
export interface SentBody {
  readonly type: string
  readonly entityTag: string
  /** For its watchers to remember. */
  readonly told: Told
  /** The same of a watcher who has the state from elsewhere: the first document in its dialog is to be whole. */
  readonly known: Told
  readonly isEmpty: boolean
  /** As a NOTIFY carries it; undefined where it is empty. `version`: of the document, where its type has one. To be called once for each NOTIFY. */
  content(version: number): RequestBody | undefined
  /** What is new in it for one who was told that; undefined where nothing is. */
  newsSince(told: Told): SentBody | undefined
}

/** Of a text its entity-tag is all that is remembered: watchers are many, and what was new yesterday is not asked for again. */
class ToldText implements Told {
  readonly entityTag: string
  readonly isCut = false

  constructor(entityTag: string) {
    this.entityTag = entityTag
  }
}

/** One text for many subscriptions. */
export class Body implements SentBody {
  readonly type: string
  /** Without the version. Two bodies say the same if their texts are equal. */
  readonly text: string
  readonly #versionAt: number | undefined
  #told: Told | undefined
  #form: WireForm | undefined

  constructor(type: string, text: string, versionAt: number | undefined) {
    // Said here, where who asks for a body copes with one that cannot be made: nobody does who sends it.
    if (typeof text !== 'string') throw new TypeError(`a body has to be text, and a module made ${typeof text} of it`)
    this.type = type
    this.text = text
    this.#versionAt = versionAt
  }

  /** The same text, as the way from what a watcher knows to this one: it has the state of this one then. */
  leadingTo(whole: SentBody): Body {
    const body = new Body(this.type, this.text, this.#versionAt)
    body.#told = whole.told
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

  get isEmpty(): boolean {
    return this.text === ''
  }

  content(version: number): RequestBody | undefined {
    return this.isEmpty ? undefined : new NumberedBody(this, version)
  }

  /** With the lines that go before it, as it goes on the wire. */
  written(version: number, compact: boolean): string {
    if (this.#form?.compact !== compact) this.#form = new WireForm(this.type, this.text, this.#versionAt, compact)
    return this.#form.text(version)
  }

  newsSince(told: Told): SentBody | undefined {
    return told instanceof ToldText && told.entityTag === this.entityTag ? undefined : this
  }

  /** Equal texts have equal ones, over restarts too. */
  get entityTag(): string {
    return this.told.entityTag
  }

  get known(): Told {
    return this.told
  }

  get told(): Told {
    return (this.#told ??= new ToldText(detached(hexDigest('sha1', `${this.type}\0${this.text}`).slice(0, 20))))
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
