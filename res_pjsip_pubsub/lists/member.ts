/** One resource of a list, as one watcher sees it: looked up and authorized as if it were watched by itself. */
import { type Logger, reasonOf } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import type { EndReason, Watchable } from '../../core/watch.ts'
import type { Body } from '../body.ts'
import type { Found, WatcherEvent } from '../contract.ts'
import { type Absence, sourceOf } from '../lookups.ts'
import { ALLOWED, type Authorization, type Decision, POLITE } from '../watchers/authorization.ts'
import type { WatcherStatus } from '../watchers/watchers.ts'
import type { ShownResource } from './document.ts'
import type { PlannedResource } from './plan.ts'

export interface MemberServices {
  /** `again`: it was not there when it was looked for last. */
  readonly find: (resource: string, again: boolean) => Found<unknown> | Promise<Found<unknown>>
  readonly authorize: (resource: string) => Decision | Promise<Decision>
  /** Whether the watcher is told nothing of this change. */
  readonly isNoNews: (state: unknown) => boolean
  /** Whoever looks at who watches it is to hear of it (RFC 3857). */
  readonly watching: (resource: string, status: WatcherStatus, event: WatcherEvent) => void
  /** The watcher is to hear of it. */
  readonly changed: () => void
  /** Who provided its state was unloaded. */
  readonly deactivated: () => void
  /** A resource that is not there is left out, as in Asterisk. */
  readonly hidesMissing: boolean
  readonly log: Logger
}

/** How a watcher's documents are made. */
export interface Rendering {
  /** Another one where bodies may look different now. */
  readonly stamp: object
  /** The list is over, and Asterisk says so of each resource. */
  readonly isOver: boolean
  /** Who may not see a resource is shown that nobody is there (linphone.ts). */
  readonly isPolite: boolean
  readonly body: (resource: string, uri: string, state: unknown, authorization: Authorization) => Body | undefined
  readonly displayName: (state: unknown) => string
}

/** How a watcher of it stands. */
export interface Watching {
  readonly status: 'pending' | 'active'
  readonly event: WatcherEvent
}

/** What a resource that was shown is kept for. */
interface Showing {
  readonly stamp: object
  readonly version: object
  readonly showsName: boolean
}

interface Way {
  readonly source: Watchable<unknown>
  readonly decision: Watchable<Authorization>
}

export class ListMember {
  readonly key: string
  /** Key of the list it is in. */
  readonly parent: string
  readonly item: PlannedResource
  readonly #services: MemberServices
  #absence: Absence | undefined = 'noresource'
  #way: Way | undefined
  #following: Undo[] = []
  #state: { readonly value: unknown } | undefined
  #authorization: Authorization = ALLOWED
  #isLooking = false
  /** Looked for, and not there. */
  #isMissed = false
  /** How often leave was asked for anew: the last one counts, whichever answer comes first. */
  #asked = 0
  #isClosed = false
  #isQuiet = false
  #toldWatching: Watching | undefined
  /** Another one with each change. */
  #version: object = {}
  #shown: (Showing & { readonly shown: ShownResource }) | undefined

  constructor(key: string, parent: string, item: PlannedResource, services: MemberServices) {
    this.key = key
    this.parent = parent
    this.item = item
    this.#services = services
  }

  /** Undefined while it is there. */
  get absence(): Absence | undefined {
    return this.#absence
  }

  /** Undefined where its watcher is told nothing of it. */
  get watching(): Watching | undefined {
    return this.#toldWatching
  }

