/**
 * The presence format before PIDF, which some desk phones ask for: application/xpidf+xml. Asterisk sends the same document
 * as application/cpim-pidf+xml, the name of PIDF when it was a draft. Only Cisco's enterprise phones (7900, 8800) ask for
 * that, and they read PIDF as their own call manager writes it, which is the other form of it here.
 */
import type { Core } from '../core/core.ts'
import { DATA_MODEL, PIDF } from '../core/documents/pidf.ts'
import { hexDigest } from '../core/hex-digest.ts'
import { defineModule } from '../core/module.ts'
import { EXTENSION } from '../core/states/extension-state.ts'
import { cutForEscaping, element, printXml, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { availabilityOf, STATE_WORDS, xmlId } from './mapping.ts'
import { presenceSharing } from './presence-sharing.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

export default defineModule({
  name: 'res_pjsip_xpidf_body_generator',
  description: 'Extension state XPIDF generator: application/xpidf+xml and application/cpim-pidf+xml',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(xpidf(core, 'application/xpidf+xml')))
    own(pubsub.bodyGenerator(cpimPidf(core)))
  },
})

export function cpimPidf(core: Pick<Core, 'general'>): BodyGenerator<PublishedState, XmlElement> {
  const asterisk = xpidf(core, 'application/cpim-pidf+xml')
  return {
    ...asterisk,
    generate: (state, to) => (core.general.compat === 'asterisk' ? asterisk.generate(state, to) : ciscoForm(state, to)),
  }
}

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

/** Names and order are those of Cisco Unified Communications Manager: an RPID that was a draft, and what Cisco added. */
function ciscoForm(state: PublishedState, { resource, localUri }: Addressing): XmlElement {
  const { basic, activities } = availabilityOf(state)
  const rings = state.state === EXTENSION.RINGING || state.state === EXTENSION.RINGINUSE
  const told = activities.map((name) => {
    if (name === 'on-the-phone' && rings) return 'ce:alerting'
    return name === 'busy' && state.presence.state === 'dnd' ? 'ce:dnd' : `e:${name}`
  })
  const namespaces = {
    xmlns: PIDF,
    'xmlns:dm': DATA_MODEL,
    'xmlns:e': 'urn:ietf:params:xml:ns:pidf:status:rpid',
    'xmlns:ce': 'urn:cisco:params:xml:ns:pidf:rpid',
  }
  return element('presence', { ...namespaces, entity: localUri }, [
    element('dm:person', {}, [
      element(
        'e:activities',
        {},
        told.map((name) => element(name)),
      ),
    ]),
    element('tuple', { id: xmlId('t', resource) }, [element('status', {}, [element('basic', {}, basic)])]),
  ])
}

/** A UUID in its look; Asterisk makes a new one for every body, which would make every body a new one. */
function atomId(...of: readonly string[]): string {
  const hex = hexDigest('sha256', of.join('\0'))
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
