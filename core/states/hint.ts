/**
 * One hint that is in use, shared by all who watch it. What it is made of is kept up to date for it from outside, by
 * hints.ts, while somebody watches; a changed dialplan changes it in place.
 */
import { Observable, Watched, type WatchObserver } from '../watch.ts'
import { type Call, type Calls, NO_CALLS } from './calls.ts'
import type { DeviceState, Devices } from './devices.ts'
import {
  EXTENSION,
  type ExtensionState,
  type ExtensionStateCode,
  extensionStateOf,
  sameExtensionState,
} from './extension-state.ts'
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

/** What hints are made of. */
export interface HintParts {
  readonly devices: Devices
  readonly presences: Presences
  readonly calls: Calls
}

/** Where it is kept. */
export interface HintKeeper {
  /** The last who watched is gone: it is let go of. */
  idle(hint: Hint): void
  /** Somebody who had found it before that watches it now. The hint that stands for this extension from now on. */
  wanted(hint: Hint): Hint
}

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
  #needs: Need[] = []
  #gone: ExtensionStateCode = EXTENSION.UNAVAILABLE
  #watched: Watched<ExtensionState>
  /** Since it was let go of: another one that is watched in its place. */
  #instead: Hint | undefined
  #isKept = true
  #graceTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined

  constructor(
    definition: HintDefinition,
    asked: { context: string; exten: string },
    parts: HintParts,
    keeper: HintKeeper,
  ) {
    super()
    this.context = asked.context
    this.exten = asked.exten
    this.#parts = parts
    this.#keeper = keeper
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

  get isWatched(): boolean {
    return this.#watched.watchers > 0
  }

  get value(): ExtensionState {
    return this.#instead ? this.#instead.value : this.#watched.value
  }

  /** Resolves when every source of the devices' first states has answered. */
  get ready(): Promise<void> {
    return Promise.all(this.#needs.map((need) => need.ready)).then(() => undefined)
  }

  attach(observer: WatchObserver<ExtensionState>): void {
    if (!this.#isKept && !this.#instead) {
      const kept = this.#keeper.wanted(this)
      if (kept !== this) this.#instead = kept
    }
    if (this.#instead) this.#instead.attach(observer)
    else this.#watched.attach(observer)
  }

  detach(observer: WatchObserver<ExtensionState>): boolean {
    if (this.#instead?.detach(observer)) return true
    if (!this.#watched.detach(observer)) return false
    if (this.#watched.watchers === 0) this.#keeper.idle(this)
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

  /** The same hint, written elsewhere. */
  moved(definition: HintDefinition): void {
    this.#definition = definition
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

  /** Let go of: from now on nobody tells it of changes. */
  dispose(): void {
    this.#isKept = false
    clearTimeout(this.#graceTimer)
    clearTimeout(this.#settleTimer)
    this.#settleTimer = undefined
    this.#release()
  }

  /** Kept again; the end of it where the dialplan has it no more. */
  revive(): void {
    if (!this.#definition) return this.#watched.end('noresource')
    this.#isKept = true
    this.redefine(this.#definition)
  }

  #release(): void {
    for (const need of this.#needs) void need.release()
    this.#needs = []
  }

  #takeNeeds(definition: HintDefinition): Need[] {
    return [
      ...definition.devices.map((d) => this.#parts.devices.need(d)),
      ...definition.presence.map((p) => this.#parts.presences.need(p)),
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
    for (const device of names) states.push({ device, state: this.#parts.devices.get(device) })
    return states
  }

  #presence(providers: readonly string[]): PresenceState {
    return providers.length === 0 ? NO_PRESENCE : aggregatePresence(providers.map((p) => this.#parts.presences.get(p)))
  }

  #callsOf(devices: ExtensionState['devices']): readonly Call[] {
    const [first] = devices
    // Oldest first they are already.
    if (first && devices.length === 1) return this.#parts.calls.of(first.device)
    if (!devices.some(({ device }) => this.#parts.calls.has(device))) return NO_CALLS
    return devices.flatMap(({ device }) => this.#parts.calls.of(device)).sort((a, b) => a.since - b.since)
  }
}
