/**
 * The presence format before PIDF, which some desk phones ask for: application/xpidf+xml, and the same document as
 * application/cpim-pidf+xml.
 */
import type { Core } from '../core/core.ts'
import { hexDigest } from '../core/hex-digest.ts'
import { defineModule } from '../core/module.ts'
import { cutForEscaping, element, printXml, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { availabilityOf, STATE_WORDS } from './mapping.ts'
import { presenceSharing } from './presence-sharing.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

export default defineModule({
  name: 'res_pjsip_xpidf_body_generator',
  description: 'Extension state XPIDF generator: application/xpidf+xml and application/cpim-pidf+xml',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(xpidf(core, 'application/xpidf+xml')))
    own(pubsub.bodyGenerator(xpidf(core, 'application/cpim-pidf+xml')))
  },
})

export function xpidf(core: Pick<Core, 'general'>, type: string): BodyGenerator<PublishedState, XmlElement> {
  return {
    type,
    kind: extensionStateKind,
    ...presenceSharing(core),
    generate(state, to) {
      const address = core.general.compat === 'asterisk' ? to.remoteUri : to.localUri
      if (core.general.compat === 'asterisk' && !state.published?.alone)
        return document(to, address, STATE_WORDS[state.state])
      return document(to, address, availabilityOf(state))
    },
    print: (root) => ({ text: printXml(root) }),
  }
}

/** The address is the watched URI; Asterisk puts the watcher's there. */
function document(
  { resource, localUri }: Addressing,
  address: string,
  { status, substatus }: { readonly status: string; readonly substatus: string },
): XmlElement {
  return element('presence', {}, [
    element('presentity', { uri: `${cutForEscaping(localUri)};method=SUBSCRIBE` }),
    element('atom', { atomid: atomId(localUri, address), id: cutForEscaping(resource) }, [
      element('address', { uri: `${cutForEscaping(address)};user=ip`, priority: '0.80000' }, [
        element('status', { status }),
        element('msnsubstatus', { substatus }),
      ]),
    ]),
  ])
}

/** A UUID in its look; Asterisk makes a new one for every body, which would make every body a new one. */
function atomId(...of: readonly string[]): string {
  const hex = hexDigest('sha256', of.join('\0'))
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
