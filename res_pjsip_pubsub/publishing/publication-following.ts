/** What another server published, or changed, or took back, as it is in this one. */
import type { PublicationHandler } from '../contract.ts'
import { BodyToRead, type InboundPublication, readStored } from './publication.ts'
import type { PublicationFollower, StoredPublication } from './publication-store.ts'
import type { Publications } from './publications.ts'
import type { Upkeep } from './upkeep.ts'

export interface FollowingServices {
  readonly publications: Publications
  /** By event. */
  readonly handlers: ReadonlyMap<string, PublicationHandler<unknown>>
}

type Keeper = Pick<Upkeep, 'restore' | 'gone' | 'drop' | 'store'>

export function followerOf({ publications, handlers }: FollowingServices, upkeep: Keeper): PublicationFollower {
  /** By publication, what came last, while it is read. */
  const reading = new WeakMap<InboundPublication, StoredPublication['said']>()

  const changed = (known: InboundPublication, { said, lease }: StoredPublication): void => {
    const before = known.entityTag
    if (lease.entityTag !== before || lease.expires !== known.expires) publications.renew(known, lease)
    if (said.received !== known.received || said.body !== known.body) void says(known, said)
    else if (lease.entityTag !== before) publications.tell('refreshed', known)
  }

  /** What it said before is shown until what it says now is read. */
  const says = async (known: InboundPublication, said: StoredPublication['said']): Promise<void> => {
    const { received, body } = known
    reading.set(known, said)
    const of = handlers.get(known.event)
    const read = of && (await readStored(of, new BodyToRead(said.contentType, said.body, known.resource)))
    // Not by the clock, which may have been put back: it is overtaken where anything else was said meanwhile, there or here.
    const isNewest = reading.get(known) === said && known.received === received && known.body === body
    if (publications.ofRuid(known.ruid) !== known || !isNewest) return
    if (read && 'fault' in read) return upkeep.drop(known, `it cannot be read: ${read.fault}`)
    known.says({ ...said, read: read && { state: read.state } }, false)
    publications.refresh(known.event, known.resource)
    publications.tell('changed', known)
  }

  return {
    changed(stored) {
      const known = publications.ofRuid(stored.facts.ruid)
      if (known) return changed(known, stored)
      const { facts } = stored
      const rival = publications.ofInstance(facts)
      if (rival && isLater(rival, stored)) return void upkeep.store.forget(facts)
      if (rival) {
        publications.remove(rival, { quiet: true })
        void upkeep.store.forget(rival)
        publications.tell('replaced', rival)
      }
      const made = upkeep.restore(stored)
      if (made) publications.tell('published', made)
      else publications.refresh(facts.event, facts.resource)
    },
    gone(ruid) {
      const known = publications.ofRuid(ruid)
      if (known) upkeep.gone(known)
    },
    leaveOnly(isThere) {
      for (const known of publications) if (!isThere(known.ruid)) upkeep.gone(known)
    },
  }
}

/** Of two that servers took from one phone at the same time. They all come to the same. */
function isLater({ received, ruid }: InboundPublication, { facts, said }: StoredPublication): boolean {
  return received === said.received ? ruid > facts.ruid : received > said.received
}