  /** Whether it has a place in the list. */
  get isVisible(): boolean {
    const hides = this.item.mayBeMissing || this.#services.hidesMissing
    return !(hides && this.#absence === 'noresource')
  }

  /** Looks it up, where it is not there yet. Never rejects. */
  async look(): Promise<void> {
    if (this.#isClosed || this.#isLooking || this.#absence === undefined) return
    this.#isLooking = true
    try {
      const found = await this.#find()
      // That nobody can say now is no answer.
      if (found !== 'probation') this.#isMissed = typeof found === 'string'
      if (typeof found === 'string') this.#absent(found)
      else {
        this.#way = found
        this.#absence = undefined
      }
    } catch (error) {
      this.#services.log.error(`${this.item.resource} of a list: ${reasonOf(error)}`)
      this.#absent('probation')
    } finally {
      this.#isLooking = false
    }
  }

  /** Follows what was found. Nobody is told of what there is already. */
  follow(): void {
    const way = this.#way
    if (!way || this.#isClosed || this.#following.length > 0) return
    this.#isQuiet = true
    this.#following.push(this.#heed(way.decision))
    const unwatch = way.source.watch({ value: (value) => this.#news(value), end: (reason) => this.#ended(reason) })
    // It may have ended before watch came back.
    if (this.#way === way) this.#following.push(unwatch)
    else void unwatch()
    this.#isQuiet = false
    this.#tellWatching()
  }

  /** Leave is asked for anew. Where nobody can say now, what was decided before stands. Never rejects. */
  async authorize(): Promise<void> {
    const way = this.#way
    if (!way) return
    const asked = ++this.#asked
    try {
      const decision = await this.#services.authorize(this.item.resource)
      if (!decision || asked !== this.#asked || this.#way !== way) return
      this.#way = { source: way.source, decision }
      const [heeding, ...others] = this.#following
      if (!heeding) return
      void heeding()
      this.#following = [this.#heed(decision), ...others]
    } catch (error) {
      this.#services.log.error(`leave to watch ${this.item.resource} of a list: ${reasonOf(error)}`)
    }
  }

  /** What it showed last stays. */
  stop(): void {
    const following = this.#following
    this.#following = []
    for (const undo of following) void undo()
    this.#tellWatching()
  }

  close(): void {
    this.#isClosed = true
    this.stop()
  }

  /** The same object while nothing changes. */
  shown(uriOf: (item: PlannedResource) => string, showsName: boolean, rendering: Rendering): ShownResource {
    const { stamp } = rendering
    const before = this.#shown
    const isKept = before?.stamp === stamp && before.version === this.#version && before.showsName === showsName
    if (isKept && !rendering.isOver) return before.shown
    const told = this.#show(uriOf(this.item), showsName, rendering)
    const { name, state, reason, body } = told
    const shown = { ...told, says: JSON.stringify([this.key, name, state, reason, body?.entityTag]) }
    this.#shown = { stamp, version: this.#version, showsName, shown }
    return shown
  }

  #show(uri: string, showsName: boolean, rendering: Rendering): Omit<ShownResource, 'says'> {
    const { resource, name: given } = this.item
    const { handling, view } = this.#authorization
    const state = this.#state
    const named = showsName && state && handling === 'allow' && !view ? rendering.displayName(state.value) : ''
    const name = given ?? (named === '' ? resource : named)
    const line = { key: this.key, parent: this.parent, uri, name, reason: '', body: undefined }
    if (this.#absence === 'probation') return { ...line, state: 'pending' }
    if (this.#absence !== undefined) return { ...line, state: 'terminated', reason: this.#absence }
    const maySee = handling !== 'block' && handling !== 'confirm'
    if (state && (maySee || rendering.isPolite)) {
      const authorization = maySee ? this.#authorization : { ...this.#authorization, view: POLITE }
      const body = rendering.body(resource, uri, state.value, authorization)
      return { ...line, state: rendering.isOver ? 'terminated' : 'active', body }
    }
    return handling === 'block' ? { ...line, state: 'terminated', reason: 'rejected' } : { ...line, state: 'pending' }
  }

  async #find(): Promise<Way | Absence> {
    const { find, authorize } = this.#services
    const { resource } = this.item
    const source = sourceOf(resource === '' ? undefined : await find(resource, this.#isMissed))
    if (typeof source === 'string') return source
    const decision = await authorize(resource)
    return decision ? { source, decision } : 'probation'
  }

  #heed(decision: Watchable<Authorization>): Undo {
    return decision.watch({ value: (value) => this.#decided(value) })
  }

  #decided(authorization: Authorization): void {
    this.#authorization = authorization
    this.#touch()
    if (!this.#isQuiet) this.#tellWatching()
  }

  #news(value: unknown): void {
    this.#state = { value }
    if (this.#services.isNoNews(value)) this.#version = {}
    else this.#touch()
  }

  #ended(reason: EndReason): void {
    this.#way = undefined
    this.stop()
    if (reason === 'deactivated') return this.#services.deactivated()
    this.#state = undefined
    this.#absent('noresource')
  }

  #tellWatching(): void {
    const before = this.#toldWatching
    const { handling } = this.#authorization
    const watches = this.#following.length > 0 && handling !== 'block'
    const status = handling === 'confirm' ? 'pending' : 'active'
    if (before?.status === (watches ? status : undefined)) return
    const over = handling === 'block' ? 'rejected' : this.#way ? 'timeout' : 'noresource'
    const event = !watches ? over : before && status === 'active' ? 'approved' : 'subscribe'
    this.#toldWatching = watches ? { status, event } : undefined
    this.#services.watching(this.item.resource, watches ? status : 'terminated', event)
  }

  #absent(absence: Absence): void {
    if (this.#absence === absence) return
    this.#absence = absence
    this.#touch()
  }

  #touch(): void {
    this.#version = {}
    if (!this.#isQuiet) this.#services.changed()
  }
}
