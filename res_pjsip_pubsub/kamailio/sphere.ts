/** The sphere that a presentity publishes itself to be in (RFC 4480 3.9). */
import type { Watchable } from '../../core/watch.ts'
import type { PublishedPresence } from '../../res_pjsip_exten_state/published.ts'
import type { Kind, Publication, Pubsub } from '../contract.ts'

/** As the package presence names what is published for it. */
const presenceKind: Kind<PublishedPresence> = { name: 'published presence' }

type Published = readonly Publication<PublishedPresence>[]

export function publishedPresence(pubsub: Pick<Pubsub, 'publications'>, presentity: string): Watchable<Published> {
  return pubsub.publications('presence', presentity, presenceKind)
}

/** Of the best publication that names any: elements (`<home/>`) or words. */
export function spheresOf(published: Published): readonly string[] {
  for (const { state } of published) {
    const spheres = state.persons
      .flatMap(({ children }) => children)
      .filter(({ name }) => name === 'rpid:sphere')
      .flatMap(({ children, text }) => [...children.map(({ name }) => name.replace('rpid:', '')), text.trim()])
      .filter((sphere) => sphere !== '')
    if (spheres.length > 0) return spheres
  }
  return []
}
