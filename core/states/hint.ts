/**
 * One hint that is in use, shared by all who watch it; a changed dialplan changes it in place. It follows what it is made
 * of while it is kept: as long as somebody watches it, or it was found a moment ago.
 */
import { Observable, Watched, type WatchObserver } from '../watch.ts'
import { within } from '../within.ts'
import { type Call, NO_CALLS } from './calls.ts'
import type { DeviceState } from './devices.ts'
import {
  EXTENSION,
  type ExtensionState,
  type ExtensionStateCode,
  extensionStateOf,
  sameExtensionState,
} from './extension-state.ts'
import { sameDefinition } from './hint-definitions.ts'
import type { HintParts } from './hint-parts.ts'
import { aggregatePresence, NO_PRESENCE, type PresenceState } from './presence.ts'
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

/** Where it is kept. */
export interface HintKeeper {
  /** Somebody is about to watch it. The hint that is kept for this extension: another where that was found meanwhile. */
  wanted(hint: Hint): Hint
  /** The last who watched is gone. */
  idle(hint: Hint): void
  /** It was gone from the dialplan, and nobody is told of it any more. */
  over(hint: Hint): void
}

/** How long a SUBSCRIBE waits for the first states of a hint's devices, in milliseconds. */
const FIRST_READ_LIMIT = 1500
/**
 * A step of a call is told in several events: the device's state, the channel's, the other party's name. They arrive
 * within this many milliseconds, and a phone is better told once.
 */
const CALL_SETTLES = 25

const NOTHING: readonly string[] = []

export class Hint extends Observable<ExtensionState> {
  readonly context: string
  readonly exten: string
  readonly #parts: HintParts
  readonly #keeper: HintKeeper
  #definition: HintDefinition | undefined
  #following: Need | undefined
  #ready: Promise<void> | undefined
  #gone: ExtensionStateCode = EXTENSION.UNAVAILABLE
  readonly #watched: Watched<ExtensionState>
  /** Who stands for the extension, and has the watchers: another one, where that was found since this was let go of. */
  #kept: Hint = this
  #graceTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined

  constructor(
    definition: HintDefinition,
    asked: Pick<HintDefinition, 'context' | 'exten'>,
    parts: HintParts,
    keeper: HintKeeper,
  ) {
    super()
    this.context = asked.context
    this.exten = asked.exten
    this.#parts = parts
    this.#keeper = keeper
    this.#definition = definition
    this.#follow(definition)
    this.#watched = new Watched(this.#compute(), sameExtensionState)
  }

  get definition(): HintDefinition | undefined {
    return this.#definition
  }

  /** SIP watchers only: whoever watches it inside the house says that he is none (`audience`). */
  get watchers(): number {
    return this.#watched.audience
  }

  get isWatched(): boolean {
    return this.#watched.watchers > 0
  }

  get value(): ExtensionState {
    return this.#kept.#watched.value
  }

  /** Resolves when every source of the devices' first states has answered, or it took too long; undefined from then on. */
  get ready(): Promise<void> | undefined {
    return this.#ready
  }

  attach(observer: WatchObserver<ExtensionState>): void {
    this.#kept = this.#keeper.wanted(this.#kept)
    this.#kept.#watched.attach(observer)
  }

  detach(observer: WatchObserver<ExtensionState>): boolean {
    const kept = this.#kept
    if (!kept.#watched.detach(observer)) return false
    if (!kept.isWatched) this.#keeper.idle(kept)
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

  /** The dialplan was read again. */
  redefine(definition: HintDefinition): void {
    const before = this.#definition
    this.#definition = definition
    // It may be written elsewhere all the same.
    if (!before || !sameDefinition(before, definition)) this.#followAnew(definition)
  }

  /** The hint is gone: watchers see it so, and after the grace time the end of it. */
  remove(graceSeconds: number, seen: ExtensionStateCode): void {
    this.#gone = seen
    this.#definition = undefined
    void this.#following?.release()
    const end = (): void => {
      this.#keeper.over(this)
      this.#watched.end('noresource')
    }
    // Also where it ends at once: the last that watchers see must not be a lamp that is lit.
    this.refresh()
    if (graceSeconds === 0) return end()
    this.#graceTimer = setTimeout(end, graceSeconds * 1000).unref()
  }

  /** From now on nobody tells it of changes. */
  letGo(): void {
    clearTimeout(this.#graceTimer)
    clearTimeout(this.#settleTimer)
    this.#settleTimer = undefined
    void this.#following?.release()
  }

  /** Kept again; the end of it where the dialplan has it no more. */
  revive(): void {
    if (this.#definition) this.#followAnew(this.#definition)
    else this.#watched.end('noresource')
  }

  #followAnew(definition: HintDefinition): void {
    clearTimeout(this.#graceTimer)
    this.#follow(definition)
    this.refresh()
  }

  /** What it needs now is taken before that of before is let go of, so that what stays is not read anew. */
  #follow(definition: HintDefinition): void {
    const before = this.#following
    const following = this.#parts.follow(definition, this)
    this.#following = following
    void before?.release()
    this.#ready = within(FIRST_READ_LIMIT, following.ready).then(() => {
      if (this.#following === following) this.#ready = undefined
      // What was read of a device in a call would be seen a moment later only, and the lamp be out until then.
      this.refresh()
    })
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
    for (const device of names) states.push({ device, state: this.#parts.states.devices.get(device) })
    return states
  }

  #presence(providers: readonly string[]): PresenceState {
    return providers.length === 0
      ? NO_PRESENCE
      : aggregatePresence(providers.map((p) => this.#parts.states.presences.get(p)))
  }

  #callsOf(devices: ExtensionState['devices']): readonly Call[] {
    const [first] = devices
    // Oldest first they are already.
    if (first && devices.length === 1) return this.#parts.states.calls.of(first.device)
    if (!devices.some(({ device }) => this.#parts.states.calls.has(device))) return NO_CALLS
    return devices.flatMap(({ device }) => this.#parts.states.calls.of(device)).sort((a, b) => a.since - b.since)
  }
}
