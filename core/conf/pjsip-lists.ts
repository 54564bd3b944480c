/** What a resource list needs besides good values: an event and items, each once, and patterns that can be read. */
import { lastValue } from '../config.ts'
import { reasonOf } from '../log.ts'
import type { ResourceList } from '../resource-list-options.ts'
import { isPattern, readExtenPattern } from './dialplan-pattern.ts'
import type { Findings } from './findings.ts'
import { Checker } from './pjsip-checker.ts'
import type { Draft, Drafts } from './pjsip-conf.ts'

type DraftedList = Omit<ResourceList, 'source'>

/** Those that can be used, each item once. As in Asterisk a list without an event or without items is none. */
export function usableLists(
  lists: ReadonlyMap<string, DraftedList>,
  drafts: Drafts,
  findings: Findings,
): ReadonlyMap<string, ResourceList> {
  const usable = new Map<string, ResourceList>()
  for (const [id, list] of lists) {
    const draft = drafts.get(id)
    if (!draft || !isUsable(list, draft, findings)) continue
    const { file, line } = lastValue(draft.section, 'event') ?? draft.section
    usable.set(id, { ...list, list_item: onceEach(list, draft, findings), source: `${file}:${line}` })
  }
  return usable
}

function isUsable(list: DraftedList, draft: Draft, findings: Findings): boolean {
  const checker = new Checker(list.id, draft, findings)
  const doubt = (message: string, option: string): false => {
    checker.doubt(option, `resource_list [${list.id}] ${message}`)
    return false
  }
  if (list.event === '') return doubt('has no event, expected presence, dialog or message-summary', 'event')
  if (list.list_item.length === 0) return doubt('has no items, expected list_item = NAME', 'list_item')
  for (const item of list.list_item) {
    try {
      if (isPattern(item)) readExtenPattern(item)
    } catch (error) {
      return doubt(`has list_item = ${item}, ${reasonOf(error)}`, 'list_item')
    }
  }
  return true
}

function onceEach({ id, list_item }: DraftedList, { section }: Draft, findings: Findings): readonly string[] {
  const items = new Set<string>()
  for (const item of list_item) {
    if (items.has(item))
      findings.note(`resource_list [${id}] has ${item} twice, expected it once`, lastValue(section, 'list_item'))
    items.add(item)
  }
  return [...items]
}
