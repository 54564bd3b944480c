/**
 * Hints: a device and presence aggregate under the name of an extension (Asterisk's `exten => 100,hint,PJSIP/100`).
 * One in use is a `Hint` (hint.ts).
 *
 * The way of a change: devices or calls → the index by device → the hint's aggregate (equal: stop) → its watchers.
 */

import { type Eventual, whenThere } from '../eventual.ts'
import type { Logger } from '../log.ts'
import { addedTo, type Undo } from '../scope.ts'
import { Unwatched } from '../unwatched.ts'
import { within } from '../within.ts'
import { EXTENSION, type ExtensionStateCode } from './extension-state.ts'
import { Hint, type HintDefinition, type HintKeeper, type HintParts } from './hint.ts'
import { namesIn, sameDefinition } from './hint-definitions.ts'
import { type HintSource, HintSources } from './hint-sources.ts'

/** How long a SUBSCRIBE waits for the first states of a hint's devices, in milliseconds. */
const FIRST_READ_LIMIT = 1500

export interface HintSettings {
  /** Seconds a hint that disappeared keeps its watchers. */
  readonly removedHintGrace: () => number
  /** What they see last; unavailable without it. */
  readonly removedHintState?: () => ExtensionStateCode
  readonly log: Logger
  /** Milliseconds that a hint is kept that is found and not watched. */
  readonly lingers?: number
}

type FoundHint = Hint | 'unreachable' | undefined

