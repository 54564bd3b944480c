/**
 * Presence documents (RFC 3863): application/pidf+xml.
 *
 * Asterisk's form has its note before the tuple, a tuple id that need not be an xs:ID, and the watcher's own URI as
 * the contact. The RFC's form is valid by the schema and names the watched URI, so all watchers share one text.
 */
import type { Core } from '../core/core.ts'
import { PIDF } from '../core/documents/pidf.ts'
import { defineModule } from '../core/module.ts'
import type { ExtensionState } from '../core/states/extension-state.ts'
import { cutForEscaping, element, printXml, type XmlElement } from '../core/xml.ts'
import type { Addressing, BodyGenerator } from '../res_pjsip_pubsub/contract.ts'
import { availabilityOf, STATE_WORDS, xmlId } from './mapping.ts'
import { addPublished, distinguishIds, dummyTuple, joinPersons } from './pidf-composition.ts'
import { presenceSharing } from './presence-sharing.ts'
import { extensionStateKind, type PublishedState } from './published.ts'

export default defineModule({
  name: 'res_pjsip_pidf_body_generator',
  description: 'Extension state PIDF generator: application/pidf+xml',
  requires: ['res_pjsip_pubsub'],
  load({ core, own }, { res_pjsip_pubsub: pubsub }) {
    own(pubsub.bodyGenerator(pidf(core, pubsub)))
  },
})

/** Of pubsub.conf: a tuple where there is none. */
interface Forced {
  readonly settings: { readonly force_dummy_presence: boolean }
}

export function pidf(
  core: Pick<Core, 'general'>,
  forced: Forced = { settings: { force_dummy_presence: false } },
): BodyGenerator<PublishedState, XmlElement> {
  return {
    type: 'application/pidf+xml',
    kind: extensionStateKind,
    ...presenceSharing(core),
    generate(state, to) {
      const document = core.general.compat === 'asterisk' ? asteriskForm(state, to) : rfcForm(state, to)
      if (state.published) addPublished(document, state.published)
      const empty = !document.children.some(({ name }) => name === 'tuple')
      if (empty && forced.settings.force_dummy_presence) document.children.unshift(dummyTuple(xmlId('t', to.resource)))
      return document
    },
    print(document) {
      joinPersons(document)
      distinguishIds(document)
      return { text: printXml(document) }
    },
  }
}

function rfcForm(state: ExtensionState, { resource, localUri }: Addressing): XmlElement {
  const { basic, note } = availabilityOf(state)
  return element('presence', { entity: localUri, xmlns: PIDF }, [
    element('tuple', { id: xmlId('t', resource) }, [
      element('status', {}, [element('basic', {}, basic)]),
      element('contact', { priority: '1' }, localUri),
    ]),
    element('note', { 'xml:lang': 'en' }, note),
  ])
}

function asteriskForm({ state }: ExtensionState, { resource, localUri, remoteUri }: Addressing): XmlElement {
  const { basic, note } = STATE_WORDS[state]
  return element('presence', { entity: cutForEscaping(localUri), xmlns: PIDF }, [
    element('note', {}, note),
    element('tuple', { id: cutForEscaping(resource) }, [
      element('status', {}, [element('basic', {}, basic)]),
      element('contact', { priority: '1' }, cutForEscaping(remoteUri)),
    ]),
  ])
}
