/** Where the packages of extensions find their state: the hint, and what was published about the extension. */
import { Composed, type Composition } from '../core/composed.ts'
import { EXTENSION, type ExtensionState } from '../core/states/extension-state.ts'
import type { Hint } from '../core/states/hint.ts'
import type { Hints } from '../core/states/hints.ts'
import { NO_PRESENCE } from '../core/states/presence.ts'
import { detached } from '../core/text.ts'
import { Unwatched } from '../core/unwatched.ts'
import type { Watchable } from '../core/watch.ts'
import type { Publication, Pubsub } from '../res_pjsip_pubsub/contract.ts'
import {
  DialogSource,
  dialogsKind,
  type PublishedDialogs,
  type PublishedPresence,
  type PublishedState,
  presenceKind,
  type Published as WhatIsPublished,
} from './published.ts'

type Publications<State> = Watchable<readonly Publication<State>[]>
type Published = Pick<Pubsub, 'publications' | 'isPublished' | 'settings'>

/** What extensions publish; `undefined` where nothing of the kind is theirs. */
interface Events {
  readonly presence: string | undefined
  readonly dialog: string
}

export const OF_EXTENSION: Events = { presence: 'presence', dialog: 'dialog' }
/** Of a shared line. */
export const OF_LINE: Events = { presence: undefined, dialog: 'dialog;sla' }

/** As an extension looks whose phones are all away (RFC 5025 3.2.1). */
export function nobodyThere({ context, exten }: Pick<ExtensionState, 'context' | 'exten'>): ExtensionState {
  return { context, exten, name: '', state: EXTENSION.UNAVAILABLE, devices: [], presence: NO_PRESENCE, calls: [] }
}

type ByName = Map<string, Extension>

/** The extensions or the lines that are watched, by context and name; all who watch one share its state and its bodies. */
export class Extensions {
  readonly #events: Events
  readonly #pubsub: Published
  readonly #hints: Pick<Hints, 'find'>
  /** As they are found; several of one name may be watched, where one was found before it was forgotten. */
  readonly #extensions = new Map<string, ByName>()
  readonly #watched = new Set<Extension>()
  readonly #unwatched = new Unwatched<Composed<PublishedState>>((state) => state.letGo())
  /** How often the dialplan was read again. */
  #rereads = 0

  constructor(events: Events, pubsub: Published, hints: Pick<Hints, 'find'>) {
    this.#events = events
    this.#pubsub = pubsub
    this.#hints = hints
  }

  /** An extension with a hint, or without one where anything is published about it. */
  of(context: string, exten: string, hint: Hint | undefined): Watchable<PublishedState> {
    const extension = this.#extension(context, exten)
    extension.hasHint(hint)
    return extension.state
  }

  /** An extension of which nobody can say whether it has a hint: unavailable, until somebody can. */
  unsaid(context: string, exten: string): Watchable<PublishedState> {
    const extension = this.#extension(context, exten)
    extension.becomeUnsaid()
    return extension.state
  }

