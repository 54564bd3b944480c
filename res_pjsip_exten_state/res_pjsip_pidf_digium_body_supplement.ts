/** Adds the presence state, its subtype and its message in the form that Digium's and Sangoma's phones read. */

import { defineModule } from '../core/module.ts'
import { cutForEscaping, element, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodySupplement } from '../res_pjsip_pubsub/contract.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

export default defineModule({
  name: 'res_pjsip_pidf_digium_body_supplement',
  description: 'PIDF presence state for Digium and Sangoma phones',
  requires: ['res_pjsip_pubsub'],
  load({ own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodySupplement(digium))
  },
})

export const digium: BodySupplement<PublishedState, XmlElement> = {
  type: 'application/pidf+xml',
  kind: extensionStateKind,
  share: (to) => (isDigium(to) ? 'digium' : ''),
  variant: () => '',
  supplement(document, { presence, published }, to) {
    if (!isDigium(to) || published?.alone) return
    const { state, subtype, message } = presence
    const told = element(
      'digium_presence',
      { type: state === 'invalid' ? 'not_set' : state, subtype: subtype === '' ? undefined : cutForEscaping(subtype) },
      cutForEscaping(message),
    )
    document.children.push(element('tuple', { id: 'digium-presence' }, [element('status', {}, [told])]))
  },
}

function isDigium({ userAgent }: Addressing): boolean {
  const name = userAgent.toLowerCase()
  return name.includes('digium') || name.includes('sangoma')
}
