/**
 * Hints: a device and presence aggregate under the name of an extension (Asterisk's `exten => 100,hint,PJSIP/100`).
 * Here is which of them are in use: found, kept, looked up again, let go of. What one does is in hint.ts, and how it is told
 * of changes in hint-parts.ts.
 */

import { type Eventual, whenThere } from '../eventual.ts'
import type { Logger } from '../log.ts'
import { addedTo, type Undo } from '../scope.ts'
import { Unwatched } from '../unwatched.ts'
import { EXTENSION, type ExtensionStateCode } from './extension-state.ts'
import { Hint, type HintDefinition, type HintKeeper } from './hint.ts'
import { HintParts, type HintStates } from './hint-parts.ts'
import { type HintSource, HintSources } from './hint-sources.ts'

export interface HintSettings {
  /** Seconds a hint that disappeared keeps its watchers. */
  readonly removedHintGrace: () => number
  /** What they see last; unavailable without it. */
  readonly removedHintState?: () => ExtensionStateCode
  readonly log: Logger
  /** Milliseconds that a hint is kept that is found and not watched. */
  readonly lingers?: number
}

type Extension = Pick<HintDefinition, 'context' | 'exten'>
type FoundHint = Hint | 'unreachable' | undefined

export class Hints {
  readonly #parts: HintParts
  readonly #settings: HintSettings
  readonly #keeper: HintKeeper = {
    wanted: (hint) => {
      const kept = this.#kept(hint) ?? this.#keepAgain(hint)
      if (!kept.isWatched) for (const listener of this.#watchedListeners) listener(kept)
      return kept
    },
    idle: (hint) => this.#letGo(hint),
    over: (hint) => this.#forget(hint),
  }
  readonly #sources = new HintSources({
    changed: () => void this.reread(),
    late: (context, exten, together) => {
      const hint = this.#kept({ context, exten })
      if (hint?.definition) hint.redefine(together)
    },
  })
  /** Those that are kept: at most one of each extension. */
  readonly #hints = new Map<string, Hint>()
  readonly #unwatched: Unwatched<Hint>
  readonly #rereadListeners = new Set<() => void>()
  readonly #watchedListeners = new Set<(hint: Extension) => void>()
  #rereading: Promise<void> | undefined

  constructor(states: HintStates, settings: HintSettings) {
    this.#parts = new HintParts(states)
    this.#settings = settings
    this.#unwatched = new Unwatched((hint) => this.#letGo(hint), settings.lingers)
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
  extensions(): readonly Extension[] {
    return this.#sources.extensions()
  }

  /** Hints that are in use now. */
  list(): Hint[] {
    return [...this.#hints.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  /** The hint with its first states known, or undefined where no source has one. 'unreachable': no source could say. */
  find(context: string, exten: string): Eventual<FoundHint> {
    const known = this.#kept({ context, exten })
    if (known?.definition) return this.#found(known)
    return whenThere(this.#sources.lookup(context, exten), (answer) =>
      typeof answer === 'object' ? this.#found(this.#enter(answer, { context, exten })) : answer,
    )
  }

  /** Whoever asks while its first states are being read waits for them, too. */
  #found(hint: Hint): Eventual<Hint> {
    return whenThere(hint.ready, () => {
      this.#unwatched.add(hint)
      return hint
    })
  }

  #enter(definition: HintDefinition, asked: Extension): Hint {
    const known = this.#kept(asked)
    if (known) {
      known.redefine(definition)
      return known
    }
    const hint = new Hint(definition, asked, this.#parts, this.#keeper)
    this.#hints.set(keyOf(hint), hint)
    return hint
  }

  #kept(of: Extension): Hint | undefined {
    return this.#hints.get(keyOf(of))
  }

  /** Whoever had found it, and watches it only now, may have waited for a disk or an authorization meanwhile. */
  #keepAgain(hint: Hint): Hint {
    if (hint.definition) {
      this.#hints.set(keyOf(hint), hint)
      void this.#lookAgain(hint)
    }
    hint.revive()
    return hint
  }

  #letGo(hint: Hint): void {
    this.#forget(hint)
    hint.letGo()
  }

  #forget(hint: Hint): void {
    if (this.#kept(hint) === hint) this.#hints.delete(keyOf(hint))
  }

  /** Called when sources may know hints that they did not know before. */
  onReread(listener: () => void): Undo {
    return addedTo(this.#rereadListeners, listener)
  }

  /** Called when somebody begins to watch a hint that nobody watches. */
  onWatched(listener: (hint: Extension) => void): Undo {
    return addedTo(this.#watchedListeners, listener)
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
    if (answer === 'unreachable' || this.#kept(hint) !== hint) return
    if (answer) hint.redefine(answer)
    else if (hint.definition) this.#remove(hint)
  }

  #remove(hint: Hint): void {
    const grace = this.#settings.removedHintGrace()
    this.#settings.log.notice(
      `hint ${hint.exten}@${hint.context} is gone from the dialplan; its ${hint.watchers} watchers ` +
        (grace === 0 ? 'are told so' : `see it unavailable and are told so in ${grace} s`),
    )
    hint.remove(grace, this.#settings.removedHintState?.() ?? EXTENSION.UNAVAILABLE)
  }
}

const keyOf = ({ context, exten }: Extension): string => `${exten}@${context}`