  #extension(context: string, exten: string): Extension {
    let there = this.#extensions.get(context)
    if (!there) this.#extensions.set(context, (there = new Map()))
    const extension = there.get(exten) ?? this.#begin(there, context, exten)
    this.#unwatched.add(extension.state)
    return extension
  }

  #begin(there: ByName, context: string, name: string): Extension {
    const { presence, dialog } = this.#events
    const exten = detached(name)
    const topics = {
      presence: presence === undefined ? undefined : this.#pubsub.publications(presence, exten, presenceKind),
      dialog: this.#pubsub.publications(dialog, exten, dialogsKind),
    }
    const found = this.#rereads
    const extension = new Extension(context, exten, topics, this.#pubsub, {
      wanted: () => {
        if (!there.has(exten)) there.set(exten, extension)
        this.#watched.add(extension)
        if (found !== this.#rereads) void this.#lookAgain(extension)
      },
      idle: () => {
        if (there.get(exten) === extension) there.delete(exten)
        this.#watched.delete(extension)
      },
    })
    there.set(exten, extension)
    return extension
  }

  /** Those without a hint may have one since the dialplan was read again. */
  async reread(): Promise<void> {
    this.#rereads++
    // At once: where a server is back that was away at our start, all that it alone tells has waited for it.
    await Promise.all([...this.#watched].map((extension) => this.#lookAgain(extension)))
  }

  async #lookAgain(extension: Extension): Promise<void> {
    if (extension.isHinted) return
    const hint = await this.#hints.find(extension.context, extension.exten)
    if (hint === 'unreachable' || !this.#watched.has(extension)) return
    if (hint) extension.hasHint(hint)
    else extension.hasNone()
  }
}

/** Where it is kept. */
interface Keeper {
  wanted(): void
  idle(): void
}

interface Topics {
  readonly presence: Publications<PublishedPresence> | undefined
  readonly dialog: Publications<PublishedDialogs>
}

class Extension implements Composition<PublishedState> {
  readonly state = new Composed<PublishedState>(this)
  readonly #nobody: ExtensionState
  readonly #topics: Topics
  readonly #pubsub: Published
  readonly context: string
  readonly exten: string
  readonly #keeper: Keeper
  #hint: Hint | undefined
  /** Nobody could say whether there is one. */
  #isUnsaid = false
  /** What was composed last, and of which value of the hint: it stays where nothing has changed. */
  #composedOf: ExtensionState | undefined
  #composed: PublishedState | undefined
  /** When the newest body came that has been seen, and whose it was. */
  #newest = 0
  #sender = ''

  constructor(context: string, exten: string, topics: Topics, pubsub: Published, keeper: Keeper) {
    this.context = context
    this.exten = exten
    this.#topics = topics
    this.#pubsub = pubsub
    this.#keeper = keeper
    this.#nobody = nobodyThere({ context, exten })
  }

  get isHinted(): boolean {
    return this.#hint !== undefined
  }

  /** The hint came, or is another one since the dialplan was read again. */
  hasHint(hint: Hint | undefined): void {
    if (!hint || hint === this.#hint) return
    this.#hint = hint
    this.#isUnsaid = false
    this.state.repart()
  }

  becomeUnsaid(): void {
    this.#isUnsaid = this.#hint === undefined && !this.#pubsub.isPublished(this.exten)
  }

  /** It is known now that there is no hint. Who watches it looks whether there is anything else. */
  hasNone(): void {
    if (!this.#isUnsaid) return
    this.#isUnsaid = false
    this.state.end('deactivated')
  }

  parts(): readonly Watchable<unknown>[] {
    const { presence, dialog } = this.#topics
    return [this.#hint, presence, dialog].filter((part) => part !== undefined)
  }

  compose(): PublishedState {
    const presence = this.#topics.presence?.value ?? NOTHING_PUBLISHED
    const dialogs = this.#topics.dialog.value
    const hinted = this.#hint?.value
    // The hint's own object, so that bodies made of it are shared.
    if (hinted && presence.length === 0 && dialogs.length === 0) return hinted
    if (this.#isUnsaid && presence.length === 0 && dialogs.length === 0) return this.#nobody
    const byPriority = this.#pubsub.settings.retrieve_order === 1
    const { context, exten, name, state, devices, presence: ownPresence, calls } = hinted ?? this.#nobody
    const published = {
      alone: hinted === undefined,
      presence: presence.length === 0 ? NO_DOCUMENTS : presence.map((publication) => publication.state),
      ahead: byPriority ? presence.filter(({ priority }) => priority > 0).length : 0,
      dialogs: dialogs.length === 0 ? NO_DIALOGS : dialogs.map(sourceOf),
      sender: this.#sender,
    }
    const before = this.#composed
    if (before && this.#composedOf === hinted && isSame(before.published, published)) return before
    const whole = { context, exten, name, state, devices, presence: ownPresence, calls, published }
    this.#composedOf = hinted
    this.#composed = whole
    return whole
  }

  changed(part: Watchable<unknown>): void {
    this.#sender = part === this.#hint ? '' : this.#senderNow()
  }

  /** Where something is published, that goes on. Otherwise it is over by its hint for those, too, who watch it only later. */
  partEnded(part: Watchable<unknown>): boolean {
    if (part !== this.#hint) return true
    this.#sender = ''
    if (!this.#pubsub.isPublished(this.exten)) return true
    this.#hint = undefined
    return false
  }

  /** What is published already is no change that anybody makes from now on. */
  wanted(): void {
    this.#newest = this.#newestNow?.received ?? 0
    this.#keeper.wanted()
  }

  idle(): void {
    this.#sender = ''
    this.#keeper.idle()
  }

  get #newestNow(): Publication | undefined {
    const ofPresence = newestOf(this.#topics.presence?.value ?? NOTHING_PUBLISHED)
    const ofDialogs = newestOf(this.#topics.dialog.value)
    return ofPresence && !(ofDialogs && ofDialogs.received > ofPresence.received) ? ofPresence : ofDialogs
  }

  /** Whoever sent the newest body, where that is what changed. */
  #senderNow(): string {
    const newest = this.#newestNow
    if (!newest || newest.received <= this.#newest) return ''
    this.#newest = newest.received
    return newest.sender
  }
}

const NOTHING_PUBLISHED: readonly Publication<never>[] = []
const NO_DOCUMENTS: readonly PublishedPresence[] = []
const NO_DIALOGS: readonly DialogSource[] = []

function isSame(a: WhatIsPublished | undefined, b: WhatIsPublished): boolean {
  return (
    a?.alone === b.alone &&
    a.sender === b.sender &&
    a.ahead === b.ahead &&
    a.presence.length === b.presence.length &&
    a.presence.every((state, at) => state === b.presence[at]) &&
    a.dialogs.length === b.dialogs.length &&
    a.dialogs.every((source, at) => {
      const other = b.dialogs[at]
      return other !== undefined && source.isSame(other)
    })
  )
}

/** The first of those that came last. */
function newestOf(all: readonly Publication[]): Publication | undefined {
  let newest: Publication | undefined
  for (const one of all) if (!newest || one.received > newest.received) newest = one
  return newest
}

function sourceOf({ publisher, instance, state }: Publication<PublishedDialogs>): DialogSource {
  return new DialogSource(state, publisher, instance)
}
