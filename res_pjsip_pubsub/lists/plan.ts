/**
 * What a list is to hold, as the configuration has it now. Lists within lists are followed depth first, and each name
 * counts once in the whole tree, at its first place: so lists may go in a circle.
 */
import { isPattern, matchesPattern, readExtenPattern } from '../../core/conf/dialplan-pattern.ts'
import type { ResourceList } from '../../core/resource-list-options.ts'
import type { ListEntry } from './facts.ts'

export interface ListPlan {
  readonly name: string
  readonly fullState: boolean
  /** Whether resources are shown with their display names. */
  readonly showsNames: boolean
  readonly items: readonly PlannedItem[]
}

export type PlannedItem = { readonly list: ListPlan } | PlannedResource

export interface PlannedResource {
  readonly resource: string
  /** As the watcher wrote it; undefined: made of the list's. */
  readonly uri?: string
  /** As the watcher wrote it; undefined: found here. */
  readonly name?: string
  /** It stands for a pattern: where it is not there it is not shown. */
  readonly mayBeMissing: boolean
}

export interface Configured {
  readonly lists: ReadonlyMap<string, ResourceList>
  /** Names that resources may have: what a pattern is held against. */
  readonly names: () => Iterable<string>
}

/** Undefined where there is no list of this name for this event. */
export function configuredPlan(name: string, event: string, configured: Configured): ListPlan | undefined {
  return planOf(name, event, configured, new Set())
}

/** A list of the watcher's own. It is told no names but its own: Linphone renames the contacts of its user by them. */
export function broughtPlan(name: string, entries: readonly ListEntry[]): ListPlan {
  const items = entries.map(({ uri, resource, name: display }) => {
    return { resource, uri, mayBeMissing: false, name: display }
  })
  return { name, fullState: false, showsNames: false, items }
}

function planOf(name: string, event: string, configured: Configured, seen: Set<string>): ListPlan | undefined {
  const list = configured.lists.get(name)
  if (list?.event !== event) return undefined
  seen.add(name)
  const items: PlannedItem[] = []
  for (const item of list.list_item) {
    const isMany = isPattern(item)
    for (const each of isMany ? expand(item, configured) : [item]) {
      if (seen.has(each)) continue
      seen.add(each)
      const inner = isMany ? undefined : planOf(each, event, configured, seen)
      items.push(inner ? { list: inner } : { resource: each, mayBeMissing: isMany })
    }
  }
  return { name, fullState: list.full_state, showsNames: list.resource_display_name, items }
}

function expand(item: string, { names }: Configured): readonly string[] {
  const pattern = readExtenPattern(item)
  const found = [...new Set(names())].filter((name) => matchesPattern(pattern, name))
  return found.sort((a, b) => (a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length))
}

/** How many resources it holds, those of inner lists included. */
export function sizeOf({ items }: ListPlan): number {
  return items.reduce((sum, item) => sum + ('list' in item ? sizeOf(item.list) : 1), 0)
}
