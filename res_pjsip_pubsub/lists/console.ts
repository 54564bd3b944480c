/** `pjsip show resource_lists`: the lists there are, what they hold now, and who watches them. */
import { type ConsoleCommand, likeFilter, plain } from '../../core/console/console.ts'
import type { Subscriptions } from '../subscriptions.ts'
import type { ListSection } from './configured.ts'
import type { ResourceLists } from './subscriptions.ts'

const HEADER = `    List: <List/Event.....................................................>
   Items: <Items as they are written.......................................>
   Holds: <Resources>  Watchers: <Watchers>  FullState: <yes|no>  Batch: <ms>
===========================================================================
`

export function listCommands(lists: ResourceLists, subscriptions: Subscriptions): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show resource_lists',
      args: '[like <regular expression>]',
      help: 'Shows the resource lists, what they hold, and how many watch them.',
      run: (args, out) => {
        const shown = [...sections(lists, subscriptions)].filter(likeFilter(args))
        out.print(HEADER)
        for (const one of shown) out.print(`${one}\n`)
        out.print(`${shown.length} resource lists`)
      },
    },
  ]
}

/** Those that watchers brought are named after what was subscribed to. */
function* sections(lists: ResourceLists, subscriptions: Subscriptions): Iterable<string> {
  for (const section of lists.configured.sections()) {
    const watchers = [...subscriptions.ofResource(section.event, section.name)]
    yield block(section, watchers.filter(({ list }) => list && list.entries === undefined).length)
  }
  for (const { list, event, resource } of subscriptions) {
    if (!list?.entries) continue
    const items = list.entries.map((entry) => entry.resource)
    const brought = { name: resource, event, items, resources: items.length, fullState: false, batch: 0 }
    yield block(brought, 1)
  }
}

function block({ name, event, items, resources, fullState, batch }: ListSection, watchers: number): string {
  return (
    `    List: ${plain(`${name}/${event}`)}\n   Items: ${plain(items.join(','))}\n` +
    `   Holds: ${resources}  Watchers: ${watchers}  FullState: ${fullState ? 'yes' : 'no'}  Batch: ${batch}`
  )
}
