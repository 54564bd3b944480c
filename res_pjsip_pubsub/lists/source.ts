/**
 * A resource list as one watcher watches it: a state that is made of those of its resources. What it hands on is itself,
 * as what is told of it depends on what was told before.
 */
import type { Endpoint } from '../../core/endpoints.ts'
import { parseUri, printHostPort, printUri } from '../../core/sip/parse-uri.ts'
import { Timer } from '../../core/timer.ts'
import { Observable, type WatchObserver } from '../../core/watch.ts'
import { ListBody, type ListContext } from './body.ts'
import type { Shown, ShownList } from './document.ts'
import type { ListFacts } from './facts.ts'
import { isLinphone } from './linphone.ts'
import { ListMember, type MemberServices, type Rendering, type Watching } from './member.ts'
import type { ListPlan, PlannedItem, PlannedResource } from './plan.ts'

interface SourceServices extends Omit<MemberServices, 'changed' | 'deactivated'> {
  readonly facts: ListFacts
  /** As the configuration has it now; undefined where there is no such list any more. */
  readonly plan: () => ListPlan | undefined
  /** Equal for names that mean the same resource. */
  readonly nameKey: (resource: string) => string
  readonly isPublished: (resource: string) => boolean
  /** Milliseconds that changes are gathered. */
  readonly batch: () => number
  readonly compat: () => 'rfc' | 'asterisk'
  /** The number its documents begin with. */
  readonly firstVersion: number
  /** It is watched from now on, or not any more. */
  readonly watched: (source: ListSource, isWatched: boolean) => void
  /** Resources are found and authorized for this endpoint from now on: its options were read again. */
  readonly servedAs: (endpoint: Endpoint) => void
}

/** Of the subscription. */
interface ListAddress {
  readonly localUri: string
  readonly dialogId: string
  readonly userAgent: string
}

interface Node {
  readonly key: string
  readonly parent: string
  readonly plan: ListPlan
  readonly items: readonly (Node | ListMember)[]
}

export class ListSource extends Observable<ListSource> {
  readonly #services: SourceServices
  readonly #ofMembers: MemberServices
  #root: Node
  #members: ReadonlyMap<string, ListMember>
  readonly #versions = new Map<string, number>()
  #observer: WatchObserver<ListSource> | undefined
  readonly #batch = new Timer()
  #context: (ListContext & ListAddress) | undefined
  #uris = new Map<string, string>()
  #revisions = 0

