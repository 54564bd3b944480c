/**
 * Publishes our states as Asterisk publishes its own: all that are known, then each change. Ours is what somebody here
 * or a server of ours has said, and never what others have published to us: so nothing goes in circles.
 */
import { isEntityId } from '../core/entity-id.ts'
import { compileFilter, type OutboundPublish, type PublishedEventName } from '../core/publication-options.ts'
import type { RequestBody } from '../core/sip/contract.ts'
import type { Reported } from '../core/states/reported.ts'
import type { EventPublisher, PublishClient } from './contract.ts'

export interface PublishedStates<State> {
  readonly event: PublishedEventName
  readonly states: Reported<State>
  readonly broughtFilter: (section: OutboundPublish) => string
  /** What is said of something that nobody here knows any more. */
  readonly gone: (name: string, eid: string) => RequestBody
  readonly body: (name: string, state: State, eid: string) => RequestBody
}

/** `eid`: under which they are published. */
export function statePublisher<State>(published: PublishedStates<State>, eid: () => string): EventPublisher {
  return { event: published.event, addsUp: true, start: (client) => follow(published, eid, client) }
}

function follow<State>(
  { states, broughtFilter, gone, body }: PublishedStates<State>,
  eid: () => string,
  client: PublishClient,
): ReturnType<EventPublisher['start']> {
  const { section } = client
  const wanted = compileFilter(broughtFilter(section))
  const filtered = compileFilter(section['@origin_filter'])
  // What other notifiers tell us (`subscription/NAME`, `endpoint/NAME`) may be what they were published.
  const from = section['@origin_filter'] === '' ? (origin: string) => !origin.includes('/') : filtered
  const isOurs = (origin: string): boolean => !isEntityId(origin) && from(origin) && !client.isFrom(origin)
  const said = new Map<string, State>()
  const bodyOf = (name: string): RequestBody => {
    const now = states.seen(name, isOurs)
    return now === undefined ? gone(name, eid()) : body(name, now, eid())
  }
  const tell = (name: string): void => {
    const key = name.toLowerCase()
    const before = said.get(key)
    const now = states.seen(name, isOurs)
    if (now === undefined) {
      if (!said.delete(key)) return
      client.say({ key, once: true, body: () => bodyOf(name) })
    } else if (before === undefined || !states.same(before, now)) {
      said.set(key, now)
      client.say({ key, body: () => bodyOf(name) })
    }
  }
  const stop = states.onReport((name, origin) => {
    if (isOurs(origin) && wanted(name)) tell(name)
  })
  let saidAs = eid()
  const reload = (): void => {
    if (saidAs !== eid()) {
      saidAs = eid()
      client.anew()
    }
    for (const { name } of states.list()) if (wanted(name)) tell(name)
  }
  reload()
  return { stop, reload }
}
