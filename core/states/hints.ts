/**
 * Hints: a device and presence aggregate under the name of an extension (Asterisk's `exten => 100,hint,PJSIP/100`).
 * A hint in use is one `Hint`, shared by all who watch it; a changed dialplan changes it in place.
 *
 * The way of a change: devices or calls → the index by device → the hint's aggregate (equal: stop) → its watchers.
 */

import { type Eventual, whenThere } from '../eventual.ts'
import type { Logger } from '../log.ts'
import type { Undo } from '../scope.ts'
import { Observable, Watched, type WatchObserver } from '../watch.ts'
import { within } from '../within.ts'
import { type Call, type Calls, NO_CALLS } from './calls.ts'
import type { DeviceState, Devices } from './devices.ts'
import {
  EXTENSION,
  type ExtensionState,
  type ExtensionStateCode,
  extensionStateOf,
  sameExtensionState,
} from './extension-state.ts'
import { namesIn, sameDefinition } from './hint-definitions.ts'
import { HintSources } from './hint-sources.ts'
import { aggregatePresence, NO_PRESENCE, type PresenceState, type Presences } from './presence.ts'
import type { Need } from './reported.ts'

/** A hint as written, with the extension's number put in for `${EXTEN}`. */
export interface HintDefinition {
  readonly context: string
  readonly exten: string
  readonly devices: readonly string[]
  readonly presence: readonly string[]
  /** `(Name)`; empty where there is none. */
  readonly name: string
  /** Where it is written: `extensions.conf:12`, `pbx1`. For people. */
  readonly source: string
}

type HintAnswer = HintDefinition | 'unreachable' | undefined

/** Who knows hints: the dialplan files, or an Asterisk server through its probe channel. */
export interface HintSource {
  readonly name: string
  /** undefined: this source has no such hint. 'unreachable': it cannot say now, and what it said before stands. Never rejects. */
  lookup(context: string, exten: string): Eventual<HintAnswer>
  /** Extensions that it has a hint for by name, not by pattern; absent where it cannot tell. */
  extensions?(): readonly { readonly context: string; readonly exten: string }[]
  /** Tells that all answers may be different now. */
  onChange(listener: () => void): Undo
}

/**
 * A step of a call is told in several events: the device's state, the channel's, the other party's name. They arrive
 * within this many milliseconds, and a phone is better told once.
 */
const CALL_SETTLES = 25

const NOTHING: readonly string[] = []

/** How long a SUBSCRIBE waits for the first states of a hint's devices, in milliseconds. */
const FIRST_READ_LIMIT = 1500

export interface HintSettings {
  /** Seconds a hint that disappeared keeps its watchers. */
  readonly removedHintGrace: () => number
  /** What they see last; unavailable without it. */
  readonly removedHintState?: () => ExtensionStateCode
  readonly log: Logger
}

export class Hint extends Observable<ExtensionState> {
  readonly context: string
  readonly exten: string
  readonly #devices: Devices
  readonly #presences: Presences
  readonly #calls: Calls
  readonly #onIdle: (hint: Hint) => void
  #definition: HintDefinition | undefined
  #needs: Need[] = []
  #gone: ExtensionStateCode = EXTENSION.UNAVAILABLE
  #watched: Watched<ExtensionState>
  #graceTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined

  constructor(
    definition: HintDefinition,
    asked: { context: string; exten: string },
    state: { devices: Devices; presences: Presences; calls: Calls },
    onIdle: (hint: Hint) => void,
  ) {
    super()
    this.context = asked.context
    this.exten = asked.exten
    this.#devices = state.devices
    this.#presences = state.presences
    this.#calls = state.calls
    this.#onIdle = onIdle
    this.#definition = definition
    this.#needs = this.#takeNeeds(definition)
    this.#watched = new Watched(this.#compute(), sameExtensionState)
  }

  get definition(): HintDefinition | undefined {
    return this.#definition
  }

  /** SIP watchers only: nothing inside the house watches hints through `watch`. */
  get watchers(): number {
    return this.#watched.audience
  }

  get value(): ExtensionState {
    return this.#watched.value
  }