export class Hints {
  readonly #state: HintParts
  readonly #settings: HintSettings
  readonly #keeper: HintKeeper = { idle: (hint) => this.#drop(hint), wanted: (hint) => this.#keepAgain(hint) }
  readonly #sources = new HintSources({
    changed: () => void this.reread(),
    late: (context, exten, together) => {
      const hint = this.#hints.get(keyOf(context, exten))
      if (hint?.definition) this.#update(hint, together)
    },
  })
  readonly #hints = new Map<string, Hint>()
  /** Those whose first states are being read: whoever asks meanwhile waits for them, too. */
  readonly #beginning = new Map<Hint, Promise<Hint>>()
  readonly #unwatched: Unwatched<Hint>
  /** device or presence provider in lower case → hints */
  readonly #index = new Map<string, Set<Hint>>()
  readonly #rereadListeners = new Set<() => void>()
  #rereading: Promise<void> | undefined

  constructor(state: HintParts, settings: HintSettings) {
    this.#state = state
    this.#settings = settings
    this.#unwatched = new Unwatched((hint) => this.#drop(hint), settings.lingers)
    const using = (name: string): Iterable<Hint> => this.#index.get(name.toLowerCase()) ?? []
    state.presences.onChange((provider) => {
      for (const hint of using(provider)) hint.refresh()
    })
    state.devices.onChange((device) => {
      const soon = state.calls.has(device)
      for (const hint of using(device))
        if (soon) hint.refreshSoon()
        else hint.refresh()
    })
    state.calls.onChange((device) => {
      for (const hint of using(device)) hint.refreshSoon()
    })
  }

  /** Files go before servers; servers that all know an extension add their devices up. */
  addSource(source: HintSource): Undo {
    return this.#sources.add(source)
  }

  /** The order of the servers; files stay before them. */
  orderSources(names: readonly string[]): void {
    this.#sources.order(names)
  }

  /** Extensions with hints that the sources can name, whether they are in use or not. */
  extensions(): readonly { readonly context: string; readonly exten: string }[] {
    return this.#sources.extensions()
  }

  /** Hints that are in use now. */
  list(): Hint[] {
    return [...this.#hints.values()].sort((a, b) => (`${a.exten}@${a.context}` < `${b.exten}@${b.context}` ? -1 : 1))
  }

  /** The hint with its first states known, or undefined where no source has one. 'unreachable': no source could say. */
  find(context: string, exten: string): Eventual<FoundHint> {
    const known = this.#hints.get(keyOf(context, exten))
    if (known?.definition) return this.#beginning.get(known) ?? this.#found(known)
    return whenThere(
      this.#sources.lookup(context, exten),
      (answer): Eventual<FoundHint> =>
        typeof answer === 'object' ? this.#begin(this.#enter(answer, context, exten)) : answer,
    )
  }

  #begin(hint: Hint): Promise<Hint> {
    const beginning = this.#readFirst(hint).finally(() => {
      if (this.#beginning.get(hint) === beginning) this.#beginning.delete(hint)
    })
    this.#beginning.set(hint, beginning)
    return beginning
  }

  async #readFirst(hint: Hint): Promise<Hint> {
    await within(FIRST_READ_LIMIT, hint.ready)
    // What was read of a device in a call would be seen a moment later only, and the lamp be out until then.
    if (hint.watchers === 0) hint.refresh()
    return this.#found(hint)
  }

  #found(hint: Hint): Hint {
    this.#unwatched.add(hint)
    return hint
  }

  #enter(definition: HintDefinition, context: string, exten: string): Hint {
    const key = keyOf(context, exten)
    const known = this.#hints.get(key)
    if (known) {
      this.#reindex(known, definition)
      known.redefine(definition)
      return known
    }
    const hint = new Hint(definition, { context, exten }, this.#state, this.#keeper)
    this.#hints.set(key, hint)
    this.#reindex(hint, definition)
    return hint
  }

  #drop(hint: Hint): void {
    this.#reindex(hint, undefined)
    if (this.#hints.get(keyOf(hint.context, hint.exten)) === hint) this.#hints.delete(keyOf(hint.context, hint.exten))
    hint.dispose()
  }

  /** Whoever had found it, and watches it only now, may have waited for a disk or an authorization meanwhile. */
  #keepAgain(hint: Hint): Hint {
    const key = keyOf(hint.context, hint.exten)
    const another = this.#hints.get(key)
    if (another) return another
    if (hint.definition) {
      this.#hints.set(key, hint)
      this.#reindex(hint, hint.definition)
      void this.#lookAgain(hint)
    }
    hint.revive()
    return hint
  }

  /** Called when sources may know hints that they did not know before. */
  onReread(listener: () => void): Undo {
    return addedTo(this.#rereadListeners, listener)
  }

  /** All hints in use are looked up again. Runs once at a time; a call during a run starts one more after it. */
  reread(): Promise<void> {
    const run = async (): Promise<void> => {
      for (const hint of this.list()) await this.#lookAgain(hint)
      for (const listener of this.#rereadListeners) listener()
    }
    const next: Promise<void> = (this.#rereading ?? Promise.resolve()).then(run).finally(() => {
      if (this.#rereading === next) this.#rereading = undefined
    })
    this.#rereading = next
    return next
  }

  async #lookAgain(hint: Hint): Promise<void> {
    const answer = await this.#sources.lookup(hint.context, hint.exten)
    if (answer === 'unreachable' || this.#hints.get(keyOf(hint.context, hint.exten)) !== hint) return
    if (answer === undefined) this.#remove(hint)
    else this.#update(hint, answer)
  }

  #update(hint: Hint, definition: HintDefinition): void {
    if (hint.definition && sameDefinition(hint.definition, definition)) hint.moved(definition)
    else this.#enter(definition, hint.context, hint.exten)
  }

  #remove(hint: Hint): void {
    if (!hint.definition) return
    const grace = this.#settings.removedHintGrace()
    this.#settings.log.notice(
      `hint ${hint.exten}@${hint.context} is gone from the dialplan; its ${hint.watchers} watchers ` +
        (grace === 0 ? 'are told so' : `see it unavailable and are told so in ${grace} s`),
    )
    this.#reindex(hint, undefined)
    const seen = this.#settings.removedHintState?.() ?? EXTENSION.UNAVAILABLE
    hint.remove(grace, seen, () => this.#hints.delete(keyOf(hint.context, hint.exten)))
  }

  #reindex(hint: Hint, definition: HintDefinition | undefined): void {
    for (const name of namesIn(hint.definition)) this.#index.get(name)?.delete(hint)
    for (const name of namesIn(hint.definition)) if (this.#index.get(name)?.size === 0) this.#index.delete(name)
    for (const name of namesIn(definition)) {
      const hints = this.#index.get(name)
      if (hints) hints.add(hint)
      else this.#index.set(name, new Set([hint]))
    }
  }
}

const keyOf = (context: string, exten: string): string => `${exten}@${context}`