  constructor(plan: ListPlan, services: SourceServices) {
    super()
    this.#services = services
    // Made where there are no members of before yet: whoever stays would keep them, and those keep the ones before them.
    this.#ofMembers = {
      ...services,
      changed: () => this.#changed(),
      deactivated: () => this.#end('deactivated'),
    }
    const { root, members } = this.#plant(plan, new Map())
    this.#root = root
    this.#members = members
  }

  get facts(): ListFacts {
    return this.#services.facts
  }

  get value(): this {
    return this
  }

  /** Each once. */
  get resources(): readonly string[] {
    return [...new Set([...this.#members.values()].map(({ item }) => item.resource))]
  }

  /** Names of those that are not there, each once. */
  get missing(): readonly string[] {
    const gone = [...this.#members.values()].filter(({ absence }) => absence === 'noresource')
    return [...new Set(gone.map(({ item }) => item.resource))]
  }

  /** Whether anything of it can be seen. */
  get isVisible(): boolean {
    return isVisible(this.#root, this.#services.hidesMissing)
  }

  /** Resolves when all resources have been looked up. */
  async look(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.look()))
  }

  /** By one observer, the subscription. */
  attach(observer: WatchObserver<ListSource>): void {
    this.#observer = observer
    for (const member of this.#members.values()) member.follow()
    this.#services.watched(this, true)
    observer.value(this)
    // The configuration may have been read again while resources were looked up, and some have been published about.
    if (this.#services.plan() !== this.#root.plan) void this.revise()
    else void this.retryPublished()
  }

  detach(observer: WatchObserver<ListSource>): boolean {
    if (this.#observer !== observer) return false
    this.#observer = undefined
    this.#batch.clear()
    for (const member of this.#members.values()) member.stop()
    this.#services.watched(this, false)
    return true
  }

  /** How its watcher stands to each resource of this name, whose name may be written otherwise in the list. */
  *watchingOf(resource: string): Iterable<Watching & Pick<PlannedResource, 'resource'>> {
    const { nameKey } = this.#services
    const wanted = nameKey(resource)
    for (const { item, watching } of this.#members.values())
      if (watching && nameKey(item.resource) === wanted) yield { ...watching, resource: item.resource }
  }

  /** Nothing can be said of any of its resources. */
  get isUnavailable(): boolean {
    const members = [...this.#members.values()]
    return members.length > 0 && members.every((member) => member.absence === 'probation')
  }

  /** Leave is asked for each resource anew. Never rejects. */
  async authorize(endpoint: Endpoint): Promise<void> {
    this.#services.servedAs(endpoint)
    await Promise.all([...this.#members.values()].map((member) => member.authorize()))
    await this.retryUnavailable()
  }

  /** Looks again for those of which nothing could be said. Never rejects. */
  retryUnavailable(): Promise<void> {
    return this.#retry(({ absence }) => absence === 'probation')
  }

  /** Looks again for those that were not there, and that something is published about. Never rejects. */
  retryPublished(): Promise<void> {
    const { isPublished } = this.#services
    return this.#retry(({ absence, item }) => absence === 'noresource' && isPublished(item.resource))
  }

  /** The configuration was read again. Never rejects. */
  async revise(): Promise<void> {
    const revision = ++this.#revisions
    const plan = this.#services.plan()
    if (!plan) return this.#end('noresource')
    if (!samePlan(plan, this.#root.plan)) {
      const planted = this.#plant(plan, this.#members)
      await Promise.all([...planted.members.values()].map((member) => member.look()))
      if (revision !== this.#revisions) return
      for (const [key, member] of this.#members) if (planted.members.get(key) !== member) member.close()
      this.#root = planted.root
      this.#members = planted.members
      if (!this.#observer) return
      for (const member of this.#members.values()) member.follow()
      this.#changed()
    }
    await this.#retry(({ absence }) => absence !== undefined)
  }

  body(address: ListAddress, rendering: Rendering, room: number): ListBody {
    const context = (this.#context ??= this.#contextOf(address))
    return new ListBody(context, this.#show(this.#root, rendering), room)
  }

  async #retry(which: (member: ListMember) => boolean): Promise<void> {
    const missing = [...this.#members.values()].filter(which)
    await Promise.all(missing.map((member) => member.look()))
    const back = missing.filter(({ absence }) => absence === undefined)
    if (!this.#observer || back.length === 0) return
    for (const member of back) member.follow()
    this.#changed()
  }

  #contextOf(address: ListAddress): ListContext & ListAddress {
    const compat = this.#services.compat()
    const host = parseUri(address.localUri)?.host ?? 'localhost'
    return {
      ...address,
      // In a Content-ID an IPv6 address stands in brackets, too (RFC 2045 7, RFC 5322 3.6.4); Asterisk writes none.
      host: compat === 'asterisk' ? host : printHostPort(host),
      style: compat === 'rfc' && isLinphone(address) ? 'linphone' : compat,
      nextVersion: (key) => {
        const version = this.#versions.get(key) ?? this.#services.firstVersion
        this.#versions.set(key, version + 1)
        return version
      },
    }
  }

  #show({ key, parent, plan, items }: Node, rendering: Rendering): ShownList {
    const { hidesMissing } = this.#services
    const shown: Shown[] = []
    for (const item of items) {
      if (!isVisible(item, hidesMissing)) continue
      if (item instanceof ListMember) shown.push(item.shown(this.#uriOfItem, plan.showsNames, rendering))
      else shown.push(this.#show(item, rendering))
    }
    return {
      key,
      parent,
      uri: key === '' ? (this.#context?.localUri ?? '') : this.#uriOf(plan.name),
      name: plan.name,
      fullState: plan.fullState,
      isOver: rendering.isOver,
      items: shown,
    }
  }

  readonly #uriOfItem = ({ uri, resource }: PlannedResource): string => uri ?? this.#uriOf(resource)

  /** As that which was subscribed to, with another user. */
  #uriOf(user: string): string {
    let uri = this.#uris.get(user)
    if (uri !== undefined) return uri
    const { scheme, host, port } = parseUri(this.#context?.localUri ?? '') ?? { scheme: 'sip', host: 'localhost' }
    uri = printUri({ scheme, user, host, port })
    this.#uris.set(user, uri)
    return uri
  }

  /** Members that are there already stay what they are. */
  #plant(
    plan: ListPlan,
    before: ReadonlyMap<string, ListMember>,
  ): { readonly root: Node; readonly members: ReadonlyMap<string, ListMember> } {
    const members = new Map<string, ListMember>()
    const plantOne = (item: PlannedItem, parent: string): Node | ListMember => {
      if ('list' in item) return plantList(item.list, `${parent}/${item.list.name}/`, parent)
      const key = `${parent} ${item.uri ?? item.resource}`
      const known = before.get(key)
      const member =
        known?.item.mayBeMissing === item.mayBeMissing ? known : new ListMember(key, parent, item, this.#ofMembers)
      members.set(key, member)
      return member
    }
    const plantList = (list: ListPlan, key: string, parent: string): Node => {
      return { key, parent, plan: list, items: list.items.map((item) => plantOne(item, key)) }
    }
    return { root: plantList(plan, '', ''), members }
  }

  #changed(): void {
    if (!this.#observer) return
    const batch = this.#services.batch()
    if (batch === 0) return this.#observer.value(this)
    if (!this.#batch.armed) this.#batch.set(batch, () => this.#observer?.value(this))
  }

  #end(reason: 'noresource' | 'deactivated'): void {
    this.#observer?.end?.(reason)
  }
}

function isVisible(item: Node | ListMember, hidesMissing: boolean): boolean {
  if (item instanceof ListMember) return item.isVisible
  // Asterisk prunes lists of which nothing is there.
  return !hidesMissing || item.items.some((inner) => isVisible(inner, hidesMissing))
}

function samePlan(a: ListPlan, b: ListPlan): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