  /** Resolves when every source of the devices' first states has answered. */
  get ready(): Promise<void> {
    return Promise.all(this.#needs.map((need) => need.ready)).then(() => undefined)
  }

  attach(observer: WatchObserver<ExtensionState>): void {
    this.#watched.attach(observer)
  }

  detach(observer: WatchObserver<ExtensionState>): boolean {
    if (!this.#watched.detach(observer)) return false
    if (this.#watched.watchers === 0) this.#onIdle(this)
    return true
  }

  /** Something this hint is made of changed. */
  refresh(): void {
    clearTimeout(this.#settleTimer)
    this.#settleTimer = undefined
    this.#watched.set(this.#compute())
  }

  /** The same, where more is about to follow. */
  refreshSoon(): void {
    this.#settleTimer ??= setTimeout(() => this.refresh(), CALL_SETTLES)
  }

  /** The dialplan was read again. New needs are taken before the old ones are let go, so that what stays is not read anew. */
  redefine(definition: HintDefinition): void {
    clearTimeout(this.#graceTimer)
    const old = this.#needs
    this.#definition = definition
    this.#needs = this.#takeNeeds(definition)
    for (const need of old) void need.release()
    this.refresh()
    void this.ready.then(() => this.refresh())
  }

  /** The hint is gone: watchers see it so, and after the grace time the end of it. */
  remove(graceSeconds: number, seen: ExtensionStateCode, ended: () => void): void {
    if (!this.#definition) return
    this.#gone = seen
    this.#definition = undefined
    this.#release()
    const end = (): void => {
      ended()
      this.#watched.end('noresource')
    }
    // Also where it ends at once: the last that watchers see must not be a lamp that is lit.
    this.refresh()
    if (graceSeconds === 0) return end()
    this.#graceTimer = setTimeout(end, graceSeconds * 1000)
    this.#graceTimer.unref()
  }

  dispose(): void {
    clearTimeout(this.#graceTimer)
    clearTimeout(this.#settleTimer)
    this.#release()
  }

  #release(): void {
    for (const need of this.#needs) void need.release()
    this.#needs = []
  }

  #takeNeeds(definition: HintDefinition): Need[] {
    return [
      ...definition.devices.map((d) => this.#devices.need(d)),
      ...definition.presence.map((p) => this.#presences.need(p)),
    ]
  }

  #compute(): ExtensionState {
    const definition = this.#definition
    const devices = this.#deviceStates(definition?.devices ?? NOTHING)
    return {
      context: this.context,
      exten: this.exten,
      name: definition?.name ?? '',
      state: devices.length === 0 ? this.#gone : extensionStateOf(devices),
      devices,
      presence: this.#presence(definition?.presence ?? NOTHING),
      calls: this.#callsOf(devices),
    }
  }

  #deviceStates(names: readonly string[]): ExtensionState['devices'] {
    const states: { device: string; state: DeviceState }[] = []
    for (const device of names) states.push({ device, state: this.#devices.get(device) })
    return states
  }

  #presence(providers: readonly string[]): PresenceState {
    return providers.length === 0 ? NO_PRESENCE : aggregatePresence(providers.map((p) => this.#presences.get(p)))
  }

  #callsOf(devices: ExtensionState['devices']): readonly Call[] {
    const [first] = devices
    // Oldest first they are already.
    if (first && devices.length === 1) return this.#calls.of(first.device)
    if (!devices.some(({ device }) => this.#calls.has(device))) return NO_CALLS
    return devices.flatMap(({ device }) => this.#calls.of(device)).sort((a, b) => a.since - b.since)
  }
}

type FoundHint = Hint | 'unreachable' | undefined

export class Hints {
  readonly #state: { devices: Devices; presences: Presences; calls: Calls }
  readonly #settings: HintSettings
  readonly #sources = new HintSources({
    changed: () => void this.reread(),
    late: (context, exten, together) => {
      const definition = this.#hints.get(keyOf(context, exten))?.definition
      if (definition && !sameDefinition(definition, together)) this.#enter(together, context, exten)
    },
  })
  readonly #hints = new Map<string, Hint>()
  /** device or presence provider in lower case → hints */
  readonly #index = new Map<string, Set<Hint>>()
  readonly #rereadListeners = new Set<() => void>()
  #rereading: Promise<void> | undefined

  constructor(state: { devices: Devices; presences: Presences; calls: Calls }, settings: HintSettings) {
    this.#state = state
    this.#settings = settings
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
    if (known?.definition) return known
    return whenThere(
      this.#sources.lookup(context, exten),
      (answer): Eventual<FoundHint> =>
        typeof answer === 'object' ? this.#begin(this.#enter(answer, context, exten)) : answer,
    )
  }

  async #begin(hint: Hint): Promise<Hint> {
    await within(FIRST_READ_LIMIT, hint.ready)
    // What was read of a device in a call would be seen a moment later only, and the lamp be out until then.
    if (hint.watchers === 0) hint.refresh()
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
    const hint = new Hint(definition, { context, exten }, this.#state, (idle) => this.#drop(idle))
    this.#hints.set(key, hint)
    this.#reindex(hint, definition)
    return hint
  }

  #drop(hint: Hint): void {
    this.#reindex(hint, undefined)
    if (this.#hints.get(keyOf(hint.context, hint.exten)) === hint) this.#hints.delete(keyOf(hint.context, hint.exten))
    hint.dispose()
  }

  /** Called when sources may know hints that they did not know before. */
  onReread(listener: () => void): Undo {
    this.#rereadListeners.add(listener)
    return () => {
      this.#rereadListeners.delete(listener)
    }
  }

  /** All hints in use are looked up again. Runs once at a time; a call during a run starts one more after it. */
  reread(): Promise<void> {
    const run = async (): Promise<void> => {
      for (const hint of this.list()) {
        const answer = await this.#sources.lookup(hint.context, hint.exten)
        if (answer === 'unreachable' || this.#hints.get(keyOf(hint.context, hint.exten)) !== hint) continue
        if (answer === undefined) this.#remove(hint)
        else if (!hint.definition || !sameDefinition(hint.definition, answer))
          this.#enter(answer, hint.context, hint.exten)
      }
      for (const listener of this.#rereadListeners) listener()
    }
    const next: Promise<void> = (this.#rereading ?? Promise.resolve()).then(run).finally(() => {
      if (this.#rereading === next) this.#rereading = undefined
    })
    this.#rereading = next
    return next
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
